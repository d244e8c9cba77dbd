"""`%minimax compact`, `pin` and `unpin`: the summary of earlier turns, and the turns that are never summarized."""

from __future__ import annotations

from mm_magics.display.table import Table
from mm_magics.errors import ArgumentError, UsageError
from mm_magics.history.compacted_context import SentContext
from mm_magics.history.compaction import Compaction
from mm_magics.ipython.commands.command import Context
from mm_magics.ipython.commands.versions import find_turn
from mm_magics.text import excerpt, visible
from mm_magics.turn.context_budget import NO_SUMMARY_HINT
from mm_magics.wording import counted

EXCERPT = 60
"""Characters of a prompt that are shown."""


def compact(context: Context, rest: str) -> Table:
    """Show the summary that the next prompt of the thread has in its context, take it out, or change it."""
    session = context.session
    thread = session.settings.value("thread")
    command, _, name = rest.partition(" ")
    if not command:
        return Table(lines=[*_described(session.budget.context(thread, None)), NO_SUMMARY_HINT])
    if command not in ("undo", "edit"):
        raise ArgumentError(f"Unknown word {command!r}.", "Use %minimax compact, compact undo, or compact edit.")
    if command == "undo":
        turns = counted(len(session.budget.summary(thread).turns), "turn")
        session.budget.change_summary(thread, "")
        return Table(lines=[f"The next prompt sends all turns: the summary of {turns} is not used any more."])
    if not name:
        _insert_cell(context, session.budget.summary(thread).summary)
        return Table(lines=["Change the text in the new cell and run it."])
    text = context.shell.user_ns.get(name.strip()) if context.shell else None
    if not isinstance(text, str) or not text.strip():
        raise ArgumentError(f"{visible(name)} is not the name of a text.", "%minimax compact edit NAME")
    session.budget.change_summary(thread, text)
    return Table(lines=[f"The next prompt has this summary: {session.budget.own[thread]}."])


def _described(found: SentContext) -> list[str]:
    compaction = found.compaction or Compaction()
    lines = [f"{compaction}:", visible(compaction.summary)] if compaction.turns else ["No turn is summarized."]
    pinned = [excerpt(turn.prompt, EXCERPT) for turn in found.all if turn.id in compaction.pinned]
    return [*lines, *([f"Pinned: {'; '.join(pinned)}."] if pinned else []), *([found.note] if found.note else [])]


def _insert_cell(context: Context, summary: str) -> None:
    """Insert a cell in which the summary can be changed."""
    if context.shell is None:
        raise UsageError("This needs IPython.", "%minimax compact edit NAME")
    lines = "\n".join(f"    {line!r}" for line in summary.splitlines(keepends=True))
    context.shell.set_next_input(f"minimax_summary = (\n{lines}\n)\n%minimax compact edit minimax_summary")


def pin(context: Context, number: str) -> Table:
    """Never summarize a turn: the one above this cell, or the one with this number in history."""
    return _pin(context, number, on=True)


def unpin(context: Context, number: str) -> Table:
    """Allow a pinned turn to be summarized again."""
    return _pin(context, number, on=False)


def _pin(context: Context, number: str, *, on: bool) -> Table:
    turn = find_turn(context, number)
    context.session.budget.pin(context.session.settings.value("thread"), turn, on=on)
    then = "is never summarized" if on else "can be summarized"
    return Table(lines=[f"{excerpt(turn.prompt, EXCERPT)!r} {then}. The next answer records it."])
