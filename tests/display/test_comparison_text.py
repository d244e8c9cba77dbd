"""Several answers as text, for a page that draws no widgets."""

from __future__ import annotations

import threading

from mm_magics.display.comparison_text import ComparisonText, Event
from mm_magics.session import Session
from mm_magics.simulator import Simulator
from mm_magics.turn.checks import Check, CheckedAnswer
from mm_magics.turn.driver import drive
from tests.turn.test_comparison import MODELS, begin


class Recorder:
    """Records the text after each event that changes it."""

    due = None

    def __init__(self, text: ComparisonText) -> None:
        self._text = text
        self.texts: list[str] = []

    def show(self, event: Event) -> None:
        self._text.show(event)
        if (text := str(self._text)) not in self.texts[-1:]:
            self.texts.append(text)


def shown(session: Session, prompt: str, models: tuple[str, ...]) -> list[str]:
    answers = begin(session, prompt, models, stop=threading.Event())
    view = Recorder(ComparisonText(answers))
    check = Check("is_short", lambda text: len(text) < 9, lambda turn: turn.text)
    with CheckedAnswer(answers, check, session.history) as stream:
        drive(stream, view)
    return view.texts


def test_all_answers_grow_below_their_titles_until_each_has_a_verdict(session: Session, endpoint: Simulator) -> None:
    texts = shown(session, '[[simulator: say="Kelp, dulse, laver" size=1 rate=40 thinking=""]]', MODELS[:2])
    parts = [text.split("── Version 2: MiniMax-M2.5 ──") for text in texts]
    assert all(first.startswith("── Version 1: MiniMax-M2.7 ──") for first, _ in parts)
    assert any("Kelp" in first and "laver" not in first and "Kelp" in second for first, second in parts)
    lines = texts[-1].splitlines()
    assert lines[1] == "Kelp, dulse, laver"
    assert lines[2].startswith("MiniMax-M2.7 · ")
    assert lines[3:5] == ["── Version 2: MiniMax-M2.5 ──", "Kelp, dulse, laver"]
    assert lines[5].startswith("MiniMax-M2.5 · ")
    assert lines[6:] == ["Version 1: is_short: fail", "Version 2: is_short: fail"]


def test_an_error_is_a_line_below_its_title(session: Session) -> None:
    lines = shown(session, '[[simulator: say="Kelp" thinking=""]]', ("no-such-model", MODELS[0]))[-1].splitlines()
    assert lines[0] == "── Version 1: no-such-model ──"
    at = lines.index("── Version 2: MiniMax-M2.7 ──")
    assert any("no-such-model" in line for line in lines[1:at])
    assert lines[at + 1] == "Kelp"


def test_notes_are_written_once(session: Session) -> None:
    answers = begin(session, '[[simulator: say="Kelp" thinking=""]]', MODELS[:2], replay="off")
    answers.notes = ["The temperature is not sent."]
    view = Recorder(ComparisonText(answers))
    with answers:
        drive(answers, view)
    lines = view.texts[-1].splitlines()
    assert lines[:3] == ["The temperature is not sent.", "── Version 1: MiniMax-M2.7 ──", "Kelp"]
    assert lines.count("The temperature is not sent.") == 1
