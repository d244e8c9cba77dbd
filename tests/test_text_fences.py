"""Code fences are found as Markdown defines them, in time linear in the text."""

from __future__ import annotations

import time

import pytest

from mm_magics.text import fenced_code
from tests.pace import PATIENCE


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("```\na\n```", ["a\n"]),
        ("```py\na\n\n```\nb\n~~~\nc\n~~~", ["a\n\n", "c\n"]),
        ("````\n```\na\n```\n````", ["```\na\n```\n"]),
        ("```\na\n`````  ", ["a\n"]),
        ("```\na\n~~~\n```", ["a\n~~~\n"]),
        ("```\na\n``` b\n```", ["a\n``` b\n"]),
        ("```\na", []),
        ("```a```\n```\nb\n```", ["b\n"]),
        ("```\r\na\r\n```\r\n", ["a\r\n"]),
        (" ```\na\n ```", []),
    ],
)
def test_the_contents_of_fences_are_found(text: str, code: list[str]) -> None:
    assert fenced_code(text) == code


def test_fences_in_list_items_are_found_if_asked_for() -> None:
    assert fenced_code("- x\n  ```\n  a\n  ```", indented=True) == ["  a\n"]


@pytest.mark.parametrize("text", ["```a\n", "`" * 5_000 + "\n", "~~~\n```\n", "```\n````\n`````\n"])
def test_many_fences_without_end_take_linear_time(text: str) -> None:
    began = time.process_time()
    fenced_code(text * (2_000_000 // len(text)), indented=True)
    assert time.process_time() - began < 10 * PATIENCE, "quadratic time would be hours"
