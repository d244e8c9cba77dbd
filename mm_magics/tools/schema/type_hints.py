"""Use pydantic to get the JSON schema of a Python type and to check JSON that a model wrote.

The validated value shares nothing with the JSON it is made from. Problems are reported in plain lines.
"""

from __future__ import annotations

import datetime
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
from mm_magics.text import excerpt, replace_surrogates

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic_core import ErrorDetails

T = TypeVar("T")

MAX_PROBLEMS = 10
"""Problems that one error lists: the model fixes those first."""

MAX_LINE = 300
"""Characters of one problem."""

VALUE_KEYWORDS = ("default", "const", "enum", "examples")
"""Keywords of a schema that contain values, not schemas."""

_NAME_KEYWORDS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
"""Keywords of a schema that contain an object of schemas by name."""


def adapter_of(hint: Any) -> tuple[TypeAdapter[Any], dict[str, Any]]:
    """Return the adapter that validates JSON for this type, and the type's JSON schema.

    Raises:
        TypeError: If JSON cannot represent the type; the message is one line without a full stop.
    """
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about a default that is not JSON: the schema leaves it out
        try:
            adapter: TypeAdapter[Any] = TypeAdapter(compatible_hint(hint))
            schema = _without_titles(adapter.json_schema())
        except (PydanticSchemaGenerationError, PydanticInvalidForJsonSchema) as error:
            raise TypeError("JSON cannot represent it") from error
        except Exception as error:  # pydantic raises many other classes, and types run their own code here
            raise TypeError((str(error).splitlines() or [type(error).__name__])[0].removesuffix(".")) from error
    if "$ref" in schema:  # a recursive type; the top level of a tool's schema must be an object
        name = schema.pop("$ref").rpartition("/")[2]
        schema = {**schema["$defs"][name], **schema}
    return adapter, schema


def validate(adapter: TypeAdapter[Any], value: Any, names: Collection[str] = ()) -> Any:
    """Convert a JSON value to the Python value of the adapter's type. Lone surrogates become �.

    Args:
        adapter: From `adapter_of`.
        value: What the model wrote.
        names: The top-level names that are allowed, to be listed if the model makes one up.

    Raises:
        ToolInputError: If the value does not match the type, with one line per problem.
    """
    from pydantic import ValidationError

    try:
        return adapter.validate_json(replace_surrogates(json.dumps(value, ensure_ascii=False)).encode())
    except ValidationError as error:
        errors = error.errors(include_url=False, include_context=False)
        raise ToolInputError(join_problems(errors, partial(_problem, names=names))) from None
    except Exception as error:  # in the user's validator, or JSON that is nested too deep
        problem = f"The value could not be checked: {type(error).__name__}: {error}"
        raise ToolInputError(excerpt(problem, MAX_LINE)) from error


def join_problems(problems: Sequence[T], describe: Callable[[T], str]) -> str:
    """Return one short line for each of the first problems, and how many more there are."""
    lines = [excerpt(describe(each), MAX_LINE) for each in problems[:MAX_PROBLEMS]]
    if len(problems) > MAX_PROBLEMS:
        lines.append(f"… and {len(problems) - MAX_PROBLEMS:,} more.")
    return "\n".join(lines)


def path_text(path: Iterable[str | int]) -> str:
    """Write a path inside a value as in Python.

    >>> path_text(["rows", 0, "name"])
    'rows[0].name'
    """
    return "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in path).removeprefix(".")


def _problem(error: ErrorDetails, names: Collection[str]) -> str:
    at = path_text(error["loc"])
    if error["type"] == "missing":
        return f"{at}: required, but missing."
    if error["type"] == "extra_forbidden":
        known = f"; the names are {', '.join(names)}" if len(error["loc"]) == 1 and names else ""
        return f"{at}: unknown name{known}."
    if error["type"] == "json_invalid":
        return f"{error['msg']}."
    return f"{at}: {error['msg']}, not {reprlib.repr(error['input'])}.".removeprefix(": ")


