"""After any sequence of actions on a page, a prompt sees exactly the turns that the page shows above it."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from mm_magics.api.messages import text_of
from mm_magics.errors import EndpointError
from mm_magics.history.turn import MIME_TYPE, Turn
from mm_magics.session import Session
from mm_magics.simulator import Simulator

pytestmark = [pytest.mark.slow, pytest.mark.traced]

FAULTS = ("close after=3", "cut-tool-json", "overloaded", "silence after=4", "only-thinking", "old-tool-id")


class PageMachine(RuleBasedStateMachine):
    """A page of prompt cells as a front end has it, saved after each step."""

    endpoint: Simulator

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "page.ipynb"
        self.cells: list[str] = []
        self.shown: dict[str, Turn] = {}
        self.clock = 2_000_000_000
        self.made = 0
        self.insert(0)
        self.session = Session()
        self.restart()

    def teardown(self) -> None:
        self.session.close()
        self.folder.cleanup()

    def save(self) -> None:
        cells: list[dict[str, Any]] = []
        for id_ in self.cells:
            record = self.shown[id_].record() if id_ in self.shown else None
            output = {"output_type": "display_data", "metadata": {}, "data": {MIME_TYPE: record}}
            source = f"%%minimax\n{id_}"
            cells.append({"cell_type": "code", "id": id_, "source": source, "outputs": [output] if record else []})
        self.path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}))
        self.clock += 100
        os.utime(self.path, (self.clock, self.clock))

    @rule(place=st.integers(0, 9))
    def insert(self, place: int) -> None:
        self.made += 1
        self.cells.insert(place, f"cell{self.made}")
        self.save()

    @rule()
    def restart(self) -> None:
        self.session.close()
        self.session = Session(
            base_url=self.endpoint.base_url, api_key=self.endpoint.key, timeout=1.0, max_retries=0, replay="off"
        )
        self.session.attach(self.path)

    @rule(which=st.integers(0, 99), fault=st.sampled_from(("", "", *FAULTS)))
    def run(self, which: int, fault: str) -> None:
        id_ = self.cells[which % len(self.cells)]
        prompt = f"{id_} says {self.clock}" + (f" [[simulator: fault={fault}]]" if fault else "")
        try:
            turn: Turn | None = self.session.ask(prompt, cell_id=id_)
        except EndpointError as error:
            turn = error.turn
        if turn is not None and len(turn.messages) > 1:
            self.shown[id_] = turn
        self.save()

    @rule(which=st.integers(0, 99), deltas=st.integers(1, 12))
    def stop(self, which: int, deltas: int) -> None:
        id_ = self.cells[which % len(self.cells)]
        # On a busy machine the answer can be silent for longer than this session's timeout.
        answer = self.session.stream(f"{id_} says {self.clock}", cell_id=id_)
        with suppress(EndpointError), answer:
            for number, _ in enumerate(answer):
                if number == deltas:
                    break
        turn = answer.close()
        if len(turn.messages) > 1:
            self.shown[id_] = turn
        self.save()

    @precondition(lambda self: len(self.cells) > 1)
    @rule(which=st.integers(0, 99), to=st.integers(0, 9))
    def move(self, which: int, to: int) -> None:
        self.cells.insert(to, self.cells.pop(which % len(self.cells)))
        self.save()

    @precondition(lambda self: len(self.cells) > 1)
    @rule(which=st.integers(0, 99))
    def delete(self, which: int) -> None:
        self.shown.pop(self.cells.pop(which % len(self.cells)), None)
        self.save()

    @rule(which=st.integers(0, 99), rerun=st.booleans())
    def fork(self, which: int, rerun: bool) -> None:
        """A fork shares the turns above the cell, also after the last of them is run again."""
        id_ = self.cells[which % len(self.cells)]
        above = [each for each in self.cells[: self.cells.index(id_)] if each in self.shown]
        if not above:
            return
        self.session.refresh()
        name = f"fork{self.clock}"
        assert self.session.history.fork("main", name, id_) == len(above)
        if rerun:
            self.run(self.cells.index(above[-1]), "")
            self.session.refresh()
        assert self.session.history.context_turns(name, None) == [
            self.session.history.turn_of_cell("main", each) for each in above
        ]

    @rule(which=st.integers(0, 99))
    def clear(self, which: int) -> None:
        self.shown.pop(self.cells[which % len(self.cells)], None)
        self.save()

    @invariant()
    def each_cell_sees_the_turns_above_it(self) -> None:
        for place, id_ in enumerate(self.cells):
            prompt = self.session.prepare("?", cell_id=id_)
            above = [self.shown[each] for each in self.cells[:place] if each in self.shown]
            expected = [turn.prompt for turn in above if turn.closed]
            sent = text_of(prompt.body["messages"][:-1], role="user").split("\n\n")
            last = prompt.body["messages"][-1]["content"][-1]["text"]
            assert [text for text in sent if text] == expected
            assert last == "?"

    @invariant()
    def every_request_was_valid(self) -> None:
        assert [record.problems for record in self.endpoint.log if record.problems and not record.fault] == []


def test_a_prompt_sees_the_turns_that_the_page_shows_above_it(endpoint: Simulator) -> None:
    machine = type("Machine", (PageMachine,), {"endpoint": endpoint})
    run_state_machine_as_test(machine, settings=settings(max_examples=25, stateful_step_count=20, deadline=None))
