"""`%minimax versions` and `use`, without a kernel and with a page that is connected."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from mm_magics.errors import ArgumentError, UsageError
from mm_magics.history.turn import MIME_TYPE
from mm_magics.ipython import commands
from mm_magics.ipython.live_page import LivePage
from mm_magics.ipython.scheduled_cells import ScheduledCells
from mm_magics.session import Session
from mm_magics.simulator import Simulator
from tests.ipython.tables import as_text

SHELL: Any = SimpleNamespace(user_ns={})


def output(session: Session, line: str, page: LivePage | None = None) -> str:
    table = commands.run(commands.Context(session, SHELL, page=page), line)
    return as_text(table)


@pytest.fixture
def asked(session: Session, endpoint: Simulator) -> Session:
    """A session in which the cell `a` was asked three times and the cell `b`, below it, once."""
    endpoint.answers.extend(["First answer", "Second answer", "Third answer", "Answer below"])
    for cell in "aaab":
        session.ask(f"Prompt of {cell}", cell_id=cell)
    return session


def test_the_versions_of_a_turn_are_listed_by_number_with_the_active_one_marked(asked: Session) -> None:
    lines = output(asked, "versions 1").splitlines()
    assert [line.split()[:2] for line in lines[1:4]] == [["1", "MiniMax-M2.7"], ["2", "MiniMax-M2.7"], ["*", "3"]]
    assert [word in line for word, line in zip(("First", "Second", "Third"), lines[1:4], strict=True)] == [True] * 3
    assert "complete" in lines[1]
    assert "Prompt of a" in lines[1]
    assert lines[4] == "%minimax use N makes another version the active one."


def test_without_a_number_it_is_the_last_turn(asked: Session) -> None:
    assert "It was answered once." in output(asked, "versions")
    assert "Answer below" in output(asked, "versions")


def test_using_a_version_without_a_page_displays_it_and_says_what_the_cell_shows(
    asked: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    text = output(asked, "use 1 1")
    assert "Version 1 of 3 of 'Prompt of a' is active until this kernel ends. Its cell still shows version 3" in text
    assert "First answer" in capsys.readouterr().out
    assert [turn.text for turn in asked.history.turns("main")] == ["First answer", "Answer below"]
    assert "complete, stale" in output(asked, "history")
    assert output(asked, "use 1 1") == "Version 1 of 3 of 'Prompt of a' is active already."


def test_using_a_version_replaces_the_output_on_a_connected_page(
    asked: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    sent: list[Any] = []
    page = LivePage(asked, ScheduledCells())
    turns = {str(turn.cell_id): turn for turn in asked.history.turns("main")}
    changed = {
        id_: {
            "cell_type": "code",
            "source": "%%minimax\nQ?",
            "outputs": [{"output_type": "display_data", "data": {MIME_TYPE: turn.record()}}],
        }
        for id_, turn in turns.items()
    }
    page.receive({"order": ["a", "b"], "pending": [], "changed": changed}, sent.append)
    assert output(asked, "use 2 1", page) == "Version 2 of 3 of 'Prompt of a' is active now."
    assert capsys.readouterr().out == ""
    bundle = sent[-1]["outputs"]["a"]["data"]
    assert bundle[MIME_TYPE] == asked.history.turns("main")[0].record()
    assert all("Second answer" in bundle[kind] for kind in ("text/html", "text/markdown", "text/plain"))
    page.send_marks()
    assert sent[-1] == {"marks": {"b": {turns["b"].id: ["stale"]}}}


def test_a_turn_without_a_cell_can_be_switched_in_a_terminal(asked: Session) -> None:
    asked.history.load(asked.history.turns("main")[:1])
    assert output(asked, "use 1 1").startswith("Version 1 of 3 of 'Prompt of a' is active now.")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("use", "The number of a version is required."),
        ("use x", "The number of a version is required."),
        ("use 2", "Version 2 does not exist: the turn has 1 version."),
        ("use 0 1", "Version 0 does not exist: the turn has 3 versions."),
        ("use 4 1", "Version 4 does not exist: the turn has 3 versions."),
        ("use 1 3", "The thread main has no turn 3."),
        ("use 1 a", "The thread main has no turn a."),
        ("versions 0", "The thread main has no turn 0."),
    ],
)
def test_an_invalid_number_changes_nothing_and_says_why(asked: Session, line: str, message: str) -> None:
    before = asked.history.turns("main")
    with pytest.raises(ArgumentError) as caught:
        commands.run(commands.Context(asked, SHELL), line)
    assert caught.value.message == message
    assert asked.history.turns("main") == before


def test_without_turns_there_are_no_versions(session: Session) -> None:
    with pytest.raises(UsageError, match="No turn of the thread main is above this cell"):
        commands.run(commands.Context(session, SHELL), "versions")
