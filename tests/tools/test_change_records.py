"""Changes in the record of a turn. The notebook may be somebody else's, so a record can be anything."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mm_magics.tools.change_records import change_records, changes_of
from mm_magics.tools.notebook_changes import Change
from mm_magics.tools.undo_changes import undo_turn
from tests.tools.test_notebook_changes import OraclePage, call

SCRIPT = {"output_type": "display_data", "metadata": {}, "data": {"text/html": "<script>alert(1)</script>"}}
CELL = {
    "cell_type": "code",
    "source": "b",
    "metadata": {"trusted": True, "tags": ["x"]},
    "outputs": [SCRIPT],
    "execution_count": None,
}


def record(kind: str, /, **fields: Any) -> dict[str, Any]:
    texts = {
        "insert": {"after": "n", "below": "cell0"},
        "edit": {"before": "a", "after": "A"},
        "move": {"before": "a", "above": ["cell1"]},
        "delete": {"before": "b", "above": ["cell0"], "content": json.dumps(CELL)},
        "run": {},
    }[kind]
    state = "ended" if kind == "run" else "accepted"
    cell = {"insert": "new", "delete": "gone"}.get(kind, "cell0")
    return {"id": f"id-{kind}", "kind": kind, "cell": cell, "state": state, "text": "", **texts, **fields}


def read(*records: Any) -> list[Change]:
    return list(changes_of("t", records))


@pytest.mark.parametrize("kind", ["insert", "edit", "move", "delete", "run"])
def test_a_well_formed_record_is_read(kind: str) -> None:
    [change] = read(record(kind))
    assert (change.kind, change.ask, change.turn) == (kind, True, "t")


@pytest.mark.parametrize("state", ["sent", "proposed", "rejected", "refused", "withdrawn", "undone"])
def test_each_state_of_a_change_is_read(state: str) -> None:
    assert [each.state for each in read(record("edit", state=state))] == [state]


def content(**fields: Any) -> str:
    return json.dumps({name: value for name, value in {**CELL, **fields}.items() if value is not ...})


MALFORMED = [
    None,
    [],
    "edit",
    {},
    record("edit", kind="explode"),
    record("edit", kind=["edit"]),
    record("edit", state="odd"),
    record("edit", state={}),
    record("edit", state="running"),
    record("edit", state="ended"),
    record("run", state="accepted"),
    record("run", state="sent"),
    record("run", state="running"),
    *[
        record(kind, **{name: value})
        for kind in ("edit", "delete")
        for name in ("id", "cell")
        for value in ("", 5, None)
    ],
    *[record(kind, before=value) for kind in ("edit", "move", "delete") for value in (None, 5, ["a"])],
    *[record(kind, after=value) for kind in ("insert", "edit") for value in (None, 5, ["a"])],
    *[record("insert", **{name: 5}) for name in ("below", "source", "cell_type")],
    record("insert", cell_type="raw"),
    *[record("delete", above=value) for value in (5, "cell0", [5], [None], {"cell0": 1})],
    *[record("delete", content=value) for value in (5, None, "", "{", "[]", "5", json.dumps("x"), "[" * 100_000, CELL)],
    *[record("delete", content=content(outputs=value)) for value in (5, {}, [5], ["x"], None)],
    *[record("delete", content=content(metadata=value)) for value in (5, [], None)],
    *[record("delete", content=content(attachments=value)) for value in (5, [], {"a": 5})],
    *[record("delete", content=content(source=value)) for value in (5, ["b"], None, ..., "other")],
    *[record("delete", content=content(cell_type=value)) for value in (5, ["code"], ..., "other")],
    record("delete", content=content(execution_count="1")),
    record("delete", content=content(outputs=[{"output_type": "stream", "x": float("nan")}])),
    record("edit", after="\ud800"),
    record("delete", content=content(metadata={"a": "\ud800"})),
]


@pytest.mark.parametrize("malformed", MALFORMED, ids=lambda each: str(each)[:80])
def test_a_malformed_record_is_left_out_and_the_others_are_read(malformed: Any) -> None:
    assert [each.id for each in read(record("insert"), malformed, record("move"))] == ["id-insert", "id-move"]


def test_a_field_that_its_kind_does_not_have_is_ignored() -> None:
    [change] = read(record("move", after="x", content=content()))
    assert (change.after, change.removed) == (None, None)


def test_a_cell_of_a_record_is_never_trusted_and_has_only_what_a_cell_has() -> None:
    [change] = read(record("delete", content=content(id="other", more={"x": 1})))
    assert change.removed == {**CELL, "metadata": {"tags": ["x"]}}


FIELDS = ["id", "kind", "cell", "state", "before", "after", "below", "source", "above", "content", "cell_type"]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1, 3)
    | st.floats()
    | st.sampled_from(["", "a", "b", "n", "cell0", "cell1", "gone", "code", "markdown", "\ud800", content()])
    | st.sampled_from(["insert", "edit", "move", "delete", "run", "accepted", "proposed", "sent", "running", "ended"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=2),
    max_leaves=3,
)
RECORDS = st.builds(
    lambda kind, fields: {**record(kind), **fields},
    st.sampled_from(["insert", "edit", "move", "delete", "run"]),
    st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=3),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(RECORDS, max_size=4))
def test_whatever_a_record_has_it_can_be_sent_listed_and_undone(records: list[Any]) -> None:
    page = OraclePage("a", "b")
    page.changes.restore(read(*records))
    changes = page.changes.of_turn("t")
    assert len({each.id for each in changes}) == len(changes)
    for each in changes:
        json.dumps(each.message, ensure_ascii=False, allow_nan=False).encode()
        assert each.kind == "insert" or each.kind == "run" or each.before is not None
    listed = change_records(changes, page.document)
    assert [each.state for each in read(*listed)] == [each.state for each in changes]
    found = undo_turn(page.changes, "t")
    assert all(each.kind != "run" for each in found.changes)
    assert not any(each.is_open for each in page.changes.of_turn("t"))
    for sent in page.sent:
        assert "trusted" not in str(sent)
        assert sent["kind"] == "insert" or isinstance(sent["before"], str)


def test_what_a_turn_did_is_undone_from_its_record() -> None:
    page = OraclePage("a", "b", "c")
    before = page.shown
    tools = page.tools(page.turn(edits="accept"))
    call(tools["read_cells"], cells="1-3")
    call(tools["edit_cell"], cell="1", search="a", replacement="A")
    call(tools["move_cell"], cell="1", below="3")
    call(tools["delete_cell"], cell="1")
    call(tools["insert_cell"], below="top", source="new")
    saved = json.loads(json.dumps(change_records(page.changes.of_turn("t"), page.document)))
    page.changes._changes.clear()
    page.changes.restore(changes_of("t", saved))
    assert [each.kind for each in undo_turn(page.changes, "t").changes] == ["edit", "move", "delete", "insert"]
    assert page.shown == before


def test_what_cannot_be_applied_is_not_taken_from_the_page() -> None:
    page = OraclePage("a", "b")
    change = Change("t", "delete", "cell0", before="a")
    page._tell = lambda _: {"state": "accepted", "content": {**CELL, "source": "a", "outputs": 5}}  # type: ignore[method-assign]
    page.changes.request(change)
    assert (change.state, change.removed) == ("accepted", None)
