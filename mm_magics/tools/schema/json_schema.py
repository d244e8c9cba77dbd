"""Read and check a JSON schema that the user gives, and check JSON values against it.

Nothing that a schema refers to is fetched.
"""

from __future__ import annotations

import json
import reprlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from mm_magics.errors import ToolInputError, UsageError
from mm_magics.text import excerpt
from mm_magics.tools.schema.type_hints import MAX_LINE, VALUE_KEYWORDS, join_problems, path_text

if TYPE_CHECKING:
    from jsonschema import ValidationError

MAX_ERRORS = 1_000
"""Errors that are collected before the first ones are reported."""

_EXAMPLE = 'Example: {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}.'


def read_schema(given: str | Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a JSON schema, given as a mapping or as text.

    Raises:
        UsageError: If it is not a JSON object.
    """
    try:
        schema = json.loads(given if isinstance(given, str) else json.dumps(dict(given)))
    except (ValueError, TypeError, RecursionError) as error:
        raise UsageError(f"The schema is not JSON: {error}.", _EXAMPLE) from error
    if not isinstance(schema, dict):
        raise UsageError(f"A JSON schema is an object, not {reprlib.repr(schema)}.", _EXAMPLE)
    if "properties" in schema:
        schema.setdefault("type", "object")
    return schema


def schema_check(schema: dict[str, Any]) -> Callable[[Any], Any]:
    """Return a function that copies a JSON value that matches the schema, and raises `ToolInputError` for others.

    Raises:
        UsageError: If the schema is invalid, accepts every value, or refers to something outside of it.
    """
    from jsonschema import Draft202012Validator, SchemaError, validators
    from referencing import Registry
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT202012

    try:
        validator = validators.validator_for(schema, default=Draft202012Validator)
        validator.check_schema(schema)
        if not schema.keys() & validator.VALIDATORS.keys():
            raise UsageError("The schema accepts every value: it has no keyword of JSON Schema.", _EXAMPLE)
        registry: Registry[Any] = Registry()  # empty, because jsonschema fetches references by default
        resolver = registry.resolver_with_root(DRAFT202012.create_resource(schema))
        for reference in _references(schema):
            resolver.lookup(reference)
    except SchemaError as error:
        at = path_text(error.absolute_path) or "the top level"
        raise UsageError(f"The schema is invalid at {at}: {excerpt(error.message, MAX_LINE)}.", _EXAMPLE) from error
    except Unresolvable as error:
        raise UsageError(
            f"The schema refers to {reference}, which it does not contain.", "Put the referenced schema into $defs."
        ) from error
    except (AttributeError, TypeError, ValueError, RecursionError) as error:  # a `$schema` that is not text, say
        raise UsageError(f"The schema is invalid: {error}.", _EXAMPLE) from error
    return partial(_checked_copy, validator(schema, registry=registry))


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for each in schema:
            yield from _references(each)
    elif isinstance(schema, dict):
        for key, each in schema.items():
            if key in ("$ref", "$dynamicRef") and isinstance(each, str):
                yield each
            elif key not in VALUE_KEYWORDS:
                yield from _references(each)


def _checked_copy(validator: Any, value: Any) -> Any:
    try:
        copied = json.loads(json.dumps(value))  # the value that the model wrote goes into the history unchanged
        errors = list(islice(validator.iter_errors(copied), MAX_ERRORS))
    except Exception as error:  # JSON that is nested too deep, a schema that refers to itself without end
        raise ToolInputError(f"The value could not be checked: {type(error).__name__}.") from error
    if errors:
        raise ToolInputError(join_problems(errors, _problem))
    return copied


def _problem(error: ValidationError) -> str:
    """One line about an error; of several alternatives, about the best match."""
    from jsonschema.exceptions import best_match

    nearest = best_match([error])
    return f"{path_text(nearest.absolute_path)}: {nearest.message}.".removeprefix(": ")
