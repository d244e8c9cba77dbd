"""`%minimax usage`: calls, tokens, seconds and cost so far."""

from __future__ import annotations

from mm_magics.api.usage import TOKEN_COUNTERS
from mm_magics.display import usage_line
from mm_magics.display.table import Table
from mm_magics.ipython.commands.command import Context


def usage(context: Context, _rest: str) -> Table:
    """Show the usage of each model, over all threads."""
    rows = []
    turns = [turn for turns in context.session.history.threads().values() for turn in turns]
    for name in sorted({turn.model for turn in turns}):
        rows.append(_usage_row(name, usage_line.usage_of(turn for turn in turns if turn.model == name)))
    if len(rows) > 1:
        rows.append(_usage_row("all", usage_line.usage_of(turns)))
    columns = ("model", "calls", "seconds", "tokens in", "out", "cache read", "cache written", "cost")
    return Table("", columns, rows, () if rows else ("No prompts have been sent yet.",))


def _usage_row(name: str, usage: usage_line.Usage) -> tuple[str, ...]:
    counts = tuple(f"{usage.tokens[counter]:,}" for counter in TOKEN_COUNTERS)
    return name, str(usage.calls), f"{usage.seconds:.1f}", *counts, usage_line.cost_text(usage)
