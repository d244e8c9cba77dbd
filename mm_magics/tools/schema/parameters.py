"""Find out which arguments a function takes: their names, types, descriptions and defaults.

What pydantic's `Field` says is part of the type, wherever it is written: in `Annotated`, or in place of the default.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Mapping
from functools import partial, reduce, singledispatchmethod
from inspect import Parameter
from operator import or_
from typing import Annotated, Any

from mm_magics.errors import UsageError
from mm_magics.tools.schema.type_hints import adapter_of, compatible_hint

if typing.TYPE_CHECKING:
    from pydantic import TypeAdapter


def parameters_of(function: Any, target: Any) -> list[Parameter]:
    """Return the parameters that the model's arguments are for; each annotation is an evaluated type.

    A default that is a `Field` has become part of the annotation. The parameter then has the default of the `Field`,
    which the check of the arguments adds to them; a function must never receive the `Field`.

    Args:
        function: What is called: the target, or a partial of it.
        target: What has the name and the type hints.

    Raises:
        UsageError: If the parameters cannot be determined, or a type hint cannot be evaluated.
    """
    bound = function.keywords if isinstance(function, partial) else {}
    try:
        signature = inspect.signature(function if isinstance(function, partial) else target)
    except (ValueError, TypeError, NameError) as error:
        raise UsageError(
            f"The parameters of {qualified_name(target)} cannot be determined.",
            "Write a function with type hints that calls it.",
        ) from error
    found = [each for each in signature.parameters.values() if each.name not in bound]
    if _dispatching_method(target):
        found = found[1:]
    elif found and found[0].name == "self" and not inspect.ismethod(target):
        raise UsageError(
            f"{qualified_name(target)} is a method without an instance.", "Name the method of an instance."
        )
    evaluated = [_evaluated(target, each) for each in found]
    if evaluated and (types := _dispatched_types(target)) and evaluated[0].annotation in (Any, object):
        evaluated[0] = evaluated[0].replace(annotation=types)
    return evaluated


def positional(target: Any, parameters: list[Parameter]) -> list[Parameter]:
    """Return the parameters whose arguments the function must receive by position."""
    if any(each.kind is Parameter.VAR_POSITIONAL for each in parameters):
        kinds = [Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD, Parameter.VAR_POSITIONAL]
    else:
        kinds = [Parameter.POSITIONAL_ONLY]
    dispatches = _registry(target) is not None or _dispatching_method(target)
    return [each for n, each in enumerate(parameters) if each.kind in kinds or (dispatches and n == 0)]


def arguments_of(target: Any, parameters: list[Parameter]) -> tuple[TypeAdapter[Any], dict[str, Any]]:
    """Return the adapter that checks all arguments at once, and their schema.

    Raises:
        UsageError: If JSON cannot represent one of the types.
    """
    from typing_extensions import TypedDict

    make: Any = TypedDict  # a type checker cannot follow a TypedDict that is made at run time
    named: dict[str, Any] = {}
    extra: dict[str, Any] = {"closed": True}
    try:
        for each in parameters:
            if each.kind is Parameter.VAR_KEYWORD:
                extra = {"extra_items": each.annotation}
            elif each.kind is Parameter.VAR_POSITIONAL:
                named[each.name] = typing.NotRequired[list[each.annotation]]  # type: ignore[name-defined]
            else:
                required = each.default is Parameter.empty
                named[each.name] = each.annotation if required else typing.NotRequired[each.annotation]
        return adapter_of(make("Arguments", named, **extra))
    except TypeError as error:
        for each in parameters:  # pydantic does not say which parameter it is
            try:
                adapter_of(each.annotation)
            except TypeError as reason:
                raise _unsupported(target, each, reason) from error
        raise UsageError(f"{qualified_name(target)} cannot be a tool: {error}") from error


def qualified_name(function: Any) -> str:
    """Return the function's name with its class."""
    name = getattr(function, "__qualname__", None) or type(function).__name__
    return str(name).rpartition("<locals>.")[2]


def _unsupported(target: Any, parameter: Parameter, reason: TypeError) -> UsageError:
    unwrapped = inspect.unwrap(getattr(target, "__func__", target))
    written = getattr(unwrapped, "__annotations__", {}).get(parameter.name, parameter.annotation)
    type_ = written if isinstance(written, str) else inspect.formatannotation(written).removeprefix("__main__.")
    name = qualified_name(target)
    return UsageError(
        f"{name} cannot be a tool: its parameter `{parameter.name}` has the type {type_}: {reason}.",
        f"Use a name or plain values instead, or bind it: functools.partial({name}, {parameter.name}=…).",
    )


def _evaluated(target: Any, parameter: Parameter) -> Parameter:
    """The parameter with its type: Any without a hint, and optional if the default is None."""
    from pydantic.fields import Field, FieldInfo

    hint, default = _hint(target, parameter), parameter.default
    if isinstance(default, FieldInfo):
        hint, default = Annotated[hint, default], Parameter.empty
    elif default is None and hint is not Any:
        hint = typing.Optional[hint]  # noqa: UP045
    fields = [each for each in getattr(hint, "__metadata__", ()) if isinstance(each, FieldInfo)]
    field = next((each for each in reversed(fields) if not each.is_required()), None)
    if field is not None and default is not Parameter.empty:
        hint = Annotated[hint, Field(default=default)]  # a default of the function itself has precedence
    elif field is not None:
        default = ...  # never used, because the check of the arguments adds the default of the field
        if field.default is None:
            hint = Annotated[(typing.Optional[hint.__origin__], *hint.__metadata__)]  # noqa: UP045
    return parameter.replace(annotation=hint, default=default)


def _hint(target: Any, parameter: Parameter) -> Any:
    if parameter.annotation is Parameter.empty:
        return Any
    holder = type("Holder", (), {"__annotations__": {"it": parameter.annotation}})
    unwrapped = inspect.unwrap(getattr(target, "__func__", target))
    try:
        hint = typing.get_type_hints(holder, getattr(unwrapped, "__globals__", {}), _locals(unwrapped), True)["it"]
    except Exception as error:  # an annotation that is text may raise anything
        raise UsageError(
            f"{qualified_name(target)} cannot be a tool: the type hint of `{parameter.name}`, {parameter.annotation}, "
            f"cannot be evaluated: {error}.",
            "Define or import the names in it, and try again.",
        ) from error
    return compatible_hint(hint)


def _locals(function: Any) -> dict[str, Any]:
    """The variables of enclosing functions that it uses."""
    try:
        return dict(inspect.getclosurevars(function).nonlocals)
    except (TypeError, ValueError):
        return {}


# functools.singledispatch ---------------------------------------------------------------------------------------


def _registry(target: Any) -> Mapping[Any, Any] | None:
    """The implementations of a `singledispatch` function by type; None for any other function."""
    registry = getattr(target, "registry", None)
    return registry if isinstance(registry, Mapping) and callable(getattr(target, "dispatch", None)) else None


def _dispatching_method(target: Any) -> singledispatchmethod[Any] | None:
    """The `singledispatchmethod` of a bound method: its signature still has `self`."""
    found = getattr(getattr(target, "register", None), "__self__", None)
    return found if isinstance(found, singledispatchmethod) else None


def _dispatched_types(target: Any) -> Any:
    """The union of the types that have an implementation; None without types that JSON can represent."""
    method = _dispatching_method(target)
    registry = method.dispatcher.registry if method else _registry(target)
    types = [compatible_hint(each) for each in registry or () if each is not object]
    try:
        union = reduce(or_, types) if types else None
        adapter_of(union)
    except TypeError:
        return None
    return union
