"""Formats of an answer: how `--as` displays it, and what `--out` stores."""

from __future__ import annotations

from typing import Any

import pytest

from mm_magics.display.answer_format import format_answer, parse_answer
from mm_magics.errors import ProtocolError

FENCED = "Here:\n```python\nx = 1\n```\nand\n~~~~\ny\n```\nz\n~~~~\ndone"


@pytest.mark.parametrize(
    ("text", "form", "got"),
    [
        ("**x**", "markdown", "**x**"),
        ("**x** ", "text", "**x** "),
        (FENCED, "code", "x = 1\n\ny\n```\nz"),
        (" no fences \n", "code", "no fences"),
        ("```\n```", "code", ""),
        ("```py\nnever closed", "code", "```py\nnever closed"),
        ("````\n```\na\n```\n````", "code", "```\na\n```"),
        ('{"a": [1, null]}', "json", {"a": [1, None]}),
        ('Sure:\n```json\n{"a": 1}\n```\nBye', "json", {"a": 1}),
        ("5", "json", 5),
        ('"é"', "json", "é"),
        ("null", "json", None),
    ],
)
def test_out_gets_the_value_of_the_format(text: str, form: Any, got: Any) -> None:
    assert parse_answer(text, form) == got


@pytest.mark.parametrize("text", ["", "no", "{", "```json\n{\n```", "[" * 100_000, "{'a': 1}", "[1] [2]"])
def test_invalid_json_raises_a_protocol_error_and_is_shown_as_received(text: str) -> None:
    with pytest.raises(ProtocolError, match="not JSON"):
        parse_answer(text, "json")
    assert format_answer(text, "json") == text


def test_json_is_formatted_without_escaping_its_characters() -> None:
    assert format_answer('{"a":["é"]}', "json") == '{\n  "a": [\n    "é"\n  ]\n}'
    assert format_answer("x", "text") == "x"
    assert format_answer(FENCED, "code").startswith("x = 1")
