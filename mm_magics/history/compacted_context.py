"""The context of a prompt with a summary in it: which summary applies, and the turns that are sent with it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from mm_magics.history.compaction import Compaction
from mm_magics.history.turn import Turn
from mm_magics.wording import counted

REPLACED = (
    "The first {turns} of this conversation are replaced by a summary. The tool recall returns each of these turns "
    "exactly, by its number or by a search. Use it before you quote them or rely on a detail that the summary does not "
    "have. What is the summary?"
)
"""The user message above the summary, which is the assistant message below it."""


def contents_sha256(turns: Sequence[Turn]) -> str:
    """Return the hash of the messages of turns, as they are in a context."""
    hashed = hashlib.sha256()
    for turn in turns:
        for message in turn.prepared:
            hashed.update(message.sha256.encode())
        hashed.update(b"\n")
    return hashed.hexdigest()


def summary_turn(compaction: Compaction) -> Turn:
    """Return the summary as the turn that is sent."""
    text = REPLACED.format(turns=counted(len(compaction.turns), "turn"))
    digest = hashlib.sha256(f"{compaction.sha256}\n{compaction.summary}".encode("utf-8", "surrogatepass")).hexdigest()
    return Turn(
        "",
        "complete",
        compaction.model,
        [
            {"role": "user", "content": [{"type": "text", "text": text}]},
            {"role": "assistant", "content": [{"type": "text", "text": compaction.summary}]},
        ],
        id=f"summary-{digest}",
        created="",
    )


def summarized(turns: Sequence[Turn], compaction: Compaction) -> list[Turn]:
    """Return the turns that the summary stands for, in order; [] if they are not all there and unchanged."""
    expected = iter(compaction.turns)
    following = next(expected, None)
    found: list[Turn] = []
    for turn in turns:
        if turn.id == following:
            found.append(turn)
            following = next(expected, None)
    return found if following is None and contents_sha256(found) == compaction.sha256 else []


def applies(turns: Sequence[Turn], compaction: Compaction) -> bool:
    """Return whether a compaction describes a context of these turns."""
    return not compaction.turns or bool(summarized(turns, compaction))


def compacted(turns: Sequence[Turn], compaction: Compaction | None) -> list[Turn]:
    """Return the turns that are sent: the summary in the place of those that it stands for."""
    if compaction is None or not compaction.turns:
        return list(turns)
    left_out = set(compaction.turns)
    number = next(number for number, turn in enumerate(turns) if turn.id == compaction.turns[0])
    rest = [turn for turn in turns[number:] if turn.id not in left_out]
    return [*turns[:number], summary_turn(compaction), *rest]


@dataclass(frozen=True)
class SentContext:
    """The earlier turns of a prompt.

    Attributes:
        all: Every turn, also those that a summary stands for.
        compaction: How they are sent; None if no turn above says something about it.
        inherited: The compaction of the turns above, which a turn records only if its own differs.
        since: How many of the turns were not sent in the way that `compaction` says, because they are above it.
        note: What the user must know about a summary that is not used any more.
    """

    all: Sequence[Turn]
    compaction: Compaction | None = None
    inherited: Compaction | None = None
    since: int = 0
    note: str = ""

    def with_compaction(self, compaction: Compaction) -> SentContext:
        """Return the same turns, sent as this compaction says, which must apply to them."""
        return SentContext(self.all, compaction, self.inherited, len(self.all), self.note)

    @cached_property
    def turns(self) -> list[Turn]:
        """The turns that are sent."""
        return compacted(self.all, self.compaction)

    @cached_property
    def counted(self) -> list[Turn]:
        """Those whose usage covers everything before them as it is sent now."""
        return list(self.all[self.since :])


def context_of(turns: Sequence[Turn], own: Sequence[Compaction] = ()) -> SentContext:
    """Return how these turns are sent.

    The last compaction in the records of the turns above applies, if the turns that it stands for are still there and
    unchanged.

    Args:
        turns: All earlier turns, in order.
        own: Compactions that precede those of the turns, if they apply.
    """
    inherited, since, note = None, 0, ""
    for number in range(len(turns) - 1, -1, -1):
        carrier = turns[number]
        if carrier.compacted is None or carrier.context != "above":
            continue
        if applies(turns[:number], carrier.compacted):
            inherited, since = carrier.compacted, number
            break
        note = note or _stale_note(carrier.compacted, turns[:number])
    chosen = next((each for each in own if applies(turns, each)), None)
    if chosen is None or chosen == inherited:
        return SentContext(turns, inherited, inherited, since, note)
    return SentContext(turns, chosen, inherited, len(turns))


def _stale_note(compaction: Compaction, above: Sequence[Turn]) -> str:
    there = {turn.id for turn in above}
    gone = sum(id_ not in there for id_ in compaction.turns)
    which = f"{counted(gone, 'turn')} of them" if gone else "some of them"
    return (
        f"The summary of {counted(len(compaction.turns), 'turn')} is not used any more: {which} changed, moved or went "
        "since it was written. The turns themselves are sent; --compact now summarizes them again."
    )
