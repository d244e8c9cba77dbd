"""Keep the page that shows the notebook up to date with what only the kernel knows.

That is the answers that ended while no page was connected, and the marks of turns (removed, stale, replayed). They are
sent as `DocumentAnswer`s (`mm_magics.display.protocol`), only to pages with the extension. Nothing sent is needed
later: all of it can be computed again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from operator import attrgetter
from typing import Any, NamedTuple, cast

from mm_magics.background_context import background_execution
from mm_magics.display.effective_settings import effective_settings
from mm_magics.display.offered_models import learn_models, offered_models
from mm_magics.display.protocol import (
    CellOutput,
    DocumentAnswer,
    Mark,
    NotebookChange,
    OneTimeSettings,
)
from mm_magics.display.usage_line import MIN_SHARE
from mm_magics.errors import RecordError
from mm_magics.history.cell_alignment import renamed_ids
from mm_magics.history.notebook import LiveNotebook
from mm_magics.history.turn import MIME_TYPE, Turn
from mm_magics.ipython.current_cells import CurrentCells
from mm_magics.ipython.scheduled_cells import ScheduledCells
from mm_magics.session import Session
from mm_magics.tools.change_records import change_records, changes_of
from mm_magics.tools.notebook_changes import NotebookChanges
from mm_magics.turn.window import conversation_size

Send = Callable[[DocumentAnswer], None]
Marks = dict[str, dict[str, list[Mark]]]


class _Output(NamedTuple):
    """The final output of a turn. `make` makes it again, and `run` is the execution that it belongs to."""

    turn: Turn
    ended_at: float
    make: Callable[[], CellOutput]
    run: str


class LivePage:
    """The page of one session. If several pages show the notebook, it is the one that described it last.

    `recorded_outputs` is how many final outputs of running cells were recorded. `changes` are those of the notebook
    that models request, and `current_cells` asks for the text of the cells.
    """

    def __init__(self, session: Session, scheduled: ScheduledCells) -> None:
        self._session, self._scheduled = session, scheduled
        self.recorded_outputs = 0
        self._send: Send | None = None
        self._sent_marks: dict[Send, Marks] = {}
        """The marks that each page shows."""
        self._sent_models: dict[Send, list[str]] = {}
        self._sent_facts: dict[Send, DocumentAnswer] = {}
        self._outputs: dict[str, list[_Output]] = {}
        self._replayed: set[tuple[str, str]] = set()
        self._once: dict[str, OneTimeSettings] = {}
        self._late: set[str] = set()
        """The turns to show again when no answer streams into their cells."""
        self._restored: set[str] = set()
        """The turns whose changes are known."""
        self.changes = NotebookChanges(self._send_changes, self._send_settled, self._live_notebook)
        self.current_cells = CurrentCells(lambda: self._send, self._live_notebook)

    def receive(self, description: Mapping[str, Any], send: Send) -> None:
        """Receive a `DocumentDescription` from the page, and send what the page is missing.

        The first description after a page is opened has `since`: the time up to which the page knows the outputs.
        """
        for old, new in self._renamed_cells(description).items():
            if old in self._outputs:
                self._outputs[new] = self._outputs.pop(old)
        missing = self._missing_outputs(description)
        pending = description.get("pending")
        if missing and isinstance(pending, list):
            description = {**description, "pending": [*pending, *missing]}
        self._session.receive(description)
        self._scheduled.add(self._scheduled_cells(description))
        self._once |= _one_time_settings(description)
        self._send = send
        if missing:
            send({"outputs": missing})
        if "since" in description:
            self.changes.resend()
        self._session.refresh()
        self.restore_changes()
        if description.get("wants_models") is True:
            learn_models(self._session)
        self.send_marks()

    def reorder(self, message: Mapping[str, Any]) -> None:
        """Receive an `OrderMessage`, while a cell runs."""
        if isinstance(self._session.notebook, LiveNotebook):
            self._session.notebook.reorder(message)

    def record_output(self, cell_id: str | None, turn: Turn, make: Callable[[], CellOutput], *, replayed: bool) -> None:
        """Record the final output of a turn, in case no page was connected to receive it."""
        if background_execution() is None:
            self.recorded_outputs += 1
        if cell_id:
            run = self._session.history.run
            earlier = [each for each in self._outputs.get(cell_id, ()) if run and each.run == run]
            self._outputs[cell_id] = [*earlier, _Output(turn, time.time(), make, run)]
        if replayed:
            self._replayed.add(turn.place)

    def take_once(self, cell_id: str | None) -> OneTimeSettings:
        """Return the settings that the page has sent for this run of the cell only."""
        return self._once.pop(cell_id or "", {})

    def _live_notebook(self) -> LiveNotebook | None:
        notebook = self._session.notebook
        return notebook if isinstance(notebook, LiveNotebook) else None

    def _send_changes(self, changes: Sequence[Mapping[str, Any]]) -> None:
        if self._send is not None:
            self._send({"changes": cast(Sequence[NotebookChange], changes)})

    def _send_settled(self, ids: Sequence[str]) -> None:
        for send in [*self._sent_facts]:  # every page that has described the notebook
            send({"settled": ids})

    def shows(self, cell_id: str | None) -> bool:
        """Return whether the page has the cell, and can be updated."""
        notebook = self._live_notebook()
        document = notebook.document if notebook else None
        return self._send is not None and document is not None and cell_id in {cell.id for cell in document.cells}

    def replace_turn(self, turn: Turn) -> None:
        """Show the turn in the output of its cell, with the other turns of that cell."""
        if self._send is None or not turn.cell_id:
            return
        if turn.cell_id in self._session.history.answering.values():  # this would remove the answer that streams
            self._late.add(turn.id)
            return
        turns = [each for each in self._session.history.turns(turn.thread) if each.cell_id == turn.cell_id]
        outputs = [_Output(each, time.time(), partial(_output, each), "") for each in turns or [turn]]
        self._outputs[turn.cell_id] = outputs
        self._send({"outputs": {turn.cell_id: _joined(outputs)}})

    def end_answer(self) -> None:
        """Update the page after an answer in the background, with what had to wait for its end."""
        late, self._late = self._late, set()
        for turn in self._session.history.all_turns():
            if turn.id in late:
                self.replace_turn(turn)
        self.send_marks()

    def with_changes(self, turn: Turn) -> Turn:
        """Return a turn that has ended with what became of the changes that it requested, in the history too."""
        known = {each["id"]: each for each in change_records(self.changes.of_turn(turn.id), self.changes.document)}
        pairs = [(each, known.pop(each["id"], each)) for each in turn.changes]
        records = [before if before.get("state") == now["state"] else now for before, now in pairs] + [*known.values()]
        if records == turn.changes:
            return turn
        turn = replace(turn, changes=records)
        self._session.history.update(turn)
        return turn

    def record_changes(self, turn_id: str) -> None:
        """Show a turn of the history with what became of its changes since."""
        found = self._session.history.with_context(turn_id)
        if found and (turn := self.with_changes(found[0])) is not found[0]:
            self.replace_turn(turn)

    def restore_changes(self) -> None:
        """Take over what turns changed before this kernel began, and show what is not decided."""
        turns = [each for each in self._session.history.all_turns() if each.changes and each.id not in self._restored]
        self._restored |= {each.id for each in turns}
        recorded = (
            each for turn in sorted(turns, key=attrgetter("created")) for each in changes_of(turn.id, turn.changes)
        )
        new = self.changes.restore(recorded)
        if waiting := [each.message for each in new if each.is_open]:
            self._send_changes(waiting)

    def send_marks(self) -> None:
        """Send the marks of all turns, the models on offer, prices and the effective settings, if they have changed."""
        if self._send is None:
            return
        history = self._session.history
        places: dict[Mark, set[tuple[str, str]]] = {
            "removed": history.removed(),
            "stale": history.stale(),
            "replayed": self._replayed,
            "pinned": self._session.budget.pinned(),
        }
        marks: Marks = {}
        for cell_id, turn_id in sorted(set().union(*places.values())):
            has = [mark for mark, marked in places.items() if (cell_id, turn_id) in marked]
            marks.setdefault(cell_id, {})[turn_id] = has
        if marks != self._sent_marks.get(self._send, {}):
            self._sent_marks[self._send] = marks
            self._send({"marks": marks})
        models = list(offered_models(self._session) or ())
        if models != self._sent_models.get(self._send, []):
            self._sent_models[self._send] = models
            self._send({"models": models})
        facts: DocumentAnswer = {
            "settings": effective_settings(self._session),
            "prices": self._session.settings.value("prices"),
            "context": self._context(),
        }
        if facts != self._sent_facts.get(self._send):
            self._sent_facts[self._send] = facts
            self._send(facts)

    def _context(self) -> str:
        """Return how much of the window of its model the conversation uses; "" if it is unknown or small."""
        session = self._session
        context = session.budget.context(session.settings.value("thread"), None)
        size = conversation_size(context, session.effective_model())
        return size.percent if size.share is not None and size.share >= MIN_SHARE else ""

    def _scheduled_cells(self, description: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Yield the id and the source of each cell that the page is about to run."""
        document = self._session.notebook.document if self._session.notebook else None
        sources = {cell.id: cell.source for cell in document.cells} if document else {}
        scheduled = description.get("scheduled")
        for cell_id in scheduled if isinstance(scheduled, list) else ():
            if isinstance(cell_id, str) and cell_id in sources:
                yield cell_id, sources[cell_id]

    def _renamed_cells(self, description: Mapping[str, Any]) -> dict[str, str]:
        """Move the turns of a page that was opened again to the new ids of its cells; return these by the old ids."""
        notebook, history = self._session.notebook, self._session.history
        before = notebook.document if isinstance(notebook, LiveNotebook) else None
        cells = LiveNotebook.cells_in(description) if "since" in description else []
        moved = renamed_ids(before.cells, cells, history.keys()) if before and cells else {}
        history.rename(moved)
        return moved

    def _missing_outputs(self, description: Mapping[str, Any]) -> dict[str, CellOutput]:
        since, order, cells = (description.get(key) for key in ("since", "order", "changed"))
        if not isinstance(since, int | float) or not isinstance(order, list) or not isinstance(cells, dict):
            return {}
        return {
            cell_id: _joined(outputs)
            for cell_id, outputs in [*self._outputs.items()]  # an answer in the background may add one
            if cell_id in order
            and any(each.ended_at > since and not _contains(cells.get(cell_id), each.turn) for each in outputs)
        }


