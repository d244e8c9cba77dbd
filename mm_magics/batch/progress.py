"""The events of a map run: what iterating over its stream yields.

A map run yields `PromptSent`, then `Progress`, `Throttled` and `Retrying` while it sends, then the block events of the
summary that becomes its turn (`BlockStart`, `Delta`, `BlockStop`), and finally `TurnEnd`.
"""

from __future__ import annotations

from typing import NamedTuple

from mm_magics.endpoint import retries
from mm_magics.events import Event
from mm_magics.turn.prepared import Waiting
from mm_magics.wording import dollars

BAR_WIDTH = 20
"""Characters of the progress bar."""


class Throttled(NamedTuple):
    """The endpoint throttles: all calls wait for this many seconds. `reason` is the endpoint's message."""

    seconds: float
    reason: str

    def __str__(self) -> str:
        return f"{self.reason.rstrip('.')}; all calls wait {retries.format_duration(self.seconds)}"


class Progress(NamedTuple):
    """How far a map run is: all rows, those that are done, and those of them that failed; `left_s` None if unknown."""

    rows: int
    done: int
    failed: int
    tokens_per_s: float
    cost: float | None
    left_s: float | None

    def __str__(self) -> str:
        full = BAR_WIDTH * self.done // max(1, self.rows)
        parts = [f"{'█' * full}{'░' * (BAR_WIDTH - full)} {self.done:,} of {self.rows:,} rows"]
        if self.failed:
            parts.append(f"{self.failed:,} failed")
        if self.tokens_per_s >= 1:
            parts.append(f"{self.tokens_per_s:,.0f} tokens/s")
        if self.cost:
            parts.append(dollars(self.cost))
        if self.left_s is not None and self.done < self.rows:
            parts.append(f"about {retries.format_duration(round(self.left_s))} left")
        return " · ".join(parts)


MapEvent = Event | Progress | Throttled | Waiting
"""What a view shows: the events of a turn, the two of a map run, and that a prompt waits for another one."""
