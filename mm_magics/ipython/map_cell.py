"""`%%minimax --map`: a prompt cell that runs over rows.

Always true: what came is in the user's variable however the run ends; only a column that a run made is replaced.
"""

from __future__ import annotations

import threading
from typing import Any

from mm_magics import interrupts
from mm_magics.batch.api import job_of
from mm_magics.batch.dry_run import plan
from mm_magics.batch.result import MapRun
from mm_magics.batch.row_results import columns_of
from mm_magics.errors import UsageError
from mm_magics.ipython import frontend
from mm_magics.ipython.live_page import LivePage
from mm_magics.prompt import template
from mm_magics.session import Session

ALONE = {"as": "--as", "sees": "--sees", "raw": "--raw", "tools": "--tools", "tool_choice": "--tool-choice"}
"""Flags that a run over rows does not take."""


class MapCells:
    """The runs of one kernel; knows which columns they made."""

    def __init__(self, session: Session, shell: Any, page: LivePage) -> None:
        self._session, self._shell, self._page = session, shell, page
        self._made: dict[str, tuple[Any, set[str]]] = {}

    def run(self, cell: str, flags: dict[str, Any], cell_id: str | None, stop: threading.Event) -> None:
        """Run the cell's text over the rows that `flags` name, and show it. Raises `UsageError`, `StoreError`."""
        name, into, out = flags.pop("map"), flags.pop("into", "answer"), flags.pop("out", None)
        quiet, dry_run = flags.pop("quiet", self._session.config.quiet), flags.pop("dry_run", False)
        if wrong := [flag for key, flag in ALONE.items() if key in flags]:
            raise UsageError(f"{wrong[0]} does not go with --map.", "Leave it out.")
        names = self._shell.user_ns
        if "system" in flags:
            flags["system"] = template.render(flags["system"], names, self._session.config.value_limit)
        frame, made = self._made.get(name, (None, set[str]()))
        job = job_of(
            self._session,
            cell.rstrip("\n"),
            self._named(name, "--map names a data frame or a list."),
            into=into,
            name=f"`{name}`",
            schema=self._named(flags.pop("schema", None), "--schema names a pydantic model, a dataclass …"),
            budget=flags.pop("budget", None),
            engine=self._named(flags.pop("engine", None), "--engine names a distributed.Client."),
            figures=flags.pop("figures", False),
            namespace=names,
            cell_id=cell_id,
            **flags,
        )
        job.check(made if frame is names[name] else ())
        if dry_run:
            print(plan(job))
            return
        earlier = self._session.history.of_cell(job.prompt.thread, cell_id)
        running = MapRun(job, self._session.history, stop)
        try:
            frontend.perform(running, self._shell, stop, quiet=quiet, earlier=earlier, page=self._page)
        finally:
            if running.mapped is not None and running.has_content:
                with interrupts.deferred():
                    if job.rows.is_frame:
                        names[name] = running.mapped.frame
                        self._made[name] = names[name], made | set(columns_of(into, job.shape, figures=job.figures))
                    else:
                        names[into] = running.mapped.values
                    if out:
                        names[out] = running.mapped

    def _named(self, name: str | None, hint: str) -> Any:
        if name is None:
            return None
        if name not in self._shell.user_ns:
            raise UsageError(f"There is no {name} here.", hint)
        return self._shell.user_ns[name]
