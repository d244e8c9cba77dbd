"""The magics `%%minimax` and `%minimax`: parse the line, and hand it to the prompt cells or the commands."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from mm_magics.config import MiniMax
from mm_magics.display.ipykernel_compat import answer_inspections
from mm_magics.display.turn_channel import PageHandlers
from mm_magics.errors import NotebookError
from mm_magics.history.notebook import LiveNotebook, current_path
from mm_magics.history.prompt_source import complete_prompt_cell, drop_lines_above
from mm_magics.ipython import arguments, comms, frontend
from mm_magics.ipython.background_import import BackgroundImport, import_for_prompts
from mm_magics.ipython.cell_recorder import CellRecorder
from mm_magics.ipython.colab import ColabPage, enable_widgets
from mm_magics.ipython.completion import complete_with
from mm_magics.ipython.inspection import inspector
from mm_magics.ipython.live_page import LivePage
from mm_magics.ipython.prompt_cell import PromptCells
from mm_magics.ipython.standing_rules import standing_rules
from mm_magics.ipython.turn_requests import pin, show_request, show_summary
from mm_magics.session import Session
from mm_magics.turn.ledger import Ledger


@magics_class
class MiniMaxMagics(Magics):
    """The magics of one shell, and the session of its prompt cells."""

    shell: Any

    def __init__(self, shell: Any, session: Session) -> None:
        super().__init__(shell)
        self.session = session
        self._attached: Path | None = None
        self._colab = ColabPage()
        self.page = LivePage(session, frontend.scheduled_cells(shell))
        self.prompt_cells = PromptCells(session, shell, self.page, CellRecorder(shell))
        handlers = PageHandlers(
            stop=self.prompt_cells.stop,
            reorder=self.page.reorder,
            standing_rules=partial(standing_rules, session.rules),
            show_request=partial(show_request, session),
            pin=partial(pin, session),
            summary=partial(show_summary, session),
            change=self.page.changes.receive,
            cells=self.page.current_cells.receive,
        )
        comms.register_comms(shell, self.page.receive, handlers)

    @no_var_expand
    @line_cell_magic
    def minimax(self, line: str, cell: str | None = None) -> Any:
        """Send a prompt to a MiniMax model. `%%minimax --help` lists the flags, `%minimax help` the commands."""
        self._follow_notebook()
        try:
            if cell is not None:
                with self.prompt_cells.earlier_answer_kept():
                    return self.prompt_cells.run(cell, arguments.parse(line))
            from mm_magics.ipython import commands

            return commands.run(commands.Context(self.session, self.shell, self.prompt_cells, self.page), line)
        finally:
            self.page.send_marks()

    def _follow_notebook(self) -> None:
        """Use the notebook as the page has it, or else the file that the front end names, if it has changed."""
        if running := frontend.colab_cell(self.shell):
            try:
                self.session.receive(self._colab.notebook(running))
            except NotebookError as error:
                self.session.receive(error)
        path, notebook = frontend.notebook_path(self.shell), self.session.notebook
        page = frontend.page(self.shell)
        is_live = isinstance(notebook, LiveNotebook)
        # Another page with the extension may have described the notebook, but not the page that runs this cell.
        is_described = isinstance(notebook, LiveNotebook) and (not page or notebook.has_page(page))
        if path is not None and not is_described and (is_live or path != self._attached):
            self._attached = path
            self.session.attach(current_path(notebook, path) or path)
        self.session.refresh()


def load(shell: Any) -> None:
    """Register the magics, the settings and the completion. Loading again keeps the session."""
    if any(isinstance(each, MiniMax) for each in shell.configurables):
        return
    config = MiniMax(parent=shell)
    shell.configurables.append(config)
    session = Session(config)
    Ledger.of_kernel = session.ledger
    shell.register_magics(MiniMaxMagics(shell, session))
    shell.input_transformers_cleanup[:0] = [drop_lines_above, complete_prompt_cell]
    complete_with(shell, session)
    answer_inspections(getattr(shell, "kernel", None), inspector(session))
    enable_widgets()
    front_end = frontend.detect(shell)
    if front_end != "plain":  # a program that runs the notebook does not pause between cells
        BackgroundImport(shell, partial(import_for_prompts, front_end))
