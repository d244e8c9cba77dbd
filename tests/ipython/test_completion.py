"""Tab completion on the line of a magic."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_magics.api.models import CATALOGUE
from mm_magics.config import MiniMax
from mm_magics.ipython.commands import COMMANDS
from mm_magics.ipython.completion import completions
from mm_magics.ipython.flags import FLAGS
from mm_magics.tools.builtin.catalogue import TOOL_NAMES


@pytest.mark.parametrize(
    ("before", "offered"),
    [
        ("%%minimax --mo", ["--model"]),
        ("%%minimax --th", ["--thinking", "--thread"]),
        ("%%minimax --tool", ["--tools", "--tool-choice"]),
        ("%%minimax -m M --qui", ["--quiet"]),
        ("%%minimax -m MiniMax-M2.7", ["MiniMax-M2.7", "MiniMax-M2.7-highspeed"]),
        ("%%minimax --model ", list(CATALOGUE)),
        ("%%minimax -m MiniMax-M2,MiniMax-M2.7", ["MiniMax-M2.7", "MiniMax-M2.7-highspeed"]),
        ("%%minimax -m MiniMax-M2.7,MiniMax-M2.7", ["MiniMax-M2.7-highspeed"]),
        ("%%minimax --check ", []),
        ("%%minimax --as ", ["markdown", "code", "text", "json"]),
        ("%%minimax --thinking o", ["on", "off"]),
        ("%%minimax --context a", ["above", "all"]),
        ("%%minimax --replay ", ["off", "auto", "only"]),
        ("%%minimax --system ", []),
        ("%%minimax --quiet --ra", ["--raw"]),
        ("%%minimax --model=MiniMax-M2.7-", ["MiniMax-M2.7-highspeed"]),
        ("%%minimax --tools ", [*TOOL_NAMES, "none"]),
        ("%%minimax --tools python,pyth", []),
        ("%%minimax --tools python,variables,", [*TOOL_NAMES[2:], "none"]),
        ("%%minimax --tools=python,sh", ["shell"]),
        ("%%minimax --tools python --ra", ["--raw"]),
        ("%%minimax zzz", []),
        ("%minimax mod", ["model", "models"]),
        ("%minimax set te", ["temperature"]),
        ("%minimax set tool_", ["tool_choice", "tool_limit", "tool_timeout"]),
        ("%minimax set ", sorted(MiniMax.class_trait_names(config=True))),
        ("%minimax model MiniMax-M2.1", ["MiniMax-M2.1", "MiniMax-M2.1-highspeed"]),
        ("%minimax help ", []),
        ("%%mini", []),
        ("%minimax", []),
        ("", []),
        (" ", []),
        ("print(", []),
        ("x = 1 ", []),
    ],
)
def test_a_line_is_completed(before: str, offered: list[str]) -> None:
    assert completions(before) == offered


def test_every_flag_and_every_command_is_completed() -> None:
    assert completions("%%minimax ") == [name for flag in FLAGS for name in flag.names]
    assert completions("%minimax ") == [command.name for command in COMMANDS]


@pytest.mark.fuzz
@given(st.text(max_size=20), st.sampled_from(["", "%%minimax ", "%minimax ", "%minimax set "]))
def test_completion_never_fails(text: str, start: str) -> None:
    for name in completions(start + text):
        assert isinstance(name, str)
