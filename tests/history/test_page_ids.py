"""A prompt sees the turns above it, whatever ids the front end and the file have; where that is unknown, it says so."""

from __future__ import annotations

import itertools
import json
import os
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from mm_magics.history.cell_matching import Execution
from mm_magics.history.turn import MIME_TYPE, Turn
from mm_magics.session import Session


@dataclass(frozen=True)
class FrontEnd:
    """Which ids it sends: those of its page, some of its own, or none; and whether it saves those of its page."""

    sends: str
    saves: bool


FRONT_ENDS = {
    "JupyterLab": FrontEnd("page", saves=True),
    "JupyterLab, nbformat 4.4": FrontEnd("page", saves=False),
    "VS Code": FrontEnd("own", saves=True),
    "VS Code, nbformat 4.4": FrontEnd("own", saves=False),
    "no ids sent": FrontEnd("none", saves=True),
    "no ids at all": FrontEnd("none", saves=False),
}


@dataclass
class PageCell:
    id: str
    own_id: str
    source: str
    turn: Turn | None = None


class Page(RuleBasedStateMachine):
    """A page without our extension: the kernel sees its file and its execution requests.

    Moved and deleted cells, and cells with the text of another one, are saved at once: no kernel can see these edits.
    """

    front_end: FrontEnd

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "page.ipynb"
        self.clock = 2_000_000_000
        self.numbers = itertools.count()
        self.cells = [self.new("%load_ext mm_magics")]
        self.is_saved = True
        self.open_page()
        self.save()
        self.restart()

    def teardown(self) -> None:
        self.session.close()
        self.folder.cleanup()

    def new(self, source: str) -> PageCell:
        return PageCell(uuid.uuid4().hex[:8], f"vscode-W{next(self.numbers)}sZmlsZQ%3D%3D", source)

    def open_page(self) -> None:
        self.page = uuid.uuid4().hex
        for cell in self.cells:
            new = self.new("")
            cell.own_id = new.own_id
            if not self.front_end.saves:
                cell.id = new.id

    @property
    def prompts(self) -> list[PageCell]:
        return [cell for cell in self.cells if cell.source.startswith("%%minimax")]

    @rule()
    def save(self) -> None:
        cells: list[dict[str, Any]] = []
        for each in self.cells:
            data = {MIME_TYPE: json.loads(json.dumps(each.turn.record()))} if each.turn else None
            outputs = [{"output_type": "display_data", "metadata": {}, "data": data}] if data else []
            cell = {"cell_type": "code", "metadata": {}, "source": each.source, "outputs": outputs}
            cells.append({**cell, "id": each.id} if self.front_end.saves else cell)
        self.path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": cells}))
        self.clock += 100
        os.utime(self.path, (self.clock, self.clock))
        self.is_saved = True

    @rule()
    def restart(self) -> None:
        self.save()
        if hasattr(self, "session"):
            self.session.close()
        self.session = Session(api_key="none", replay="off")
        self.session.attach(self.path)
        self.send(self.cells[0])

    @rule()
    def reload(self) -> None:
        self.save()
        self.open_page()

    @rule(place=st.integers(1, 9), save=st.booleans())
    def insert(self, place: int, save: bool) -> None:
        self.cells.insert(place, self.new(f"%%minimax\nprompt {next(self.numbers)}"))
        self.is_saved = False
        if save:
            self.save()

    @rule(place=st.integers(1, 9))
    def insert_the_same_text(self, place: int) -> None:
        self.cells.insert(place, self.new("%%minimax\nGo on."))
        self.save()

    @precondition(lambda self: self.prompts)
    @rule(which=st.integers(0, 99), save=st.booleans())
    def edit(self, which: int, save: bool) -> None:
        self.prompts[which % len(self.prompts)].source = f"%%minimax\nprompt {next(self.numbers)}"
        self.is_saved = False
        if save:
            self.save()

    @precondition(lambda self: self.prompts)
    @rule(which=st.integers(0, 99), to=st.integers(1, 9))
    def move(self, which: int, to: int) -> None:
        cell = self.prompts[which % len(self.prompts)]
        self.cells.remove(cell)
        self.cells.insert(to, cell)
        self.save()

    @precondition(lambda self: self.prompts)
    @rule(which=st.integers(0, 99))
    def delete(self, which: int) -> None:
        self.cells.remove(self.prompts[which % len(self.prompts)])
        self.save()

    def send(self, cell: PageCell) -> Execution:
        sent = {"page": cell.id, "own": cell.own_id, "none": None}[self.front_end.sends]
        execution = Execution(cell.source, sent, self.page, uuid.uuid4().hex)
        self.session.cells.see(execution)
        return execution

    @precondition(lambda self: self.prompts)
    @rule(which=st.integers(0, 99))
    def run(self, which: int) -> None:
        cell = self.prompts[which % len(self.prompts)]
        execution = self.send(cell)
        self.session.refresh()
        cell_id = self.session.place(execution)
        prompt = self.session.prepare(cell.source.partition("\n")[2], cell_id=cell_id)
        sent = [turn.id for turn in prompt.context_turns]
        above = [each.turn.id for each in self.cells[: self.cells.index(cell)] if each.turn]
        current = {each.turn.id for each in self.cells if each.turn and each is not cell}
        if self.is_saved and self.front_end == FRONT_ENDS["JupyterLab"]:
            assert [note for note in prompt.notes if "edited since" not in note] == []
        if not prompt.notes:
            assert sent == above
        elif "same text" not in str(prompt.notes):
            assert set(sent) <= current
        if self.is_saved and "same text" not in str(prompt.notes):
            assert sent == above
        answer = {"role": "assistant", "content": [{"type": "text", "text": f"answer {next(self.numbers)}"}]}
        cell.turn = prompt.turn("complete", [prompt.message, answer], [{"id": "x", "model": "m", "usage": {}}])
        self.session.history.put(cell.turn)
        self.is_saved = False


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_a_prompt_sees_the_turns_above_it_or_says_that_it_may_not(front_end: str) -> None:
    machine = type("Machine", (Page,), {"front_end": FRONT_ENDS[front_end]})
    run_state_machine_as_test(machine, settings=settings(max_examples=12, stateful_step_count=20, deadline=None))
