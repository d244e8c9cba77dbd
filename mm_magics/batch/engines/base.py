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

from mm_magics.batch.engines.async_client import Line
from mm_magics.batch.engines.sender import Ask, News, Sender
from mm_magics.batch.rate_limit import Pace
from mm_magics.endpoint.keys import Key
from mm_magics.tools.schema.output_schema import Shape


class Engine(Protocol):
    """Takes requests, gives news. `room`: how many it takes before the first is answered."""

    @property
    def room(self) -> int: ...

    def put(self, ask: Ask) -> None:
        """Ask this, when its turn comes."""

    def next(self, timeout: float) -> News | None:
        """The next news, or None if there is none within `timeout` seconds."""

    def close(self) -> None:
        """End all that is in flight; news that is there stays to be taken."""


class Here:
    """Sends from an event loop in a thread of this process."""

    def __init__(
        self, base_url: str, key: Key, *, timeout: float, pace: Pace, max_retries: int, shape: Shape | None
    ) -> None:
        self.room = 2 * pace.at_once
        self._news: SimpleQueue[News] = SimpleQueue()
        line = partial(Line, base_url, key, timeout=timeout, most=pace.at_once)
        self._asks, self._exit = anyio.create_memory_object_stream[Ask](float("inf"))
        self._loop = start_blocking_portal(name="mm_magics-batch")
        self._portal = self._loop.__enter__()
        self._events = self._portal.call(asyncio.get_running_loop)
        self._task = self._portal.start_task_soon(_serve, line, pace, max_retries, shape, self._news.put, self._exit)

    def put(self, ask: Ask) -> None:
        self._events.call_soon_threadsafe(self._asks.send_nowait, ask)  # the portal's own way waits for the loop

    def next(self, timeout: float) -> News | None:
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
    line: Callable[[], Line],
    pace: Pace,
    max_retries: int,
    shape: Shape | None,
    tell: Callable[[News], None],
    asks: MemoryObjectReceiveStream[Ask],
) -> None:
    async with line() as opened:
        await Sender(opened, pace, max_retries, shape, tell).run(asks)
