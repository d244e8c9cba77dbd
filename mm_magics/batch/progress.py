"""What is told of a run over many rows while it goes on."""

from __future__ import annotations

from typing import NamedTuple

from mm_magics.endpoint import retries
from mm_magics.events import Event

BAR = 20
"""Characters of the bar."""


class Throttled(NamedTuple):
    """The endpoint asks all to wait, for so many seconds; `why` in its words."""

    seconds: float
    why: str

    def __str__(self) -> str:
        return f"{self.why.rstrip('.')}; all calls wait {retries.spoken(self.seconds)}"


class Progress(NamedTuple):
    """How far a run is: rows in all, those that are done, and of these those that failed; `left_s` None if unknown."""

    rows: int
    done: int
    failed: int
    tokens_per_s: float
    cost: float | None
    left_s: float | None

    def __str__(self) -> str:
        full = BAR * self.done // max(1, self.rows)
        parts = [f"{'█' * full}{'░' * (BAR - full)} {self.done:,} of {self.rows:,} rows"]
        if self.failed:
            parts.append(f"{self.failed:,} failed")
        if self.tokens_per_s >= 1:
            parts.append(f"{self.tokens_per_s:,.0f} tokens/s")
        if self.cost:
            parts.append(f"≈ ${self.cost:.4f}" if self.cost < 1 else f"≈ ${self.cost:,.2f}")
        if self.left_s is not None and self.done < self.rows:
            parts.append(f"about {retries.spoken(round(self.left_s))} left")
        return " · ".join(parts)


MapEvent = Event | Throttled | Progress
"""What a map run yields: the events of a turn, and its own."""
