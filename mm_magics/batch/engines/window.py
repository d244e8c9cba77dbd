"""The number of calls in flight, adapted to what the endpoint takes.

It begins at the ceiling. A call that is refused because of load shows that the other calls in flight are enough: the
window shrinks to them. Later it grows by one for each window of answers, sooner after a collapse, later where growing
was refused before. It shrinks by a tenth while answers take much longer than they did.
"""

from __future__ import annotations

import time
from collections import deque

import anyio

DECREASE = 0.9
SLOW = 4.0
"""Answers that take this many times as long as the fastest ones shrink the window."""
LATENCY_FLOOR = 16
"""Slow answers do not shrink the window below this: the model may be slow."""
MAX_HOLD = 64
"""Windows of answers between two attempts to grow, at most."""


class Window:
    """Admits calls; `size` is how many of them may be in flight, up to `ceiling`."""

    def __init__(self, ceiling: int) -> None:
        self.size = float(ceiling)
        self.in_flight = 0
        self._ceiling = ceiling
        self._waiting: deque[anyio.Event] = deque()
        self._shrunk_at = 0.0
        self._half = 0.0
        self._hold = self._left = 0
        self._answers = self._seconds = 0.0
        self._fastest = float("inf")

    async def enter(self) -> None:
        """Wait until another call may be in flight."""
        if self.in_flight < int(self.size) and not self._waiting:
            self.in_flight += 1
            return
        turn = anyio.Event()
        self._waiting.append(turn)
        await turn.wait()

    def leave(self) -> None:
        """Note that a call ended."""
        self.in_flight -= 1
        self._admit()

    def refused(self, sent_at: float) -> None:
        """Note that a call was refused because of load. It must leave next."""
        if sent_at >= self._shrunk_at:  # the first refusal of this size
            self._half = self.size / 2
            self._hold = min(2 * self._hold + 1, MAX_HOLD)
            self._shrunk_at = time.monotonic()
        self.size = max(1.0, min(self.size, self.in_flight - 1.0))
        self._left = self._hold * int(self.size)

    def answered(self, seconds: float) -> None:
        """Note that a call was answered after this long."""
        self._answers += 1
        self._seconds += seconds
        if self._left > 0:
            self._left -= 1
        elif self.size < self._ceiling:
            self.size = min(self._ceiling, self.size + (1.0 if self.size < self._half else 1.0 / self.size))
            self._admit()
        if self._answers >= max(self.size, LATENCY_FLOOR):
            self._check_latency(self._seconds / self._answers)
            self._answers = self._seconds = 0.0

    def _check_latency(self, mean: float) -> None:
        """Shrink if the mean of the last answers is far above the fastest, which is forgotten slowly."""
        if mean > SLOW * self._fastest and self.size > LATENCY_FLOOR:
            self.size = max(float(LATENCY_FLOOR), DECREASE * self.size)
            self._left = int(self.size)
        self._fastest = min(mean, 1.1 * self._fastest)

    def _admit(self) -> None:
        while self._waiting and self.in_flight < int(self.size):
            self.in_flight += 1
            self._waiting.popleft().set()
