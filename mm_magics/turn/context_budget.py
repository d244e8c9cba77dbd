"""The context of the next prompt of a session, and which turns a summary must replace so that it fits the window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from mm_magics.api.messages import Block, blocks
from mm_magics.api.request import json_of
from mm_magics.api.size import sent_size
from mm_magics.errors import UsageError
from mm_magics.history.compacted_context import SentContext, contents_sha256, context_of, summarized
from mm_magics.history.compaction import Compaction
from mm_magics.history.context_messages import Context
from mm_magics.history.thread import History
from mm_magics.history.turn import Turn
from mm_magics.text import visible
from mm_magics.turn.window import FULL, Size, bytes_per_token

CompactMode = Literal["auto", "never", "now"]

LAST_TURNS = 4
"""The last turns, which are sent as they are even if they are long."""
RECENT_SHARE, MAX_RECENT_SHARE = 0.3, 0.6
"""The part of the window up to which recent turns are sent as they are, and the most that the last ones may use."""
SUMMARY_TOKENS = 16_384
"""`max_tokens` of the call that writes a summary, with its thinking."""
NO_SUMMARY_HINT = (
    "%%minimax --compact now summarizes the turns above a prompt, except for the last ones and pinned ones."
)
MARGIN = 0.05
"""The part of the window that a request for a summary leaves free, because sizes are estimated."""


@dataclass(frozen=True)
class CompactionPlan:
    """Which turns a new summary will stand for.

    Attributes:
        covered: All of them, in order.
        before: The summary that stands for the first of them already, if there is one.
        pinned: The ids of the pinned turns.
        window: The window of the model that writes it; None if it is unknown.
        bytes_per_token: As measured in this conversation.
    """

    covered: Sequence[Turn]
    before: Compaction | None
    pinned: tuple[str, ...]
    window: int | None
    bytes_per_token: float

    @property
    def new(self) -> list[Turn]:
        """The turns that no summary stands for yet."""
        known = set(self.before.turns) if self.before else set()
        return [turn for turn in self.covered if turn.id not in known]

    def tokens(self, turn: Turn) -> int:
        """Return about how many tokens a turn has."""
        return turn.size.tokens(self.bytes_per_token)

    @cached_property
    def chunks(self) -> list[list[Turn]]:
        """Return the new turns in groups that fit the window of the model: nearly always one."""
        limit = float("inf") if self.window is None else self.window * (1 - MARGIN) - 2 * SUMMARY_TOKENS
        found: list[list[Turn]] = [[]]
        used = 0
        for turn in self.new:
            size = self.tokens(turn)
            if found[-1] and used + size > limit:
                found.append([])
                used = 0
            found[-1].append(turn)
            used += size
        return found

    def covered_after(self, number: int) -> list[Turn]:
        """Return the turns that the summary stands for after the chunk with this number."""
        later = {turn.id for chunk in self.chunks[number + 1 :] for turn in chunk}
        return [turn for turn in self.covered if turn.id not in later]


def plan_compaction(context: SentContext, size: Size, mode: CompactMode) -> CompactionPlan | None:
    """Return which turns must be summarized before a prompt is sent; None if it is sent as it is.

    Args:
        context: The earlier turns of the prompt.
        size: The size of its request.
        mode: `auto` if the window is nearly full, `now` in any case, `never`.
    """
    if mode == "never" or (mode == "auto" and (size.share is None or size.share < FULL)):
        return None
    ratio = bytes_per_token(context.all)
    before = context.compaction if context.compaction and context.compaction.turns else None
    pinned = context.compaction.pinned if context.compaction else ()
    left_out = set(before.turns) if before else set()
    rest = [turn for turn in context.all if turn.id not in left_out]
    free = [turn for turn in rest if turn.id not in pinned and not has_open_call(turn) and turn.closed]
    sizes = {turn.place: turn.size.tokens(ratio) for turn in rest}
    fixed = size.tokens - sum(turn.size.tokens(ratio) for turn in context.turns)
    always = sum(sizes[turn.place] for turn in rest) - sum(sizes[turn.place] for turn in free)
    most = LAST_TURNS if mode == "now" else len(free)
    recent = _recent([sizes[turn.place] for turn in free][-most:], max(0, fixed) + always, size.window)
    new = free[: len(free) - recent]
    if not new:
        return None
    ids = left_out | {turn.id for turn in new}
    covered = [turn for turn in context.all if turn.id in ids]
    return CompactionPlan(covered, before, pinned, size.window, ratio)


def _recent(sizes: Sequence[int], other: int, window: int | None) -> int:
    """Return how many turns at the end are not summarized.

    Args:
        sizes: The tokens of each turn that may be summarized.
        other: The tokens of what is sent in any case: the prompt, the tools, pinned turns.
        window: The window of the model.
    """
    if window is None:
        return min(LAST_TURNS, len(sizes))
    room = window * FULL - other - SUMMARY_TOKENS / 2
    count = used = 0
    for size in reversed(sizes):
        share = RECENT_SHARE if count >= LAST_TURNS else MAX_RECENT_SHARE
        if used + size > min(window * share, room):
            break
        used += size
        count += 1
    return count


def has_open_call(turn: Turn) -> bool:
    """Return whether a tool call of the turn has no result."""
    called = {str(block.get("id")) for block in _blocks(turn, "tool_use")}
    return bool(called - {str(block.get("tool_use_id")) for block in _blocks(turn, "tool_result")})


def _blocks(turn: Turn, kind: str) -> list[Block]:
    return [block for message in turn.messages for block in blocks(message) if block.get("type") == kind]


class ContextBudget:
    """The contexts of the prompts of one session.

    `own` are compactions that no turn has recorded yet, by thread: a summary whose prompt failed, or what
    `%minimax compact` and `pin` changed.
    """

    def __init__(self, history: History) -> None:
        self.own: dict[str, Compaction] = {}
        self._history = history
        self._reported: set[str] = set()

    def context(self, thread: str, cell_id: str | None, context: Context = "above") -> SentContext:
        """Return the earlier turns of a prompt in this cell, and how they are sent."""
        turns = self._history.context_turns(thread, cell_id, context)
        current = self._history.turn_of_cell(thread, cell_id)
        waiting = self.own.get(thread)
        if waiting is not None and any(turn.compacted == waiting for turn in turns):
            del self.own[thread]
            waiting = None
        own = [waiting, current.compacted if current else None]
        found = context_of(turns, [each for each in own if each is not None])
        return found if context == "above" else replace(found, note="")

    def pin(self, thread: str, turn: Turn, *, on: bool) -> None:
        """Pin a turn for the next prompts of a thread, or unpin it. A pinned turn is sent as it is from now on."""
        found = self.context(thread, None)
        compaction = found.compaction or Compaction()
        pinned = [id_ for id_ in compaction.pinned if id_ != turn.id] + ([turn.id] if on else [])
        compaction = replace(compaction, pinned=tuple(pinned))
        if on and turn.id in compaction.turns:
            left = [each for each in summarized(found.all, compaction) if each.id != turn.id]
            ids = tuple(each.id for each in left)
            changed = replace(compaction, turns=ids, sha256=contents_sha256(left), responses=[])
            compaction = changed if left else compaction.without_summary()
        self.own[thread] = compaction

    def summary(self, thread: str) -> Compaction:
        """Return the compaction with the summary that the next prompt of a thread has.

        Raises:
            UsageError: No turn of the thread is summarized.
        """
        compaction = self.context(thread, None).compaction
        if compaction is None or not compaction.turns:
            raise UsageError(f"No turn of the thread {visible(thread)} is summarized.", NO_SUMMARY_HINT)
        return compaction

    def change_summary(self, thread: str, text: str) -> None:
        """Give the next prompts of a thread another summary, or none if the text is blank.

        Raises:
            UsageError: No turn of the thread is summarized.
        """
        compaction = self.summary(thread)
        if text.strip():
            tokens = sent_size(json_of(text)).tokens(bytes_per_token(self.context(thread, None).all))
            self.own[thread] = compaction.edited(text, tokens)
        else:
            self.own[thread] = compaction.without_summary()

    def pinned(self) -> set[tuple[str, str]]:
        """Return the places of the pinned turns of all threads."""
        contexts = [self.context(thread, None) for thread in self._history.names()]
        return {
            turn.place
            for context in contexts
            for turn in context.all
            if context.compaction and turn.id in context.compaction.pinned
        }

    def note(self, context: SentContext) -> str:
        """Return the note about a summary that is not used any more; "" if it was reported."""
        return "" if context.note in self._reported else context.note

    def report(self, context: SentContext) -> None:
        """The note has been reported, because the answer begins that shows it."""
        self._reported.add(context.note)


def summarized_turns(context: SentContext) -> list[Turn]:
    """Return the turns that the summary in a context stands for."""
    compaction = context.compaction
    return summarized(context.all, compaction) if compaction and compaction.turns else []