def _output(turn: Turn) -> CellOutput:
    from mm_magics.display.mime_bundle import make_bundle

    return {"data": make_bundle(turn), "metadata": {}}


def _joined(outputs: Sequence[_Output]) -> CellOutput:
    """Return the outputs of a cell in one message."""
    first, *more = [each.make() for each in outputs]
    return {**first, "more": more} if more else first


def _contains(cell: Any, turn: Turn) -> bool:
    """Return whether the outputs of a cell, as the page describes it, contain the turn, and not only a part of it."""
    outputs = cell.get("outputs") if isinstance(cell, dict) else None
    outputs = outputs if isinstance(outputs, list) else []
    data = [each["data"] for each in outputs if isinstance(each, dict) and isinstance(each.get("data"), dict)]
    records = [each[MIME_TYPE] for each in data if isinstance(each.get(MIME_TYPE), dict)]
    same = [record for record in records if record.get("id") == turn.id]
    if not same:
        return False
    try:
        found = Turn.from_record(same[-1])
    except RecordError:
        return False
    return (found.status, found.messages) == (turn.status, turn.messages)


def _one_time_settings(description: Mapping[str, Any]) -> dict[str, OneTimeSettings]:
    """Return the settings for this run of each cell that a `DocumentDescription` schedules: {} for most cells."""
    scheduled, sent = description.get("scheduled"), description.get("once")
    found: dict[str, OneTimeSettings] = {}
    for cell_id in scheduled if isinstance(scheduled, list) else ():
        given = sent.get(cell_id) if isinstance(sent, Mapping) and isinstance(cell_id, str) else None
        found[str(cell_id)] = {}
        if isinstance(given, Mapping):
            if isinstance(model := given.get("model"), str) and model:
                found[str(cell_id)]["model"] = model
            if given.get("replay") == "off":
                found[str(cell_id)]["replay"] = "off"
    return found
