"""`%%minimax --map`: run a prompt cell over the rows of a variable.

However a run ends, everything received is in the user's variable. A column is only replaced if a map run of this kernel
added it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from functools import partial
from typing import Any

from mm_magics import interrupts
from mm_magics.batch.dask_rows import DaskRows
from mm_magics.batch.dry_run import estimate
from mm_magics.batch.job import MapJob, MapOptions, build_job
from mm_magics.batch.map_run import MapRun
from mm_magics.batch.result import MapResult
from mm_magics.batch.sample import SampledRows
from mm_magics.batch.trial import Trial, trial_job
from mm_magics.errors import UsageError
from mm_magics.ipython import frontend
from mm_magics.ipython.live_page import LivePage
from mm_magics.ipython.namespace import lookup
from mm_magics.ipython.turn_output import show_turn
from mm_magics.prompt import template
from mm_magics.session import Session
from mm_magics.text import escape_controls
from mm_magics.tools.builtin.catalogue import CHANGE_TOOLS

INCOMPATIBLE_FLAGS = {
    "as": "--as",
    "sees": "--sees",
    "raw": "--raw",
    "attach": "--attach",
    "check": "--check",
    "edits": "--edits",
    "tool_choice": "--tool-choice",
}
"""Flags that cannot be combined with --map, by the name of their argument."""


class MapCells:
    """The map cells of one kernel. It remembers which columns of which data frame they added."""

    def __init__(self, session: Session, shell: Any, page: LivePage) -> None:
        self._session, self._shell, self._page = session, shell, page
        self._added: dict[str, tuple[Any, set[str]]] = {}

    def run(
        self, cell: str, flags: dict[str, Any], cell_id: str | None, source: str | None, stop: threading.Event
    ) -> None:
        """Run the cell's text over the rows of the variable that `--map` names, and show the run.

        Args:
            cell: The text of the cell below the `%%minimax` line.
            flags: The parsed flags.
            cell_id: The cell's id in the notebook.
            source: The text by which a later edit of the cell is noticed.
            stop: Once set, the run ends.

        Raises:
            UsageError: A flag is invalid, or a variable or a column is missing.
            StoreError: The answer store cannot be used.
            AgreementError: The answers of a trial agree with their labels less than required.
        """
        if wrong := [flag for key, flag in INCOMPATIBLE_FLAGS.items() if key in flags]:
            raise UsageError(f"{wrong[0]} cannot be combined with --map.", "Leave it out.")
        if acting := [each for each in flags.get("tools", ()) if each in CHANGE_TOOLS]:
            what = f"{acting[0]} acts on the notebook. A map run only calls tools that read."
            raise UsageError(what, "Leave it out.")
        name, result_name = flags.pop("map"), flags.pop("out", None)
        quiet, dry_run = flags.pop("quiet", self._session.settings.value("quiet")), flags.pop("dry_run", False)
        names = self._shell.user_ns
        if "system" in flags:
            system = template.Template(flags["system"]).expressions
            self._session.never_send.check_expressions(template.FilledExpression(each, "") for each in system)
            flags["system"] = template.render(flags["system"], names, self._session.settings.value("value_limit"))
        data = self._variable(name, "--map takes the name of a data frame or a list.")
        options = self._options(name, flags)
        job = build_job(self._session, cell.rstrip("\n"), data, options, cell_id=cell_id, source=source, **flags)
        frame, columns = self._added.get(name, (None, set[str]()))
        replaceable = columns if frame is data else set[str]()
        job.check(replaceable)
        if dry_run:
            planned = job if job.options.trial is None else trial_job(job)
            print(escape_controls("\n".join([str(estimate(planned)), *job.prompt.turn_notes])))
            return
        earlier = self._session.history.shown_turn(job.prompt.thread, cell_id)
        run = MapRun(job, self._session.history, stop)
        try:
            view_for = partial(frontend.view_for, so_far=run.so_far)
            show_turn(run, self._shell, stop, view_for=view_for, quiet=quiet, earlier=earlier, page=self._page)
        finally:
            if run.result is not None and run.has_content:
                with interrupts.deferred():
                    self._assign(name, result_name, job, run.result, [*replaceable, *job.columns])
        if isinstance(run.result, Trial):
            run.result.check()

    def _options(self, name: str, flags: dict[str, Any]) -> MapOptions:
        """Take the options of the run from the flags."""
        return MapOptions(
            into=flags.pop("into", "answer"),
            data_name=f"`{name}`",
            schema=self._variable(
                flags.pop("schema", None), "--schema takes the name of a Pydantic model, a dataclass or a JSON schema."
            ),
            budget=flags.pop("budget", None),
            engine=self._variable(flags.pop("engine", None), "--engine takes the name of a distributed.Client."),
            figures=flags.pop("figures", False),
            pack=flags.pop("pack", None),
            trial=flags.pop("trial", None),
            label=flags.pop("label", None),
            require=flags.pop("require", None),
            namespace=self._shell.user_ns,
        )

    def _assign(
        self, name: str, result_name: str | None, job: MapJob, result: MapResult, columns: Iterable[str]
    ) -> None:
        """Assign the result to the user's variables."""
        names = self._shell.user_ns
        if result_name:
            names[result_name] = result
        if isinstance(result, Trial) or isinstance(job.rows, SampledRows):  # its rows are not all rows
            return
        if isinstance(job.rows, DaskRows) or job.rows.is_frame:
            names[name] = result.frame
            self._added[name] = result.frame, set(columns)
        else:
            names[job.options.into] = job.rows.answers(job.options.into, result.values)

    def _variable(self, name: str | None, hint: str) -> Any:
        return None if name is None else lookup(self._shell.user_ns, name, hint)
