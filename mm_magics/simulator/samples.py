"""Make the input of a tool call from the tool's JSON Schema, with numbers and words from the prompt.

For an enum it takes the member that the prompt names, else the first. For a number it takes the prompt's next number
within the bounds, or null if the prompt has no such number and the schema allows null. For a string it takes the next
quoted words; for a string named `summary`, the first sentence of the prompt's last paragraph. The same schema and
prompt give the same input, with all required properties. An invalid schema gives `{}`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.]*\w)")
_QUOTED = re.compile(r"\"([^\"]+)\"|'([^']+)'|`([^`]+)`|“([^”]+)”")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s")
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]+(?: [A-Z][a-z]+)*")
_MAX_DEPTH = 12

_FORMATS = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "time": "00:00:00",
    "email": "someone@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def sample(schema: Mapping[str, Any], prompt: str) -> dict[str, Any]:
    """Make an input for a tool.

    >>> sample({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}}, "add 2 and 40")
    {'a': 2, 'b': 40}
    """
    try:
        value = _Sampler(schema, prompt).value(schema, "input", 0)
    except (AttributeError, TypeError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def find_name(prompt: str, name: str) -> list[re.Match[str]]:
    """Find the name in the prompt, as a whole word.

    >>> [match.start() for match in find_name("the mass, not mass_kg", "Mass")]
    [4]
    """
    return list(re.finditer(rf"(?<![\w-]){re.escape(name)}(?![\w-])", prompt, re.IGNORECASE))


class _Sampler:
    """Makes one sample. It uses the prompt's numbers and words in order."""

    def __init__(self, root: Mapping[str, Any], prompt: str) -> None:
        self._root = root
        numbers = (float(each) for each in _NUMBER.findall(_QUOTED.sub(" ", prompt)))
        self._numbers = [each for each in numbers if math.isfinite(each)]
        quoted = ["".join(groups) for groups in _QUOTED.findall(prompt)]
        self._words: list[str] = quoted or _NAME.findall(prompt)
        self._prompt = prompt
        self._named: set[int] = set()

    def value(self, schema: Any, name: str, depth: int) -> Any:
        if not isinstance(schema, dict) or depth > _MAX_DEPTH:
            return name
        schema = self._resolved(schema)
        for key in ("const", "default"):
            if key in schema:
                return schema[key]
        for key in ("enum", "examples"):
            if isinstance(schema.get(key), list) and schema[key]:
                return self._member(schema[key])
        for key in ("anyOf", "oneOf", "allOf"):
            options = [each for each in schema.get(key) or [] if isinstance(each, dict) and each.get("type") != "null"]
            if options:
                missing = {"type": "null"} in schema[key] and self._lacks(self._resolved(options[0]))
                return None if missing else self.value(options[0], name, depth + 1)
        kind = schema.get("type", "object" if "properties" in schema else "string")
        if isinstance(kind, list):
            kind = next((each for each in kind if each != "null"), "null")
        match kind:
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, name, depth)
            case "integer" | "number":
                return self._number(schema, kind == "integer")
            case "boolean":
                return True
            case "null":
                return None
            case _:
                return self._string(schema, name)

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            return schema
        found: Any = self._root
        for key in reference.removeprefix("#").strip("/").split("/"):
            found = found.get(key) if isinstance(found, dict) else None
        return found if isinstance(found, dict) else {}

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties") or {}
        names = schema.get("required") or list(properties)
        return {name: self.value(properties.get(name, {}), name, depth + 1) for name in names}

    def _array(self, schema: Mapping[str, Any], name: str, depth: int) -> list[Any]:
        items = schema.get("items") or {}
        size = max(int(schema.get("minItems", 1)), 1)
        numeric = isinstance(items, dict) and items.get("type") in ("integer", "number")
        out = [self.value(items, name, depth + 1) for _ in range(size)]
        if numeric and "maxItems" not in schema:
            out += [int(each) if each.is_integer() else each for each in self._numbers]
            self._numbers.clear()
        return out

    def _number(self, schema: Mapping[str, Any], whole: bool) -> float:
        """Return the prompt's next number that fits, else its next number, clamped to the bounds."""
        value = schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
        if self._numbers:
            fitting = self._fitting(schema, whole)
            value = self._numbers.pop(self._numbers.index(fitting[0]) if fitting else 0)
        value = min(max(value, schema.get("minimum", value)), schema.get("maximum", value))
        return int(value) if whole or float(value).is_integer() else float(value)

    def _fitting(self, schema: Mapping[str, Any], whole: bool) -> list[float]:
        low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
        return [each for each in self._numbers if low <= each <= high and (each.is_integer() or not whole)]

    def _lacks(self, schema: Mapping[str, Any]) -> bool:
        """Tell whether the schema is a bounded number and the prompt has no number that fits."""
        kind = schema.get("type")
        bounded = kind in ("integer", "number") and schema.keys() & {"minimum", "maximum"}
        return bool(bounded) and not self._fitting(schema, kind == "integer")

    def _member(self, members: list[Any]) -> Any:
        """Return the member that the prompt names next, else the first."""
        found = [
            (match.start(), member)
            for member in members
            if isinstance(member, str)
            for match in find_name(self._prompt, member)
            if match.start() not in self._named
        ]
        if not found:
            return members[0]
        place, member = min(found)
        self._named.add(place)
        if member in self._words:
            self._words.remove(member)
        return member

    def _string(self, schema: Mapping[str, Any], name: str) -> str:
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        if name == "summary" and (text := re.split(r"\n\s*\n", self._prompt)[-1].strip()):
            value = " ".join(_SENTENCE_END.split(text)[0].split())
        else:
            value = self._words.pop(0) if self._words else f"sample {name}"
        return value.ljust(int(schema.get("minLength", 0)), ".")[: schema.get("maxLength")]
