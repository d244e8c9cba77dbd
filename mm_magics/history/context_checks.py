"""Whether turns answered the context that they have now."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from mm_magics.history.compacted_context import applies, compacted, context_of
from mm_magics.history.context_messages import ContextHash, OtherContexts
from mm_magics.history.forks import Placed, paths, seen_by
from mm_magics.history.turn import Turn


class ContextChecks:
    """The checks of one history. A result is used until the turns above a turn change."""

    def __init__(self) -> None:
        self._results: dict[tuple[str, str], tuple[int, bool]] = {}

    def checked(
        self, own: Mapping[str, Sequence[Placed]], bases: Mapping[str, Mapping[str, str]], uncertain: Collection[str]
    ) -> Iterator[tuple[Turn, bool, ContextHash]]:
        """Yield each turn that has a context, whether that is the one that it answered, and the turns above it.

        Args:
            own: The turns that each thread has of its own, in order.
            bases: Where threads were forked from.
            uncertain: The cells whose turns are in no context.
        """
        has_schema_1 = any(placed.turn.schema == 1 for each in own.values() for placed in each)
        above, others = ContextHash(has_schema_1=has_schema_1), OtherContexts()
        for path in paths(own, bases):
            above.shorten(path.own)
            for number, (_, turn) in enumerate(path.turns[path.own :], path.own):
                if turn.compacted is not None and turn.context == "above":
                    before = [placed.turn for placed in path.turns[:number]]
                    if applies(before, turn.compacted):
                        above.restart(compacted(before, turn.compacted))
                if turn.request_sha256 and turn.closed:  # without an answer, it has no context
                    if turn.context == "above":
                        yield turn, self._has_its_context(above, turn), above
                    else:
                        seen = context_of(seen_by(path, number, uncertain), [turn.compacted] if turn.compacted else ())
                        yield turn, others.are_answered_by(turn, seen.turns), above
                above.add(turn)

    def _has_its_context(self, above: ContextHash, turn: Turn) -> bool:
        known = self._results.get(turn.place)
        if known is None or known[0] != above.chain:
            known = self._results[turn.place] = above.chain, above.answered_by(turn)
        return known[1]
