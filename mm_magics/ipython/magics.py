"""The magics `%%minimax` and `%minimax`: parse the line, and hand it to the prompt cells or the commands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from mm_magics.config import MiniMax
from mm_magics.history.notebook import LiveNotebook
from mm_magics.history.prompt_source import drop_lines_above
from mm_magics.ipython import arguments, comms, frontend
from mm_magics.ipython.cell_recorder import CellRecorder
from mm_magics.ipython.completion import complete
from mm_magics.ipython.live_page import LivePage
from mm_magics.ipython.prompt_cell import PromptCells
from mm_magics.session import Session


@magics_class
class MiniMaxMagics(Magics):
    """The magics of one shell, and the session of its prompt cells."""

    shell: Any

    def __init__(self, shell: Any, session: Session) -> None:
        super().__init__(shell)
        self.session = session
        self._attached: Path | None = None
        self.page = LivePage(session, frontend.scheduled_cells(shell))
        self.prompt_cells = PromptCells(session, shell, self.page, CellRecorder(shell))
        comms.register_comms(shell, self.page.receive, self.prompt_cells.stop)

    @no_var_expand
    @line_cell_magic
    def minimax(self, line: str, cell: str | None = None) -> Any:
        """Send a prompt to a MiniMax model. `%%minimax --help` lists the flags, `%minimax help` the commands."""
        self._follow_notebook()
        try:
            if cell is not None:
                return self.prompt_cells.run(cell, arguments.parse(line))
            from mm_magics.ipython import commands

            return commands.run(commands.Context(self.session, self.shell, self.prompt_cells, self.page), line)
        finally:
            self.page.send_marks()

    def _follow_notebook(self) -> None:
        """Attach the notebook file when the front end names it or another one, and read it again if it has changed."""
        path = frontend.notebook_path(self.shell)
        if path is not None and path != self._attached and not isinstance(self.session.notebook, LiveNotebook):
            self._attached = path
            self.session.attach(path)
        self.session.refresh()


def load(shell: Any) -> None:
    """Register the magics, the settings and the completion. Loading again keeps the session."""
    if any(isinstance(each, MiniMax) for each in shell.configurables):
        return
    config = MiniMax(parent=shell)
    shell.configurables.append(config)
    shell.register_magics(MiniMaxMagics(shell, Session(config)))
    shell.input_transformers_cleanup.insert(0, drop_lines_above)
    shell.Completer.custom_matchers.append(complete)
