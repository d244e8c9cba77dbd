"""The cells that models run: what these may not do, and how they are ended."""

from __future__ import annotations

import threading
from typing import Any

from IPython.core.error import InputRejected

from mm_magics.ipython import frontend
from mm_magics.session import Session
from mm_magics.system import interrupt_main_thread
from mm_magics.tools.notebook_changes import Change, NotebookChanges


class ModelRuns:
    """Follows the cells of a shell. While one runs that a model runs, the session is as closed to it as to a tool."""

    def __init__(self, shell: Any, session: Session, changes: NotebookChanges) -> None:
        self._shell, self._session, self._changes = shell, session, changes
        self._running: Change | None = None
        self._begun: set[str] = set()
        """The ids of the runs that have begun."""
        self._unwanted: set[str] = set()
        """The cells whose next run was requested by a turn that has been stopped since."""
        self._is_rejected = False
        self._lock = threading.Lock()
        shell.events.register("pre_run_cell", self._begin)
        shell.events.register("post_run_cell", self._end)
        shell.ast_transformers.append(self)
        changes.on_late_run = self.end

    def end(self, run: Change) -> None:
        """End a run that nobody waits for: interrupt it, or reject it if it waits behind another cell.

        Any thread may request it. A run that the page has not begun is up to the page.
        """
        with self._lock:
            if self._running is run:
                interrupt_main_thread(threading.main_thread().ident or 0)
            elif run.was_begun and run.id not in self._begun:
                self._unwanted.add(run.cell)

    def visit(self, node: Any) -> Any:
        """Reject the code of a cell that must not run. IPython calls it with the syntax tree of each cell."""
        if self._is_rejected:
            self._is_rejected = False
            raise InputRejected("Not run: the turn that requested it was stopped.")
        return node

    def _begin(self, info: Any) -> None:
        if not info.store_history:
            return
        cell = frontend.cell_id(self._shell)
        run = self._changes.running(cell)
        with self._lock:
            self._is_rejected = cell in self._unwanted
            self._unwanted.discard(cell or "")
            self._running = run
            if run is not None:
                self._begun.add(run.id)
        if run is not None:
            self._session.running.set()

    def _end(self, result: Any) -> None:
        if self._running is not None and (result.info is None or result.info.store_history):
            with self._lock:
                self._running = None
            self._session.running.clear()
