"""How fast a run may ask: calls at once, requests and tokens a minute, and one pause for all when the endpoint is busy.

Always true: requests and tokens are spread evenly over time, so no minute has more than was allowed; a pause that one
call is told of holds back all of them.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

import anyio

from mm_magics.endpoint import retries
from mm_magics.errors import UsageError

MOST_AT_ONCE = 4_096
PATIENCE_S = 600.0
"""How long the endpoint may be busy without one answer, before a run gives up."""
FIRST_S = 1.0
SPREAD = 0.25
"""The part of a pause over which calls come back, so that they do not all come at once."""


@dataclass(frozen=True)
class RateLimits:
    """Calls at once; requests and tokens (in and out) a minute, None for as many as come.

    Raises `UsageError` for a number that makes no sense.
    """

    at_once: int = 16
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None

    def __post_init__(self) -> None:
        if isinstance(self.at_once, bool) or not isinstance(self.at_once, int) or not 1 <= self.at_once <= MOST_AT_ONCE:
            raise UsageError(f"concurrency is a whole number from 1 to {MOST_AT_ONCE:,}, not {self.at_once!r}.")
        for name in ("requests_per_minute", "tokens_per_minute"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise UsageError(f"{name} is a number above 0, not {value!r}.")

    def among(self, count: int) -> RateLimits:
        """The share of one of so many workers; one call at once at least."""
        requests, tokens = self.requests_per_minute, self.tokens_per_minute
        return RateLimits(max(1, self.at_once // count), requests and requests / count, tokens and tokens / count)


class Meter:
    """Lets so many units a minute through, each at its time; None lets all through."""

    def __init__(self, per_minute: float | None) -> None:
        self._per_unit_s = 60.0 / per_minute if per_minute else 0.0
        self._next = 0.0

    async def take(self, units: float) -> None:
        """Wait until the units may pass."""
        now = time.monotonic()
        due, self._next = max(now, self._next), max(now, self._next) + units * self._per_unit_s
        if due > now:
            await anyio.sleep(due - now)


class Gate:
    """The one pause: `close` it for some seconds, `open` it with an answer that came, `wait` before every call."""

    def __init__(self) -> None:
        self._until = 0.0
        self._length = 0.0
        self._closings = 0
        self._busy_since: float | None = None

    async def wait(self) -> None:
        while (left := self._until - time.monotonic()) > 0:
            await anyio.sleep(left + random.uniform(0, SPREAD * self._length))

    def open(self) -> None:
        """An answer came: the endpoint takes calls."""
        self._closings, self._busy_since = 0, None

    def close(self, wanted: float | None) -> float | None:
        """Hold back all calls, for the seconds that the endpoint `wanted`, or for longer each time.

        How long; 0 if they are held back already, None if it has been busy for too long.
        """
        now = time.monotonic()
        if self._busy_since is None:
            self._busy_since = now
        if now - self._busy_since > PATIENCE_S:
            return None
        if now < self._until and (wanted or 0.0) <= self._length:
            return 0.0
        self._closings += 1
        self._length = min(FIRST_S * 2.0 ** (self._closings - 1), retries.LONGEST_S) if wanted is None else wanted
        self._until = now + self._length
        return self._length
