"""How fast a batch run sends: concurrent calls, requests and tokens per minute, and one pause shared by all calls.

Requests and tokens are spread evenly over time, so no minute exceeds its limit. When the endpoint asks one call to
wait, all calls wait.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import Protocol

import anyio

from mm_magics.endpoint import retries
from mm_magics.errors import UsageError

MAX_CONCURRENCY = 4_096
PATIENCE_S = 600.0
"""A run gives up after the endpoint has been throttling for this long without one answer."""
FIRST_PAUSE_S = 1.0
JITTER = 0.25
"""After a pause, calls resume spread over this part of its length, not all at once."""


@dataclass(frozen=True)
class RateLimits:
    """Limits of a batch run; None for no limit. Tokens are those of input and output together.

    Raises:
        UsageError: A limit is out of range.
    """

    concurrency: int = 16
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None

    def __post_init__(self) -> None:
        calls = self.concurrency
        if isinstance(calls, bool) or not isinstance(calls, int) or not 1 <= calls <= MAX_CONCURRENCY:
            raise UsageError(f"concurrency must be a whole number from 1 to {MAX_CONCURRENCY:,}, not {calls!r}.")
        for name in ("requests_per_minute", "tokens_per_minute"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise UsageError(f"{name} must be a number above 0, not {value!r}.")

    def share_among(self, count: int) -> RateLimits:
        """Return the share of one of `count` workers; at least one concurrent call."""
        requests, tokens = self.requests_per_minute, self.tokens_per_minute
        return RateLimits(max(1, self.concurrency // count), requests and requests / count, tokens and tokens / count)


class Limiter(Protocol):
    """Says when units may be used."""

    async def acquire(self, units: float) -> None:
        """Wait until these units may be used."""


class RateLimiter:
    """Spreads units evenly over time, so many per minute; None for no limit."""

    def __init__(self, per_minute: float | None) -> None:
        self._per_unit_s = 60.0 / per_minute if per_minute else 0.0
        self._next = 0.0

    async def acquire(self, units: float) -> None:
        """Wait until these units may be used."""
        now = time.monotonic()
        if (due := self.due(units)) > now:
            await anyio.sleep(due - now)

    def due(self, units: float) -> float:
        """Take these units, and return when they may be used, by the monotonic clock."""
        due = max(time.monotonic(), self._next)
        self._next = due + units * self._per_unit_s
        return due


class PauseGate:
    """The pause that all calls share: every call waits at the gate, a throttled call closes it, an answer opens it."""

    def __init__(self) -> None:
        self._until = 0.0
        self._length = 0.0
        self._pauses = 0
        self._throttled_since: float | None = None

    def left(self) -> float:
        """Return how many seconds a call must wait now, each call a little differently; 0 without a pause."""
        left = self._until - time.monotonic()
        return left + random.uniform(0, JITTER * self._length) if left > 0 else 0.0

    def open(self) -> None:
        """Note that an answer arrived: the next pause is short again."""
        self._pauses, self._throttled_since = 0, None

    def close(self, requested_s: float | None) -> float | None:
        """Make all calls wait.

        Args:
            requested_s: The seconds that the endpoint asked for; None for twice the last pause.

        Returns:
            The length of the pause in seconds; 0 if a pause is already under way, None if the endpoint has been
            throttling for longer than `PATIENCE_S`.
        """
        now = time.monotonic()
        if self._throttled_since is None:
            self._throttled_since = now
        if now - self._throttled_since > PATIENCE_S:
            return None
        if now < self._until and (requested_s or 0.0) <= self._length:
            return 0.0
        self._pauses += 1
        doubled = min(FIRST_PAUSE_S * 2.0 ** (self._pauses - 1), retries.MAX_WAIT_S)
        self._length = doubled if requested_s is None else requested_s
        self._until = now + self._length
        return self._length
