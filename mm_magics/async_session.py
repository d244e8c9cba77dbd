"""A `Session` for asynchronous code: the same conversation, whose events are awaited instead of blocking a thread."""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import Any, Self, TypeVar

import anyio
from anyio import from_thread, to_thread

from mm_magics.config import MiniMax
from mm_magics.events import Event
from mm_magics.history.turn import Turn
from mm_magics.session import Session
from mm_magics.tools.approval import Approve, Decision, deny_all
from mm_magics.tools.tool import ToolCall
from mm_magics.turn.driver import TurnStream
from mm_magics.turn.prepared import PreparedPrompt

T = TypeVar("T")
AsyncApprove = Callable[[ToolCall], Awaitable[bool | Decision]]

POLL_S = 0.05
"""How long a question about a tool call stays open after its turn was cancelled."""


class AsyncSession:
    """A conversation with an endpoint, for asyncio and trio.

    >>> import asyncio
    >>> from mm_magics import AsyncSession
    >>> from mm_magics.simulator import Simulator
    >>> async def main(endpoint):
    ...     async with AsyncSession(base_url=endpoint.base_url, api_key=endpoint.key) as session:
    ...         turn = await session.ask('[[simulator: say="A reef."]] What is it?')
    ...     return turn.text
    >>> with Simulator() as endpoint:
    ...     asyncio.run(main(endpoint))
    'A reef.'

    One prompt is answered at a time, in the order in which they were asked, because each turn is part of the context of
    the next. Use a session for each conversation that runs at the same time.

    Args:
        config: The settings of this session; a new `MiniMax` by default.
        api_key: The key for the session's base URL, as in `Session`.
        settings: Values for a new `config`: the traits of `MiniMax` by name.

    Attributes:
        session: The `Session` that answers: its history, settings, rules and variables are this session's.
    """

    def __init__(self, config: MiniMax | None = None, *, api_key: str | None = None, **settings: Any) -> None:
        self.session = Session(config, api_key=api_key, **settings)
        self._turn = anyio.Semaphore(1)

    async def stream(
        self, prompt: str | PreparedPrompt, *, approve: Approve | AsyncApprove = deny_all, **flags: Any
    ) -> AsyncGenerator[Event, None]:
        """Yield the events of the answer to a prompt.

        If the task is cancelled, or the generator is closed, the call ends within 0.1 s, and what was received is a
        stopped turn of the history. To leave the loop early, use `contextlib.aclosing`, so that this happens at once.

        Args:
            prompt: A text, or what `Session.prepare` returned.
            approve: A function or a coroutine function that decides about each tool call that requires approval.
            flags: As in `Session.prepare`.

        Yields:
            The events of `mm_magics.events`; the last, a `TurnEnd`, has the whole turn.

        Raises:
            MiniMaxError: As in `Session.stream` and `Session.ask`.
        """
        async with self._turn:
            stop = threading.Event()
            steps = _Steps(partial(self.session.stream, prompt, stop=stop, **flags), _in_thread(approve, stop))
            try:
                while (event := await to_thread.run_sync(steps.next)) is not None:
                    yield event
            finally:
                stop.set()
                with anyio.CancelScope(shield=True):
                    await to_thread.run_sync(steps.close, *sys.exc_info()[:2])

    async def ask(
        self, prompt: str | PreparedPrompt, *, approve: Approve | AsyncApprove = deny_all, **flags: Any
    ) -> Turn:
        """Send a prompt and return the whole turn, as `Session.ask` does.

        Args:
            prompt: A text, or what `Session.prepare` returned.
            approve: As in `stream`.
            flags: As in `Session.prepare`.

        Raises:
            EndpointError: The endpoint failed; `error.turn` is the partial turn, which is in the history too.
            MiniMaxError: As in `Session.stream`.
        """
        async with aclosing(self.stream(prompt, approve=approve, **flags)) as events:
            async for event in events:
                last = event
        turn: Turn = last.turn  # type: ignore[union-attr]
        return turn

    async def close(self) -> None:
        """Close the connection and stop the MCP servers. The history is kept."""
        await to_thread.run_sync(self.session.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        with anyio.CancelScope(shield=True):
            await self.close()


class _Steps:
    """The events of one turn, one at a time and from any thread.

    A cancelled task does not wait for the thread that waits for its next event. The lock makes the thread that ends the
    turn wait for it.
    """

    def __init__(self, begin: Callable[[], TurnStream[Event]], approve: Approve) -> None:
        self._begin, self._approve = begin, approve
        self._stream: TurnStream[Event] | None = None
        self._is_closed = False
        self._lock = threading.Lock()

    def next(self) -> Event | None:
        """Return the next event; None after the last. The first call sends the request."""
        with self._lock:
            if self._is_closed:
                return None
            if self._stream is None:
                stream = self._begin()
                self._stream = stream.__enter__()
                self._events = self._stream.events(lambda: None, self._approve)
            return next(self._events, None)

    def close(self, kind: type[BaseException] | None, error: BaseException | None) -> None:
        """End the turn if it is still running."""
        with self._lock:
            self._is_closed = True
            if self._stream is not None:
                self._stream.__exit__(kind, error, None)


def _in_thread(approve: Approve | AsyncApprove, stop: threading.Event) -> Approve:
    """Return what a worker thread asks: `approve`, which runs in the event loop if it is a coroutine function."""

    def ask(call: ToolCall) -> bool | Decision:
        answer = approve(call)
        return from_thread.run(_decision, answer, stop) if inspect.isawaitable(answer) else answer

    return ask


async def _decision(answer: Awaitable[T], stop: threading.Event) -> T | bool:
    """Return the answer to a question; False once the turn is stopped."""
    decision: T | bool = False
    async with anyio.create_task_group() as group:

        async def watch() -> None:
            while not stop.is_set():
                await anyio.sleep(POLL_S)
            group.cancel_scope.cancel()

        group.start_soon(watch)
        decision = await answer
        group.cancel_scope.cancel()
    return decision
