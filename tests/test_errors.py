"""The errors: one hierarchy, as it is drawn, each in one or two lines that say what to do."""

from __future__ import annotations

import re
from typing import Any

import pytest

from mm_magics import errors
from mm_magics.errors import MiniMaxError, StatusError, reported

CLASSES = {
    name: each
    for name, each in vars(errors).items()
    if isinstance(each, type) and issubclass(each, MiniMaxError) and each.__module__ == errors.__name__
}


def test_the_hierarchy_is_the_one_that_is_drawn() -> None:
    drawn: dict[str, str] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if match := re.fullmatch(r"    ([│├└─ ]*)(\w+)( .*)?", line):
            depth = len(match[1]) // 4
            above[depth:] = [match[2]]
            drawn[match[2]] = above[depth - 1] if depth else "Exception"
    assert drawn == {name: each.__mro__[1].__name__ for name, each in CLASSES.items()}


@pytest.mark.parametrize("name", CLASSES)
def test_an_error_is_its_message_then_what_to_do_and_no_traceback(name: str) -> None:
    more: dict[str, Any] = {"status": 500} if name == "StatusError" else {}
    error = CLASSES[name]("It broke.", "Mend it.", **more)
    assert str(error) == "It broke.\nMend it."
    assert str(CLASSES[name]("It broke.", **more)) == "It broke."
    assert error._render_traceback_() == ["It broke.", "Mend it."]


@pytest.mark.parametrize(
    ("body", "message", "type_"),
    [
        ({"error": {"type": "api_error", "message": "no"}}, "no", "api_error"),
        ({"error": {"message": "no"}}, "no", None),
        ({"error": {"type": 5, "message": 7}}, "7", "5"),
        ({"error": "no"}, "no", None),
        ({"error": ["no"]}, "The endpoint reported an error without saying which.", None),
        ({"error": {}}, "The endpoint reported an error without saying which.", None),
        ({}, "The endpoint reported an error without saying which.", None),
    ],
)
def test_an_error_body_of_any_shape_is_an_error_that_says_something(body: Any, message: str, type_: str | None) -> None:
    error = reported({**body, "request_id": "r1"}, 400)
    assert isinstance(error, StatusError)
    assert (error.message, error.type, error.status, error.request_id) == (message, type_, 400, "r1")
    assert reported({**body, "request_id": 5}).request_id is None
