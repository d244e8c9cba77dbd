"""The local engine: sends requests from an event loop in a thread of this process.

The caller's thread only queues requests and takes events; closing the engine cancels all calls in flight.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from queue import Empty, SimpleQueue

import anyio
from anyio.from_thread import start_blocking_portal
from anyio.streams.memory import MemoryObjectReceiveStream

from mm_magics.batch.engines.async_client import AsyncClient
from mm_magics.batch.engines.base import Request, SenderEvent, SendOptions
from mm_magics.batch.engines.sender import Sender
from mm_magics.endpoint.keys import Key
from mm_magics.tools.schema.output_schema import OutputSchema


class LocalEngine:
    """Sends from an event loop in a thread of this process."""

    def __init__(self, options: SendOptions, key: Key, schema: OutputSchema | None) -> None:
        self.room = 2 * options.limits.concurrency
        self._events: SimpleQueue[SenderEvent] = SimpleQueue()
        self._queue, self._queued = anyio.create_memory_object_stream[Request](float("inf"))
        self._portal_context = start_blocking_portal(name="mm_magics-batch")
        portal = self._portal_context.__enter__()
        self._loop = portal.call(asyncio.get_running_loop)
        self._task = portal.start_task_soon(_send_all, options, key, schema, self._events.put, self._queued)

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

    def close(self) -> None:
        self._task.cancel()
        self._portal_context.__exit__(None, None, None)
        self._queue.close()
        self._queued.close()


async def _send_all(
    options: SendOptions,
    key: Key,
    schema: OutputSchema | None,
    report: Callable[[SenderEvent], None],
    requests: MemoryObjectReceiveStream[Request],
) -> None:
    async with AsyncClient(options, key) as client:
        await Sender(client, options, schema, report).run(requests)
