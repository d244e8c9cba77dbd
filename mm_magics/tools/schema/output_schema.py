"""What `--schema` names: the shape that an answer is to have, and the answer made into a Python value of it.

Always true: a value that comes from here fits the shape; between two values that an answer may mean none is chosen;
nothing that a schema refers to is fetched.
"""

from __future__ import annotations

import inspect
import json
import re
import reprlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from mm_magics.errors import ToolInputError, UsageError
from mm_magics.tools.schema.type_hints import DATA, adapted, checked, line, listed, place

if TYPE_CHECKING:
    from jsonschema import ValidationError

KEY = "value"
"""A tool's input is an object; a shape that is none is this property of one."""

PROSE = 10_000
"""Characters of an answer beyond which it is not searched for one number or word."""

_EXAMPLE = 'One is {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}.'
_OPENING = re.compile(r"[\[{]")
_OPENINGS = 1_000
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[^\n]*\n(.*?)^[ \t]*\1[ \t]*$", re.DOTALL | re.MULTILINE)
_SCALAR = re.compile(
    r'"(?:[^"\\\n]|\\.)*"|(?<![\w.,/:+-])-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w%]|[.,/:-]\d)|\b(?:true|false|null)\b'
)


@dataclass(frozen=True)
class OutputSchema:
    """The shape of an answer.

    `schema` is the JSON schema of a tool's input, an object. `name` names the tool. `instruction` asks for the JSON in
    words, for an endpoint that does not force a tool.
    """

    name: str
    schema: Mapping[str, Any]
    instruction: str
    wrapped: bool = field(repr=False)
    check: Callable[[Any], Any] = field(repr=False)
    """The Python value that JSON stands for; raises `ToolInputError`."""

    def parse_input(self, given: Mapping[str, Any]) -> Any:
        """The value that a call of the tool gives. Raises `ToolInputError` with what does not fit, a line for each."""
        if not self.wrapped:
            return self.check(given)
        if not isinstance(given, Mapping) or set(given) != {KEY}:
            raise ToolInputError(f"The input must be an object with {KEY} alone.")
        return self.check(given[KEY])

    def parse_text(self, text: str) -> Any:
        """The value that an answer in words gives: JSON alone, in a fence or among words, or one word or number.

        Raises `ToolInputError` if there is none, if none fits (with what does not, a line for each) or if several do.
        """
        refused: ToolInputError | None = None
        for found in (_whole, _fenced, _embedded, _as_string, _scalars):
            if refused and found is _scalars:
                break  # what stands inside JSON that does not fit is not what was meant
            fitting: dict[str, Any] = {}
            for each in found(text):
                try:
                    fitting[json.dumps(each, sort_keys=True)] = self._unwrapped(each)
                except ToolInputError as error:
                    refused = refused or (None if found is _as_string else error)
            if len(fitting) > 1:
                raise ToolInputError(f"The answer holds {len(fitting)} values that fit; give one alone.")
            if fitting:
                return fitting.popitem()[1]
        raise refused or ToolInputError("The answer holds no JSON that fits.")

    def _unwrapped(self, found: Any) -> Any:
        try:
            return self.check(found)
        except ToolInputError:
            if self.wrapped and isinstance(found, dict) and set(found) == {KEY}:
                return self.check(found[KEY])
            raise


def output_schema_of(thing: Any) -> OutputSchema:
    """The shape that this is: a pydantic model, data class, TypedDict or any type pydantic takes, or a JSON schema.

    A JSON schema may be a mapping, or text. Raises `UsageError`, one clear line, for anything else and for a schema
    that is wrong.
    """
    if isinstance(thing, str | Mapping):
        schema = _json_schema(thing)
        return _shape(str(schema.get("title", "")), schema, _schema_check(schema))
    try:
        if thing is None or inspect.isroutine(thing):  # pydantic takes them: as a type, and to be called
            raise TypeError("it is no type")
        adapter, schema = adapted(thing)
    except TypeError as error:
        said = reprlib.repr(thing) if not hasattr(thing, "__name__") else thing.__name__
        raise UsageError(
            f"{said} cannot be a schema: {error}.", "Name a JSON schema, a pydantic model, a data class or a TypedDict."
        ) from error
    named = isinstance(thing, type) and thing.__module__ != "builtins"
    return _shape(thing.__name__ if named else "", schema, partial(checked, adapter))


def _shape(name: str, schema: dict[str, Any], check: Callable[[Any], Any]) -> OutputSchema:
    instruction = (
        "Answer with JSON alone, no words around it, that fits this JSON schema:\n"
        f"{json.dumps(schema, ensure_ascii=False)}"
    )
    wrapped = schema.get("type") != "object" or any(each in schema for each in ("anyOf", "oneOf", "allOf"))
    if wrapped:
        top: dict[str, Any] = {key: schema[key] for key in ("$schema", "$defs", "definitions") if key in schema}
        inner = {key: each for key, each in schema.items() if key not in top}
        schema = {"type": "object", "properties": {KEY: inner}, "required": [KEY], "additionalProperties": False, **top}
    return OutputSchema(
        re.sub(r"[^a-zA-Z0-9_-]+", "_", name).strip("_")[:64] or "answer", schema, instruction, wrapped, check
    )


