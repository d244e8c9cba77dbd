"""Limits for JSON from outside, which are checked before it is parsed.

A parser makes an object for each value: 1 MB of `[],[],…` becomes 20 MB of lists, and 250 kB of gzip contain 250 MB of
it. What is counted is what costs: strings, containers, and commas between values.
"""

from __future__ import annotations

import json
import re
from itertools import islice
from typing import Any

MAX_BYTES = 16_000_000
MAX_VALUES = 500_000

_COUNTED = re.compile(r'"(?:[^"\\]++|\\.)*+\\?(?:"|\Z)|[\[{,]', re.DOTALL)
_COUNTED_BYTES = re.compile(_COUNTED.pattern.encode(), re.DOTALL)


class JSONSizeError(ValueError):
    """The JSON is too large to be parsed. The message is the end of a sentence: "more than …"."""


def count_values(text: str | bytes | bytearray, limit: int = MAX_VALUES) -> int:
    r"""Return how many objects the text becomes, at most; exactly `limit` + 1 if they are more than `limit`.

    >>> count_values(b'[[], {}]'), count_values("[1, 2, 3, 4]", 2)
    (4, 3)
    """
    most = sum(map(text.count, '"[{,')) if isinstance(text, str) else sum(map(text.count, (b'"', b"[", b"{", b",")))
    if most <= min(limit, 1_000):
        return most
    found = _COUNTED.finditer(text) if isinstance(text, str) else _COUNTED_BYTES.finditer(text)
    return sum(1 for _ in islice(found, limit + 1))


def check_size(text: str | bytes | bytearray, max_values: int = MAX_VALUES, max_bytes: int = MAX_BYTES) -> None:
    """Raise `JSONSizeError` if the JSON text is too large to be parsed."""
    if len(text) > max_bytes:
        raise JSONSizeError(f"more than {max_bytes // 1_000_000} MB")
    if count_values(text, max_values) > max_values:
        raise JSONSizeError(f"more than {max_values:,} values")


def read_json(text: str | bytes | bytearray, max_values: int = MAX_VALUES, max_bytes: int = MAX_BYTES) -> Any:
    """Return the value of JSON from outside. Raises `ValueError` if it is not JSON, or cannot be parsed safely."""
    if not isinstance(text, str):
        if len(text) > max_bytes:
            raise JSONSizeError(f"more than {max_bytes // 1_000_000} MB")
        # Before values are counted: in UTF-16 the byte of a quote can be half of a letter.
        text = text.decode(json.detect_encoding(text), "surrogatepass")
    check_size(text, max_values, max_bytes)
    try:
        return json.loads(text)
    except RecursionError:
        raise JSONSizeError("too many levels of nesting") from None
    except json.JSONDecodeError:
        raise
    except ValueError:  # Python's limit for the digits of an integer
        raise JSONSizeError("a number with too many digits") from None
