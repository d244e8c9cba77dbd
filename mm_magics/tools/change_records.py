"""Changes of the notebook as the record of their turn has them: a line for the reader, and what undoing them needs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, get_args

from mm_magics.history.notebook import Document
from mm_magics.history.shown_cells import short_names
from mm_magics.text import excerpt, visible
from mm_magics.tools.notebook_changes import Change, Kind, State

EXCERPT = 50
"""Characters of a cell in the line."""
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


def change_records(changes: Sequence[Change], document: Document | None) -> list[dict[str, Any]]:
    """Return the changes of a turn as its record has them."""
    if not changes:
        return []
    ids = [cell.id for cell in document.cells] if document else []
    names = short_names([*dict.fromkeys([*ids, *(each.cell for each in changes)])])
    return [_record(each, names[each.cell]) for each in changes]


def changes_of(turn: str, records: Sequence[Mapping[str, Any]]) -> Iterator[Change]:
    """Yield the changes in the record of a turn; those that cannot be read are left out."""
    for each in records:
        if each.get("kind") in get_args(Kind) and each.get("state") in get_args(State):
            texts = {key: each[key] for key in ("before", "after", "below", "source") if isinstance(each.get(key), str)}
            above = each.get("above")
            above = [one for one in above if isinstance(one, str)] if isinstance(above, list) else []
            kind: Any = "markdown" if each.get("cell_type") == "markdown" else "code"
            change = Change(turn, each["kind"], str(each["cell"]), cell_type=kind, above=tuple(above), **texts)
            change.id, change.state, change.removed = str(each["id"]), each["state"], _content(each.get("content"))
            if not change.is_open:
                change.decided.set()
            yield change


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
    first = next(iter(change.text.strip().splitlines()), "")
    cell = f"#{name} {excerpt(first, EXCERPT)}".rstrip()
    before = STATES.get(change.state)
    verb = f"{before}: {requested}" if before else done
    return visible(f"{verb} cell {cell}")


def _json(cell: Mapping[str, Any]) -> str:
    text = json.dumps(cell, ensure_ascii=False)
    return text if len(text) <= MAX_CONTENT else json.dumps({**cell, "outputs": []}, ensure_ascii=False)


def _content(value: object) -> Mapping[str, Any] | None:
    if isinstance(value, str):
        with suppress(ValueError, RecursionError):
            cell = json.loads(value)
            return cell if isinstance(cell, dict) else None
    return None
