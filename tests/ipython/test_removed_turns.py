"""Turns that `%minimax undo` and `clear` removed stay on the page: they are marked, and the next answer names them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from mm_magics.errors import EndpointError
from mm_magics.history.cell_matching import Execution
from mm_magics.history.turn import MIME_TYPE, Turn
from mm_magics.history.versions import use_version
from mm_magics.ipython.live_page import LivePage
from mm_magics.ipython.scheduled_cells import ScheduledCells
from mm_magics.session import Session
from mm_magics.simulator import Simulator
from tests.ipython.tables import output

NOTE = "The answer in cell 2 of page.ipynb is not sent: %minimax undo or clear removed it."
BOTH = "The answers in cells 1, 2 of page.ipynb are not sent: %minimax undo or clear removed them."
MARK = ["removed"]


def cells_of(turns: dict[str, Turn]) -> dict[str, Any]:
    """Return three prompt cells in the notebook format, with these turns in their outputs."""
    return {
        id_: {
            "cell_type": "code",
            "source": f"%%minimax\nPrompt of {id_}",
            "outputs": [
                {"output_type": "display_data", "metadata": {}, "data": {MIME_TYPE: turn.record()}}
                for turn in [turns.get(id_)]
                if turn
            ],
        }
        for id_ in "abc"
    }


class Page:
    """A page with the extension."""

    def __init__(self, session: Session) -> None:
        self.session, self.live = session, LivePage(session, ScheduledCells())
        self.shown: dict[str, Turn] = {}
        self.marks: dict[str, dict[str, list[str]]] = {}

    def describe(self) -> None:
        self.live.receive(
            {"name": "page.ipynb", "order": list("abc"), "pending": [], "changed": cells_of(self.shown)}, self.receive
        )

    def receive(self, message: Any) -> None:
        self.marks = message.get("marks", self.marks)

    def ask(self, id_: str) -> list[str]:
        """Ask a cell, and return the notes of the answer."""
        self.describe()
        prompt = self.session.prepare(f"Prompt of {id_}", cell_id=self.session.place(Execution("", id_, "p", id_)))
        self.shown[id_] = self.session.ask(prompt)
        self.live.send_marks()
        return prompt.notes

    def run(self, command: str) -> str:
        self.describe()
        text = output(self.session, command)
        self.live.send_marks()
        return text


@pytest.fixture
def page(session: Session) -> Page:
    page = Page(session)
    assert [page.ask(id_) for id_ in "ab"] == [[], []]
    return page


def test_an_undone_turn_is_marked_until_its_cell_is_run_again(page: Page) -> None:
    assert "Its cell still shows it" in page.run("undo")
    marks = {"b": {page.shown["b"].id: MARK}}
    assert page.marks == marks
    page.marks = {}
    page.live.receive({"order": [], "pending": [], "changed": {}}, page.receive)
    page.live = LivePage(page.session, ScheduledCells())  # the page is reloaded
    page.describe()
    assert page.marks == marks
    assert page.ask("c") == [NOTE]
    assert page.ask("c") == []
    page.ask("b")
    assert page.marks == {"c": {page.shown["c"].id: ["stale"]}}
    assert page.ask("c") == []


def test_a_cleared_thread_is_marked_in_all_its_cells(page: Page) -> None:
    page.run("clear")
    assert page.marks == {id_: {page.shown[id_].id: MARK} for id_ in "ab"}
    assert page.ask("c") == [BOTH]


def test_another_version_of_a_removed_turn_is_removed_too(page: Page) -> None:
    page.ask("b")
    page.run("undo")
    page.shown["b"] = page.shown["b"].versions[0]
    assert page.ask("c") == [NOTE]
    assert page.marks == {"b": {page.shown["b"].id: MARK}}


@pytest.mark.parametrize("commands", [["undo"], ["undo", "undo"], ["clear"], ["undo", "clear"]])
def test_a_removed_turn_is_a_version_of_the_next_one(page: Page, commands: list[str]) -> None:
    earlier = dict(page.shown)
    for command in commands:
        page.run(command)
    for id_ in "ba":
        page.ask(id_)
        assert [version.id for version in page.shown[id_].versions] == [earlier[id_].id]
    page.describe()
    assert [turn.place for turn in page.session.history.turns("main")] == [page.shown[id_].place for id_ in "ab"]
    assert "removed" not in str(page.marks)
    page.shown["a"] = use_version(page.shown["a"], 1)  # the reader has chosen it, so it is sent again
    page.ask("c")
    assert "removed" not in str(page.marks)
    assert [turn.id for turn in page.session.history.turns("main")][:1] == [earlier["a"].id]


def test_a_turn_that_was_removed_before_a_restart_is_a_version_of_the_next_one(page: Page, endpoint: Simulator) -> None:
    earlier = page.shown["b"]
    page.run("undo")
    with Session(base_url=endpoint.base_url, api_key=endpoint.key) as session:
        restarted = Page(session)
        restarted.shown = page.shown
        restarted.ask("b")
        assert [version.id for version in restarted.shown["b"].versions] == [earlier.id]


def test_a_removed_turn_stays_if_nothing_is_received(page: Page) -> None:
    earlier = page.shown["b"]
    page.run("undo")
    page.describe()
    with pytest.raises(EndpointError):
        page.session.ask("[[simulator: fault=overloaded]]", cell_id="b", thread="main")
    page.live.send_marks()
    assert page.marks == {"b": {earlier.id: MARK}}
    assert page.session.history.shown_turn("main", "b") == earlier
    page.ask("b")
    assert [version.id for version in page.shown["b"].versions] == [earlier.id]


def test_a_deleted_cell_is_not_reported(page: Page) -> None:
    page.run("undo")
    del page.shown["b"]
    assert page.ask("c") == []
    assert page.marks == {}


def test_without_the_extension_the_next_answer_names_the_cells(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "page.ipynb"
    turns: dict[str, Turn] = {}

    def save(at: int) -> None:
        cells = [{"id": id_, "metadata": {}, **cell} for id_, cell in cells_of(turns).items()]
        path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}))
        os.utime(path, (2_000_000_000 + at,) * 2)

    def ask(id_: str) -> list[str]:
        prompt = session.prepare(f"Prompt of {id_}", cell_id=session.place(Execution("", id_, "p", id_)))
        turns[id_] = session.ask(prompt)
        return prompt.notes

    save(0)
    session.attach(path)
    session.refresh()
    ask("a")
    ask("b")
    save(100)
    output(session, "undo")
    save(200)
    assert ask("c") == [NOTE]
    assert [turn.prompt for turn in session.history.turns("main")] == ["Prompt of a", "Prompt of c"]
