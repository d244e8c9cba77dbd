"""Each problem of a `messages` array in full: its place, its rule, its text and its subject."""

from __future__ import annotations

from typing import Any

import pytest

from mm_magics.api.messages import Problem, problems
from tests.api.test_messages import assistant, result, text, use, user


@pytest.mark.parametrize(
    ("array", "found"),
    [
        ([], [Problem("messages", "empty", "there are no messages")]),
        ("hi", [Problem("messages", "empty", "there are no messages")]),
        (
            [None, {"role": "system", "content": "x"}, user()],
            [
                Problem("messages.0", "role", "the role is None, not user or assistant", "None"),
                Problem("messages.1", "role", "the role is 'system', not user or assistant", "system"),
            ],
        ),
        (
            [assistant(), user(), user()],
            [
                Problem(
                    "messages.0",
                    "order",
                    "a message from the assistant where one from the user must follow",
                    "assistant",
                ),
                Problem(
                    "messages.2", "order", "a message from the user where one from the assistant must follow", "user"
                ),
            ],
        ),
        (
            [{"role": "user", "content": []}, assistant()],
            [
                Problem("messages.0", "empty", "the content is empty"),
                Problem("messages.1", "last", "the last message is not from the user"),
            ],
        ),
        (
            [
                user(
                    5,
                    {"type": ""},
                    {"type": ["text"]},
                    text(None),
                    text(" "),
                    {"type": "thinking", "thinking": "x"},
                    text(),
                )
            ],
            [
                Problem("messages.0.content.0", "shape", "a content block must be an object with a type"),
                Problem("messages.0.content.1", "shape", "a content block must be an object with a type"),
                Problem("messages.0.content.2", "shape", "a content block must be an object with a type"),
                Problem("messages.0.content.3", "shape", "a text block needs a text"),
                Problem("messages.0.content.4", "empty", "the text is blank"),
                Problem("messages.0.content.5", "shape", "thinking must be a string in an assistant message"),
            ],
        ),
        (
            [user(), assistant({"type": "thinking", "thinking": None}, text("")), user()],
            [
                Problem("messages.1.content.0", "shape", "thinking must be a string in an assistant message"),
                Problem("messages.1.content.1", "empty", "the text is blank"),
            ],
        ),
        (
            [user(), assistant(use("a")), user({"type": "image"}, result("a"), result("a"), result("b"))],
            [
                Problem("messages.2.content.1", "tool_result", "tool results must come first", "a"),
                Problem("messages.2.content.2", "tool_result", "tool results must come first", "a"),
                Problem("messages.2.content.3", "tool_result", "tool results must come first", "b"),
                Problem("messages.2", "tool_result", "tool_use a is answered twice", "a"),
                Problem("messages.2", "tool_result", "no tool_use b in the message before", "b"),
            ],
        ),
        (
            [user(), assistant(use("5"), use("b")), user(result(5))],
            [
                Problem("messages.2.content.0", "shape", "a tool_result needs a tool_use_id"),
                Problem("messages.2", "tool_use", "tool_use b has no tool_result", "b"),
            ],
        ),
        (
            [user(), assistant(use("a"), use("b"))],
            [Problem("messages.1", "last", "the last message is not from the user")],
        ),
        (
            [user(use("a"), use("b")), assistant(), user()],
            [
                Problem("messages.0", "tool_use", "tool_use in a user message", "a"),
                Problem("messages.0", "tool_use", "tool_use in a user message", "b"),
            ],
        ),
        (
            [user(), assistant(text(), result("a")), user()],
            [Problem("messages.1", "tool_result", "tool_result in an assistant message", "a")],
        ),
        (
            [
                user(),
                assistant(use("a"), use("a"), use("b", None), use("c", "n", []), use(5), use("")),
                user(result("a"), result("b"), result("c"), result("5"), result("")),
            ],
            [
                Problem("messages.1", "tool_use", "tool_use id a is used twice", "a"),
                Problem("messages.1", "shape", "a tool_use needs an id and a name", "b"),
                Problem("messages.1", "shape", "the input of tool_use c is not an object", "c"),
                Problem("messages.1", "shape", "a tool_use needs an id and a name", "5"),
                Problem("messages.1", "shape", "a tool_use needs an id and a name", ""),
            ],
        ),
        (
            [
                user(),
                assistant(use("a")),
                user(result("a")),
                assistant(use("b"), use("a")),
                user(result("a"), result("b")),
            ],
            [Problem("messages.3", "tool_use", "tool_use id a is used twice", "a")],
        ),
        (
            [user(), assistant(use("a")), user(), assistant(), user()],
            [Problem("messages.2", "tool_use", "tool_use a has no tool_result", "a")],
        ),
    ],
)
def test_every_problem_is_reported_in_order(array: Any, found: list[Problem]) -> None:
    assert problems(array) == found


def test_a_problem_is_written_with_its_place() -> None:
    assert str(Problem("messages.2", "tool_use", "tool_use a has no tool_result", "a")) == (
        "messages.2: tool_use a has no tool_result"
    )