# A JSON schema --------------------------------------------------------------------------------------------------


def _json_schema(given: str | Mapping[str, Any]) -> dict[str, Any]:
    try:
        schema = json.loads(given if isinstance(given, str) else json.dumps(dict(given)))
    except (ValueError, TypeError, RecursionError) as error:
        raise UsageError(f"The schema is no JSON: {error}.", _EXAMPLE) from error
    if not isinstance(schema, dict):
        raise UsageError(f"A JSON schema is an object, not {reprlib.repr(schema)}.", _EXAMPLE)
    if "properties" in schema:
        schema.setdefault("type", "object")
    return schema


def _schema_check(schema: dict[str, Any]) -> Callable[[Any], Any]:
    """What checks JSON against the schema. Raises `UsageError` for one that is wrong."""
    from jsonschema import Draft202012Validator, SchemaError, validators
    from referencing import Registry
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT202012

    try:
        validator = validators.validator_for(schema, default=Draft202012Validator)
        validator.check_schema(schema)
        if not schema.keys() & validator.VALIDATORS.keys():
            raise UsageError("The schema says of no value whether it fits.", _EXAMPLE)
        registry: Registry[Any] = Registry()  # an empty one: by default jsonschema fetches what is referred to
        resolver = registry.resolver_with_root(DRAFT202012.create_resource(schema))
        for reference in _references(schema):
            resolver.lookup(reference)
    except SchemaError as error:
        at = place(error.absolute_path) or "its top"
        raise UsageError(f"The schema is wrong at {at}: {line(error.message)}.", _EXAMPLE) from error
    except Unresolvable as error:
        raise UsageError(f"The schema refers to {reference}, which it does not hold.", "Put it into $defs.") from error
    except (AttributeError, TypeError, ValueError, RecursionError) as error:  # a `$schema` that is no text, say
        raise UsageError(f"The schema is wrong: {error}.", _EXAMPLE) from error
    return partial(_validated, validator(schema, registry=registry))


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for each in schema:
            yield from _references(each)
    elif isinstance(schema, dict):
        for key, each in schema.items():
            if key in ("$ref", "$dynamicRef") and isinstance(each, str):
                yield each
            elif key not in DATA:
                yield from _references(each)


def _validated(validator: Any, value: Any) -> Any:
    try:
        copied = json.loads(json.dumps(value))  # what the model wrote goes into the history as it is
        errors = list(islice(validator.iter_errors(copied), 1_000))
    except Exception as error:  # JSON too deep to be written, a schema that refers to itself without end
        raise ToolInputError(f"It could not be checked: {type(error).__name__}.") from error
    if errors:
        raise ToolInputError(listed(errors, _nearest))
    return copied


def _nearest(error: ValidationError) -> str:
    """What is wrong; of alternatives, with the one that came nearest."""
    from jsonschema.exceptions import best_match

    nearest = best_match([error])
    return f"{place(nearest.absolute_path)}: {nearest.message}.".removeprefix(": ")


# JSON in an answer ----------------------------------------------------------------------------------------------


def _whole(text: str) -> list[Any]:
    try:
        return [json.loads(text)]
    except (ValueError, RecursionError):
        return []


def _fenced(text: str) -> list[Any]:
    return [each for found in _FENCE.finditer(text) for each in _whole(found[2])]


def _embedded(text: str) -> list[Any]:
    """Objects and lists among words, the outermost ones. Raises `ToolInputError` for one that breaks off."""
    found: list[Any] = []
    position = 0
    for _ in range(_OPENINGS):  # each costs a look at the whole text
        start = _OPENING.search(text, position)
        if start is None:
            return found
        try:
            value, position = json.JSONDecoder().raw_decode(text, start.start())
            found.append(value)
        except json.JSONDecodeError as error:
            begun = text[start.start() : error.pos].strip("[{ \t\r\n")
            if begun or error.msg.startswith("Unterminated"):
                raise ToolInputError(
                    f"The JSON in the answer is broken at line {error.lineno}, column {error.colno}: {error.msg}."
                ) from error
            position = max(error.pos, start.end())  # a bracket in a sentence
        except (ValueError, RecursionError) as error:
            raise ToolInputError(f"The JSON in the answer cannot be read: {error}.") from error
    raise ToolInputError("The answer holds too many brackets to look for JSON; give JSON alone.")


def _as_string(text: str) -> list[Any]:
    return [text.strip()]


def _scalars(text: str) -> list[Any]:
    if len(text) > PROSE:
        return []
    return [each for found in _SCALAR.finditer(text) for each in _whole(found[0])]
