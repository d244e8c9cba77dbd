"""The local engine: sends requests from an event loop in a thread of this process.

The caller's thread only queues requests and takes events; closing the engine cancels all calls in flight.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from queue import Empty, SimpleQueue
from types import MappingProxyType
from typing import Any

import anyio
from anyio.from_thread import start_blocking_portal

from mm_magics.batch.engines.async_client import AsyncClient
from mm_magics.batch.engines.base import Request, SenderEvent, SendOptions
from mm_magics.batch.engines.dialog import Dialogs
from mm_magics.batch.engines.sender import Sender
from mm_magics.batch.rate_limit import Limiter
from mm_magics.endpoint.keys import Key
from mm_magics.errors import UsageError
from mm_magics.system import open_files

SPARE_FILES = 48
"""Open files that are left for everything else, the store among them."""


class LocalEngine:
    """Sends from an event loop in a thread of this process. `limiters` are as in `Sender`."""

    def __init__(
        self,
        options: SendOptions,
        key: Key,
        dialogs: Dialogs | None,
        limiters: Mapping[str, Limiter] = MappingProxyType({}),
    ) -> None:
        options, self.note = fit_open_files(options)
        self.room = 2 * options.limits.concurrency
        self._sender: Sender | None = None
        self._requests: deque[Request] = deque()
        self._reported: list[SenderEvent] = []
        self._batches: SimpleQueue[list[SenderEvent]] = SimpleQueue()
        self._events: deque[SenderEvent] = deque()
        self._queue, self._queued = anyio.create_memory_object_stream[Request](float("inf"))
        self._portal_context = start_blocking_portal(name="mm_magics-batch")
        portal = self._portal_context.__enter__()
        self._loop = portal.call(asyncio.get_running_loop)
        self._task = portal.start_task_soon(self._send_all, options, key, dialogs, limiters)

    def put(self, request: Request) -> None:
        self._requests.append(request)
        if len(self._requests) == 1:  # else the event loop is already called
            self._loop.call_soon_threadsafe(self._send_waiting)

    def next(self, timeout: float) -> SenderEvent | None:
        if not self._events:
            with suppress(Empty):
                self._events += self._batches.get(timeout=timeout) if timeout > 0 else self._batches.get_nowait()
        if self._events:
            return self._events.popleft()
        if self._task.done() and not self._task.cancelled():
            self._task.result()  # raises what ended it
        return None

    def stop(self) -> bool:
        if self._sender is None:
            return False
        self._loop.call_soon_threadsafe(self._sender.stop)
        return True

    def close(self) -> None:
        self._task.cancel()
        self._portal_context.__exit__(None, None, None)
        self._queue.close()
        self._queued.close()

    def call(self, function: Callable[..., None], *arguments: Any) -> None:
        """Call a function in the event loop."""
        self._loop.call_soon_threadsafe(function, *arguments)

    def pause(self, seconds: float) -> None:
        """Let all calls wait for this long."""
        if self._sender is not None:
            self.call(self._sender.pause, seconds)

    async def _send_all(
        self, options: SendOptions, key: Key, dialogs: Dialogs | None, limiters: Mapping[str, Limiter]
    ) -> None:
        try:
            async with AsyncClient(options, key) as client:
                self._sender = Sender(client, options, dialogs, self._report, limiters)
                await self._sender.run(self._queued)
        finally:
            self._hand_over()

    def _send_waiting(self) -> None:
        while self._requests:
            self._queue.send_nowait(self._requests.popleft())

    def _report(self, event: SenderEvent) -> None:
        """Report an event together with the others of this turn of the event loop: waking a thread takes long."""
        self._reported.append(event)
        if len(self._reported) == 1:
            self._loop.call_soon(self._hand_over)

    def _hand_over(self) -> None:
        if self._reported:
            self._batches.put(self._reported)
            self._reported = []


def fit_open_files(options: SendOptions) -> tuple[SendOptions, str]:
    """Lower the concurrency to what the limit on open files allows. Return the options, and a note if it was lowered.

    Raises:
        UsageError: The limit allows no call.
    """
    limits = options.limits
    found = open_files()
    if found is None:
        return options, ""
    used, limit = found
    allowed = limit - used - SPARE_FILES
    if allowed >= limits.concurrency:
        return options, ""
    if allowed < 1:
        raise UsageError(
            f"No call can be made: {used} of {limit} files are open (ulimit -n).", "Raise the limit, or close files."
        )
    note = (
        f"concurrency was lowered from {limits.concurrency:,} to {allowed:,}: {limit:,} files may be open (ulimit -n)."
    )
    return replace(options, limits=replace(limits, concurrency=allowed)), note
