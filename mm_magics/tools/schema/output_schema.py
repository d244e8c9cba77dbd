"""The schema that `--schema` names: what the answer must match, and how it becomes a Python value."""

from __future__ import annotations

import inspect
import json
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from mm_magics.api.dialect import calls_at_end
from mm_magics.api.messages import ANSWER
from mm_magics.errors import ToolInputError, UsageError
from mm_magics.tools.schema import json_in_text
from mm_magics.tools.schema.json_schema import read_schema, schema_check
from mm_magics.tools.schema.type_hints import adapter_of, validate
from mm_magics.tools.schema.written_arguments import from_text, read_nested

KEY = "value"
"""The property that contains the answer if its schema is not an object: the input of a tool must be one."""


@dataclass(frozen=True)
class OutputSchema:
    """What an answer must match. Every value that it returns does.

    Attributes:
        schema: JSON schema of the input of the tool that takes the answer, an object.
        instruction: Asks for the JSON in words, for an endpoint that does not force a tool.
        wrapped: Whether the answer is the property `KEY` of the tool's input.
        check: Converts JSON to the Python value, or raises `ToolInputError`.
    """

    schema: Mapping[str, Any]
    instruction: str
    wrapped: bool = field(repr=False)
    check: Callable[[Any], Any] = field(repr=False)

    def parse_input(self, given: Mapping[str, Any]) -> Any:
        """Return the value in the input of a call.

        Raises:
            ToolInputError: If it does not match, with one line per problem.
        """
        given = read_nested(given, self.schema)
        if not self.wrapped:
            return self.check(given)
        if not isinstance(given, Mapping) or set(given) != {KEY}:
            raise ToolInputError(f"The input must be an object with only the property {KEY}.")
        return self.check(given[KEY])

    def parse_text(self, text: str) -> Any:
        """Return the value in an answer in words: a call as XML, JSON in a fence or between words, a word, a number.

        Raises:
            ToolInputError: If no value matches, with one line per problem, or if several different ones do.
        """
        for call in calls_at_end(text):
            if call.name == ANSWER:
                return self.parse_input(from_text(call.values, self.schema))
        mismatch: ToolInputError | None = None
        for find in (json_in_text.whole, json_in_text.fenced, json_in_text.embedded, _as_string, json_in_text.scalars):
            if mismatch and find is json_in_text.scalars:
                break  # a number inside JSON that does not match is not the answer
            matching: dict[str, Any] = {}
            for each in find(text):
                try:
                    matching[json.dumps(each, sort_keys=True)] = self._unwrap(each)
                except ToolInputError as error:
                    mismatch = mismatch or (None if find is _as_string else error)
            if len(matching) > 1:
                raise ToolInputError(f"The answer contains {len(matching)} values that match. Give only one.")
            if matching:
                return matching.popitem()[1]
        raise mismatch or ToolInputError("The answer contains no JSON that matches the schema.")

    def _unwrap(self, found: Any) -> Any:
        found = read_nested({KEY: found}, self.schema)[KEY] if self.wrapped else read_nested(found, self.schema)
        try:
            return self.check(found)
        except ToolInputError:
            if self.wrapped and isinstance(found, dict) and set(found) == {KEY}:
                return self.check(found[KEY])
            raise


def output_schema_of(thing: Any) -> OutputSchema:
    """Return the output schema for a type or a JSON schema.

    Args:
        thing: A Pydantic model, data class, TypedDict or any other type that pydantic supports, or a JSON schema as a
            mapping or as text.

    Raises:
        UsageError: If it is something else, or an invalid schema.
    """
    if isinstance(thing, str | Mapping):
        schema = read_schema(thing)
        return _wrap(schema, schema_check(schema))
    try:
        if thing is None or inspect.isroutine(thing):  # pydantic accepts these: as a type, and as a validator
            raise TypeError("it is not a type")
        adapter, schema = adapter_of(thing)
    except TypeError as error:
        name = reprlib.repr(thing) if not hasattr(thing, "__name__") else thing.__name__
        raise UsageError(
            f"{name} cannot be a schema: {error}.", "Use a JSON schema, a Pydantic model, a data class or a TypedDict."
        ) from error
    return _wrap(schema, partial(validate, adapter))


def _wrap(schema: dict[str, Any], check: Callable[[Any], Any]) -> OutputSchema:
    """Make the schema an object, as the input of a tool must be."""
    instruction = (
        "Answer with JSON only, without any other text, that matches this JSON schema:\n"
        f"{json.dumps(schema, ensure_ascii=False)}"
    )
    wrapped = schema.get("type") != "object" or any(each in schema for each in ("anyOf", "oneOf", "allOf"))
    if wrapped:
        top: dict[str, Any] = {key: schema[key] for key in ("$schema", "$defs", "definitions") if key in schema}
        inner = {key: each for key, each in schema.items() if key not in top}
        schema = {"type": "object", "properties": {KEY: inner}, "required": [KEY], "additionalProperties": False, **top}
    return OutputSchema(schema, instruction, wrapped, check)


def _as_string(text: str) -> list[Any]:
    return [text.strip()]
