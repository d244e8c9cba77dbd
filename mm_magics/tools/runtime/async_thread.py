"""Run asynchronous tools in an event loop on a thread of their own: the kernel's loop is busy with the prompt cell."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from mm_magics.tools.runtime.timeout import timeout_error

CANCEL_S = 0.2
"""Seconds that cancelled coroutines have to end. One that ignores the cancellation is left on its daemon thread."""

StartCoroutine = Callable[[Coroutine[Any, Any, Any], float], Future[Any]]
"""Starts a coroutine that may take that many seconds."""


@contextmanager
def coroutine_starter() -> Iterator[StartCoroutine]:
    """Yield the function that starts coroutines. Exiting cancels those that are still running.

    The thread is created when the first coroutine is started.
    """
    threads: list[_LoopThread] = []
    futures: list[Future[Any]] = []

    def start(coroutine: Coroutine[Any, Any, Any], seconds: float) -> Future[Any]:
        if not threads:
            threads.append(_LoopThread())
        future = asyncio.run_coroutine_threadsafe(_with_timeout(coroutine, seconds), threads[0].loop)
        futures.append(future)
        return future

    try:
        yield start
    finally:
        for future in futures:
            future.cancel()
        for thread in threads:
            thread.end()


async def _with_timeout(coroutine: Coroutine[Any, Any, Any], seconds: float) -> Any:
    try:
        async with asyncio.timeout(seconds):
            return await coroutine
    except TimeoutError:
        raise timeout_error(seconds) from None


class _LoopThread(threading.Thread):
    def __init__(self) -> None:
        super().__init__(name="mm_magics asynchronous tools", daemon=True)
        self.loop = asyncio.new_event_loop()
        self.start()

    def run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        self.loop.run_until_complete(self._cancel_all())
        self.loop.close()

    async def _cancel_all(self) -> None:
        """Cancel the remaining tasks and let them finish."""
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.loop.shutdown_asyncgens()

    def end(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.join(CANCEL_S)
