"""A notebook on the page of JupyterLab, and what its prompts are expected to send.

What is expected comes from the page alone, and from the turns as they were when they were answered.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize

from mm_magics.api.messages import join_turns
from mm_magics.history.turn import Turn
from mm_magics.simulator import Simulator
from tests.page.bridge import Page

LOAD = """%load_ext mm_magics
%config MiniMax.max_retries = 0
from mm_magics import minimax_tool

@minimax_tool(asks=True)
def wipe() -> str:
    return "wiped"
"""


class Asked(NamedTuple):
    """A turn as it was when it was answered, and the `messages` that were sent for it."""

    turn: Turn
    messages: list[Any] | None


class Shown(NamedTuple):
    """A cell as the page shows it."""

    id: str
    kind: str
    source: str
    text: str
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
        return self.kind == "code" and bool(lines) and lines[0].split(" ")[0] == "%%minimax"

    @property
    def prompt(self) -> str:
        return self.source.partition("%%minimax")[2].partition("\n")[2]

    @property
    def turn_ids(self) -> set[str]:
        """The ids of the turn and its versions."""
        return {self.record["id"], *(each["id"] for each in self.record.get("versions", []))} if self.record else set()


class ShownNotebook(RuleBasedStateMachine):
    """A notebook in JupyterLab. The first cell loads the extension and is never changed."""

    page: Page
    other: Page
    endpoint: Simulator

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.asked: dict[str, Asked] = {}
        self.removed: set[str] = set()
        self.count = 0

    @initialize(minor=st.sampled_from([5, 5, 4]))
    def open(self, minor: int) -> None:
        """Open a notebook; one of format 4.4 has no cell ids."""
        self.has_ids = minor > 4
        sources = [LOAD, self.prompt(), self.prompt(), "x = 1", self.prompt()]
        code = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
        ids = [{"id": f"c{n}"} if self.has_ids else {} for n in range(len(sources))]
        cells = [{**code, "source": each, **id_} for each, id_ in zip(sources, ids, strict=True)]
        content = {"nbformat": 4, "nbformat_minor": minor, "metadata": {}, "cells": cells}
        Path(self.folder.name, "page.ipynb").write_text(json.dumps(content))
        os.environ["JPY_SESSION_NAME"] = str(Path(self.folder.name, "page.ipynb"))
        self.page.serve(Path(self.folder.name))
        self.page.call("open", "page.ipynb")
        self.page.run(0)

    def teardown(self) -> None:
        try:
            self.probe()
            assert [each.problems for each in self.endpoint.log if each.problems and not each.fault] == []
        finally:
            self.page.kernel.magics.session.close()
            for page in (self.page, self.other):
                if page.server:
                    page.close()
            self.folder.cleanup()

    # What is expected

    def prompt(self, above: str = "") -> str:
        self.count += 1
        return f"{above}%%minimax\nPrompt {self.count}.\nSecond line."

    @property
    def cells(self) -> list[Shown]:
        return [
            Shown(
                *(each[key] for key in ("id", "type", "source", "text")),
                record=(each["records"] or [None])[-1],
                marks=sorted(each["marks"]),
            )
            for each in self.page.call("shown")
        ]

    def messages(self, cells: Sequence[Shown], at: int, prompt: Any) -> list[Any]:
        """The messages of a request: what the page shows above a cell, and the prompt."""
        ids = [each.turn_id for each in cells[:at] if each.is_prompt and not each.turn_ids & self.removed]
        return join_turns([*(self.asked[each].turn.closed for each in ids if each), [prompt]])

    def pick(self, which: int, *, prompt: bool = False) -> int | None:
        """The index of a cell after the first one."""
        found = [n for n, each in enumerate(self.cells) if n and (each.is_prompt or not prompt)]
        return found[which % len(found)] if found else None

    def remember(self, sent: Sequence[list[Any]]) -> None:
        """Remember the new turn on the page. Without a request, whether it is stale is not known."""
        magics = self.page.kernel.magics
        known = {turn.id: turn for turn in magics.session.history.turns("main")} if magics else {}
        for cell in self.cells:
            if cell.record and cell.turn_id not in self.asked:
                self.removed -= cell.turn_ids
                # A turn without an answer is shown, but is not in the history.
                turns = [turn for turn in (known.get(cell.turn_id), Turn.from_record(cell.record)) if turn]
                turn = max(turns, key=lambda turn: len(dumped(turn.closed)))  # the kernel may know only a part
                self.asked[turn.id] = Asked(turn, sent[0] if sent else None)

    def check_request(self, messages: list[Any], cells: Sequence[Shown], at: int, prompt: Any) -> None:
        shown = "\n".join(map(str, cells))
        assert dumped(messages) == dumped(self.messages(cells, at, prompt)), f"cell {at} of\n{shown}"

    def check_versions(self, before: Shown, after: Shown) -> None:
        """The answer that a new one replaces is a version of it, also if a command had removed it."""
        if before.turn_id and after.record and after.turn_id != before.turn_id:
            assert not self.asked[before.turn_id].turn.closed or before.turn_id in after.turn_ids, str(after)

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
            is_removed = bool(cell.turn_ids & self.removed)
            assert ("removed" in cell.marks) is is_removed, str(cell)
            if is_removed:
                continue
            if turn.closed and messages is not None:
                stale = messages != self.messages(cells, at, turn.messages[0])
                assert ("stale" in cell.marks) is stale, f"cell {at} of {[str(each) for each in cells]}"

    def probe(self) -> None:
        """Check what each prompt cell would send."""
        raise NotImplementedError


def user(text: str) -> Any:
    return {"role": "user", "content": [{"type": "text", "text": text}]}


def dumped(messages: Sequence[Any]) -> str:
    """The JSON of messages: the order of keys counts, and 1.0 is not 1."""
    return json.dumps(messages)
