"""Read arguments that a model wrote as text where the schema wants another type.

Only the schema decides: text stays text wherever the schema accepts it. Nothing here raises: what cannot be read is
left as it is, for the check of the arguments to report.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mm_magics.json_size import read_json

MAX_REFERENCES = 20
"""References and alternatives that are followed for one value, so that a schema that refers to itself ends."""

ANY_TYPE = frozenset({"string", "number", "integer", "boolean", "null", "object", "array"})


def read_nested(value: Any, schema: Mapping[str, Any]) -> Any:
    """Return the value with JSON texts read where the schema accepts an object or an array, but no text.

    >>> tags = {"type": "object", "properties": {"tags": {"type": "array"}, "text": {"type": "string"}}}
    >>> read_nested({"tags": '["a"]', "text": '["a"]'}, tags)
    {'tags': ['a'], 'text': '["a"]'}
    """
    try:
        return _read(value, schema, schema)
    except RecursionError:
        return value


def from_text(values: Mapping[str, str], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments that were all written as text, as values of the types that the schema wants.

    >>> schema = {"type": "object", "properties": {"n": {"type": "integer"}, "word": {"type": "string"}}}
    >>> from_text({"n": "3", "word": "3"}, schema)
    {'n': 3, 'word': '3'}
    """
    try:
        return {name: _from_text(text, name, schema) for name, text in values.items()}
    except RecursionError:
        return dict(values)


def _from_text(text: str, name: str, schema: Mapping[str, Any]) -> Any:
    expected = _member(list(_alternatives(schema, schema)), name)
    types = _types(expected, schema)
    if "string" in types:
        return text
    written = text.strip()
    if "boolean" in types and written in ("True", "False"):
        written = written.lower()
    found = _json(written)
    return text if found is None and written != "null" else _read(found, expected, schema)


def _read(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    alternatives = list(_alternatives(schema, root))
    if isinstance(value, str):
        types = _types(schema, root)
        found = None if "string" in types else _json(value)
        if not (isinstance(found, dict) and "object" in types) and not (isinstance(found, list) and "array" in types):
            return value
        value = found
    if isinstance(value, dict):
        return {name: _read(each, _member(alternatives, name), root) for name, each in value.items()}
    if isinstance(value, list):
        items: Mapping[str, Any] = next(
            (each["items"] for each in alternatives if isinstance(each.get("items"), dict)), {}
        )
        return [_read(each, items, root) for each in value]
    return value


def _member(alternatives: list[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    """Return the schema of an object's property; {}, which accepts everything, if it has no schema."""
    for each in alternatives:
        properties, others = each.get("properties"), each.get("additionalProperties")
        if isinstance(properties, dict) and isinstance(properties.get(name), dict):
            return dict(properties[name])
        if isinstance(others, dict) and not (isinstance(properties, dict) and name in properties):
            return others
    return {}


def _types(schema: Mapping[str, Any], root: Mapping[str, Any]) -> frozenset[str]:
    """Return the types that a schema accepts."""
    found: set[str] = set()
    for each in _alternatives(schema, root):
        given = each.get("type")
        if isinstance(given, str):
            found.add(given)
        elif isinstance(given, list):
            found.update(map(str, given))
        elif "properties" in each:
            found.add("object")
        elif isinstance(each.get("enum"), list):
            found.update(_type_of(value) for value in each["enum"])
        elif "const" in each:
            found.add(_type_of(each["const"]))
        else:
            found |= ANY_TYPE
    return frozenset(found)


def _type_of(value: Any) -> str:
    names = {str: "string", bool: "boolean", int: "integer", float: "number", dict: "object", list: "array"}
    return names.get(type(value), "null")


def _alternatives(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the schemas that a value may match: what a reference refers to, and each of several alternatives."""
    pending: list[Any] = [schema]
    for _ in range(MAX_REFERENCES):
        if not pending:
            return
        each = pending.pop(0)
        if not isinstance(each, Mapping):
            continue
        reference = each.get("$ref")
        if isinstance(reference, str):
            pending.append(_target(reference, root))
            continue
        groups = (each.get(key) for key in ("anyOf", "oneOf", "allOf"))
        branches = [branch for group in groups if isinstance(group, list) for branch in group]
        pending += branches
        if not branches or "type" in each or "properties" in each:
            yield each
    yield {}


def _target(reference: str, root: Mapping[str, Any]) -> Any:
    found: Any = root
    for part in reference.removeprefix("#").split("/")[1:]:
        found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
    return found if reference.startswith("#") else None


def _json(text: str) -> Any:
    """Return the text as JSON; None if it is not JSON."""
    try:
        return read_json(text)
    except ValueError:
        return None
