"""Tell the failure of one row from the failure of a whole run, with probes.

A row whose last attempt failed is judged. If a call that was sent after the failure is answered, the row failed alone.
A probe (the smallest request for the same model) decides: if it is answered, the row failed alone; if it is refused for
a reason that every call would meet, the run ends; if it fails in a way that may pass, all calls wait and the probe is
repeated until the endpoint answers again, and the rows that failed because of it are sent again.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from enum import Enum

import anyio

from mm_magics.batch import rate_limit
from mm_magics.batch.progress import Throttled
from mm_magics.endpoint import retries
from mm_magics.endpoint.error_hints import OWN_STATUSES, THROTTLED_STATUSES, http_status, is_final, meets_all
from mm_magics.errors import EndpointError, MiniMaxError

FIRST_PATIENCE_S = 5.0
"""How long an endpoint may fail that has not answered this run at all. Else it is `rate_limit.PATIENCE_S`."""
FIRST_PROBE_S = 1.0
"""The wait before the second probe. It is doubled each time, up to `retries.MAX_WAIT_S`."""
SEVERAL = 3
"""Rows that fail at the same time were perhaps hit by an outage of seconds."""
TRUSTED_FAILURES = 5
"""After a probe was answered, this many rows in a row may fail with the same status before the next probe."""

Probe = Callable[[], Awaitable[MiniMaxError | None]]
"""Sends a probe, and returns why it was not answered."""


class Verdict(Enum):
    """What the failure of a row means."""

    ALONE = "only this row fails"
    BLIP = "the endpoint answers, but several rows had failed at the same time"
    AGAIN = "the endpoint failed and has recovered: send the row again"
    ENDED = "the run has ended"


class RunEndedError(EndpointError):
    """Nothing more is sent. The message says why."""


class Health:
    """Judges failures and ends the run, for all calls of a sender.

    Args:
        probe: Sends a probe.
        report: Called when all calls wait.
    """

    def __init__(self, probe: Probe, report: Callable[[Throttled], None]) -> None:
        self.ended = ""
        self.answers = 0
        self._probe, self._report = probe, report
        self._lock, self._end, self._ready = anyio.Lock(), anyio.Event(), anyio.Event()
        self._ready.set()
        self._answered_at = self._recovered_at = self._blip_at = 0.0
        self._failures = self._held = 0
        self._trusted: set[int] = set()

    def answered(self, sent_at: float) -> None:
        """Note that a call was answered that was sent at this time."""
        self.answers += 1
        self._failures = 0
        self._answered_at = max(self._answered_at, sent_at)

    def end(self, problem: MiniMaxError) -> None:
        """Send nothing more. Calls in flight are not cancelled."""
        if not self.ended:
            self.ended = " ".join(str(problem).split())
            self._end.set()
            self._ready.set()

    async def wait(self) -> None:
        """Wait until calls may be sent. Raises `RunEndedError` if the run has ended."""
        if not self._ready.is_set():
            await self._ready.wait()
        if self.ended:
            raise RunEndedError(f"Not sent: {self.ended}")

    async def sleep(self, seconds: float) -> None:
        """Wait for this long, or until the run has ended."""
        with anyio.move_on_after(seconds):
            await self._end.wait()

    async def judge(self, problem: MiniMaxError, sent_at: float) -> Verdict:
        """Judge the failure of a row whose last attempt was sent at this time."""
        status = http_status(problem)
        self._failures += 1
        if status in OWN_STATUSES and not is_final(problem.message):
            return Verdict.ALONE
        if status in self._trusted and self._failures < TRUSTED_FAILURES:
            return Verdict.ALONE
        failed_at = time.monotonic()
        self._held += 1
        try:
            async with self._lock:
                return await self._decide(status, sent_at, failed_at)
        finally:
            self._held -= 1

    async def _decide(self, status: int, sent_at: float, failed_at: float) -> Verdict:
        if self.ended:
            return Verdict.ENDED
        if self._recovered_at > sent_at:
            return Verdict.AGAIN
        if self._blip_at > sent_at:
            return Verdict.BLIP
        if self._answered_at > failed_at:
            return Verdict.ALONE
        verdict = await self._probed()
        if verdict is Verdict.ALONE and self._held >= SEVERAL:
            self._blip_at = time.monotonic()
            return Verdict.BLIP
        if verdict is Verdict.ALONE:
            self._trusted.add(status)
        return verdict

    async def _probed(self) -> Verdict:
        """Send probes until one decides."""
        began, wait, failed = time.monotonic(), FIRST_PROBE_S, False
        try:
            while not self.ended:
                sent_at = time.monotonic()
                problem = await self._probe()
                if problem is None or (http_status(problem) in OWN_STATUSES and not is_final(problem.message)):
                    self._answered_at = max(self._answered_at, sent_at)
                    self._failures = 0
                    if failed:
                        self._recovered_at = time.monotonic()
                    return Verdict.AGAIN if failed else Verdict.ALONE
                patient = self.answers or http_status(problem) in THROTTLED_STATUSES
                left = (rate_limit.PATIENCE_S if patient else FIRST_PATIENCE_S) - (time.monotonic() - began)
                if meets_all(problem) or left < wait:
                    self.end(problem)
                    break
                failed = True
                if self._ready.is_set():
                    self._ready = anyio.Event()
                self._report(Throttled(wait, problem.message))
                await self.sleep(wait)
                wait = min(2 * wait, retries.MAX_WAIT_S)
        finally:
            self._ready.set()
        return Verdict.ENDED
