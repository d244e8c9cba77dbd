"""An event loop on a thread of its own, for asynchronous tools: the kernel's own loop is busy with the cell that asks.

Always true: leaving it cancels what still runs, and waits no longer than END_S for that; what does not heed the
cancelling is left behind on its thread, which ends with the process.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from mm_magics.errors import ToolError

END_S = 0.2

Start = Callable[[Coroutine[Any, Any, Any], float], Future[Any]]


@contextmanager
def loop() -> Iterator[Start]:
    """What starts a coroutine that may take so many seconds. The thread is there from the first one on."""
    threads: list[_Thread] = []
    started: list[Future[Any]] = []

    def start(coroutine: Coroutine[Any, Any, Any], seconds: float) -> Future[Any]:
        if not threads:
            threads.append(_Thread())
        future = asyncio.run_coroutine_threadsafe(_within(coroutine, seconds), threads[0].loop)
        started.append(future)
        return future

    try:
        yield start
    finally:
        for future in started:
            future.cancel()
        for thread in threads:
            thread.end()


async def _within(coroutine: Coroutine[Any, Any, Any], seconds: float) -> Any:
    try:
        async with asyncio.timeout(seconds):
            return await coroutine
    except TimeoutError:
        raise ToolError(f"It took longer than {seconds:g} s and was ended.") from None


class _Thread(threading.Thread):
    def __init__(self) -> None:
        super().__init__(name="mm_magics asynchronous tools", daemon=True)
        self.loop = asyncio.new_event_loop()
        self.start()

    def run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        self.loop.run_until_complete(self._settle())
        self.loop.close()

    async def _settle(self) -> None:
        """Let what was cancelled notice it."""
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        await self.loop.shutdown_asyncgens()

    def end(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.join(END_S)
