"""After any sequence of actions in JupyterLab, a prompt sends what the page shows above it, or a mark says why not.

The page is JupyterLab's own notebook with our extension (`bridge.py`), saved through Jupyter's contents manager; the
kernel runs the real magics on the simulator. `shown_notebook.py` knows what is expected.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule, run_state_machine_as_test

from mm_magics.history.cell_matching import Execution
from mm_magics.history.notebook import Document
from mm_magics.simulator import ScriptedAnswer, Simulator
from tests.page.bridge import Page
from tests.page.shown_notebook import LOAD, ShownNotebook, dumped, user

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
BUTTONS = {"stop": ".mm-stop", "allow": ".mm-choices button", "deny": ".mm-choices button:last-of-type"}
SLOWLY = {"size": 1, "rate": 200}
UNCERTAIN = ("may not be the one that ran", "not sent", "not in page.ipynb yet")
"""Notes about what the kernel cannot know if the page has no extension."""


class Conversation(ShownNotebook):
    """All that a user does with a notebook. Its first cell loads the extension and is never changed."""

    # Running cells

    @rule(which=PLACES, answer=st.sampled_from(ANSWERS), fault=st.sampled_from(["", "", "", *FAULTS]))
    def run(self, which: int, answer: Any, fault: str) -> None:
        if fault:
            self.edit(which, f"Fault [[simulator: fault={fault}]]", "")
        self.ask(which, answer if not fault else None)

    def ask(
        self, which: int, answer: Any, during: Callable[[], None] | None = None, timing: Any = None, **hooks: Any
    ) -> None:
        """Run a prompt cell; `during` and `hooks` change the page while it is answered."""
        at = self.pick(which, prompt=True)
        if at is None:
            return
        cells, before = self.cells, len(self.endpoint.log)
        self.endpoint.answers.clear()
        if answer:
            self.endpoint.answers.append(ScriptedAnswer(answer, **timing or {}))
        self.page.run(at, during, **hooks)
        sent = [each.body["messages"] for each in self.endpoint.log[before:]]
        assert not (sent and cells[at].prompt.count("%%minimax")), "a cell with two prompts was sent"
        for each in sent[:1]:
            self.check_request(each, cells, at, user(cells[at].prompt.rstrip("\n")))
        for each, more in pairwise(sent):  # a retry, or the results of tools
            assert dumped(more[: len(each)]) == dumped(each)
        self.remember(sent)
        if during is None:
            self.check_marks()
            self.check_versions(cells[at], self.cells[at])

    def click(self, at: int, button: str) -> None:
        assert self.page.call("click", at, BUTTONS[button]), f"cell {at} has no button to {button}"

    @rule(which=PLACES, answer=st.sampled_from(ANSWERS), after=st.integers(0, 5))
    def stop(self, which: int, answer: Any, after: int) -> None:
        at = self.pick(which, prompt=True)
        if at is not None:
            self.ask(which, answer, lambda: self.page.call("click", at, BUTTONS["stop"]), SLOWLY, after=after)
            self.check_marks()

    @rule(which=PLACES, button=st.sampled_from([*BUTTONS, "crash"]))
    def approve(self, which: int, button: str) -> None:
        """A call that requires approval is allowed, denied or stopped, or its kernel dies while it waits."""
        at = self.pick(which, prompt=True)
        if at is None:
            return
        self.count += 1
        self.page.do("setSource", at, f"%%minimax --tools wipe\nUse wipe, please. {self.count}")

        def decide() -> None:
            self.page.call("settle")
            self.page.call("wait")  # the buttons of a question wait for a moment
            if button == "crash":
                self.page.kernel.crash()
            self.click(at, button)

        if button == "crash":
            self.endpoint.answers.clear()
            self.crash(at, on_question=decide)
        else:
            self.ask(which, None, on_question=decide)

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

    @rule(which=PLACES, by=st.sampled_from(["error", "kill", "restart"]))
    def cancel(self, which: int, by: str) -> None:
        """Cells that are queued and do not run keep their answers."""
        at = 1 + which % len(self.cells)
        self.page.do("insert", at, "1 / 0")
        before = [(cell.turn_id, cell.kind) for cell in self.cells]
        self.page.call("runBelow", at)
        if by == "error":
            self.page.settle()
        else:
            self.page.kill_kernel() if by == "kill" else self.page.do("restart")
            self.removed.clear()
            self.page.run(0)
        assert [(cell.turn_id, cell.kind) for cell in self.cells] == before
        self.page.do("delete", at)
        self.probe()

    @rule()
    def probe(self) -> None:
        """Each prompt cell would send what the page shows above it."""
        self.remember_shown()
        for at, cell in enumerate(self.cells):
            if cell.is_prompt:
                self.page.do("describe", at)
                self.count += 1
                session = self.page.kernel.magics.session
                page = self.page.call("client")
                id_ = session.place(Execution(cell.source, cell.id, page, f"probe {self.count}"))
                prompt = session.prepare("?", cell_id=id_)
                self.check_request(prompt.body["messages"], self.cells, at, user("?"))
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

    @rule(which=PLACES, newer=st.booleans())
    def switch_version(self, which: int, newer: bool) -> None:
        at = self.pick(which, prompt=True)
        if at is not None and self.cells[at].record and len(self.cells[at].turn_ids) > 1:
            number = "newer" if newer else "older"
            assert self.page.do("click", at, f"[data-mm-control={number}]"), f"cell {at} has no versions"
            self.check_marks()

    @rule(command=st.sampled_from(["undo", "undo", "clear"]))
    def remove(self, command: str) -> None:
        """Turns that a command removes from the memory of the kernel are marked."""
        last = len(self.cells)
        self.page.do("insert", last, f"%minimax {command}")
        before = [each for each in self.cells if each.is_prompt and each.turn_id and not each.turn_ids & self.removed]
        self.page.run(last)
        marked = [cell.turn_id for cell in self.cells if "removed" in cell.marks]
        new = [each.turn_id for each in before if each.turn_id in marked]
        answered = [each.turn_id for each in before if self.asked[each.turn_id].turn.closed]
        if command == "clear":
            assert set(answered) <= set(new)
        elif answered:
            assert set(new) & set(answered) <= {answered[-1]}
        self.removed |= {id_ for each in before if each.turn_id in new for id_ in each.turn_ids}
        self.page.do("delete", last)
        self.probe()

    # Files and kernels

    @invariant()
    def remember_shown(self) -> None:
        """Remember answers that were not on the page when they ended: their cells had been deleted, or not saved."""
        self.remember([])

    @rule()
    def save(self) -> None:
        self.page.do("save")

    @rule(saved=st.booleans())
    def reload(self, saved: bool) -> None:
        if saved:
            self.page.do("save")
        self.page.do("open", "page.ipynb")

    @rule(reload=st.booleans())
    def use_the_other_page(self, reload: bool) -> None:
        """Another tab of the browser has the same kernel. It shows the file, or the notebook as it was left there."""
        is_open = self.other.server is not None
        if reload or not is_open:
            self.page.do("save")
        self.page, self.other = self.other, self.page
        if not is_open:
            assert self.other.server
            self.page.join(self.other.server)
        if reload or not is_open:
            self.page.do("open", "page.ipynb")
        self.probe()

    @rule(which=PLACES, answer=st.sampled_from(ANSWERS))
    def ask_without_extension(self, which: int, answer: Any) -> None:
        """A page without the extension sees the notebook as it was saved, or the answer says what is uncertain."""
        self.page.do("save")
        path, saved_at = Path(self.folder.name, "page.ipynb"), time.time() + Document.grace
        os.utime(path, (saved_at, saved_at))  # a turn that ended just before a save may not be in the file
        self.page.do("open", "page.ipynb", False)
        at = self.pick(which, prompt=True)
        if at is not None:
            cells, before = self.cells, len(self.endpoint.log)
            self.endpoint.answers.clear()
            self.endpoint.answers.append(ScriptedAnswer(answer))
            self.page.run(at)
            sent = [each.body["messages"] for each in self.endpoint.log[before:]]
            if not any(note in self.cells[at].text for note in UNCERTAIN):
                for each in sent:
                    self.check_request(each, cells, at, user(cells[at].prompt.rstrip("\n")))
            self.remember(sent)
            self.page.do("save")
        self.page.do("open", "page.ipynb")

    @rule()
    def restart(self) -> None:
        self.page.do("restart")
        self.removed.clear()
        self.page.run(0)

    @rule(which=PLACES, answer=st.sampled_from(ANSWERS), after=st.integers(0, 5))
    def kill(self, which: int, answer: Any, after: int) -> None:
        """The text received before a kernel died is a partial turn of the cell."""
        at = self.pick(which, prompt=True)
        if at is None:
            return
        self.endpoint.answers.clear()
        self.endpoint.answers.append(ScriptedAnswer(answer, **SLOWLY))
        self.crash(at, self.page.kernel.crash, after=after)

    def crash(self, at: int, during: Callable[[], None] | None = None, **hooks: Any) -> None:
        """Run a cell whose kernel dies."""
        self.page.run(at, during, **hooks)
        self.page.kill_kernel()
        self.remember([])
        self.removed.clear()
        self.page.run(0)


EXAMPLES = max(10, settings.default.max_examples // 100)


@pytest.mark.slow
@pytest.mark.timeout(90 * EXAMPLES)
def test_a_prompt_sends_what_the_page_shows_above_it(
    page: Page, other_page: Page, endpoint: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINIMAX_API_KEY", endpoint.key)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", endpoint.base_url)
    monkeypatch.setenv("JPY_SESSION_NAME", "")
    machine = type("Machine", (Conversation,), {"page": page, "other": other_page, "endpoint": endpoint})
    some = settings(
        max_examples=EXAMPLES, stateful_step_count=15, suppress_health_check=list(HealthCheck), deadline=None
    )
    run_state_machine_as_test(machine, settings=some)
