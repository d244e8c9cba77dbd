"""The sender: sends many requests concurrently from one event loop, with retries, rate limits and shared pauses.

Each request it takes is reported exactly once, as `Answered` or `Failed`. A failed request stops no other, unless its
error would affect every request (a rejected key, insufficient balance): after such an error nothing more is sent.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream

from mm_magics.api import models, usage
from mm_magics.api.messages import Message
from mm_magics.batch.engines.async_client import AsyncClient
from mm_magics.batch.engines.base import Answered, Failed, Request, SenderEvent, SendOptions
from mm_magics.batch.progress import Throttled
from mm_magics.batch.rate_limit import PauseGate, RateLimiter
from mm_magics.batch.store import Reply
from mm_magics.endpoint import retries
from mm_magics.endpoint.error_hints import THROTTLED_STATUSES, is_final, meets_all, refuses_model
from mm_magics.endpoint.error_mapping import retry_delay
from mm_magics.endpoint.reader import Retrying
from mm_magics.errors import StatusError
from mm_magics.tools.approval import Rules, deny_all
from mm_magics.tools.loop import Toolbox, ToolLoop
from mm_magics.tools.runtime.runner import ToolLimits
from mm_magics.tools.schema.output_schema import OutputSchema
from mm_magics.turn.request_body import RequestBody

BYTES_PER_TOKEN = 4.0
FIRST_ANSWER_TOKENS = 500
"""Assumed length of an answer before the first one arrived."""
MAX_FAILURES = 50
"""Failures without a single answer after which nothing more is sent."""
SCHEMA_ATTEMPTS = 3
"""Answers a model gets to match the schema."""


class Sender:
    """Sends requests; `report` is called with each event, in the event loop's thread.

    Args:
        client: The open HTTP client.
        options: Rate limits and retries.
        schema: The schema that answers must match; None for text.
        report: Called with each event.
    """

    def __init__(
        self,
        client: AsyncClient,
        options: SendOptions,
        schema: OutputSchema | None,
        report: Callable[[SenderEvent], None],
    ) -> None:
        limits = options.limits
        self._client, self._options, self._schema, self._report = client, options, schema, report
        self._gate = PauseGate()
        self._requests, self._tokens = RateLimiter(limits.requests_per_minute), RateLimiter(limits.tokens_per_minute)
        self._answers = self._answer_tokens = self._failures = 0
        self._fatal = ""

    async def run(self, requests: MemoryObjectReceiveStream[Request]) -> None:
        """Send the requests until the stream is closed and all are reported."""
        async with requests, anyio.create_task_group() as group:
            for worker in range(self._options.limits.concurrency):
                group.start_soon(self._work, requests, worker)

    async def _work(self, requests: MemoryObjectReceiveStream[Request], worker: int) -> None:
        async for request in requests:
            self._report(await self._outcome(request, worker))

    async def _outcome(self, request: Request, worker: int) -> Answered | Failed:
        if self._fatal:
            return Failed(request.digest, f"Not sent: {self._fatal}", False)
        reply = Reply([], [])
        try:
            await self._receive(reply, request.body, worker)
        except Exception as error:
            return self._failed(request, error)._replace(responses=reply.responses)
        return Answered(request.digest, reply)

    def _failed(self, request: Request, error: Exception) -> Failed:
        translated = self._client.translate(error)
        self._failures += 1
        refused_model = fatal = False
        if isinstance(translated, StatusError):
            refused_model = refuses_model(translated, json.loads(request.body)["model"])
            fatal = refused_model or meets_all(translated)
        if not self._fatal and (fatal or (not self._answers and self._failures >= MAX_FAILURES)):
            self._fatal = str(translated).replace("\n", " ")
        return Failed(request.digest, translated.message, True, refused_model=refused_model)

    async def _receive(self, reply: Reply, body: bytes, worker: int) -> None:
        """Receive the whole reply. With a schema it may take several answers until one matches."""
        dialog = _SchemaDialog(body, self._schema) if self._schema else None
        while True:
            message = await self._message(body, worker, reply)
            reply.messages.append({"role": "assistant", "content": message["content"]})
            if dialog is None or message.get("stop_reason") in ("max_tokens", "refusal"):
                return
            correction = dialog.correction(message)
            if correction is None:
                return
            reply.messages.append(correction)
            body = dialog.next_body(reply.messages)

    async def _message(self, body: bytes, worker: int, reply: Reply) -> dict[str, Any]:
        """Return one answer, after as many attempts as the settings allow, and add its response to the reply."""
        attempt = 1
        while True:
            await self._gate.wait()
            await self._requests.acquire(1)
            await self._tokens.acquire(len(body) / BYTES_PER_TOKEN + self._expected_answer_tokens())
            await self._gate.wait()  # a pause may have begun while this call waited for its rate
            began = time.monotonic()
            try:
                message = await self._client.send(body, worker)
                break
            except Exception as error:
                attempt += await self._wait_to_retry(error, attempt)
        self._gate.open()
        self._answers += 1
        self._answer_tokens += models.tokens(usage.reported(message), "output_tokens")
        response = {key: message.get(key) for key in ("id", "model", "stop_reason", "usage")}
        reply.responses.append({**response, "seconds": round(time.monotonic() - began, 3)})
        return message

    async def _wait_to_retry(self, error: Exception, attempt: int) -> int:
        """Wait before the next attempt and return how many of the allowed retries it uses: 0 for a throttled call.

        Raises:
            Exception: The error itself, if the call is not retried.
        """
        translated = self._client.translate(error)
        status = translated.status if isinstance(translated, StatusError) else 0
        if is_final(translated.message):
            raise error
        if status in THROTTLED_STATUSES:
            requested = retries.retry_after(error.response.headers) if hasattr(error, "response") else None
            seconds = None if (requested or 0.0) > retries.MAX_WAIT_S else self._gate.close(requested)
            if seconds is None:
                raise error
            if seconds:
                self._report(Throttled(seconds, translated.message))
            return 0
        wait, max_retries = retry_delay(error, attempt), self._options.max_retries
        if wait is None or attempt > max_retries:
            raise error
        self._report(Retrying(attempt, max_retries, wait, translated.message))
        await anyio.sleep(wait)
        return 1

    def _expected_answer_tokens(self) -> float:
        return self._answer_tokens / self._answers if self._answers else FIRST_ANSWER_TOKENS


class _SchemaDialog:
    """The messages that follow an answer that does not match its schema."""

    def __init__(self, body: bytes, schema: OutputSchema) -> None:
        request: dict[str, Any] = json.loads(body)
        *context, self._prompt = request["messages"]
        self._body = RequestBody(request, body, [context], request["max_tokens"])
        toolbox = Toolbox({}, Rules(), ToolLimits(0.0, 0), SCHEMA_ATTEMPTS, output_schema=schema)
        self._loop = ToolLoop(toolbox, request.get("tool_choice") or {}, request["model"], threading.Event())

    def correction(self, message: dict[str, Any]) -> Message | None:
        """Return the user message that asks for a corrected answer; None if the answer is the last one."""
        step = self._loop.step(message["content"], None)
        for _ in step.events(None, deny_all):
            pass
        return {"role": "user", "content": step.reply} if step.needs_request else None

    def next_body(self, replied: Sequence[Message]) -> bytes:
        """Return the next request: the prompt and all that followed it."""
        return self._body.next([self._prompt, *replied], [None] * (len(replied) // 2), self._loop.choice)
