"""Canonical JSON (RFC 8785): the same bytes for every spelling of a value, whatever program saved it.

JavaScript writes `1.0` as `1`, and nbformat sorts keys. Hashes are computed from this form, so that a hash stays valid
when a notebook is saved. Two cases go beyond the RFC: an integer that is too large for JavaScript is rounded as
JavaScript rounds it, and a lone surrogate is encoded like any other character.
"""

from __future__ import annotations

from collections.abc import Iterator
from json.encoder import encode_basestring
from typing import Any

from rfc8785 import FloatDomainError
from rfc8785 import dumps as encode_number

from mm_magics.errors import RequestError

MAX_EXACT_INT = 2**53
"""JavaScript rounds integers beyond this."""


def canonical_json(value: Any) -> bytes:
    """Return the canonical JSON of a value.

    >>> canonical_json({"b": 1.0, "a": [9007199254740993, 1e-7]})
    b'{"a":[9007199254740992,1e-7],"b":1}'

    Raises:
        RequestError: JSON cannot represent the value.
    """
    try:
        return _text(value).encode("utf-8", "surrogatepass")
    except (TypeError, ValueError, RecursionError) as error:
        raise RequestError(f"The request cannot be written as JSON: {error}.") from None


def _text(value: Any) -> str:
    if isinstance(value, str):
        return encode_basestring(value)
    if isinstance(value, dict):
        return f"{{{','.join(_members(value))}}}"
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_text, value))}]"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _number(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _members(value: dict[Any, Any]) -> Iterator[str]:
    """Yield the members of an object, sorted as the RFC requires: by the UTF-16 code units of their names."""
    for name in sorted(value, key=_utf16):
        yield f"{encode_basestring(name)}:{_text(value[name])}"


def _utf16(name: object) -> bytes:
    if not isinstance(name, str):
        raise TypeError(f"keys must be strings, not {type(name).__name__}")
    return name.encode("utf-16-be", "surrogatepass")


def _number(value: int | float) -> str:
    if isinstance(value, int) and abs(value) <= MAX_EXACT_INT:
        return int.__repr__(value)
    try:
        return encode_number(float(value)).decode()
    except OverflowError:  # JavaScript reads it as infinity, and writes that as null
        return "null"
    except FloatDomainError:
        raise ValueError(f"Out of range float values are not JSON compliant: {float(value)!r}") from None
