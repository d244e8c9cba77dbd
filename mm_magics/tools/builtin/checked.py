"""Checking a model's arguments against the small schemas of the built-in tools.

Always true: what is let through has every required argument, no other than the schema names, and each of its type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf
from typing import Any

from mm_magics.errors import ToolInputError

_TYPES: Mapping[str, tuple[type, ...]] = {"string": (str,), "integer": (int,), "number": (int, float)}


def schema(required: tuple[str, ...] = (), **properties: dict[str, Any]) -> dict[str, Any]:
    """The JSON schema of an object with these properties and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def checker(schema: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
    """A tool's `check` for a schema whose properties are strings and numbers, with `minimum` and `maximum`.

    >>> checker(schema(("path",), path={"type": "string"}))({"path": "a.txt"})
    {'path': 'a.txt'}
    """
    properties, required = schema["properties"], schema["required"]

    def check(given: Mapping[str, Any]) -> Mapping[str, Any]:
        has = f"It has: {', '.join(properties) or 'none'}."
        for name in required:
            if name not in given:
                raise ToolInputError(f"The argument {name} is missing.", has)
        for name, value in given.items():
            if name not in properties:
                raise ToolInputError(f"There is no argument {name!r}.", has)
            _fits(name, value, properties[name])
        return dict(given)

    return check


def _fits(name: str, value: Any, wanted: Mapping[str, Any]) -> None:
    kind: str = wanted["type"]
    if isinstance(value, bool) or not isinstance(value, _TYPES[kind]):
        raise ToolInputError(f"{name} must be {'an' if kind == 'integer' else 'a'} {kind}.")
    if isinstance(value, str):
        return
    low, high = wanted.get("minimum", -inf), wanted.get("maximum", inf)
    if not low <= value <= high:  # NaN is neither
        raise ToolInputError(f"{name} must be {low} or more{f', {high} at most' if high < inf else ''}.")
