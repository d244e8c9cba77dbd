"""JSON schemas of Python types, and JSON that a model wrote checked against them, both by pydantic.

Always true: what is wrong with a type or a value is said in plain lines; the value that was checked is left as it is
and shares nothing with the one that comes of it.
"""

from __future__ import annotations

import json
import reprlib
import sys
import typing
import warnings
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial, reduce
from operator import or_
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from mm_magics.errors import ToolInputError

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic_core import ErrorDetails

T = TypeVar("T")

PROBLEMS = 10
"""Problems that one answer names; a model mends those first."""

LINE = 300

DATA = ("default", "const", "enum", "examples")
"""What in a schema holds values, not schemas."""

_NAMED = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")


def adapted(hint: Any) -> tuple[TypeAdapter[Any], dict[str, Any]]:
    """What checks JSON against this type, and its JSON schema. Raises `TypeError`, one line, if JSON cannot give it."""
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a default that JSON cannot say is left out, which harms nobody
        try:
            adapter: TypeAdapter[Any] = TypeAdapter(supported(hint))
            schema = _untitled(adapter.json_schema())
        except (PydanticSchemaGenerationError, PydanticInvalidForJsonSchema) as error:
            raise TypeError("JSON has nothing like it") from error
        except Exception as error:  # pydantic's others are of many classes, and types run code of their own here
            raise TypeError((str(error).splitlines() or [type(error).__name__])[0].removesuffix(".")) from error
    if "$ref" in schema:  # a type that holds itself; a tool's schema must say at its top that it is an object
        name = schema.pop("$ref").rpartition("/")[2]
        schema = {**schema["$defs"][name], **schema}
    return adapter, schema


def checked(adapter: TypeAdapter[Any], value: Any, names: Collection[str] = ()) -> Any:
    """The Python value that this JSON stands for. Raises `ToolInputError` with what does not fit, a line for each.

    `names` are those that an object may have at its top, to be told to a model that makes one up.
    """
    from pydantic import ValidationError

    try:
        return adapter.validate_json(_as_utf8(json.dumps(value, ensure_ascii=False)))
    except ValidationError as error:
        errors = error.errors(include_url=False, include_context=False)
        raise ToolInputError(listed(errors, partial(_line, names=names))) from None
    except Exception as error:  # a validator of the user's own, or JSON too deep to be written
        raise ToolInputError(line(f"It could not be checked: {type(error).__name__}: {error}")) from error


def _as_utf8(text: str) -> bytes:
    """The text as UTF-8, with � for lone surrogates: a string that pydantic checks cannot contain them."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def listed(problems: Sequence[T], said: Callable[[T], str]) -> str:
    """A line for each problem, the first few of them, none of them long."""
    more = [f"… and {len(problems) - PROBLEMS:,} more."] if len(problems) > PROBLEMS else []
    return "\n".join([*(line(said(each)) for each in problems[:PROBLEMS]), *more])


def line(text: str) -> str:
    """The text as one line that is not long."""
    whole = " ".join(text.split())
    return whole if len(whole) <= LINE else whole[: LINE - 1] + "…"


def place(path: Iterable[str | int]) -> str:
    """Where in a value something is, as Python would say it."""
    return "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in path).removeprefix(".")


def _line(error: ErrorDetails, names: Collection[str]) -> str:
    at = place(error["loc"])
    if error["type"] == "missing":
        return f"{at}: it is missing."
    if error["type"] == "extra_forbidden":
        known = f"; there is {', '.join(names)}" if len(error["loc"]) == 1 and names else ""
        return f"{at}: there is no such name{known}."
    if error["type"] == "json_invalid":
        return f"{error['msg']}."
    return f"{at}: {error['msg']}, not {reprlib.repr(error['input'])}.".removeprefix(": ")


def _untitled(schema: Any) -> Any:
    """The schema without `title`: pydantic makes them of the names that stand beside them."""
    if isinstance(schema, list):
        return [_untitled(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: value
        if key in DATA
        else {name: _untitled(each) for name, each in value.items()}
        if key in _NAMED
        else _untitled(value)
        for key, value in schema.items()
        if key != "title"
    }


def supported(hint: Any) -> Any:
    """The hint as pydantic takes it: before Python 3.12 it knows `typing_extensions.TypedDict` alone."""
    return hint if sys.version_info >= (3, 12) else _modern(hint, ())


def _modern(hint: Any, inside: tuple[Any, ...]) -> Any:
    import typing_extensions

    if typing.is_typeddict(hint) and type(hint).__module__ == "typing" and hint not in inside:
        hints = typing.get_type_hints(hint, include_extras=True)
        required = hint.__required_keys__
        keys = {
            key: (typing.Required if key in required else typing.NotRequired)[_modern(each, (*inside, hint))]
            for key, each in hints.items()
        }
        make: Any = typing_extensions.TypedDict
        made = make(hint.__name__, keys)
        made.__doc__ = hint.__doc__
        return made
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Required, typing.NotRequired):
        return _modern(arguments[0], inside)
    if origin is Annotated:
        return Annotated[(_modern(arguments[0], inside), *hint.__metadata__)]
    if not arguments or origin is Literal or any(isinstance(each, list) for each in arguments):
        return hint
    new = tuple(_modern(each, inside) for each in arguments)
    if new == arguments:
        return hint
    return reduce(or_, new) if origin in (UnionType, typing.Union) else origin[new]
