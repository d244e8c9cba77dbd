"""Find JSON values in an answer written in prose."""

from __future__ import annotations

import json
import re
from typing import Any

from mm_magics.errors import ToolInputError
from mm_magics.json_size import JSONSizeError, check_size, read_json
from mm_magics.text import fenced_code

MAX_PROSE = 10_000
"""Characters of an answer above which it is not searched for a single number or word."""

MAX_BRACKETS = 1_000
"""Opening brackets that are tried: each may cost a scan of the whole text."""

_BRACKET = re.compile(r"[\[{]")
_SCALAR = re.compile(
    r'"(?:[^"\\\n]|\\.)*"|(?<![\w.,/:+-])-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w%]|[.,/:-]\d)|\b(?:true|false|null)\b'
)


def whole(text: str) -> list[Any]:
    """Return the text as JSON, or nothing if it is not JSON."""
    try:
        return [read_json(text)]
    except ValueError:
        return []


def fenced(text: str) -> list[Any]:
    """Return the code fences that contain JSON."""
    return [value for code in fenced_code(text, indented=True) for value in whole(code)]


def embedded(text: str) -> list[Any]:
    """Return the outermost objects and lists between words.

    Raises:
        ToolInputError: If one is broken or too deep, or if there are too many brackets.
    """
    found: list[Any] = []
    position = 0
    try:
        check_size(text)
    except JSONSizeError as error:
        raise ToolInputError(f"The answer cannot be searched for JSON: it has {error}.") from None
    for _ in range(MAX_BRACKETS):
        start = _BRACKET.search(text, position)
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
    raise ToolInputError("The answer contains too many brackets to search for JSON. Answer with JSON only.")


def scalars(text: str) -> list[Any]:
    """Return the quoted texts, numbers and literals between words."""
    if len(text) > MAX_PROSE:
        return []
    return [value for found in _SCALAR.finditer(text) for value in whole(found[0])]
