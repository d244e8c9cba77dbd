"""The asynchronous core: asks many requests at once, each answered, failed or not asked at all, told as news.

Always true: each request that was taken is told of exactly once, whatever happens; a failed one stops no other, unless
the fault is one that all would meet (a refused key, an empty account), after which nothing more is sent.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream

from mm_magics.api import models
from mm_magics.api.messages import Message
from mm_magics.batch.engines.async_client import AsyncClient
from mm_magics.batch.progress import Throttled
from mm_magics.batch.rate_limit import Gate, Meter, RateLimits
from mm_magics.batch.store import Reply
from mm_magics.endpoint import retries
from mm_magics.endpoint.error_mapping import pause_after
from mm_magics.endpoint.reader import Retrying
from mm_magics.errors import StatusError
from mm_magics.tools.approval import Rules, deny_all
from mm_magics.tools.loop import Toolbox, ToolLoop
from mm_magics.tools.runtime.runner import ToolLimits
from mm_magics.tools.schema.output_schema import OutputSchema
from mm_magics.turn.request_body import Body

BUSY = (429, 529)
FOR_ALL = (401, 402, 403, 404)
"""Statuses that say nothing of one request: whatever is asked, they come again."""
BYTES_PER_TOKEN = 4.0
FIRST_GUESS = 500
"""Tokens of an answer, before one has come."""
HOPELESS = 50
"""Failures without a single answer, after which nothing more is sent."""
ROUNDS = 3


class Request(NamedTuple):
    """One request: its hash, and its body, whose last message is the user's."""

    digest: bytes
    body: bytes


class Answered(NamedTuple):
    digest: bytes
    reply: Reply


class Failed(NamedTuple):
    """The request failed; `asked` is whether it was sent."""

    digest: bytes
    why: str
    asked: bool


SenderEvent = Answered | Failed | Throttled | Retrying


class Sender:
    """One run. `shape` is what its answers have to fit; `tell` is called with the news, in the event loop's thread."""

    def __init__(
        self,
        line: AsyncClient,
        pace: RateLimits,
        max_retries: int,
        shape: OutputSchema | None,
        tell: Callable[[SenderEvent], None],
    ) -> None:
        self._line, self._pace, self._max_retries, self._shape, self._tell = line, pace, max_retries, shape, tell
        self._gate = Gate()
        self._requests, self._tokens = Meter(pace.requests_per_minute), Meter(pace.tokens_per_minute)
        self._answers = self._answer_tokens = self._failures = 0
        self._over = ""

    async def run(self, asks: MemoryObjectReceiveStream[Request]) -> None:
        """Ask what comes until no more does."""
        async with asks, anyio.create_task_group() as group:
            for caller in range(self._pace.at_once):
                group.start_soon(self._work, asks, caller)

    async def _work(self, asks: MemoryObjectReceiveStream[Request], caller: int) -> None:
        async for ask in asks:
            self._tell(await self._told(ask, caller))

    async def _told(self, ask: Request, caller: int) -> Answered | Failed:
        if self._over:
            return Failed(ask.digest, f"Not asked: {self._over}", False)
        try:
            reply = await self._reply(ask.body, caller)
        except Exception as error:
            return self._failed(ask, error)
        return Answered(ask.digest, reply)

    def _failed(self, ask: Request, error: Exception) -> Failed:
        found = self._line.fault(error)
        why = str(found).replace("\n", " ")
        self._failures += 1
        for_all = isinstance(found, StatusError) and (found.status in FOR_ALL or found.status in BUSY)
        if not self._over and (for_all or (not self._answers and self._failures >= HOPELESS)):
            self._over = why
        return Failed(ask.digest, found.message, True)

    async def _reply(self, content: bytes, caller: int) -> Reply:
        """The whole answer: with a shape that is wanted, after as many messages as it takes and may take."""
        reply, turn = Reply([], []), _Turn(content, self._shape) if self._shape else None
        while True:
            message = await self._message(content, caller, reply)
            reply.messages.append({"role": "assistant", "content": message["content"]})
            if turn is None or message.get("stop_reason") in ("max_tokens", "refusal"):
                return reply
            step = turn.loop.step(message["content"], None)
            for _ in step.events(None, deny_all):
                pass
            if not step.needs_request:
                return reply
            reply.messages.append({"role": "user", "content": step.reply})
            content = turn.next(reply.messages)

    async def _message(self, content: bytes, caller: int, reply: Reply) -> dict[str, Any]:
        """One answer, after as many tries as it takes and the settings allow; its figures go into the reply."""
        attempt = 1
        while True:
            await self._gate.wait()
            await self._requests.take(1)
            await self._tokens.take(len(content) / BYTES_PER_TOKEN + self._guess())
            await self._gate.wait()  # a pause may have begun meanwhile
            began = time.monotonic()
            try:
                message = await self._line.ask(content, caller)
                break
            except Exception as error:
                attempt += await self._pause(error, attempt)
        self._gate.open()
        usage = message.get("usage")
        self._answers += 1
        self._answer_tokens += models.tokens(usage, "output_tokens") if isinstance(usage, dict) else 0
        figures = {key: message.get(key) for key in ("id", "model", "stop_reason")}
        reply.responses.append({**figures, "usage": usage, "seconds": round(time.monotonic() - began, 3)})
        return message

    async def _pause(self, error: Exception, attempt: int) -> int:
        """Wait before the next try; how many of those allowed it was. Raises the error if there is to be none."""
        found = self._line.fault(error)
        status = found.status if isinstance(found, StatusError) else 0
        if status in BUSY:
            wanted = retries.asked(error.response.headers) if hasattr(error, "response") else None
            seconds = None if (wanted or 0.0) > retries.LONGEST_S else self._gate.close(wanted)
            if seconds is None:
                raise error
            if seconds:
                self._tell(Throttled(seconds, found.message))
            return 0
        wait = pause_after(error, attempt)
        if wait is None or attempt > self._max_retries:
            raise error
        self._tell(Retrying(attempt, self._max_retries, wait, found.message))
        await anyio.sleep(wait)
        return 1

    def _guess(self) -> float:
        """Tokens that an answer has."""
        return self._answer_tokens / self._answers if self._answers else FIRST_GUESS


class _Turn:
    """What follows the messages of one answer that has to fit a shape."""

    def __init__(self, content: bytes, shape: OutputSchema) -> None:
        body: dict[str, Any] = json.loads(content)
        *past, self._asked = body["messages"]
        self._body = Body(body, content, [past])
        box = Toolbox({}, Rules(), ToolLimits(0.0, 0), ROUNDS, output_schema=shape)
        self.loop = ToolLoop(box, body.get("tool_choice") or {}, threading.Event())

    def next(self, answered: Sequence[Message]) -> bytes:
        """The next request's bytes."""
        return self._body.next([self._asked, *answered], [None] * (len(answered) // 2), self.loop.choice)
