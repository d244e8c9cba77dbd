"""Sequences of changes, as the tools request them: the notebook of the page is the oracle for what the kernel knows."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mm_magics.errors import ToolError
from mm_magics.history.notebook import Document, make_document
from mm_magics.history.shown_cells import shown_cells
from mm_magics.tools import notebook_changes
from mm_magics.tools.builtin.bounded_text import LIMIT
from mm_magics.tools.builtin.notebook import notebook_tools
from mm_magics.tools.builtin.notebook_edits import edit_tools
from mm_magics.tools.builtin.run_cell import run_tool
from mm_magics.tools.builtin.turn_changes import NO_PAGE, NOT_SHOWN, TurnChanges
from mm_magics.tools.notebook_changes import Change, NotebookChanges
from mm_magics.tools.tool import Tool, ToolOutput
from mm_magics.tools.undo_changes import CHANGED, DELETED, NO_ANSWER, undo_turn


class OraclePage:
    """A page with a notebook of nbformat. It makes what it is asked, unless `decision` says otherwise."""

    def __init__(self, *sources: str) -> None:
        cells = [nbformat.v4.new_code_cell(source, id=f"cell{number}") for number, source in enumerate(sources)]
        self.notebook = nbformat.v4.new_notebook(cells=cells)
        self.document: Document | None = None
        self.describe()
        self.decision: Mapping[str, Any] = {"state": "accepted"}
        self.printed = "printed"
        self.displayed: list[Any] = []
        self.sent: list[Mapping[str, Any]] = []
        self.settled: list[str] = []
        self.ran: list[str] = []
        self.changes = NotebookChanges(self._receive, self.settled.extend, lambda: self)

    @property
    def cells(self) -> list[Any]:
        return self.notebook.cells

    @property
    def shown(self) -> list[tuple[str, str]]:
        return [(cell.id, cell.source) for cell in self.cells]

    @property
    def known(self) -> list[tuple[str, str]]:
        assert self.document is not None
        return [(cell.id, cell.source) for cell in self.document.cells]

    def describe(self) -> None:
        self.document = make_document(self.notebook, "oracle.ipynb", 0.0)

    def turn(self, **options: Any) -> TurnChanges:
        return TurnChanges(
            self.changes, lambda: shown_cells(self.document, {}), **{"turn": "t", "can_change": True} | options
        )

    def tools(self, turn: TurnChanges) -> dict[str, Tool]:
        tools = [*notebook_tools({}, turn.page, turn.see), *edit_tools(turn), run_tool(turn)]
        return {tool.name: tool for tool in tools}

    def _receive(self, changes: Sequence[Mapping[str, Any]]) -> None:
        for change in changes:
            self.sent.append(change)
            report = self._tell(change)
            if report["state"] != "sent":
                self.changes.receive({"type": "change", "change": change["id"], "reason": "", **report})

    def _tell(self, change: Mapping[str, Any]) -> Mapping[str, Any]:
        ids = [cell.id for cell in self.cells]
        at = ids.index(change["cell"]) if change["cell"] in ids else None
        if "before" in change and (at is None or self.cells[at].source != change["before"]):
            return {"state": "refused", "reason": "The text is another one."}
        if change["ask"] and self.decision["state"] != "accepted":
            return self.decision
        more: dict[str, Any] = {"state": "accepted"}
        match change["kind"]:
            case "run":
                assert at is not None
                self.ran.append(self.cells[at].source)
                output = nbformat.v4.new_output("stream", text=self.printed)
                return {"state": "ended", "outputs": [output, *self.displayed], "execution_count": 1}
            case "insert":
                cell = nbformat.v4.new_code_cell(change["after"], id=change["cell"])
                if content := change.get("content"):
                    cell = nbformat.from_dict({**content, "id": change["cell"]})
                self._insert(cell, change["place"])
            case "edit":
                assert at is not None
                self.cells[at].source = more["source"] = self.decision.get("source", change["after"])
            case "move":
                assert at is not None
                self._insert(self.cells.pop(at), change["place"])
            case "delete":
                assert at is not None
                more["content"] = self.cells.pop(at)
        nbformat.validate(self.notebook)
        return more

    def _insert(self, cell: Any, below: str | None) -> None:
        ids = [each.id for each in self.cells]
        self.cells.insert(0 if below is None else ids.index(below) + 1, cell)


def call(tool: Tool, **arguments: Any) -> str:
    result = tool.function(**tool.check(arguments))
    return result.text if isinstance(result, ToolOutput) else str(result)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["insert_cell", "edit_cell", "move_cell", "delete_cell"]),
        st.integers(0, 9),
        st.integers(-1, 9),
        st.sampled_from(["accepted", "accepted", "rejected", "proposed"]),
    ),
    max_size=8,
)


def make(page: OraclePage, tools: Mapping[str, Tool], step: tuple[str, int, int, str]) -> None:
    """Call a tool on one of the cells, whatever the page makes of it."""
    name, which, where, state = step
    page.decision = {"state": state}
    if not page.cells:
        name = "insert_cell"
    cell = str(which % len(page.cells) + 1) if page.cells else ""
    below = "top" if where < 0 or not page.cells else str(where % len(page.cells) + 1)
    arguments = {
        "insert_cell": {"below": below, "source": f"new {which}"},
        "edit_cell": {"cell": cell, "search": "", "replacement": ""},
        "move_cell": {"cell": cell, "below": below},
        "delete_cell": {"cell": cell},
    }[name]
    try:
        if name in ("edit_cell", "delete_cell"):
            call(tools["read_cells"], cells=cell)
        if name == "edit_cell":
            source = page.cells[int(cell) - 1].source
            arguments |= {"search": source, "replacement": f"{source}+"}
        call(tools[name], **arguments)
    except ToolError:
        pass
    assert page.known == page.shown


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_the_kernel_knows_the_notebook_after_each_change_and_undo_restores_it(steps: list[Any]) -> None:
    page = OraclePage("a", "b", "c")
    before = copy.deepcopy(page.notebook.cells)
    tools = page.tools(page.turn(edits="propose"))
    for step in steps:
        make(page, tools, step)
    found = undo_turn(page.changes, "t")
    assert page.notebook.cells == before
    assert page.known == page.shown
    assert found.left == []
    assert not any(each.is_open for each in page.changes.of_turn("t"))
    again = undo_turn(page.changes, "t")
    assert (again.changes, again.left) == ([], [])


@settings(max_examples=60, deadline=None)
@given(STEPS, st.sets(st.integers(0, 9), max_size=3))
def test_undo_leaves_the_cells_that_the_person_changed_and_restores_the_others(
    steps: list[Any], edited: set[int]
) -> None:
    page = OraclePage("a", "b", "c")
    before = dict(page.shown)
    tools = page.tools(page.turn(edits="propose"))
    for step in steps:
        make(page, tools, step)
    touched = {each.cell for each in page.changes.of_turn("t") if each.state == "accepted"}
    by_hand = {cell.id for number, cell in enumerate(page.cells) if number in edited}
    for cell in page.cells:
        if cell.id in by_hand:
            cell.source += " by hand"
    page.describe()
    found = undo_turn(page.changes, "t")
    assert {each.cell for each in found.left} == touched & by_hand
    assert {each.reason for each in found.left} <= {CHANGED}
    now = dict(page.shown)
    assert {id_: now[id_] for id_ in before if id_ not in by_hand} == {
        id_: source for id_, source in before.items() if id_ not in by_hand
    }
    assert all(now[id_].endswith(" by hand") for id_ in by_hand if id_ in before)
    assert set(now) - set(before) == by_hand - set(before)


def test_a_cell_that_was_deleted_since_is_left() -> None:
    page = OraclePage("a", "b")
    tools = page.tools(page.turn(edits="accept"))
    call(tools["read_cells"], cells="1")
    call(tools["edit_cell"], cell="1", search="a", replacement="A")
    del page.cells[0]
    page.describe()
    assert [each.reason for each in undo_turn(page.changes, "t").left] == [DELETED]


@pytest.mark.parametrize("edits", ["ask", "propose", "accept"])
def test_a_page_that_does_not_answer_ends_the_wait(edits: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook_changes, "PAGE_S", 0.1)
    monkeypatch.setattr("mm_magics.tools.builtin.turn_changes.PAGE_S", 0.1)
    page = OraclePage("a")
    page._tell = lambda _change: {"state": "sent"}  # type: ignore[method-assign]
    tool = page.tools(page.turn(edits=edits))["insert_cell"]
    if edits == "accept":
        with pytest.raises(ToolError, match="did not answer"):
            call(tool, below="end", source="x")
        assert page.settled == [page.sent[0]["id"]]
    else:
        assert call(tool, below="end", source="x") == NOT_SHOWN
        page.changes.resend()
        assert len(page.sent) == 2


def test_without_a_page_nothing_is_changed() -> None:
    page = OraclePage("a")
    tools = page.tools(page.turn(can_change=False))
    for name, arguments in {"insert_cell": {"below": "top", "source": "x"}, "run_cell": {"cell": "1"}}.items():
        tool = tools[name]
        given_ = tool.check(arguments)
        with pytest.raises(ToolError, match=NO_PAGE):
            tool.function(**(tool.complete(given_) if tool.complete else given_))
    assert page.sent == []


def test_a_second_change_of_a_cell_waits_for_the_first() -> None:
    page = OraclePage("a")
    page.decision = {"state": "proposed"}
    tools = page.tools(page.turn(edits="propose"))
    call(tools["read_cells"], cells="1")
    assert "not decided" in call(tools["edit_cell"], cell="1", search="a", replacement="b")
    with pytest.raises(ToolError, match="still undecided"):
        call(tools["edit_cell"], cell="1", search="a", replacement="c")


def test_two_turns_that_propose_at_once_do_not_overwrite_each_other() -> None:
    page = OraclePage("a")
    page.decision = {"state": "proposed"}
    for turn in ("one", "two"):
        tools = page.tools(page.turn(turn=turn, edits="propose"))
        call(tools["read_cells"], cells="1")
        call(tools["edit_cell"], cell="1", search="a", replacement=turn)
    page.decision = {"state": "accepted"}
    for change in [*page.sent]:
        page.changes.receive({"change": change["id"], "reason": "", **page._tell(change)})
    assert page.shown == [("cell0", "one")]
    assert [each.state for each in page.changes._changes.values()] == ["accepted", "refused"]


def test_large_outputs_of_a_run_are_cut() -> None:
    page = OraclePage("a")
    page.printed = "x" * 5_000_000
    tool = page.tools(page.turn(can_run=True))["run_cell"]
    result = tool.function(cell="1", code="a")
    assert len(result.text) < LIMIT
    assert result.text.startswith("[1 #cell, code] ran as [1].\na\n[output]\nxxx")
    assert all(change.outputs == () for change in page.changes.of_turn("t"))


def test_a_notebook_with_10_000_cells_is_changed_quickly() -> None:
    page = OraclePage(*map(str, range(10_000)))
    change = Change("t", "edit", "cell9999", before="9999", after="x")
    page.changes.request(change)
    assert page.document is not None
    assert page.document.cells[-1].source == "x"


def edited_twice() -> OraclePage:
    """Return a page on which a turn has edited two cells."""
    page = OraclePage("a", "b")
    tools = page.tools(page.turn(edits="accept"))
    call(tools["read_cells"], cells="1-2")
    call(tools["edit_cell"], cell="1", search="a", replacement="A")
    call(tools["edit_cell"], cell="2", search="b", replacement="B")
    return page


def test_the_inverse_changes_are_not_changes_of_the_turn() -> None:
    page = edited_twice()
    undo_turn(page.changes, "t")
    assert [(each.after, each.state) for each in page.changes.of_turn("t")] == [("A", "undone"), ("B", "undone")]
    assert page.changes.last_turn is None


def test_an_undo_that_is_interrupted_is_not_continued_later() -> None:
    page = edited_twice()

    def interrupt(_change: Any) -> Any:
        raise KeyboardInterrupt

    page._tell, tell = interrupt, page._tell  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        undo_turn(page.changes, "t")
    assert page.settled[-1] == page.sent[-1]["id"]
    page._tell = tell  # type: ignore[method-assign]
    page.changes.resend()
    assert page.shown == [("cell0", "A"), ("cell1", "B")]
    assert len(undo_turn(page.changes, "t").changes) == 2


def test_undo_waits_once_for_a_page_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mm_magics.tools.undo_changes.PAGE_S", 0.1)
    page = edited_twice()
    sent = len(page.sent)
    page._tell = lambda _change: {"state": "sent"}  # type: ignore[method-assign]
    found = undo_turn(page.changes, "t")
    assert {each.cell: each.reason for each in found.left} == dict.fromkeys(["cell0", "cell1"], NO_ANSWER)
    assert len(page.sent) == sent + 1


def test_a_change_remembers_only_the_cells_near_it() -> None:
    page = OraclePage(*map(str, range(100)))
    for number in range(99, 49, -1):
        page.changes.request(Change("t", "delete", f"cell{number}", before=str(number)))
    assert {len(each.above) for each in page.changes.of_turn("t")} == {20}
    before = [f"cell{number}" for number in range(100)]
    undo_turn(page.changes, "t")
    assert [cell.id for cell in page.cells] == before
