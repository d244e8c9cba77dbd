"""The terminal view: it streams text, writes notes on lines of their own, and text cannot control the terminal."""

from __future__ import annotations

import io
import re
import threading
from typing import Any

import pytest
from rich.console import Console

from mm_magics.display.terminal import TerminalView
from mm_magics.endpoint.stream_events import BlockStart, BlockStop, Delta
from mm_magics.errors import EndpointError
from mm_magics.session import Session
from mm_magics.simulator import ScriptedAnswer, Simulator, text, thinking, tool_use
from mm_magics.turn.checks import Check, CheckedAnswer
from mm_magics.turn.driver import drive

SGR = re.compile(r"\x1b\[[0-9;]*m")


def view_of(*, styled: bool = False, width: int = 40) -> tuple[TerminalView, io.StringIO]:
    file = io.StringIO()
    console = Console(
        file=file, force_terminal=styled, width=width, highlight=False, markup=False, emoji=False, soft_wrap=True
    )
    return TerminalView(console), file


def test_thinking_is_followed_by_the_answer_and_the_summary(session: Session, endpoint: Simulator) -> None:
    endpoint.answers.append(ScriptedAnswer([thinking("Let me see."), text("**Hello**, [b]world[/b] :smile:\n\n1 < 2")]))
    view, file = view_of()
    turn = session.ask("hi", view=view, params={"top_k": 3})
    lines = file.getvalue().splitlines()
    assert lines[:5] == [
        "top_k is ignored by the endpoint.",
        "Let me see.",
        "**Hello**, [b]world[/b] :smile:",
        "",
        "1 < 2",
    ]
    assert lines[5].startswith(f"{turn.model} · ")
    assert len(lines) == 6


def test_long_lines_are_wrapped_by_the_terminal(session: Session, endpoint: Simulator) -> None:
    endpoint.answers.append(ScriptedAnswer([text("word " * 100)]))
    view, file = view_of(width=20)
    session.ask("hi", view=view)
    assert "word " * 100 in file.getvalue()


def test_thinking_is_dimmed_and_the_answer_is_not(session: Session, endpoint: Simulator) -> None:
    endpoint.answers.append(ScriptedAnswer([thinking("hm"), text("Yes")], size=9, thinking_size=9))
    view, file = view_of(styled=True)
    session.ask("hi", view=view)
    assert "\x1b[2;3mhm\x1b[0m" in file.getvalue()
    assert "\nYes" in file.getvalue()


def test_a_tool_call_is_shown_with_its_name_and_input(session: Session, endpoint: Simulator) -> None:
    endpoint.answers.append(ScriptedAnswer([tool_use("lookup", {"q": 1})]))
    view, file = view_of()
    session.ask("hi", view=view, params={"tools": [{"name": "lookup"}]})
    assert file.getvalue().splitlines()[0].replace(" ", "") == '[lookup]{"q":1}'


def test_a_retry_is_shown(session: Session, endpoint: Simulator) -> None:
    session.config.max_retries = 1
    view, file = view_of()
    session.ask("hi [[simulator: fault=overloaded times=1 retry_after=0.01]]", view=view)
    line = file.getvalue().splitlines()[0]
    assert "(HTTP 529, overloaded_error); retrying in 0 s (1 of 1)" in line


def test_a_stopped_turn_ends_with_a_line_that_says_so(session: Session) -> None:
    stop = threading.Event()

    class Stopping(TerminalView):
        def show(self, event: Any) -> None:
            super().show(event)
            if isinstance(event, Delta) and event.kind == "text":
                stop.set()

    view, file = view_of()
    session.ask("[[simulator: deltas=10000 rate=500]]", view=Stopping(view._console), stop=stop)
    assert file.getvalue().splitlines()[-1].endswith("stopped: the partial response is kept")


def test_text_received_before_a_fault_stays_visible(session: Session) -> None:
    view, file = view_of()
    with pytest.raises(EndpointError):
        session.ask('[[simulator: fault=reset after=6 say="Hello there, this is cut."]]', view=view)
    assert "Hello there" in file.getvalue()


EVIL = [
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\x1b[2J\x1b[H",
    "\x9b31m",
    "a\rb",
    "a\x08\x08b",
    "\u202eevil\u202c",
    "\x00\x01\x7f",
    "half \ud83d.",
]


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize("styled", [False, True])
def test_text_from_a_model_cannot_control_the_terminal(evil: str, styled: bool) -> None:
    view, file = view_of(styled=styled)
    for event in (
        BlockStart(0, {"type": "tool_use", "name": evil}),
        Delta(0, "input", evil),
        BlockStop(0, {}),
        Delta(1, "thinking", evil),
        *(Delta(2, "text", each) for each in evil),
    ):
        view.show(event)
    view.write_line(evil)
    written = SGR.sub("", file.getvalue())
    assert all(each == "\n" or each.isprintable() for each in written), repr(written)
    written.encode()


def test_text_is_flushed_soon_if_the_stream_stalls(session: Session) -> None:
    """In a kernel, standard output has a buffer of its own that only a flush empties."""
    flushed: list[str] = []

    class Buffered(io.StringIO):
        def flush(self) -> None:
            flushed.append(self.getvalue())

    view = TerminalView(Console(file=Buffered(), force_terminal=False, soft_wrap=True))
    stop = threading.Event()
    timer = threading.Timer(0.3, stop.set)
    timer.start()
    session.ask('[[simulator: fault=silence after=6 say="Hello there, this is cut."]]', view=view, stop=stop)
    timer.join()
    assert any("Hello there" in each and "stopped" not in each for each in flushed)


def test_the_verdict_of_a_check_is_the_last_line(session: Session) -> None:
    view, file = view_of(width=200)
    check = Check("is_short", lambda text: len(text) < 9, lambda turn: turn.text)
    with CheckedAnswer(session.stream('[[simulator: say="Kelp"]]'), check, session.history) as answer:
        drive(answer, view)
    assert file.getvalue().splitlines()[-1] == "is_short: pass"


def test_a_replayed_answer_is_written_whole(session: Session) -> None:
    answered = session.ask('hi [[simulator: say="A reef."]]', cell_id="a")
    view, file = view_of()
    session.ask('hi [[simulator: say="A reef."]]', cell_id="a", view=view, replay="only")
    first, second = file.getvalue().splitlines()
    assert first == "A reef."
    assert second.startswith(f"{answered.model} · ")
