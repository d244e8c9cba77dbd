"""The tool `run_cell` of `--tools notebook`: the page runs a cell as the user would, once the user allowed its code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from mm_magics.errors import ToolError, ToolInputError
from mm_magics.history.notebook_context import CellRun
from mm_magics.prompt.values import cut
from mm_magics.tools.builtin.bounded_text import LIMIT
from mm_magics.tools.builtin.named_cells import head
from mm_magics.tools.builtin.notebook_edits import CellName
from mm_magics.tools.builtin.turn_changes import TurnChanges
from mm_magics.tools.builtin.typed_function import builtin_tool
from mm_magics.tools.notebook_changes import PAGE_S, Change
from mm_magics.tools.runtime.result_images import ResultImages
from mm_magics.tools.tool import Tool, ToolOutput

RUN_RISK = (
    "Runs the code of a cell as you, in the kernel: it can change and delete your variables and files, reach the "
    "network, read keys in files and in the environment, and set rules. Its outputs are sent to the endpoint."
)
CANNOT_RUN = "A cell cannot run while the prompt cell runs."
CHANGED = "The cell was changed after the user allowed its code, so it was not run. Call run_cell again."


def run_tool(turn: TurnChanges) -> Tool:
    """Make the tool `run_cell`."""
    tool = builtin_tool(run_cell, turn, risk=RUN_RISK, asks=True, beside_cells=True)
    return replace(
        tool, function=partial(run_code, turn), complete=partial(_with_code, turn), in_turn=True, over=turn.over
    )


def run_cell(turn: TurnChanges, cell: CellName) -> ToolOutput:
    """Run a code cell of the user's notebook, and return its outputs. Changes of it must be accepted before."""
    return run_code(turn, **_with_code(turn, {"cell": cell}))


def _with_code(turn: TurnChanges, arguments: Mapping[str, Any]) -> Mapping[str, str]:
    """Add the code of the cell to the arguments: it is what the user sees and allows, and what runs."""
    found = turn.cell(arguments["cell"])
    if found.kind != "code":
        raise ToolInputError(f"{head(found)} is not a code cell.")
    if found.cell.is_prompt:
        raise ToolInputError(f"{head(found)} is a prompt cell: only the user runs it.")
    if found.is_pending:
        raise ToolInputError(f"{head(found)} is running already, or waits.")
    return {"cell": f"#{found.name}", "code": found.cell.source}


def run_code(turn: TurnChanges, cell: str, code: str) -> ToolOutput:
    """Let the page run the cell if it has this code, wait until it has run, and return its outputs."""
    turn.check_page()
    if not turn.can_run:
        raise ToolError(CANNOT_RUN)
    found = turn.cell(cell)
    if found.cell.source != code:
        raise ToolError(CHANGED)
    if turn.fix:
        turn.fix.begin_run()
    change = Change(turn.turn, "run", found.cell.id, ask=False, before=code)
    try:
        turn.changes.request(change)
        if not turn.changes.wait_until_shown(change):
            raise ToolError(f"The page did not run the cell within {PAGE_S:g} s.")
        turn.changes.wait(change, None)
    finally:  # also if the user pressed Stop, or the time for the call is over
        if change.is_open:
            turn.changes.withdraw([change])
            turn.end_run(change)
    if change.state == "refused":
        if turn.fix:
            turn.fix.take_back_run()
        raise ToolError(f"The cell was not run. {change.reason}".rstrip())
    if turn.fix:
        turn.fix.end_run(failed=change.state == "failed")
    images = ResultImages()
    text = CellRun(change.cell, code, change.outputs).text_with(images.add) or "It displayed nothing."
    change.outputs = ()
    turn.see(found)
    count = f" as [{change.count}]" if change.count is not None else ""
    now = head(turn.shown(change.cell) or found)
    ran = f"{now} ran{count}{' and raised an error' if change.state == 'failed' else ''}."
    size = LIMIT // 2
    text = f"{ran}\n{cut(code, size)}\n[output]\n{cut(text, size)}"
    return ToolOutput(text, is_error=change.state == "failed", images=images.files)