def _without_titles(schema: Any) -> Any:
    """The schema without `title`: pydantic derives them from the names of types and properties."""
    if isinstance(schema, list):
        return [_without_titles(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: value
        if key in VALUE_KEYWORDS
        else {name: _without_titles(each) for name, each in value.items()}
        if key in _NAME_KEYWORDS
        else _without_titles(value)
        for key, value in schema.items()
        if key != "title"
    }


def compatible_hint(hint: Any) -> Any:
    """Return the hint in a form that pydantic supports.

    Text in `Annotated` becomes a description, and a NumPy scalar is validated as the Python type it is made from.
    Before Python 3.12, pydantic supports only TypedDicts of `typing_extensions`.
    """
    return _compatible(hint, ())


def _compatible(hint: Any, inside: tuple[Any, ...]) -> Any:
    if isinstance(hint, type) and hint.__module__ == "numpy":
        return _numpy_scalar(hint)
    if sys.version_info < (3, 12) and typing.is_typeddict(hint) and type(hint).__module__ == "typing":
        return hint if hint in inside else _typed_dict(hint, (*inside, hint))
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Required, typing.NotRequired):
        return _compatible(arguments[0], inside)
    if origin is Annotated:
        return Annotated[(_compatible(arguments[0], inside), *map(_description, hint.__metadata__))]
    if not arguments or origin is Literal or any(isinstance(each, list) for each in arguments):
        return hint
    new = tuple(_compatible(each, inside) for each in arguments)
    if new == arguments:
        return hint
    return reduce(or_, new) if origin in (UnionType, typing.Union) else origin[new]


def _typed_dict(hint: Any, inside: tuple[Any, ...]) -> Any:
    import typing_extensions

    required = hint.__required_keys__
    keys = {
        key: (typing.Required if key in required else typing.NotRequired)[_compatible(each, inside)]
        for key, each in typing.get_type_hints(hint, include_extras=True).items()
    }
    make: Any = typing_extensions.TypedDict
    made = make(hint.__name__, keys)
    made.__doc__ = hint.__doc__
    return made


def _description(metadata: Any) -> Any:
    """Text, or a `Doc` of `typing_extensions`, as a pydantic field; any other metadata unchanged."""
    from pydantic import Field

    text = metadata if isinstance(metadata, str) else getattr(metadata, "documentation", None)
    return Field(description=text) if isinstance(text, str) and text.strip() else metadata


_PYTHON_TYPES = {
    "bool": bool,
    "bool_": bool,
    "datetime64": datetime.datetime,
    "timedelta64": datetime.timedelta,
    "integer": int,
    "complexfloating": complex,
    "number": float,
    "str_": str,
    "bytes_": bytes,
}
"""What a NumPy scalar is made from, by the name of its first base class in this table."""

_CONCRETE = {
    "integer": "int64",
    "signedinteger": "int64",
    "unsignedinteger": "uint64",
    "complexfloating": "complex128",
    "number": "float64",
    "inexact": "float64",
    "floating": "float64",
}
"""The class that is made for an abstract class of NumPy."""


def _numpy_scalar(hint: Any) -> Any:
    from pydantic import AfterValidator

    names = [each.__name__ for each in hint.__mro__ if each.__module__ == "numpy"]
    made_from = next((_PYTHON_TYPES[name] for name in names if name in _PYTHON_TYPES), None)
    if made_from is None:
        return hint
    numpy = sys.modules["numpy"]
    scalar = getattr(numpy, _CONCRETE.get(hint.__name__, ""), hint)
    return Annotated[made_from, AfterValidator(partial(_make_scalar, scalar))]


def _make_scalar(scalar: Any, value: Any) -> Any:
    try:
        return scalar(value)
    except OverflowError as error:
        raise ValueError(str(error)) from None
