"""Formats of an answer (`--as`): how its text is displayed, and which value `--out` stores.

The turn record always contains the unchanged text.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from mm_magics.errors import ProtocolError
from mm_magics.json_size import read_json
from mm_magics.text import fenced_code

AnswerFormat = Literal["markdown", "code", "text", "json"]
ANSWER_FORMATS: tuple[AnswerFormat, ...] = ("markdown", "code", "text", "json")


def parse_answer(text: str, form: AnswerFormat) -> Any:
    r"""Return the value that `--out` stores: the text, the code in its fences, or the JSON value.

    >>> parse_answer("Here:\n```json\n[1, 2]\n```", "json")
    [1, 2]

    Raises:
        ProtocolError: The format is `json` and the text contains no valid JSON.
    """
    if form == "code":
        return _code(text)
    if form != "json":
        return text
    for candidate in (text, _code(text)):
        try:
            return read_json(candidate)
        except ValueError:
            continue
    raise ProtocolError("The answer is not JSON.", "It is shown as received. Ask for JSON only, or use --as text.")


def format_answer(text: str, form: AnswerFormat) -> str:
    """Return the text as it is displayed in this format; invalid JSON is displayed as received."""
    if form == "json":
        try:
            return json.dumps(parse_answer(text, form), ensure_ascii=False, indent=2)
        except ProtocolError:
            return text
    return _code(text) if form == "code" else text


def _code(text: str) -> str:
    """Return the contents of the text's fences, or the whole text if it has none."""
    blocks = [code.rstrip("\n") for code in fenced_code(text)]
    return "\n\n".join(blocks) if blocks else text.strip()
