"""`%minimax compact`, `pin` and `unpin`."""

from __future__ import annotations

from typing import Any

import pytest

from mm_magics import Session
from mm_magics.errors import ArgumentError, UsageError
from mm_magics.history.turn import Turn
from mm_magics.ipython.commands import Context, run
from mm_magics.simulator import Simulator

MODEL = "MiniMax-M2.7"


class Shell:
    """What the commands use of an IPython shell."""

    def __init__(self) -> None:
        self.user_ns: dict[str, Any] = {}
        self.inserted = ""

    def set_next_input(self, text: str) -> None:
        self.inserted = text


@pytest.fixture
def context(session: Session, endpoint: Simulator) -> Context:
    """Seven turns, of which the first two are summarized."""
    session.settings.assign("model", MODEL)
    endpoint.answers.extend([*(["Yes."] * 6), "The summary:\nreefs.", "Answer."])
    for number in range(6):
        session.ask(f"Question {number}.", cell_id=f"c{number}")
    session.ask("Question 6.", cell_id="c6", compact="now")
    return Context(session, Shell())


def sent(context: Context, endpoint: Simulator, text: str = "Next?", **flags: Any) -> tuple[Turn, str]:
    endpoint.answers.append("Next.")
    turn = context.session.ask(text, cell_id=text, **flags)
    return turn, str([message["content"] for message in endpoint.log[-1].body["messages"]])


def test_the_summary_is_shown(context: Context) -> None:
    shown = str(run(context, "compact"))
    assert "2 turns summarized" in shown
    assert "reefs." in shown
    assert "2 turns summarized" in " ".join(str(run(context, "")).split())
    assert str(run(context, "history")).count("summarized") == 2


def test_undo_sends_all_turns_again_and_the_next_turn_records_it(context: Context, endpoint: Simulator) -> None:
    assert "The next prompt sends all turns" in str(run(context, "compact undo"))
    turn, messages = sent(context, endpoint)
    assert "Question 0." in messages
    assert "reefs." not in messages
    assert turn.compacted is not None
    assert turn.compacted.turns == ()
    later, messages = sent(context, endpoint, "Later?")
    assert "Question 0." in messages
    assert later.compacted is None
    assert not context.session.history.stale()
    with pytest.raises(UsageError, match="No turn of the thread main is summarized"):
        run(context, "compact undo")


def test_the_summary_is_edited_in_a_cell(context: Context, endpoint: Simulator) -> None:
    run(context, "compact edit")
    assert context.shell.inserted.endswith("%minimax compact edit minimax_summary")
    exec(context.shell.inserted.partition("%minimax")[0], context.shell.user_ns)
    assert context.shell.user_ns["minimax_summary"] == "The summary:\nreefs."
    context.shell.user_ns["minimax_summary"] += " And corals."
    assert "edited" in str(run(context, "compact edit minimax_summary"))
    turn, messages = sent(context, endpoint)
    assert "reefs. And corals." in messages
    assert turn.compacted is not None
    assert turn.compacted.is_edited
    assert not context.session.history.stale()


@pytest.mark.parametrize("line", ["compact now", "compact edit missing", "pin 99", "pin x"])
def test_invalid_lines_are_refused(context: Context, line: str) -> None:
    with pytest.raises(ArgumentError):
        run(context, line)


def test_a_pinned_turn_is_sent_as_it_is_and_never_summarized(context: Context, endpoint: Simulator) -> None:
    run(context, "pin 2")
    turn, messages = sent(context, endpoint)
    assert "Question 1." in messages
    assert "Question 0." not in messages
    assert turn.compacted is not None
    assert len(turn.compacted.turns) == 1
    endpoint.answers.append("Another summary.")
    turn, messages = sent(context, endpoint, "Last?", compact="now")
    assert "Question 1." in messages
    assert "Question 2." not in messages
    assert turn.compacted is not None
    assert turn.compacted.pinned == (context.session.history.turns("main")[1].id,)
    assert "pinned" in str(run(context, "history"))
    assert "Pinned: Question 1." in str(run(context, "compact"))
    run(context, "unpin 2")
    endpoint.answers.append("All.")
    _, messages = sent(context, endpoint, "End?", compact="now")
    assert "Question 1." not in messages
    assert not context.session.history.stale()


def test_a_turn_is_pinned_before_anything_is_summarized(session: Session, endpoint: Simulator) -> None:
    session.settings.assign("model", MODEL)
    endpoint.answers.extend(["Yes."] * 6)
    for number in range(6):
        session.ask(f"Question {number}.", cell_id=f"c{number}")
    context = Context(session, Shell())
    run(context, "pin 1")
    turn, _ = sent(context, endpoint)
    assert turn.compacted is not None
    assert turn.compacted.pinned
    endpoint.answers.append("A summary.")
    _, messages = sent(context, endpoint, "Last?", compact="now")
    assert "Question 0." in messages
    assert "Question 1." not in messages
