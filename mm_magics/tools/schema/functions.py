"""Tools from functions: their schema from type hints and docstring, their arguments checked before the call.

Always true: what is called gets real Python values (members of an enum, instances of a dataclass); an argument that the
model left out is left to the function's own default; the function itself is not changed.
"""

from __future__ import annotations

import inspect
import json
import typing
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from inspect import Parameter
from typing import TYPE_CHECKING, Any, TypeVar, overload

from mm_magics.errors import UsageError
from mm_magics.tools.schema.type_hints import adapter_of, compatible_hint, validate
from mm_magics.tools.tool import Tool

if TYPE_CHECKING:
    from docstring_parser import Docstring
    from pydantic import TypeAdapter

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_SHOWN = 1_000
"""Characters of a default, as JSON, beyond which the schema does not show it."""

_MARK = "__minimax_tool__"


@dataclass(frozen=True)
class _Mark:
    """What `minimax_tool` says of a function, kept as an attribute of it; "" where it says nothing."""

    name: str = ""
    description: str = ""
    asks: bool = False


@overload
def minimax_tool(function: F, /) -> F: ...
@overload
def minimax_tool(*, name: str = "", description: str = "", asks: bool = False) -> Callable[[F], F]: ...
def minimax_tool(function: Any = None, /, *, name: str = "", description: str = "", asks: bool = False) -> Any:
    """Say how a function is offered to a model as a tool, bare or with keywords; it stays callable as it was.

    `name` in place of the function's own, `description` in place of its docstring; `asks`: each call of it needs a yes.
    Functions need no decorator to be named by `--tools`.

    >>> from mm_magics import minimax_tool
    >>> @minimax_tool(name="add", asks=True)
    ... def add_numbers(a: int, b: int = 1) -> int:
    ...     "The sum of two numbers."
    ...     return a + b
    >>> add_numbers(2, 3)
    5
    """
    mark = _Mark(name, description, asks)
    return partial(_marked, mark) if function is None else _marked(mark, function)


def _marked(mark: _Mark, function: F) -> F:
    target: Any = function.__func__ if isinstance(function, staticmethod | classmethod) else function
    try:
        setattr(target, _MARK, mark)
    except (AttributeError, TypeError) as error:
        raise UsageError(
            f"{_said(function)} cannot be marked as a tool.", "Call it in a function of your own, and mark that."
        ) from error
    return function


def tool_of(function: Any) -> Tool:
    """The tool that calls this function, method, `functools.partial` or callable object.

    What a partial binds is not offered. Raises `UsageError`, one clear line, for what cannot be a tool.
    """
    target = _target(function)
    mark = _mark(function, target)
    parameters = _parameters(function, target)
    docstring = _docstring(target)
    said = "\n\n".join(filter(None, (docstring.short_description, docstring.long_description)))
    name = mark.name or _name(target)
    adapter, schema = _arguments(target, parameters)
    _describe(schema, parameters, docstring)
    called = function if isinstance(function, partial) else target
    return Tool(
        name,
        mark.description or said or name,
        schema,
        _by_name(called, [each for each in parameters if each.kind is Parameter.POSITIONAL_ONLY]),
        partial(validate, adapter, names=tuple(schema["properties"])),
        asks=mark.asks,
    )


# What is called -------------------------------------------------------------------------------------------------


def _target(function: Any) -> Any:
    """What is called in the end: it has the name, the hints and the docstring."""
    target: Any = function.func if isinstance(function, partial) else function
    if isinstance(target, type):
        raise UsageError(
            f"{target.__name__} is a class, not a function.",
            f"Name a function that makes one, or ask for an answer of this shape with --schema {target.__name__}.",
        )
    if not callable(target):
        raise UsageError(f"A tool is a function; this is a {type(target).__name__}.", "Name a function.")
    if not (inspect.isroutine(target) or hasattr(target, "__name__")):
        target = target.__call__  # its hints, and whether it is async, are told by the method alone
    if inspect.isgeneratorfunction(target) or inspect.isasyncgenfunction(target):
        raise UsageError(f"{_said(target)} is a generator, which gives a model nothing.", "Let it return a list.")
    return target


def _said(function: Any) -> str:
    name = getattr(function, "__qualname__", None) or type(function).__name__
    return str(name).rpartition("<locals>.")[2]


def _mark(function: Any, target: Any) -> _Mark:
    places = (function, getattr(function, "func", None), target)
    found = (getattr(each, _MARK, None) for each in places)
    return next((each for each in found if isinstance(each, _Mark)), _Mark())


def _name(target: Any) -> str:
    if target.__name__ == "<lambda>":
        raise UsageError(
            "A lambda has no name that a model could call.", 'Write it as a def, or name it: minimax_tool(name="…")(…).'
        )
    return type(target.__self__).__name__ if target.__name__ == "__call__" else str(target.__name__)


def _by_name(function: Callable[..., Any], first: list[Parameter]) -> Callable[..., Any]:
    """The function, called with keywords alone: `first` are those of its parameters that do not take them."""
    if not first:
        return function

    def split(arguments: dict[str, Any]) -> list[Any]:
        return [arguments.pop(each.name, each.default) for each in first]

    def call(**arguments: Any) -> Any:
        return function(*split(arguments), **arguments)

    async def call_async(**arguments: Any) -> Any:
        return await function(*split(arguments), **arguments)

    return call_async if inspect.iscoroutinefunction(function) else call


