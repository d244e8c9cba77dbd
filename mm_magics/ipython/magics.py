"""`%%minimax` and `%minimax`: parse, ask, show.

Always true: there is no logic here; what fails raises one of our errors, which IPython shows as one line or two.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from mm_magics.api.models import CATALOGUE
from mm_magics.config import MiniMax
from mm_magics.display.answer_format import parse_answer
from mm_magics.errors import UsageError
from mm_magics.history import notebook_context
from mm_magics.history.notebook_context import CellRun
from mm_magics.ipython import arguments, comms, frontend
from mm_magics.ipython.cell_recorder import Recorder
from mm_magics.ipython.live_page import LivePage
from mm_magics.prompt import template
from mm_magics.session import Session
from mm_magics.tools.builtin.catalogue import builtin_tools
from mm_magics.tools.builtin.paths import folder_of
from mm_magics.tools.tool import Tool
from mm_magics.turn.prepared import PreparedPrompt

if TYPE_CHECKING:
    from mm_magics.ipython.map_cell import MapCells

ROWS = frozenset({"into", "budget", "figures", "engine"})
"""Flags that a run over rows alone takes."""

EXPLAIN = "Explain this error in a few sentences, and show how to mend the cell."


@magics_class
class MiniMaxMagics(Magics):
    """The magics of one shell, the session that its prompt cells share, and what its cells did."""

    shell: Any

    def __init__(self, shell: Any, session: Session) -> None:
        super().__init__(shell)
        self.session = session
        self.recorder = Recorder(shell)
        self._stop = threading.Event()
        self._rows: MapCells | None = None
        session.namespace, session.builtin = shell.user_ns, self._builtin
        self.page = LivePage(session)
        comms.listen(shell, self.page.described, lambda: self._stop.set())

    @no_var_expand
    @line_cell_magic
    def minimax(self, line: str, cell: str | None = None) -> Any:
        """Ask a MiniMax model. `%%minimax --help` lists the flags, `%minimax help` the commands."""
        self._attach()
        try:
            if cell is None:
                return self._command(line)
            flags = arguments.parse(line)
            if flags.pop("help", False):
                print(arguments.help_text())
                return None
            return self._ask(cell, flags)
        finally:
            self.page.tell()

    def _attach(self) -> None:
        """Find the notebook, if it is not found yet, and follow it."""
        if self.session.notebook is None and (path := frontend.notebook_path(self.shell)) is not None:
            self.session.attach(path)
        self.session.refresh()

    def _command(self, line: str) -> Any:
        from mm_magics.ipython import commands

        if line.split()[:1] != ["explain"]:
            return commands.run(self.session, self.shell, line)
        failed = self.recorder.last_error
        if failed is None:
            raise UsageError("No cell of this kernel ended with an error.", "Run %minimax explain after one did.")
        flags = arguments.parse(line.partition("explain")[2])
        return self._ask(EXPLAIN, {**flags, "raw": True, "sees": "none"}, [failed])

    def _ask(self, cell: str, flags: dict[str, Any], cells: Sequence[CellRun] | None = None) -> None:
        config, shell = self.session.config, self.shell
        if "params" in flags:
            flags["params"] = {**config.params, **flags["params"]}
        if "map" in flags:
            self._map(cell, flags)
            return
        if missing := ROWS & flags.keys():
            raise UsageError(f"--{min(missing)} is for a run over rows.", "Name the rows with --map.")
        out, answer_format = flags.pop("out", None), flags.pop("as", "markdown")
        quiet, dry_run = flags.pop("quiet", config.quiet), flags.pop("dry_run", False)
        if not flags.pop("raw", False):
            cell = template.render(cell, shell.user_ns, config.value_limit)
            if "system" in flags:
                flags["system"] = template.render(flags["system"], shell.user_ns, config.value_limit)
        if "schema" in flags:
            flags["schema"] = _named(flags["schema"], shell.user_ns)
        cell_id = self.session.place(frontend.cell_id(shell), frontend.source(shell))
        sees = flags.pop("sees", config.sees)
        if cells is None:
            cells = self._cells(sees, flags.get("thread", self.session.settings.value("thread")), cell_id)
        content = [{"type": "text", "text": cell.rstrip("\n")}]
        if told := notebook_context.format_cells(cells, config.sees_limit):
            content.insert(0, {"type": "text", "text": told})
        ready = self.session.prepare(content, cell_id=cell_id, **flags)
        if dry_run:
            _show_request(ready)
            return
        stop = self._stop = threading.Event()
        earlier = self.session.history.turn_of_cell(ready.thread, cell_id)
        answer = self.session.stream(ready, stop=stop)
        turn = frontend.perform(
            answer, shell, stop, answer_format=answer_format, quiet=quiet, earlier=earlier, page=self.page
        )
        if "schema" in flags or out:
            value = (
                self.session.value(turn, flags["schema"])
                if "schema" in flags
                else parse_answer(turn.text, answer_format)
            )
        if out:
            shell.user_ns[out] = value

    def _map(self, cell: str, flags: dict[str, Any]) -> None:
        """The cell's text, asked for each row of a frame."""
        if self._rows is None:
            from mm_magics.ipython.map_cell import MapCells

            self._rows = MapCells(self.session, self.shell, self.page)
        cell_id = self.session.place(frontend.cell_id(self.shell), frontend.source(self.shell))
        stop = self._stop = threading.Event()
        self._rows.run(cell, flags, cell_id, stop)

    def _builtin(self) -> Mapping[str, Tool]:
        """The built-in tools, bound to this notebook."""
        folder = folder_of(self.session.config.tools_folder, frontend.notebook_path(self.shell))
        return builtin_tools(self.shell.user_ns, folder, self._other_cells, self.shell)

    def _other_cells(self) -> Sequence[CellRun]:
        document = self.session.notebook.document if self.session.notebook else None
        here = self.session.place(frontend.cell_id(self.shell), frontend.source(self.shell))
        return notebook_context.other_cells(document, self.recorder.cells, here)

    def _cells(self, sees: str | int, thread: str, cell_id: str | None) -> Sequence[CellRun]:
        """The code cells that a prompt in this cell sees."""
        if sees in ("none", 0):
            return []
        document = self.session.notebook.document if self.session.notebook else None
        above = notebook_context.cells_above(document, self.recorder.cells, cell_id)
        asked = [turn.cell_id for turn in self.session.history.context_turns(thread, cell_id)]
        if None in asked:
            asked += [cell.id for cell in above if cell.is_prompt]
        fresh = notebook_context.cells_since_prompt(above, filter(None, asked))
        return fresh[-sees:] if isinstance(sees, int) else fresh


