"""Make tools from functions: the schema from type hints and docstring, the arguments checked before each call.

The function gets real Python values: members of an enum, instances of a data class. Its own defaults apply to arguments
that the model leaves out. The function itself is not changed.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from inspect import Parameter
from operator import methodcaller
from typing import TYPE_CHECKING, Any, TypeVar, overload

from mm_magics.errors import UsageError
from mm_magics.tools.schema.parameters import arguments_of, parameters_of, positional, qualified_name
from mm_magics.tools.schema.type_hints import validate
from mm_magics.tools.tool import Tool

if TYPE_CHECKING:
    from docstring_parser import Docstring

F = TypeVar("F", bound=Callable[..., Any])

MAX_DEFAULT = 1_000
"""Characters of a default, as JSON, above which the schema leaves it out."""

_MARK = "__minimax_tool__"


@dataclass(frozen=True)
class _Mark:
    """What `minimax_tool` sets for a function, stored as an attribute of it; "" for what it does not set."""

    name: str = ""
    description: str = ""
    asks: bool = False


@overload
def minimax_tool(function: F, /) -> F: ...
@overload
def minimax_tool(*, name: str = "", description: str = "", asks: bool = False) -> Callable[[F], F]: ...
def minimax_tool(function: Any = None, /, *, name: str = "", description: str = "", asks: bool = False) -> Any:
    """Set how a function is offered to the model as a tool.

    Use it as a decorator, with or without keywords. The function can still be called as before. Functions without the
    decorator can be tools too: name them with `--tools` or pass them as `tools=`.

    >>> from mm_magics import minimax_tool
    >>> @minimax_tool(name="add", asks=True)
    ... def add_numbers(a: int, b: int = 1) -> int:
    ...     "Add two numbers."
    ...     return a + b
    >>> add_numbers(2, 3)
    5

    The model is offered the tool `add` with a schema from the type hints:

    >>> from mm_magics.tools.schema.functions import tool_of
    >>> tool = tool_of(add_numbers)
    >>> tool.name, tool.description, tool.asks
    ('add', 'Add two numbers.', True)
    >>> tool.schema["properties"]
    {'a': {'type': 'integer'}, 'b': {'type': 'integer', 'default': 1}}

    Args:
        function: The function, if the decorator is used without keywords.
        name: The tool's name; by default the function's name.
        description: What the model reads about the tool; by default the function's docstring. Arguments are described
            by the docstring's `Args:` section, by `Annotated[…, "text"]`, or by `pydantic.Field(description=…)`.
        asks: Whether each call requires approval, from you or from a rule.

    Returns:
        The function itself, or the decorator if keywords are given.

    Raises:
        UsageError: If the function cannot be marked, as a function written in C cannot.
    """
    mark = _Mark(name, description, asks)
    return partial(_marked, mark) if function is None else _marked(mark, function)


def _marked(mark: _Mark, function: F) -> F:
    target: Any = function.__func__ if isinstance(function, staticmethod | classmethod) else function
    try:
        setattr(target, _MARK, mark)
    except (AttributeError, TypeError) as error:
        raise UsageError(
            f"{qualified_name(function)} cannot be marked as a tool.", "Write a function that calls it, and mark that."
        ) from error
    return function


def tool_of(function: Any) -> Tool:
    """Make a tool of a function, method, `functools.partial` or callable object.

    Arguments that a partial binds are not offered to the model.

    Raises:
        UsageError: If it cannot be a tool.
    """
    target = _target(function)
    mark = _mark(function, target)
    parameters = parameters_of(function, target)
    docstring = _docstring(target)
    description = "\n\n".join(filter(None, (docstring.short_description, docstring.long_description)))
    name = mark.name or _name(target)
    adapter, schema = arguments_of(target, parameters)
    _describe(schema, parameters, docstring)
    called = function if isinstance(function, partial) else target
    return Tool(
        name,
        mark.description or description or name,
        schema,
        _by_name(called, positional(target, parameters)),
        partial(validate, adapter, names=tuple(schema["properties"])),
        asks=mark.asks,
    )


# What is called -------------------------------------------------------------------------------------------------


def _target(function: Any) -> Any:
    """The function that has the name, the hints and the docstring."""
    target: Any = function.func if isinstance(function, partial) else function
    if isinstance(target, type):
        raise UsageError(
            f"{target.__name__} is a class, not a function.",
            f"Name a function that makes one, or request an answer of this type with --schema {target.__name__}.",
        )
    if not callable(target):
        raise UsageError(f"A tool must be a function, not a value of type {type(target).__name__}.", "Name a function.")
    if not (inspect.isroutine(target) or hasattr(target, "__name__")):
        target = target.__call__  # only the method has the hints and is async
    if inspect.isgeneratorfunction(target) or inspect.isasyncgenfunction(target):
        raise UsageError(
            f"{qualified_name(target)} is a generator, whose values a model cannot read.", "Return a list instead."
        )
    return target


def _mark(function: Any, target: Any) -> _Mark:
    places = (function, getattr(function, "func", None), target)
    found = (getattr(each, _MARK, None) for each in places)
    return next((each for each in found if isinstance(each, _Mark)), _Mark())


def _name(target: Any) -> str:
    if target.__name__ == "<lambda>":
        raise UsageError(
            "A lambda has no name for a model to call it by.",
            'Write it as a def, or name it: minimax_tool(name="…")(…).',
        )
    return type(target.__self__).__name__ if target.__name__ == "__call__" else str(target.__name__)


def _by_name(function: Callable[..., Any], first: list[Parameter]) -> Callable[..., Any]:
    """The function, called with keywords only: `first` are the parameters that it receives by position."""
    if not first:
        return function

    def split(arguments: dict[str, Any]) -> list[Any]:
        values = []
        for each in first:
            if each.kind is Parameter.VAR_POSITIONAL:
                values += arguments.pop(each.name, [])
            else:
                values.append(arguments.pop(each.name, each.default))
        return values

    def call(**arguments: Any) -> Any:
        return function(*split(arguments), **arguments)

    async def call_async(**arguments: Any) -> Any:
        return await function(*split(arguments), **arguments)

    return call_async if inspect.iscoroutinefunction(function) else call


# What the model reads -----------------------------------------------------------------------------------------


def _docstring(target: Any) -> Docstring:
    import docstring_parser

    text = inspect.getdoc(target)
    if getattr(target, "__name__", "") == "__call__" and not getattr(target, "__doc__", None):
        text = inspect.getdoc(type(target.__self__))
    try:
        return docstring_parser.parse(text or "")
    except docstring_parser.ParseError:  # sections that are not well-formed
        found = docstring_parser.Docstring()
        found.short_description = text
        return found


def _describe(schema: dict[str, Any], parameters: list[Parameter], docstring: Docstring) -> None:
    """Add the descriptions of the docstring and the defaults to the schema's properties."""
    described = {name.strip(" *\\"): each.description for each in docstring.params for name in each.arg_name.split(",")}
    for each in parameters:
        property_ = schema["properties"].get(each.name)
        if property_ is None:
            continue
        inside = [one["description"] for one in property_.get("anyOf", ()) if "description" in one]
        if text := described.get(each.name) or (inside[0] if len(inside) == 1 else None):
            property_.setdefault("description", text)
        if each.default is not Parameter.empty and "default" not in property_:
            property_ |= _default(each.default)


def _default(value: Any) -> dict[str, Any]:
    """`{"default": …}`, or nothing if it is too long or not JSON."""
    from pydantic_core import to_jsonable_python

    try:
        default = to_jsonable_python(value, fallback=methodcaller("tolist"))  # NumPy's
        return {"default": default} if len(json.dumps(default, allow_nan=False)) <= MAX_DEFAULT else {}
    except Exception:  # values of any class run their own code here
        return {}
