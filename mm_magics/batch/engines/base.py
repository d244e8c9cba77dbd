"""Where the requests of a run are sent from: this process, by a thread of its own.

Always true: the caller's thread only puts requests in and takes news out; leaving an engine ends all that is in flight.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from typing import Protocol

import anyio
from anyio.from_thread import start_blocking_portal
from anyio.streams.memory import MemoryObjectReceiveStream

from mm_magics.batch.engines.async_client import AsyncClient
from mm_magics.batch.engines.sender import Request, Sender, SenderEvent
from mm_magics.batch.rate_limit import RateLimits
from mm_magics.endpoint.keys import Key
from mm_magics.tools.schema.output_schema import OutputSchema


class Engine(Protocol):
    """Takes requests, gives news. `room`: how many it takes before the first is answered."""

    @property
    def room(self) -> int: ...

    def put(self, ask: Request) -> None:
        """Ask this, when its turn comes."""

    def next(self, timeout: float) -> SenderEvent | None:
        """The next news, or None if there is none within `timeout` seconds."""

    def close(self) -> None:
        """End all that is in flight; news that is there stays to be taken."""


class LocalEngine:
    """Sends from an event loop in a thread of this process."""

    def __init__(
        self, base_url: str, key: Key, *, timeout: float, pace: RateLimits, max_retries: int, shape: OutputSchema | None
    ) -> None:
        self.room = 2 * pace.at_once
        self._news: SimpleQueue[SenderEvent] = SimpleQueue()
        line = partial(AsyncClient, base_url, key, timeout=timeout, most=pace.at_once)
        self._asks, self._exit = anyio.create_memory_object_stream[Request](float("inf"))
        self._loop = start_blocking_portal(name="mm_magics-batch")
        self._portal = self._loop.__enter__()
        self._events = self._portal.call(asyncio.get_running_loop)
        self._task = self._portal.start_task_soon(_serve, line, pace, max_retries, shape, self._news.put, self._exit)

    def put(self, ask: Request) -> None:
        self._events.call_soon_threadsafe(self._asks.send_nowait, ask)  # the portal's own way waits for the loop

    def next(self, timeout: float) -> SenderEvent | None:
        try:
            return self._news.get(timeout=timeout) if timeout > 0 else self._news.get_nowait()
        except Empty:
            if self._task.done() and not self._task.cancelled():
                self._task.result()
            return None

    def close(self) -> None:
        self._task.cancel()
        self._loop.__exit__(None, None, None)
        self._asks.close()
        self._exit.close()


async def _serve(
    line: Callable[[], AsyncClient],
    pace: RateLimits,
    max_retries: int,
    shape: OutputSchema | None,
    tell: Callable[[SenderEvent], None],
    asks: MemoryObjectReceiveStream[Request],
) -> None:
    async with line() as opened:
        await Sender(opened, pace, max_retries, shape, tell).run(asks)
