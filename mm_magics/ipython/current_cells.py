"""Ask the page for the text that its cells have now: a description may be older than what the user has typed since."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from mm_magics.display.protocol import DocumentAnswer
from mm_magics.history.document_changes import with_current_cells
from mm_magics.history.notebook import LiveNotebook

ANSWER_S = 3.0
"""Seconds for the page to answer."""
POLL_S = 0.05
"""Longest wait, so that Stop and Ctrl-C are noticed in time."""
NO_ANSWER = "The page did not answer: what the user has typed or moved since a cell ran last may be missing."

Send = Callable[[DocumentAnswer], None]


class CurrentCells:
    """The requests of one kernel for the text of the cells. Answers arrive on other threads.

    Args:
        page: Returns what sends to the page that is connected; None without a page.
        notebook: Returns the notebook of the page; None if no page describes one.
    """

    def __init__(self, page: Callable[[], Send | None], notebook: Callable[[], LiveNotebook | None]) -> None:
        self._page, self._notebook = page, notebook
        self._waiting: dict[str, threading.Event] = {}
        self._silent: Send | None = None
        """A page that has not answered, for which nothing waits again."""

    def update(self) -> str:
        """Wait until the notebook is known as the page has it now. Return a note for the model if it may not be."""
        send = self._page()
        if send is None or self._notebook() is None:
            return ""
        request, answered = uuid4().hex, threading.Event()
        self._waiting[request] = answered
        try:
            send({"wants_cells": request})
            end = time.monotonic() + (0.0 if send is self._silent else ANSWER_S)
            while not answered.wait(POLL_S) and time.monotonic() < end:
                pass
        finally:
            self._waiting.pop(request, None)
        self._silent = None if answered.is_set() else send
        return "" if answered.is_set() else NO_ANSWER

    def receive(self, message: Mapping[str, Any]) -> bool:
        """Receive a `CellsMessage`. Return whether it was requested and can be read."""
        answered = self._waiting.get(str(message.get("request")))
        notebook = self._notebook()
        order, cells, pending = (message.get(key) for key in ("order", "cells", "pending"))
        if answered is None or notebook is None or notebook.document is None:
            return False
        if not isinstance(order, list) or not isinstance(cells, Mapping) or not isinstance(pending, list):
            return False
        current = with_current_cells(notebook.document, order, cells, pending)
        if len(current.cells) < len(set(map(str, order))):  # the text of a new cell is missing
            return False
        notebook.document = current
        answered.set()
        return True
