"""`%minimax sent`: what the requests of the turns contained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mm_magics.display.table import Table
from mm_magics.errors import MiniMaxError
from mm_magics.history.notebook import Document
from mm_magics.history.turn import Turn
from mm_magics.ipython.commands.command import Context
from mm_magics.ipython.commands.threads import shown_thread
from mm_magics.ipython.commands.versions import find_turn
from mm_magics.session import Session
from mm_magics.text import excerpt, visible
from mm_magics.turn.sent import Sent, SentItem, sent_in
from mm_magics.wording import counted

EXCERPT = 40
"""Characters of a prompt in the list of turns."""
COLUMNS = ("", "prompt", "cells", "variables", "columns", "files and images", "tool results", "earlier turns")

KINDS = {
    "system": "system prompt",
    "prompt": "text of prompts",
    "output": "output of a cell",
    "read": "cell in tool results",
    "answer": "answers",
    "call": "tool call",
    "result": "tool result",
    "tool": "tool definition",
}
"""What a kind of part is called, if not by its own name."""


def sent(context: Context, rest: str) -> Table:
    """List what the requests of each turn of the thread contained, or all of it for one turn."""
    session = context.session
    recorder = context.prompt_cells.recorder if context.prompt_cells else None
    ran = {session.cells.id_of(id_): cell.source for id_, cell in recorder.cells.items()} if recorder else {}
    document = session.notebook.document if session.notebook else None
    if rest:
        return turn_table(session, find_turn(context, rest), document, ran)
    turns = session.history.turns(session.settings.value("thread"))
    if not turns:
        return Table(lines=[f"The thread {shown_thread(session)} has no turns: nothing was sent."])
    return turns_table(session, turns, document, ran)


def turns_table(
    session: Session, turns: Iterable[Turn], document: Document | None, ran: Mapping[str, str] | None = None
) -> Table:
    """List what the requests of each of these turns contained, without what is in earlier turns."""
    numbers, sources = _numbers(document), _sources(document, ran or {})
    rows, notes = [], dict[str, None]()
    for number, turn in enumerate(turns, 1):
        prompt = excerpt(turn.prompt, EXCERPT)
        try:
            found = _sent_in(session, turn, sources)
        except MiniMaxError as error:
            rows.append((str(number), prompt, *[""] * (len(COLUMNS) - 2)))
            notes[f"Turn {number}: the request cannot be built again: {visible(str(error))}"] = None
            continue
        notes |= {f"Turn {number}: {each}": None for each in found.notes}
        rows.append((str(number), prompt, *_cells_of_row(found, numbers), str(found.earlier)))
    return Table("", COLUMNS, rows, [*notes, "%minimax sent TURN lists everything in the requests of a turn."])


def turn_table(session: Session, turn: Turn, document: Document | None, ran: Mapping[str, str] | None = None) -> Table:
    """List everything that the requests of a turn contained."""
    numbers = _numbers(document)
    found = _sent_in(session, turn, _sources(document, ran or {}))
    fields = ", ".join(each.name for each in found.items if each.kind == "field")
    rows = [_item_row(each, numbers) for each in found.items if each.kind != "field"]
    rows.append(("other request fields", visible(fields), "", "", "this turn"))
    lines = [
        f"{counted(found.requests, 'request')} to {turn.endpoint or 'an endpoint'}. "
        "Text in images is not read: look at them.",
        *found.notes,
    ]
    return Table(
        excerpt(turn.prompt, EXCERPT), ("what", "name", "columns of tables", "characters", "from"), rows, lines
    )


def _sent_in(session: Session, turn: Turn, sources: Mapping[str, str]) -> Sent:
    known = session.history.with_context(turn.id)
    return sent_in(turn, known[1] if known else [], sources)


def _cells_of_row(found: Sent, numbers: Mapping[str, str]) -> tuple[str, ...]:
    outputs = {each.name for each in found.own("output")}
    cells = [
        _cell_name(each.name, numbers) + (" with output" if each.name in outputs else "") for each in found.own("cell")
    ]
    if read := _ranges(_cell_name(each.name, numbers).removeprefix("cell ") for each in found.own("read")):
        cells.append(f"read by tools: {read}")
    columns = {name: None for each in found.items if each.is_own for name in each.columns}
    names = [
        cells,
        [each.name for each in found.own("variable")],
        list(columns),
        [each.name for each in found.own("file", "image")],
        [each.name for each in found.own("result")],
    ]
    return tuple(visible(", ".join(each)) for each in names)


def _item_row(item: SentItem, numbers: Mapping[str, str]) -> tuple[str, ...]:
    name = _cell_name(item.name, numbers) if item.kind in ("cell", "output", "read") else item.name
    size = f"{'' if item.is_certain else 'at most '}{item.characters:,}" if item.characters else ""
    return (
        KINDS.get(item.kind, item.kind),
        visible(name),
        visible(", ".join(item.columns)),
        size,
        "this turn" if item.is_own else "earlier turns",
    )


def _numbers(document: Document | None) -> dict[str, str]:
    """Return what cells are called, by their ids: by their number from the top."""
    return {cell.id: f"cell {number}" for number, cell in enumerate(document.cells, 1)} if document else {}


def _cell_name(id_: str, numbers: Mapping[str, str]) -> str:
    """Return what a cell is called of whose id this is the whole or the beginning; its id if it is gone."""
    found = [id_] if id_ in numbers else [each for each in numbers if each.startswith(id_)]
    return numbers[found[0]] if len(found) == 1 else f"#{id_}"


def _ranges(names: Iterable[str]) -> str:
    """Return names of which most are numbers, with ranges of these.

    >>> _ranges(["3", "#9f2a", "1", "2", "7"])
    '1–3, 7, #9f2a'
    """
    others, ranges = dict[str, None](), list[list[int]]()
    for each in sorted(names, key=lambda name: int(name) if name.isdecimal() else 0):
        if not each.isdecimal():
            others[each] = None
        elif ranges and int(each) <= ranges[-1][1] + 1:
            ranges[-1][1] = int(each)
        else:
            ranges.append([int(each), int(each)])
    texts = (str(first) if first == last else f"{first}–{last}" for first, last in ranges)
    return ", ".join([*texts, *others])


def _sources(document: Document | None, ran: Mapping[str, str]) -> dict[str, str]:
    return {**ran, **({cell.id: cell.source for cell in document.cells} if document else {})}
