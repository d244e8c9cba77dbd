"""Several answers in a terminal: one below the other, whichever of them is received first."""

from __future__ import annotations

import io
import threading

from rich.console import Console

from mm_magics.display.comparison_terminal import ComparisonTerminalView
from mm_magics.session import Session
from mm_magics.simulator import Simulator
from mm_magics.turn.checks import Check, CheckedAnswer
from mm_magics.turn.driver import drive
from tests.turn.test_comparison import MODELS, begin


def shown(session: Session, text: str, models: tuple[str, ...], **flags: str) -> list[str]:
    file = io.StringIO()
    console = Console(file=file, width=200, highlight=False, markup=False, emoji=False, soft_wrap=True)
    answers = begin(session, text, models, stop=threading.Event(), **flags)
    view = ComparisonTerminalView(console, answers)
    check = Check("is_short", lambda text: len(text) < 9, lambda turn: turn.text)
    stream = CheckedAnswer(answers, check, session.history)
    with stream:
        drive(stream, view)
    view.finish({}, {})
    return file.getvalue().splitlines()


def test_each_answer_has_a_title_and_a_summary(session: Session, endpoint: Simulator) -> None:
    lines = shown(session, '[[simulator: say="Kelp" thinking=""]]', MODELS[:2])
    assert lines[:2] == ["── Version 1: MiniMax-M2.7 ──", "Kelp"]
    assert lines[2].startswith("MiniMax-M2.7 · ")
    assert lines[3:5] == ["── Version 2: MiniMax-M2.5 ──", "Kelp"]
    assert lines[5].startswith("MiniMax-M2.5 · ")
    assert lines[6:] == [
        "Version 1: is_short: pass",
        "Version 2: is_short: pass",
        "The conversation continues with version 1. %minimax use N continues with another.",
    ]


def test_an_error_is_a_line_below_its_title(session: Session) -> None:
    lines = shown(session, '[[simulator: say="Kelp" thinking=""]]', ("no-such-model", MODELS[0]))
    assert lines[0] == "── Version 1: no-such-model ──"
    at = lines.index("── Version 2: MiniMax-M2.7 ──")
    assert any("no-such-model" in line for line in lines[1:at])
    assert lines[at + 1] == "Kelp"
    assert lines[-1].startswith("The conversation continues with version 2.")


def test_a_replayed_answer_is_written_too(session: Session) -> None:
    first = shown(session, '[[simulator: say="Kelp" thinking=""]]', MODELS[:2])
    session.history.run = "later"
    assert shown(session, '[[simulator: say="Kelp" thinking=""]]', MODELS[:2], replay="only") == first
