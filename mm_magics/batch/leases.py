"""Leases: the client of a Dask cluster gives its workers the rates and the budget of a run in small amounts.

A worker asks for more when it has used up what it has, so a worker without rows takes nothing from the others. The
client spreads the leases of a rate evenly over time. A worker that dies takes at most its last lease with it, which
counts as used.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from heapq import heappop, heappush
from typing import Any

import anyio

from mm_magics.api.models import Price
from mm_magics.batch.budget import FEW, Budget
from mm_magics.batch.rate_limit import RateLimiter, RateLimits

LEASE_S = 0.5
"""A lease of a rate is about what a worker may use in this time."""
BUDGET_LEASES = 16
"""Each worker gets its share of the budget in about this many leases."""
ANSWER_S = 30.0
"""How long a worker waits for a lease: then it asks again for a rate, and takes the budget as spent."""

Ask = Callable[[str, float], None]
"""Asks the client for a lease: its kind, and how much."""


class LeasedLimiter:
    """A `RateLimiter` whose units come from the client. Use it in one event loop."""

    def __init__(self, kind: str, ask: Ask, lease: float) -> None:
        self._kind, self._ask, self._lease = kind, ask, lease
        self._left = 0.0
        self._lock, self._granted = anyio.Lock(), anyio.Event()

    async def acquire(self, units: float) -> None:
        """Wait until these units may be used."""
        async with self._lock:
            while self._left < units:
                self._granted = anyio.Event()
                self._ask(self._kind, max(self._lease, units - self._left))
                with anyio.move_on_after(ANSWER_S):
                    await self._granted.wait()
            self._left -= units

    def grant(self, units: float) -> None:
        """Take a lease."""
        self._left += units
        self._granted.set()


class LeasedBudget(Budget):
    """The part of the budget that the client has leased to this worker, for all its tasks."""

    def __init__(self, price: Price | None, ask: Ask, workers: int) -> None:
        super().__init__(0.0, price, few=max(1, FEW // workers))
        self._ask, self._lock = ask, threading.RLock()
        self._is_over = False
        self._granted = threading.Condition()
        self._leases = 0
        self._is_asking = False

    @property
    def is_spent(self) -> bool:
        with self._lock:
            return self._is_over and super().is_spent

    def fits(self, body: bytes) -> bool:
        while True:
            with self._lock:
                if super().fits(body):
                    return True
                if self._is_over or not self.may_send_more:
                    return False
            self._wait_for_lease()

    def refuses(self, body: bytes) -> bool:
        if self.fits(body):
            return False
        with self._lock:
            return self._is_over and super().refuses(body)

    def _wait_for_lease(self) -> None:
        with self._granted:
            before = self._leases
            if not self._is_asking:
                self._is_asking = True
                self._ask("budget", 0.0)
            if not self._granted.wait_for(lambda: self._leases > before, ANSWER_S):
                self._is_over = True

    def grant(self, amount: float) -> None:
        """Take a lease; with 0, the budget is spent."""
        with self._granted:
            with self._lock:
                self.raise_by(amount)
                self._is_over = self._is_over or not amount
            self._leases += 1
            self._is_asking = False
            self._granted.notify_all()

    def reserve(self, digest: bytes, body: bytes) -> None:
        with self._lock:
            super().reserve(digest, body)

    def settle(self, digest: bytes, cost: float, *, answered: bool, lost: bool = False) -> None:
        with self._lock:
            super().settle(digest, cost, answered=answered, lost=lost)


class Lessee:
    """What the client leases to one worker for one run.

    Args:
        limits: The rates of the whole run.
        workers: How many workers share them.
        ask: Asks the client.
        price: What the model costs.
    """

    def __init__(self, limits: RateLimits, workers: int, ask: Ask, price: Price | None = None) -> None:
        rates = {"requests": limits.requests_per_minute, "tokens": limits.tokens_per_minute}
        self.limiters = {
            kind: LeasedLimiter(kind, ask, rate / 60 * LEASE_S / workers)
            for kind, rate in rates.items()
            if rate is not None
        }
        self.budget = LeasedBudget(price, ask, workers)


class Leases:
    """The client's side: gives leases to the workers of a run, and tells all of them to pause.

    Args:
        client: The `distributed.Client`.
        run: The name of the run.
        receive: What runs in a worker to take a lease.
        limits: The rates of the whole run.
        budget: The budget in US dollars, if the workers reserve it; None if the client does.
        workers: How many workers share them.
    """

    def __init__(
        self,
        client: Any,
        run: str,
        receive: Callable[..., None],
        limits: RateLimits,
        budget: float | None = None,
        workers: int = 1,
    ) -> None:
        self._client, self._run, self._receive = client, run, receive
        rates = {"requests": limits.requests_per_minute, "tokens": limits.tokens_per_minute}
        self._limiters = {kind: RateLimiter(rate) for kind, rate in rates.items()}
        self._budget_left = budget or 0.0
        self._budget_lease = self._budget_left / (workers * BUDGET_LEASES)
        self._due: list[tuple[float, str, str, float]] = []
        self._threads = ThreadPoolExecutor(max(4, 4 * workers), "mm_magics-leases")
        self._is_closed = False

    def answer(self, worker: str, kind: str, amount: float) -> None:
        """Give a worker the lease that it asks for, now or when it is due."""
        if kind == "budget":
            given = min(self._budget_left, self._budget_lease)
            self._budget_left -= given
            self._send(worker, kind, given)
        elif not any((worker, kind) == each[1:3] for each in self._due):
            heappush(self._due, (self._limiters[kind].due(amount), worker, kind, amount))
            self.send_due()

    def send_due(self) -> float:
        """Send the leases that are due, and return after how many seconds the next one is."""
        while self._due and self._due[0][0] <= time.monotonic():
            _, worker, kind, amount = heappop(self._due)
            self._send(worker, kind, amount)
        return max(0.0, self._due[0][0] - time.monotonic()) if self._due else float("inf")

    def pause(self, seconds: float) -> None:
        """Let all workers wait for this long: the endpoint throttles."""
        self._send(None, "pause", seconds)

    def drain(self) -> None:
        """Let no worker send any more."""
        self._send(None, "drain", 0.0)

    def close(self) -> None:
        """Give no more leases."""
        self._is_closed = True
        self._due.clear()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _send(self, worker: str | None, kind: str, amount: float) -> None:
        """Send in a thread: a worker that died may take long to be noticed."""
        if self._is_closed:
            return
        workers = None if worker is None else [worker]
        self._threads.submit(
            self._client.run, self._receive, self._run, kind, amount, workers=workers, on_error="ignore"
        )