def _named(name: str, namespace: Mapping[str, Any]) -> Any:
    if name not in namespace:
        raise UsageError(f"There is no {name} here.", "--schema names a pydantic model, a dataclass or a JSON schema.")
    return namespace[name]


def _show_request(ready: PreparedPrompt) -> None:
    print(json.dumps(ready.body, ensure_ascii=False, indent=2))
    for note in [f"Nothing was sent. {len(ready.context_turns)} earlier turns would be seen.", *ready.notes]:
        print(note)


@context_matcher()  # type: ignore[untyped-decorator]
def complete(context: CompletionContext) -> SimpleMatcherResult:
    """Tab completion of flags, their values, commands and settings, on the magic's own line only."""
    line = context.line_with_cursor[: context.cursor_position]
    if not line.startswith(("%minimax", "%%minimax")) or (line.startswith("%%") and context.cursor_line > 0):
        return SimpleMatcherResult(completions=[])
    settings = sorted(MiniMax.class_trait_names(config=True))
    found = arguments.completions(line, list(CATALOGUE), settings)
    return SimpleMatcherResult(completions=[SimpleCompletion(text=name, type="magic") for name in found], suppress=True)


def load(shell: Any) -> None:
    """Register the magics, the settings and the completion; loading twice keeps the session."""
    if any(isinstance(each, MiniMax) for each in shell.configurables):
        return
    config = MiniMax(parent=shell)
    shell.configurables.append(config)
    shell.register_magics(MiniMaxMagics(shell, Session(config)))
    shell.Completer.custom_matchers.append(complete)