# What it takes --------------------------------------------------------------------------------------------------


def _parameters(function: Any, target: Any) -> list[Parameter]:
    called = function if isinstance(function, partial) else target
    bound = function.keywords if isinstance(function, partial) else {}
    try:
        signature = inspect.signature(called)
    except (ValueError, TypeError, NameError) as error:
        raise UsageError(
            f"{_said(target)} does not say what it takes.", "Call it in a function of your own, with type hints."
        ) from error
    found = [each for each in signature.parameters.values() if each.name not in bound]
    for each in found:
        if each.kind is Parameter.VAR_POSITIONAL:
            raise UsageError(
                f"{_said(target)} takes *{each.name}; a model gives arguments by name.",
                f"Take a list in its place: {each.name}: list.",
            )
    if found and found[0].name == "self" and not inspect.ismethod(target):
        raise UsageError(f"{_said(target)} is a method without its object.", "Name the method of an instance.")
    return found


def _arguments(target: Any, parameters: list[Parameter]) -> tuple[TypeAdapter[Any], dict[str, Any]]:
    """What checks all arguments at once, and their schema."""
    from typing_extensions import TypedDict

    make: Any = TypedDict  # made as the function is, not as a type checker could follow
    hints = {each.name: _hint(target, each) for each in parameters}
    named: dict[str, Any] = {}
    extra: dict[str, Any] = {"closed": True}
    try:
        for each in parameters:
            if each.kind is Parameter.VAR_KEYWORD:
                extra = {"extra_items": hints[each.name]}
            else:
                required = each.default is Parameter.empty
                named[each.name] = hints[each.name] if required else typing.NotRequired[hints[each.name]]
        return adapter_of(make("Arguments", named, **extra))
    except TypeError as error:
        for each in parameters:  # which of them it is, pydantic does not say
            try:
                adapter_of(hints[each.name])
            except TypeError as reason:
                raise _unfit(target, each, reason) from error
        raise UsageError(f"{_said(target)} cannot be a tool: {error}") from error


def _unfit(target: Any, parameter: Parameter, reason: TypeError) -> UsageError:
    hint = parameter.annotation
    said = hint if isinstance(hint, str) else inspect.formatannotation(hint).removeprefix("__main__.")
    return UsageError(
        f"{_said(target)} cannot be a tool: its parameter `{parameter.name}` is a {said}: {reason}.",
        f"Take a name or plain values for it, or bind it: functools.partial({_said(target)}, {parameter.name}=…).",
    )


def _hint(target: Any, parameter: Parameter) -> Any:
    """The parameter's type: anything without a hint, and None too where it is the default."""
    if parameter.annotation is Parameter.empty:
        return Any
    holder = type("Holder", (), {"__annotations__": {"it": parameter.annotation}})
    unwrapped = inspect.unwrap(getattr(target, "__func__", target))
    try:
        hint = typing.get_type_hints(holder, getattr(unwrapped, "__globals__", {}), _locals(unwrapped), True)["it"]
    except Exception as error:  # whatever an annotation that was written as text does
        raise UsageError(
            f"{_said(target)} cannot be a tool: the hint of `{parameter.name}`, {parameter.annotation}, "
            f"cannot be read: {error}.",
            "Define or import what it names, and try again.",
        ) from error
    hint = compatible_hint(hint)
    return typing.Optional[hint] if parameter.default is None and hint is not Any else hint  # noqa: UP045


def _locals(function: Any) -> dict[str, Any]:
    """Names of the functions around it that it uses itself."""
    try:
        return dict(inspect.getclosurevars(function).nonlocals)
    except (TypeError, ValueError):
        return {}


# What the model is told -----------------------------------------------------------------------------------------


def _docstring(target: Any) -> Docstring:
    import docstring_parser

    text = inspect.getdoc(target)
    if getattr(target, "__name__", "") == "__call__" and not getattr(target, "__doc__", None):
        text = inspect.getdoc(type(target.__self__))
    try:
        return docstring_parser.parse(text or "")
    except docstring_parser.ParseError:  # sections that are not well formed
        found = docstring_parser.Docstring()
        found.short_description = text
        return found


def _describe(schema: dict[str, Any], parameters: list[Parameter], docstring: Docstring) -> None:
    """Write into the schema what docstring and defaults say of its properties."""
    told = {name.strip(): each.description for each in docstring.params for name in each.arg_name.split(",")}
    for each in parameters:
        shown = schema["properties"].get(each.name)
        if shown is None:
            continue
        if told.get(each.name):
            shown.setdefault("description", told[each.name])
        if each.default is not Parameter.empty:
            shown |= _default(each.default)


def _default(value: Any) -> dict[str, Any]:
    """`{"default": …}`, or nothing if JSON cannot say it, or not in short."""
    from pydantic_core import to_jsonable_python

    try:
        default = to_jsonable_python(value)
        return {"default": default} if len(json.dumps(default, allow_nan=False)) <= DEFAULT_SHOWN else {}
    except Exception:  # values of any class run code of their own here
        return {}
