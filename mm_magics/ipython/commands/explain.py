"""`%minimax explain` and `fix`: ask the model about the last error, or for a version of the cell without it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from mm_magics.errors import UsageError
from mm_magics.history.cell_dependencies import cells_needed, names_read
from mm_magics.history.notebook_context import CellRun
from mm_magics.ipython import arguments
from mm_magics.ipython.commands.command import Context
from mm_magics.ipython.prompt_cell import PromptCells
from mm_magics.tools.builtin.variables import kind_of
from mm_magics.wording import counted

PROMPT = "Explain this error briefly and show a fixed version of the cell."
FIX = (
    "Fix cell {id}, which raised the error in its output. Answer with one Python code block that contains the whole "
    "cell as it should be, and below it one or two sentences about what was wrong. Change only what the error requires."
)
MAX_VARIABLES = 40
MAX_COLUMNS = 50


def explain(context: Context, rest: str) -> None:
    """Send the cell that raised the last error to the model. `rest` are flags of `%%minimax`."""
    cells, failed = _last_error(context, "explain")
    _ask(cells, rest, PROMPT, [failed])


def fix(context: Context, rest: str) -> None:
    """Ask the model for a version of the cell that raised the last error without it. `rest` are flags of `%%minimax`.

    The model gets the cell with its error, the cells that it depends on, and the types of the variables in it.
    """
    cells, failed = _last_error(context, "fix")
    needed = [CellRun(each.id, each.source) for each in cells_needed(failed, [*cells.recorder.cells.values()])]
    lines = variable_lines(failed.source, context.shell.user_ns)
    variables = "\n".join(["\n\nThe variables in it:", *lines]) if lines else ""
    _ask(cells, rest, FIX.format(id=failed.id) + variables, [*needed, failed])


def variable_lines(source: str, names: dict[str, Any]) -> list[str]:
    """Return a line for each variable that code reads, with its type, its size and its columns, without its values."""
    read = [name for name in sorted(names_read(source)) if name in names]
    return [f"- {name}: {kind_of(names[name])}{_columns(names[name])}" for name in read[:MAX_VARIABLES]]


def _columns(value: Any) -> str:
    with suppress(Exception):  # the user's object
        if not isinstance(value, type):
            columns = list(map(str, getattr(value, "column_names", None) or value.columns))
            more = f" and {counted(len(columns) - MAX_COLUMNS, 'more column')}" if len(columns) > MAX_COLUMNS else ""
            return f", columns {', '.join(columns[:MAX_COLUMNS])}{more}"
    return ""


def _last_error(context: Context, command: str) -> tuple[PromptCells, CellRun]:
    failed = context.prompt_cells.recorder.last_error if context.prompt_cells else None
    if context.prompt_cells is None or failed is None:
        raise UsageError("No cell in this kernel has raised an error.", f"Run %minimax {command} after one has.")
    return context.prompt_cells, failed


def _ask(cells: PromptCells, rest: str, prompt: str, seen: Sequence[CellRun]) -> None:
    with cells.earlier_answer_kept():
        cells.run(prompt, {**arguments.parse(rest), "raw": True, "sees": "none"}, seen)
