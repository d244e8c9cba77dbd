"""The page that shows the notebook, where the extension connects it: what it cannot know of the turns it shows.

Always true: without the extension nothing is ever sent; all that is sent can be worked out again at any time.

`DocumentAnswer` in `mm_magics.display.protocol` is what the page is sent: the answers that ended while no page was
there, and the marks of all turns that have one, whenever those have changed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from mm_magics.display.protocol import CellOutput, DocumentAnswer, Mark
from mm_magics.history.turn import MIME_TYPE, Turn
from mm_magics.session import Session

Send = Callable[[DocumentAnswer], None]
Marks = dict[str, dict[str, list[Mark]]]


class _Shown(NamedTuple):
    turn: str
    ended_at: float
    output: Callable[[], CellOutput]


class LivePage:
    """One session's page. A second page of the same notebook takes the place of the first one."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._send: Send | None = None
        self._told: Marks = {}
        self._shown: dict[str, _Shown] = {}
        self._replayed: set[tuple[str, str]] = set()

    def described(self, description: Mapping[str, Any], send: Send) -> None:
        """The page says how the notebook stands; one that has just been opened says since when (`since`) it knows."""
        missed = self._missed(description)
        pending = description.get("pending")
        if missed and isinstance(pending, list):
            description = {**description, "pending": [*pending, *missed]}
        self._session.receive(description)
        if send != self._send:
            self._send, self._told = send, {}
        if missed:
            send({"outputs": missed})
        self._session.refresh()
        self.tell()

    def shown(self, cell_id: str | None, turn: Turn, output: Callable[[], CellOutput], *, replayed: bool) -> None:
        """The cell now has this output, if anybody was there to take it."""
        if cell_id:
            self._shown[cell_id] = _Shown(turn.id, time.time(), output)
        if replayed:
            self._replayed.add(turn.place)

    def tell(self) -> None:
        """Tell the page which turns are stale or replayed, if it does not know."""
        if self._send is None:
            return
        stale = self._session.history.stale()
        marks: Marks = {}
        for cell, turn in sorted(stale | self._replayed):
            has: dict[Mark, bool] = {"stale": (cell, turn) in stale, "replayed": (cell, turn) in self._replayed}
            marks.setdefault(cell, {})[turn] = [mark for mark, given in has.items() if given]
        if marks != self._told:
            self._told = marks
            self._send({"marks": marks})

    def _missed(self, description: Mapping[str, Any]) -> dict[str, CellOutput]:
        since, order, cells = (description.get(key) for key in ("since", "order", "changed"))
        if not isinstance(since, int | float) or not isinstance(order, list) or not isinstance(cells, dict):
            return {}
        return {
            id_: shown.output()
            for id_, shown in self._shown.items()
            if id_ in order and shown.ended_at > since and shown.turn != _turn_of(cells.get(id_))
        }


def _turn_of(cell: Any) -> str | None:
    """The id of the turn that a cell of the page holds."""
    outputs = cell.get("outputs") if isinstance(cell, dict) else None
    outputs = outputs if isinstance(outputs, list) else []
    data = [each["data"] for each in outputs if isinstance(each, dict) and isinstance(each.get("data"), dict)]
    records = [each[MIME_TYPE] for each in data if isinstance(each.get(MIME_TYPE), dict)]
    return records[-1].get("id") if records else None
