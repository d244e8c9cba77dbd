"""The text prompt shows a whole call, a screen at a time, before it asks."""

from __future__ import annotations

import builtins
import os
import shutil
from collections.abc import Callable
from typing import Any

import pytest
from rich.cells import cell_len

from mm_magics.display import approval_prompt
from mm_magics.display.approval_prompt import prompt_for_approval
from mm_magics.tools.approval import Decision
from mm_magics.tools.tool import ToolCall

Ask = Callable[..., tuple[Decision, str, list[str]]]
ROWS = 20


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Return a function that asks about a call, types the replies, and returns what was decided, shown and asked."""
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((60, ROWS + 3)))
    monkeypatch.setattr(approval_prompt, "_input_allowed", lambda: True)

    def asked(name: str, arguments: dict[str, Any], *replies: str) -> tuple[Decision, str, list[str]]:
        questions: list[str] = []
        left = list(replies)

        def typed(question: str) -> str:
            questions.append(question)
            return left.pop(0)

        monkeypatch.setattr(builtins, "input", typed)
        decision = prompt_for_approval(ToolCall("1", name, arguments))
        return decision, capsys.readouterr().out, questions

    return asked


@pytest.mark.parametrize(
    ("reply", "decision"),
    [
        ("y", Decision(True)),
        ("a", Decision(True, always=True)),
        ("n", Decision(False)),
        ("", Decision(False)),
        ("Not today.", Decision(False, "Not today.")),
    ],
)
def test_a_short_call_is_shown_at_once(ask: Ask, reply: str, decision: Decision) -> None:
    decided, shown, questions = ask("shell", {"command": "ls -l", "timeout": 5}, reply)
    assert decided == decision
    assert "A call of shell needs your approval." in shown
    assert shown.endswith(
        'arguments (3 lines, 18 characters):\n{\n  "timeout": 5\n}\ncommand (1 line, 5 characters):\nls -l\n'
    )
    assert questions == [
        "y: allow once · a: Allow shell with exactly this command in this notebook · n, or a reason: deny. "
    ]


@pytest.mark.parametrize("hidden", ["{}\nevil()", "{} evil()"])
@pytest.mark.parametrize("padding", ["x = 1\n" * 500, "#" * 9_000, "# \u200b\n" * 300, "é " * 4_000])
def test_nothing_is_cut_and_nothing_is_allowed_before_the_end_was_shown(ask: Ask, hidden: str, padding: str) -> None:
    code = hidden.format(padding)
    decision, shown, questions = ask("python", {"code": code}, *[""] * 1000)
    assert decision == Decision(False), "Enter does not allow it"
    assert "evil()" in shown.replace("\n", "")
    assert len(questions) > 2
    assert all("more · Enter: continue" in each for each in questions[:-1])
    pages = len(questions)
    decision, _, _ = ask("python", {"code": code}, *[""] * (pages - 1), "y")
    assert decision == Decision(True)
    for page in (0, pages // 2, pages - 2):
        decision, shown, questions = ask("python", {"code": code}, *[""] * page, "y", "y", "y")
        assert decision == Decision(False, "y"), "a y before the end allows nothing"
        assert len(shown.splitlines()) <= (page + 1) * ROWS
        assert len(questions) == page + 1


def test_no_line_is_wider_than_the_screen_and_no_character_moves_the_cursor(ask: Ask) -> None:
    _, shown, _ = ask("shell", {"command": "a\tb\x1b[2K\r\u202e" * 200}, *[""] * 100)
    assert max(map(len, shown.splitlines())) <= 60
    assert not any(char in shown for char in "\x1b\r\t\u202e")


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("f", {"code": "\u5b57" * 5_000}),
        ("f", {"\n" * 9 + "arguments\n" * 90: "a\nb"}),
        ("f", {"a" * 5_000: "a\nb"}),
        ("f" * 64, {"code": "1"}),
    ],
    ids=["wide characters", "a name of many lines", "a long name", "a long name of a tool"],
)
def test_no_screen_has_more_than_its_rows(ask: Ask, name: str, arguments: dict[str, Any]) -> None:
    _, shown, questions = ask(name, arguments, *[""] * 500)
    lines = shown.splitlines()
    assert max(map(cell_len, lines)) <= 60
    assert len(lines) <= len(questions) * ROWS


def test_padding_is_counted(ask: Ask) -> None:
    _, shown, questions = ask("shell", {"command": "ls" + " " * 9_000 + "; rm -r data"}, "n")
    assert "command (1 line, 9,014 characters):\nls[9,000 blanks]; rm -r data\n" in shown
    assert len(questions) == 1
