"""Changes of the notebook as the record of their turn has them: a line for the reader, and what undoing them needs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, get_args

from mm_magics.history.notebook import Document
from mm_magics.history.shown_cells import short_names
from mm_magics.text import excerpt, is_utf8, visible
from mm_magics.tools.notebook_changes import Change, Kind, State
from mm_magics.tools.saved_cell import cell_from_text

EXCERPT = 50
"""Characters of a cell in its label."""
MAX_CONTENT = 200_000
"""Characters of a deleted cell. Of a longer one the outputs are left out."""
VERBS: Mapping[str, tuple[str, str]] = {
    "insert": ("Inserted", "inserting"),
    "edit": ("Edited", "editing"),
    "move": ("Moved", "moving"),
    "delete": ("Deleted", "deleting"),
    "run": ("Ran", "running"),
}
"""What was done, and what was only requested, by the kind of the change."""
STATES: Mapping[str, str] = {
    "sent": "Not decided",
    "proposed": "Not decided",
    "running": "Not ended",
    "failed": "Failed",
    "rejected": "Rejected",
    "refused": "Not done",
    "withdrawn": "Not done",
    "undone": "Undone",
}


NEEDED: Mapping[Kind, tuple[str, ...]] = {
    "insert": ("after",),
    "edit": ("before", "after"),
    "move": ("before",),
    "delete": ("before",),
    "run": (),
}
"""The fields that the record of each kind has."""
OPTIONAL: Mapping[Kind, tuple[str, ...]] = {
    "insert": ("cell_type", "below", "source"),
    "edit": ("cell_type", "source"),
    "move": ("cell_type", "below", "source", "above"),
    "delete": ("cell_type", "source", "above", "content"),
    "run": (),
}
CHANGE_STATES: tuple[State, ...] = ("sent", "proposed", "accepted", "rejected", "refused", "withdrawn", "undone")
RUN_STATES: tuple[State, ...] = ("ended", "failed", "refused", "withdrawn")


def change_records(changes: Sequence[Change], document: Document | None) -> list[dict[str, Any]]:
    """Return the changes of a turn as its record has them."""
    if not changes:
        return []
    ids = [cell.id for cell in document.cells] if document else []
    names = short_names([*dict.fromkeys([*ids, *(each.cell for each in changes)])])
    return [_record(each, names[each.cell]) for each in changes]


def changes_of(turn: str, records: Iterable[object]) -> Iterator[Change]:
    """Yield the changes in the record of a turn.

    The notebook may be somebody else's: what is malformed is left out, and so are runs that have not ended.
    """
    for each in records:
        if isinstance(each, Mapping) and (change := _change(turn, each)):
            yield change


def _change(turn: str, record: Mapping[str, Any]) -> Change | None:
    kind: Any = record.get("kind")
    state: Any = record.get("state")
    if kind not in get_args(Kind) or state not in (RUN_STATES if kind == "run" else CHANGE_STATES):
        return None
    given: dict[str, Any] = {name: record[name] for name in NEEDED[kind] + OPTIONAL[kind] if name in record}
    cell_type: Any = given.pop("cell_type", "code")
    above = given.pop("above", [])
    content: Any = given.pop("content", "")
    names: dict[str, Any] = {name: record.get(name) for name in ("id", "cell")}
    is_valid = (
        all(each and _is_text(each) for each in names.values())
        and all(name in given for name in NEEDED[kind])
        and all(_is_text(each) for each in given.values())
        and cell_type in ("code", "markdown")
        and isinstance(above, list)
        and all(map(_is_text, above))
    )
    if not is_valid:
        return None
    removed = None
    if "content" in record and kind == "delete":
        removed = cell_from_text(content)
        if removed is None or removed["source"] != given["before"]:
            return None
    change = Change(turn, kind, cell_type=cell_type, above=tuple(above), state=state, removed=removed, **names, **given)
    if not change.is_open:
        change.decided.set()
    return change


def _is_text(value: object) -> bool:
    return isinstance(value, str) and is_utf8(value)


def _record(change: Change, name: str) -> dict[str, Any]:
    record: dict[str, Any] = {"id": change.id, "kind": change.kind, "cell": change.cell, "state": change.state}
    record["text"] = _line(change, name)
    if change.kind == "run":
        return record
    record["cell_type"] = change.cell_type
    texts = {"before": change.before, "after": change.after, "below": change.below, "source": change.source}
    record |= {key: text for key, text in texts.items() if text is not None}
    if change.above:
        record["above"] = list(change.above)
    if change.removed is not None:
        record["content"] = _json(change.removed)
    return record


def _line(change: Change, name: str) -> str:
    done, requested = VERBS[change.kind]
    before = STATES.get(change.state)
    verb = f"{before}: {requested}" if before else done
    return visible(f"{verb} cell {cell_label(name, change.text)}")


def cell_label(name: str, text: str) -> str:
    """Return the name of a cell and the beginning of its first line."""
    first = next(iter(text.strip().splitlines()), "")
    return f"#{name} {excerpt(first, EXCERPT)}".rstrip()


def _json(cell: Mapping[str, Any]) -> str:
    text = json.dumps(cell, ensure_ascii=False)
    return text if len(text) <= MAX_CONTENT else json.dumps({**cell, "outputs": []}, ensure_ascii=False)
