"""`%minimax explain` and `fix`: ask the model about an error, or for a version of the cell without it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from mm_magics.errors import ToolInputError, UsageError
from mm_magics.history.cell_dependencies import cells_needed, names_read
from mm_magics.history.notebook_context import CellRun
from mm_magics.history.shown_cells import ShownCell
from mm_magics.history.turn import Turn
from mm_magics.ipython import arguments
from mm_magics.ipython.commands.command import Context
from mm_magics.ipython.prompt_cell import PromptCells
from mm_magics.ipython.proposal import propose
from mm_magics.tools.builtin.fix_rounds import ROUNDS
from mm_magics.tools.builtin.named_cells import one_cell
from mm_magics.tools.builtin.variables import kind_of
from mm_magics.wording import counted

PROMPT = "Explain this error briefly and show a fixed version of the cell."
FIX = (
    "Fix cell {id}, which raised the error in its output. Answer with one Python code block that contains the whole "
    "cell as it should be, and below it one or two sentences about what was wrong. Change only what the error requires."
)
FIX_AND_RUN = (
    "Fix cell #{id}, which raised the error in its output. Call edit_cell to propose a change, and wait for its "
    "result. If the user accepts it, call run_cell to see whether the cell works now. If it raises an error again, "
    "propose the next change: there are {rounds} rounds. If the user does not allow a call, do not repeat it. Change "
    "only what the error requires, and end with one or two sentences about what was wrong."
)
FIX_TOOLS = ("edit_cell", "run_cell")
MAX_VARIABLES = 40
MAX_COLUMNS = 50


def explain(context: Context, rest: str) -> None:
    """Send the cell that raised the last error to the model. `rest` are flags of `%%minimax`."""
    cells, failed = _last_error(context, "explain")
    _ask(cells, arguments.parse(rest), PROMPT, [failed])


def fix(context: Context, rest: str) -> None:
    """Ask the model to fix a cell that raised an error. Each change of the cell is a proposal.

    The model gets the cell with its error, the cells that it depends on, and the types of the variables in it. Where
    the page can run cells, it may run the cell again if the user allows it, in at most `fix_rounds.ROUNDS` rounds.

    Args:
        context: What the command can use.
        rest: The name of the cell, by default the one that raised the last error, and flags of `%%minimax`.
    """
    name, _, flags = rest.partition(" ")
    if name.startswith("-"):
        name, flags = "", rest
    cells, failed = _cell_with_error(context, name) if name else _last_error(context, "fix")
    needed = [CellRun(each.id, each.source) for each in cells_needed(failed, [*cells.recorder.cells.values()])]
    lines = variable_lines(failed.source, context.shell.user_ns)
    variables = "\n".join(["\n\nThe variables in it:", *lines]) if lines else ""
    cell, given = _on_page(context, cells, failed), arguments.parse(flags)
    then = partial(_propose_fix, context, failed)
    if cell is None or given.get("tools") == [] or not cells.can_run_cells(given.get("tools", ())):
        _ask(cells, given, FIX.format(id=failed.id) + variables, [*needed, failed], then)
        return
    given["tools"] = [*dict.fromkeys([*given.get("tools", ()), *FIX_TOOLS])]
    prompt = FIX_AND_RUN.format(id=cell.name, rounds=ROUNDS) + variables
    _ask(cells, given, prompt, [*needed, failed], then, cell)


def _on_page(context: Context, cells: PromptCells, failed: CellRun) -> ShownCell | None:
    """Return the cell as the notebook has it, None if it does not. Raises `UsageError` if the user has edited it."""
    id_ = context.session.cells.id_of(failed.id)
    found = next((each for each in cells.shown_cells() if each.cell.id == id_), None)
    if found and found.is_edited:
        raise UsageError(f"Cell #{found.name} was edited after it raised the error.", "Run it again first.")
    return found


def _propose_fix(context: Context, failed: CellRun, turn: Turn) -> None:
    """Propose the code that the model wrote into its answer, unless it has called the tools for that."""
    if context.page and context.page.changes.of_turn(turn.id):
        return
    limit = context.session.settings.value("sees_limit")
    if limit and len(failed.source) > limit:
        print("Nothing is proposed: the cell is longer than sees_limit, so the model saw only a part of it.")
    else:
        propose(context.page, context.session.cells.id_of(failed.id), failed.source, turn)


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


def _cell_with_error(context: Context, name: str) -> tuple[PromptCells, CellRun]:
    """Return the cell with this name as it ran, with its error."""
    cells = context.prompt_cells
    shown = cells.shown_cells() if cells else []
    try:
        found = one_cell(shown, name)
    except ToolInputError as error:
        raise UsageError(f"There is not exactly one cell {name}.", "For example: %minimax fix #9f2a") from error
    runs = cells.recorder.cells.values() if cells else ()
    ran = [each for each in runs if context.session.cells.id_of(each.id) == found.cell.id]
    if cells is None or not ran or not found.errors:
        raise UsageError(f"The last run of cell {name} in this kernel raised no error.")
    return cells, ran[-1]


def _ask(
    cells: PromptCells,
    flags: Mapping[str, Any],
    prompt: str,
    seen: Sequence[CellRun],
    then: Callable[[Turn], None] | None = None,
    fixes: ShownCell | None = None,
) -> None:
    with cells.earlier_answer_kept():
        cells.run(prompt, {**flags, "raw": True, "sees": "none"}, seen, then=then, fixes=fixes)
