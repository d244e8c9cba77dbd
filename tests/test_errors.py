"""The errors: the hierarchy matches its drawing, and each error is one or two lines that say what to do."""

from __future__ import annotations

import re
from typing import Any

import pytest

from mm_magics import errors
from mm_magics.errors import MiniMaxError

CLASSES = {
    name: each
    for name, each in vars(errors).items()
    if isinstance(each, type) and issubclass(each, MiniMaxError) and each.__module__ == errors.__name__
}


def test_the_hierarchy_matches_the_drawing_in_the_docstring() -> None:
    drawn: dict[str, str] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if match := re.fullmatch(r"    ([│├└─ ]*)(\w+)( .*)?", line):
            depth = len(match[1]) // 4
            above[depth:] = [match[2]]
            drawn[match[2]] = above[depth - 1] if depth else "Exception"
    assert drawn == {name: each.__mro__[1].__name__ for name, each in CLASSES.items()}


@pytest.mark.parametrize("name", CLASSES)
def test_an_error_shows_its_message_and_hint_but_no_traceback(name: str) -> None:
    more: dict[str, Any] = {"status": 500} if name == "StatusError" else {}
    error = CLASSES[name]("It broke.", "Fix it.", **more)
    assert str(error) == "It broke.\nFix it."
    assert str(CLASSES[name]("It broke.", **more)) == "It broke."
    assert error._render_traceback_() == ["It broke.", "Fix it."]
