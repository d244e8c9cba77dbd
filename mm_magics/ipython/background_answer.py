"""The handle of a prompt in the background: what `-o NAME` stores."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from concurrent.futures import Future
from typing import Any

from mm_magics.history.turn import Turn

WAKE_S = 0.1
"""How often a wait wakes the kernel's event loop, which notices an interrupt only then."""


class BackgroundAnswer:
    """The answer of a prompt that runs in the background, or has ended.

    `%%minimax --background -o NAME` stores one in `NAME` at once. Its value is what `-o NAME` stores without
    `--background`: the text of the answer, or what `--as` or `--schema` makes of it. If the answer was stopped, it is
    the part that was received.

    - `NAME.result()` waits for the value and returns it, `NAME.result(timeout=10)` waits at most 10 seconds.
    - `await NAME` does the same without blocking the kernel's event loop.
    - `NAME.done` is whether the answer has ended.
    """

    def __init__(self, state: Callable[[], str]) -> None:
        self._state = state
        self._future: Future[Any] = Future()
        self._future.set_running_or_notify_cancel()  # a wait that is cancelled ends only itself

    @property
    def done(self) -> bool:
        """Whether the answer has ended, however it did."""
        return self._future.done()

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the answer and return its value.

        Args:
            timeout: The maximum number of seconds to wait; None for no limit.

        Raises:
            TimeoutError: The answer has not ended in time. It continues.
            MiniMaxError: The answer failed; it is the error that its cell shows.
        """
        return self._future.result(timeout)

    def __await__(self) -> Generator[Any, None, Any]:
        return self._wait().__await__()

    async def _wait(self) -> Any:
        future = asyncio.wrap_future(self._future)
        while not future.done():
            await asyncio.wait([future], timeout=WAKE_S)
        return future.result()

    def __repr__(self) -> str:
        return f"<BackgroundAnswer: {self._state()}>"

    def succeed(self, value: Any) -> None:
        """The answer has ended, and this is its value."""
        self._future.set_result(value)

    def fail(self, error: BaseException) -> None:
        """The answer has ended with an error."""
        self._future.set_exception(error)


def ended_answer(turn: Turn, value: Any) -> BackgroundAnswer:
    """Return the handle of an answer that was not in the background after all."""
    handle = BackgroundAnswer(lambda: turn.status)
    handle.succeed(value)
    return handle
