"""Find out which cell is running when the front end does not send its id: cells that the server executes.

The page's extension names each cell just before its execution is requested, and a kernel runs cells in that order. The
request itself only has the source, so the cell is the first one that was named with this source.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

MAX_WAITING = 1_000
"""Cells that are remembered. A front end whose requests have cell ids never uses them up."""


class ScheduledCells:
    """The cells that the page is about to run, and the cell of the request that is running.

    Attributes:
        has_page: Whether a page with the extension has described the notebook to this kernel.
    """

    def __init__(self) -> None:
        self.has_page = False
        self._waiting: list[tuple[str, str]] = []
        self._request: object = None
        self._cell_id: str | None = None

    def add(self, cells: Iterable[tuple[str, str]]) -> None:
        """Add cells that the page is about to run, as ids and sources, in order."""
        self.has_page = True
        self._waiting += cells
        del self._waiting[:-MAX_WAITING]

    def cell_of(self, request: Mapping[str, Any]) -> str | None:
        """Return the id of the cell that an execution request runs; None if the page did not name it.

        The cells that were named before it have run, or never will.
        """
        request_id, source = (request.get("header") or {}).get("msg_id"), (request.get("content") or {}).get("code")
        if request_id is None or not isinstance(source, str):
            return None
        if request_id != self._request or self._cell_id is None:
            self._request, self._cell_id = request_id, self._take(source.rstrip())
        return self._cell_id

    def _take(self, source: str) -> str | None:
        for number, (cell_id, waiting) in enumerate(self._waiting, 1):
            if waiting.rstrip() == source:
                del self._waiting[:number]
                return cell_id
        return None
