"""The local engine: sends requests from an event loop in a thread of this process.

The caller's thread only queues requests and takes events; closing the engine cancels all calls in flight.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from queue import Empty, SimpleQueue

import anyio
from anyio.from_thread import start_blocking_portal

from mm_magics.batch.engines.async_client import AsyncClient
from mm_magics.batch.engines.base import Request, SenderEvent, SendOptions
from mm_magics.batch.engines.sender import Sender
from mm_magics.endpoint.keys import Key
from mm_magics.errors import UsageError
from mm_magics.tools.schema.output_schema import OutputSchema

SPARE_FILES = 48
"""Open files that are left for everything else, the store among them."""


class LocalEngine:
    """Sends from an event loop in a thread of this process."""

    def __init__(self, options: SendOptions, key: Key, schema: OutputSchema | None) -> None:
        options, self.note = fit_open_files(options)
        self.room = 2 * options.limits.concurrency
        self._sender: Sender | None = None
        self._events: SimpleQueue[SenderEvent] = SimpleQueue()
        self._queue, self._queued = anyio.create_memory_object_stream[Request](float("inf"))
        self._portal_context = start_blocking_portal(name="mm_magics-batch")
        portal = self._portal_context.__enter__()
        self._loop = portal.call(asyncio.get_running_loop)
        self._task = portal.start_task_soon(self._send_all, options, key, schema)

    def put(self, request: Request) -> None:
        # `portal.call` would wait until the event loop has run it.
        self._loop.call_soon_threadsafe(self._queue.send_nowait, request)

    def next(self, timeout: float) -> SenderEvent | None:
        try:
            return self._events.get(timeout=timeout) if timeout > 0 else self._events.get_nowait()
        except Empty:
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

    async def _send_all(self, options: SendOptions, key: Key, schema: OutputSchema | None) -> None:
        async with AsyncClient(options, key) as client:
            self._sender = Sender(client, options, schema, self._events.put)
            await self._sender.run(self._queued)


def fit_open_files(options: SendOptions) -> tuple[SendOptions, str]:
    """Lower the concurrency to what the limit on open files allows. Return the options, and a note if it was lowered.

    Raises:
        UsageError: The limit allows no call.
    """
    limits = options.limits
    try:
        import resource
    except ImportError:  # on Windows, there is no such limit
        return options, ""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        used = len(os.listdir("/dev/fd"))
    except OSError:
        used = 64
    allowed = limit - used - SPARE_FILES
    if limit == resource.RLIM_INFINITY or allowed >= limits.concurrency:
        return options, ""
    if allowed < 1:
        raise UsageError(
            f"No call can be made: {used} of {limit} files are open (ulimit -n).", "Raise the limit, or close files."
        )
    note = (
        f"concurrency was lowered from {limits.concurrency:,} to {allowed:,}: {limit:,} files may be open (ulimit -n)."
    )
    return replace(options, limits=replace(limits, concurrency=allowed)), note
