"""After any sequence of actions in JupyterLab, a prompt sends what the page shows above it, or a mark says why not.

The page is JupyterLab's own notebook with our extension (`bridge.py`), saved through Jupyter's contents manager; the
kernel runs the real magics on the simulator. What is expected comes from the page alone, and from the turns as they
were when they were answered.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from mm_magics.api.messages import join_turns
from mm_magics.history.cell_matching import Execution
from mm_magics.history.turn import Turn
from mm_magics.simulator import ScriptedAnswer, Simulator
from tests.page.bridge import Page

LOAD = "%load_ext mm_magics\n%config MiniMax.max_retries = 0"
PLACES = st.integers(0, 30)
ANSWERS = [
    [{"type": "text", "text": "Plain."}],
    [
        {"type": "text", "text": "Ünïcode 🪸 \u2028 and \r\n."},
        {"type": "later", "z": 1, "a": {"y": 1.0, "b": 2**60 + 1}},
    ],
    [{"type": "thinking", "thinking": "So.", "signature": "abc"}, {"type": "text", "text": "# Title\n\n- a\n"}],
]
FAULTS = ["close after=3", "overloaded", "only-thinking"]
ABOVE = ["", "", "", "# A comment.\n\n", "%%time\n"]


class Asked(NamedTuple):
    """A turn as it was when it was answered, and the `messages` that were sent for it."""

    turn: Turn
    messages: list[Any] | None


class Shown(NamedTuple):
    """A cell as the page shows it."""

    id: str
    kind: str
    source: str
    record: dict[str, Any] | None
    marks: list[str]

    def __str__(self) -> str:
        return f"{self.id[:4]} {self.kind} {self.source[:30]!r} {(self.turn_id or '-')[:4]} {self.marks}"

    @property
    def turn_id(self) -> str | None:
        return self.record["id"] if self.record else None

    @property
    def is_prompt(self) -> bool:
        lines = [line for line in self.source.split("\n") if line.strip() and not line.startswith(("#", "%%time"))]
        return self.kind == "code" and bool(lines) and lines[0] == "%%minimax"

    @property
    def prompt(self) -> str:
        return self.source.partition("%%minimax\n")[2]


class Conversation(RuleBasedStateMachine):
    """A notebook in JupyterLab. The first cell loads the extension and is never changed."""

    page: Page
    endpoint: Simulator

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.asked: dict[str, Asked] = {}
        self.count = 0

    @initialize(minor=st.sampled_from([5, 5, 4]))
    def open(self, minor: int) -> None:
        """Open a notebook; one of format 4.4 has no cell ids."""
        sources = [LOAD, self.prompt(), self.prompt(), "x = 1", self.prompt()]
        code = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
        ids = [{"id": f"c{n}"} if minor > 4 else {} for n in range(len(sources))]
        cells = [{**code, "source": each, **id_} for each, id_ in zip(sources, ids, strict=True)]
        content = {"nbformat": 4, "nbformat_minor": minor, "metadata": {}, "cells": cells}
        Path(self.folder.name, "page.ipynb").write_text(json.dumps(content))
        self.page.serve(Path(self.folder.name))
        self.page.call("open", "page.ipynb")
        self.page.run(0)

    def teardown(self) -> None:
        try:
            self.probe()
            assert [each.problems for each in self.endpoint.log if each.problems and not each.fault] == []
        finally:
            self.page.kernel.magics.session.close()
            self.page.close()
            self.folder.cleanup()

    # What is expected

    def prompt(self, above: str = "") -> str:
        self.count += 1
        return f"{above}%%minimax\nPrompt {self.count}.\nSecond line."

    @property
    def cells(self) -> list[Shown]:
        return [
            Shown(each["id"], each["type"], each["source"], (each["records"] or [None])[-1], sorted(each["marks"]))
            for each in self.page.call("shown")
        ]

    def context(self, cells: Sequence[Shown], at: int) -> list[Any]:
        """The messages that the page shows above a cell."""
        ids = [each.turn_id for each in cells[:at] if each.is_prompt and each.turn_id]
        return join_turns([self.asked[each].turn.closed for each in ids])

    def pick(self, which: int, *, prompt: bool = False) -> int | None:
        """The index of a cell after the first one."""
        found = [n for n, each in enumerate(self.cells) if n and (each.is_prompt or not prompt)]
        return found[which % len(found)] if found else None

    def remember(self, sent: Sequence[list[Any]]) -> None:
        """Remember the new turn on the page. Without a request, whether it is stale is not known."""
        for cell in self.cells:
            if cell.record and cell.turn_id not in self.asked:
                # A turn without an answer is shown, but is not in the history.
                magics = self.page.kernel.magics
                found = magics.session.history.turn_of_cell("main", cell.id) if magics else None
                turn = found if found and found.id == cell.turn_id else Turn.from_record(cell.record)
                self.asked[turn.id] = Asked(turn, sent[0] if sent else None)

    def check_versions(self, before: Shown, after: Shown) -> None:
        """The answer that a new one replaces is a version of it."""
        if before.turn_id and after.record and after.turn_id != before.turn_id:
            versions = [each["id"] for each in after.record.get("versions", [])]
            assert not self.asked[before.turn_id].turn.closed or before.turn_id in versions

    def check_marks(self) -> None:
        """A turn is marked as stale if and only if its context is not the one that it answered, and as edited if the
        text of its cell is not.
        """
        cells = self.cells
        for at, cell in enumerate(cells):
            if not cell.turn_id:
                continue
            turn, messages = self.asked[cell.turn_id]
            if not cell.is_prompt or cell.prompt.rstrip("\n") != turn.prompt:
                assert "edited" in cell.marks, str(cell)
            if not cell.is_prompt:
                continue
            if turn.closed and messages is not None:
                stale = messages[:-1] != self.context(cells, at)
                assert ("stale" in cell.marks) is stale, f"cell {at} of {[str(each) for each in cells]}"

    # Running cells

    @rule(which=PLACES, answer=st.sampled_from(ANSWERS), fault=st.sampled_from(["", "", "", *FAULTS]))
    def run(self, which: int, answer: Any, fault: str) -> None:
        if fault:
            self.edit(which, f"Fault [[simulator: fault={fault}]]", "")
        self.ask(which, answer if not fault else None)

    def ask(self, which: int, answer: Any, during: Callable[[], None] | None = None) -> None:
        """Run a prompt cell; `during` is called while it is answered."""
        at = self.pick(which, prompt=True)
        if at is None:
            return
        cells, before = self.cells, len(self.endpoint.log)
        self.endpoint.answers.clear()
        if answer:
            self.endpoint.answers.append(ScriptedAnswer(answer))
        self.page.run(at, during)
        sent = [each.body["messages"] for each in self.endpoint.log[before:]]
        assert not (sent and cells[at].prompt.count("%%minimax")), "a cell with two prompts was sent"
        for each in sent:
            assert dumped(each[:-1]) == dumped(self.context(cells, at))
            assert each[-1]["content"][-1]["text"] == cells[at].prompt.rstrip("\n")
        self.remember(sent)
        if during is None:
            self.check_marks()
            self.check_versions(cells[at], self.cells[at])

    @rule(
        which=PLACES,
        answer=st.sampled_from(ANSWERS),
        changes=st.lists(st.sampled_from(["moveDown", "delete", "undo", "duplicate", "merge", "save"]), max_size=3),
        other=PLACES,
    )
    def change_while_it_answers(self, which: int, answer: Any, changes: list[str], other: int) -> None:
        """The answer ends up in its cell, wherever it is then; the answer of a deleted cell is forgotten."""
        at = self.pick(which, prompt=True)
        if at is None:
            return
        id_ = self.cells[at].id

        def during() -> None:
            for change in changes:
                now = next((n for n, cell in enumerate(self.cells) if cell.id == id_), None)
                if change in ("undo", "save"):
                    self.page.call(change)
                elif now is not None and (change != "merge" or now + 1 < len(self.cells)):
                    self.page.call(change, now)

        self.ask(which, answer, during)

    @rule()
    def probe(self) -> None:
        """Each prompt cell would send what the page shows above it."""
        for at, cell in enumerate(self.cells):
            if cell.is_prompt:
                self.page.do("describe", at)
                self.count += 1
                session = self.page.kernel.magics.session
                id_ = session.place(Execution(cell.source, cell.id, self.page.kernel.page, f"probe {self.count}"))
                prompt = session.prepare("?", cell_id=id_)
                assert dumped(prompt.body["messages"][:-1]) == dumped(self.context(self.cells, at))
        self.check_marks()

    # Editing the notebook

    @rule(at=PLACES, kind=st.sampled_from([*ABOVE, "x = 1", "%%bash\n"]))
    def insert(self, at: int, kind: str) -> None:
        self.page.do("insert", 1 + at % len(self.cells), kind if kind == "x = 1" else self.prompt(kind))

    @rule(which=PLACES, text=st.sampled_from(["Edited.", "Edited again."]), above=st.sampled_from(ABOVE))
    def edit(self, which: int, text: str, above: str) -> None:
        at = self.pick(which, prompt=True)
        if at is not None:
            self.page.do("setSource", at, f"{above}%%minimax\n{text}")

    @rule(which=PLACES, to=PLACES)
    def move(self, which: int, to: int) -> None:
        at, last = self.pick(which), len(self.cells) - 1
        if at is not None:
            self.page.do("move", at, 1 + to % last)

    @precondition(lambda self: len(self.cells) > 2)
    @rule(which=PLACES, command=st.sampled_from(["delete", "clear", "duplicate", "moveDown"]))
    def change(self, which: int, command: str) -> None:
        self.page.do(command, self.pick(which))

    @precondition(lambda self: len(self.cells) > 2)
    @rule(which=PLACES, below=PLACES, command=st.sampled_from(["copy", "cut"]))
    def paste(self, which: int, below: int, command: str) -> None:
        self.page.do(command, self.pick(which), below % len(self.cells))

    @rule(command=st.sampled_from(["undo", "undo", "redo"]))
    def undo(self, command: str) -> None:
        self.page.do(command)
        assert self.cells[0].source == LOAD

    @rule(which=PLACES, offset=st.sampled_from([0, 5, 11, 12, 21, 30]))
    def split(self, which: int, offset: int) -> None:
        at = self.pick(which)
        if at is not None:
            self.page.do("split", at, offset)

    @precondition(lambda self: len(self.cells) > 2)
    @rule(which=PLACES)
    def merge(self, which: int) -> None:
        self.page.do("merge", 1 + which % (len(self.cells) - 2))

    @rule(which=PLACES, kind=st.sampled_from(["markdown", "raw", "code"]))
    def convert(self, which: int, kind: str) -> None:
        at = self.pick(which)
        if at is not None:
            self.page.do("convert", at, kind)

    # Files and kernels

    @rule()
    def save(self) -> None:
        self.page.do("save")

    @rule(saved=st.booleans())
    def reload(self, saved: bool) -> None:
        if saved:
            self.page.do("save")
        self.page.do("open", "page.ipynb")

    @rule()
    def restart(self) -> None:
        self.page.do("restart")
        self.page.run(0)

    @rule(which=PLACES, answer=st.sampled_from(ANSWERS), after=st.integers(0, 5))
    def kill(self, which: int, answer: Any, after: int) -> None:
        """The text received before a kernel died is a partial turn of the cell."""
        at = self.pick(which, prompt=True)
        if at is None:
            return
        self.endpoint.answers.clear()
        self.endpoint.answers.append(ScriptedAnswer(answer, size=1, rate=200))
        self.page.kill_kernel(at, after)
        self.remember([])
        self.page.run(0)


def dumped(messages: Sequence[Any]) -> str:
    """The JSON of messages: the order of keys counts, and 1.0 is not 1."""
    return json.dumps(messages)


EXAMPLES = 20


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_prompt_sends_what_the_page_shows_above_it(
    page: Page, endpoint: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINIMAX_API_KEY", endpoint.key)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", endpoint.base_url)
    machine = type("Machine", (Conversation,), {"page": page, "endpoint": endpoint})
    some = settings(
        max_examples=EXAMPLES, stateful_step_count=15, suppress_health_check=list(HealthCheck), deadline=None
    )
    run_state_machine_as_test(machine, settings=some)
