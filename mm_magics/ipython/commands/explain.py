"""`%minimax explain`: ask the model about the last error."""

from __future__ import annotations

from mm_magics.errors import UsageError
from mm_magics.ipython import arguments
from mm_magics.ipython.commands.command import Context

PROMPT = "Explain this error briefly and show a fixed version of the cell."


def explain(context: Context, rest: str) -> None:
    """Send the cell that raised the last error to the model. `rest` are flags of `%%minimax`."""
    failed = context.prompt_cells.recorder.last_error if context.prompt_cells else None
    if context.prompt_cells is None or failed is None:
        raise UsageError("No cell in this kernel has raised an error.", "Run %minimax explain after one has.")
    with context.prompt_cells.earlier_answer_kept():
        context.prompt_cells.run(PROMPT, {**arguments.parse(rest), "raw": True, "sees": "none"}, [failed])
