"""`%minimax edit`: ask the model to change a cell, and propose what it answers."""

from __future__ import annotations

import re
import shlex
from functools import partial

from mm_magics.errors import ArgumentError, ToolInputError, UsageError
from mm_magics.history.notebook_context import CellRun
from mm_magics.history.shown_cells import ShownCell
from mm_magics.ipython import arguments, frontend
from mm_magics.ipython.commands.command import Context
from mm_magics.ipython.prompt_cell import PromptCells
from mm_magics.ipython.proposal import propose
from mm_magics.tools.builtin.named_cells import head, one_cell

PROMPT = "Edit cell {id}: {instruction}\n\n{form} Change only what this requires.{lines}"
CODE_FORM = (
    "Answer with one code block that contains the whole cell as it should be, and below it one sentence about what "
    "you changed."
)
TEXT_FORM = (
    "It is a Markdown cell. Answer with one block between two lines of four backticks that contains the whole cell as "
    "it should be, and below it one sentence about what you changed."
)
LINES = " Change only lines {first} to {last} of the cell, counted from 1."
USAGE = 'For example: %minimax edit #9f2a "Use NumPy."'

_CELL_WITH_LINES = re.compile(r"(.+?)(?::(\d+)(?:-(\d+))?)?")


def edit(context: Context, rest: str) -> None:
    """Ask the model to change a cell. `rest` is a cell, an instruction, and flags of `%%minimax`.

    Without a cell it is the one above the running cell. `#9f2a:3-7` names some of its lines.
    """
    name, instruction, flags = _parsed(rest)
    cells = context.prompt_cells
    if cells is None:
        raise UsageError("%minimax edit needs loaded magics.", "Run %load_ext mm_magics.")
    cell, lines = _target(context, cells, name)
    form = CODE_FORM if cell.kind == "code" else TEXT_FORM
    prompt = PROMPT.format(id=cell.cell.id, instruction=instruction, form=form, lines=lines)
    seen = CellRun(cell.cell.id, cell.cell.source, is_text=cell.kind != "code")
    then = partial(propose, context.page, cell.cell.id, cell.cell.source)
    with cells.earlier_answer_kept():
        cells.run(prompt, {**arguments.parse(flags), "raw": True, "sees": "none"}, [seen], cell_limit=0, then=then)


def _parsed(rest: str) -> tuple[str, str, str]:
    """Return the name of the cell, the instruction, and the flags."""
    words = arguments.split(rest)
    count = next((at for at, word in enumerate(words) if word.startswith("-")), len(words))
    if not 1 <= count <= 2:
        raise ArgumentError("%minimax edit takes a cell and an instruction in quotes.", USAGE)
    return "" if count == 1 else words[0], words[count - 1], shlex.join(words[count:])


def _target(context: Context, cells: PromptCells, name: str) -> tuple[ShownCell, str]:
    """Return the cell to edit, and what the prompt says about its lines."""
    shown = cells.shown_cells()
    if not shown:
        raise UsageError("No notebook is known here, so there is no cell to edit.", "Ask in a %%minimax cell instead.")
    if not name:
        return _editable(_cell_above(context, shown)), ""
    match = _CELL_WITH_LINES.fullmatch(name)
    base, first, last = match.groups() if match else (name, None, None)
    try:
        cell = one_cell(shown, base)
    except ToolInputError as error:
        raise UsageError(f"There is not exactly one cell {base}.", USAGE) from error
    return _editable(cell), LINES.format(first=first, last=last or first) if first else ""


def _cell_above(context: Context, shown: list[ShownCell]) -> ShownCell:
    running = context.session.place(frontend.execution(context.shell))
    at = next((at for at, each in enumerate(shown) if each.cell.id == running), 0)
    if at == 0:
        raise UsageError("There is no cell above this one.", USAGE)
    return shown[at - 1]


def _editable(cell: ShownCell) -> ShownCell:
    if cell.kind not in ("code", "markdown") or cell.cell.is_ours:
        raise UsageError(f"{head(cell)} is a raw cell or a prompt.", "Name a code or Markdown cell.")
    return cell
