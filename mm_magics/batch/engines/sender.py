"""The sender: sends many requests concurrently from one event loop, with retries, rate limits and shared pauses.

Each request it takes is reported exactly once, as `Answered` or `Failed`. A failed request stops no other: `Health`
decides whether its error ends the run.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import anyio
from anyio import CapacityLimiter, to_thread
from anyio.streams.memory import MemoryObjectReceiveStream

from mm_magics.api import models, usage
from mm_magics.batch.engines.async_client import AsyncClient, SendFailedError
from mm_magics.batch.engines.base import (
    NOT_SENT,
    RUN_ENDED,
    Answered,
    Failed,
    OtherCall,
    Request,
    SenderEvent,
    SendOptions,
)
from mm_magics.batch.engines.dialog import Dialog, Dialogs
from mm_magics.batch.engines.health import Health, RunEndedError, Verdict
from mm_magics.batch.engines.window import Window
from mm_magics.batch.progress import Throttled
from mm_magics.batch.rate_limit import Limiter, PauseGate, RateLimiter
from mm_magics.batch.store import Reply
from mm_magics.endpoint import retries
from mm_magics.endpoint.error_hints import THROTTLED_STATUSES, http_status, is_final, refuses_model
from mm_magics.endpoint.reader import Retrying
from mm_magics.errors import ConnectionFailedError, EndpointError, MiniMaxError, NeverSendError, StatusError

BYTES_PER_TOKEN = 4.0
FIRST_ANSWER_TOKENS = 500
"""Assumed length of an answer before the first one arrived."""
MAX_FAILURES = 50
"""Failures without a single answer after which nothing more is sent."""
MAX_THROTTLES = 5
"""Refusals because of load after which a row fails alone, if the endpoint answers other rows in between."""
MAX_OUTAGES = 3
"""How often a row is sent again because the endpoint had failed and recovered."""
PROBE_TIMEOUT_S = 60.0
PROBE = {"max_tokens": 16, "stream": False, "messages": [{"role": "user", "content": "Reply with OK."}]}


@dataclass
class _Attempts:
    """The attempts at one call: retries, refusals because of load, and outages of the endpoint.

    `answered` and `refused` are the sender's counts when this call was last refused.
    """

    number: int = 1
    throttles: int = 0
    outages: int = 0
    answered: int = 0
    refused: int = 0


class _Failure(NamedTuple):
    """A failed attempt: the error, and when it was sent."""

    error: SendFailedError
    sent_at: float

    @property
    def problem(self) -> MiniMaxError:
        return self.error.problem

    @property
    def is_for_load(self) -> bool:
        """Whether the endpoint refused the call because it has too much to do, for at most a minute."""
        is_final_ = is_final(self.problem.message) or (self.error.requested_wait or 0.0) > retries.MAX_WAIT_S
        return http_status(self.problem) in THROTTLED_STATUSES and not is_final_


class Sender:
    """Sends requests; `report` is called with each event, in the event loop's thread.

    Args:
        client: The open HTTP client.
        options: Rate limits and retries.
        dialogs: Begins what may follow the first answer to a row; None if nothing follows.
        report: Called with each event.
        limiters: Those of requests and tokens, if they are not only for this sender.
    """

    def __init__(
        self,
        client: AsyncClient,
        options: SendOptions,
        dialogs: Dialogs | None,
        report: Callable[[SenderEvent], None],
        limiters: Mapping[str, Limiter] = MappingProxyType({}),
    ) -> None:
        limits = options.limits
        self._client, self._options, self._dialogs, self._report = client, options, dialogs, report
        self._window, self._gate = Window(limits.concurrency), PauseGate()
        self._health = Health(self._probe, report)
        self._requests = limiters.get("requests") or RateLimiter(limits.requests_per_minute)
        self._tokens = limiters.get("tokens") or RateLimiter(limits.tokens_per_minute)
        self._model = ""
        self._answer_tokens = self._failures = self._refused = 0
        self._tool_limiter = CapacityLimiter(1)

    def stop(self) -> None:
        """Send nothing more. Calls in flight continue."""
        self._health.end(EndpointError(RUN_ENDED.removeprefix(NOT_SENT)))

    def pause(self, seconds: float) -> None:
        """Let all calls wait: another process met a refusal because of load."""
        self._gate.close(seconds)

    async def run(self, requests: MemoryObjectReceiveStream[Request]) -> None:
        """Send the requests until the stream is closed and all are reported."""
        try:
            async with requests, anyio.create_task_group() as group:
                for _ in range(self._options.limits.concurrency):
                    group.start_soon(self._work, requests)
        finally:
            if self._dialogs:
                self._dialogs.stop.set()

    async def _work(self, requests: MemoryObjectReceiveStream[Request]) -> None:
        with suppress(anyio.EndOfStream):
            while True:
                try:
                    request = requests.receive_nowait()  # which takes no turn of the event loop
                except anyio.WouldBlock:
                    request = await requests.receive()
                self._report(await self._outcome(request))

    async def _outcome(self, request: Request) -> Answered | Failed:
        if self._health.ended:
            return Failed(request.digest, f"{NOT_SENT}{self._health.ended}", False)
        reply = Reply([], [])
        try:
            await self._receive(reply, request)
        except Exception as error:
            return self._failed(request, error)._replace(responses=reply.responses)
        return Answered(request.digest, reply)

    def _failed(self, request: Request, error: Exception) -> Failed:
        translated = self._client.translate(error)
        if isinstance(translated, RunEndedError):
            return Failed(request.digest, translated.message, False)
        self._failures += 1
        refused = isinstance(translated, StatusError) and refuses_model(translated, json.loads(request.body)["model"])
        if refused or (not self._health.answers and self._failures >= MAX_FAILURES):
            self._health.end(translated)
        lost = not isinstance(translated, StatusError | NeverSendError)
        return Failed(request.digest, translated.message, True, refused_model=refused, lost=lost)

    async def _receive(self, reply: Reply, request: Request) -> None:
        """Receive the whole reply. With tools or a schema it may take several answers."""
        dialog = self._dialogs.begin(request.body) if self._dialogs and request.is_checked else None
        body: bytes | None = request.body
        while body:
            message = await self._message(body, reply)
            reply.messages.append({"role": "assistant", "content": message["content"]})
            if dialog is None or message.get("stop_reason") in ("max_tokens", "refusal"):
                return
            body = await self._follow(dialog, reply)

    async def _follow(self, dialog: Dialog, reply: Reply) -> bytes | None:
        """Return the next request of a dialog. Tools are called in a thread, one at a time: they may share data."""
        if self._dialogs and self._dialogs.has_tools:
            return await to_thread.run_sync(dialog.follow, reply, abandon_on_cancel=True, limiter=self._tool_limiter)
        return dialog.follow(reply)

    async def _message(self, body: bytes, reply: Reply) -> dict[str, Any]:
        """Return one answer, after as many attempts as the settings allow, and add its response to the reply."""
        attempts = _Attempts()
        while True:
            began, outcome = await self._attempt(body)
            if isinstance(outcome, dict):
                break
            await self._wait_to_retry(outcome, body, attempts)
        self._answer_tokens += models.tokens(usage.reported(outcome), "output_tokens")
        reply.responses.append(_response(outcome, began))
        return outcome

    async def _attempt(self, body: bytes) -> tuple[float, dict[str, Any] | _Failure]:
        """Send once, as soon as that is allowed. Return when it was sent, and the answer or the failure."""
        await self._window.enter()
        try:
            await self._health.wait()
            await self._wait_at_gate()
            await self._requests.acquire(1)
            await self._tokens.acquire(len(body) / BYTES_PER_TOKEN + self._expected_answer_tokens())
            await self._wait_at_gate()  # a pause may have begun while this call waited for its rate
            await self._health.wait()
            began = time.monotonic()
            try:
                message = await self._send(body, self._options.timeout)
            except Exception as error:
                if not isinstance(error, SendFailedError):
                    error = SendFailedError(self._client.translate(error))
                failure = _Failure(error, began)
                if failure.is_for_load:
                    self._window.refused(began)
                return began, failure
        finally:
            self._window.leave()
        self._gate.open()
        self._health.answered(began)
        self._window.answered(time.monotonic() - began)
        return began, message

    async def _send(self, body: bytes, timeout: float) -> dict[str, Any]:
        """Send once. Raises an error if the whole answer does not arrive in time, however often a part of it does."""
        with anyio.move_on_after(timeout):
            return await self._client.send(body)
        raise ConnectionFailedError(
            f"The answer was not complete after {timeout:g} s and was cancelled.", "To allow more time, use --timeout."
        )

    async def _wait_at_gate(self) -> None:
        while (left := self._gate.left()) > 0 and not self._health.ended:
            await self._health.sleep(left)

    async def _wait_to_retry(self, failure: _Failure, body: bytes, attempts: _Attempts) -> None:
        """Wait before the next attempt.

        Raises:
            Exception: The error of the failure, if the call is not retried.
        """
        problem = failure.problem
        self._model = self._model or str(json.loads(body)["model"])
        if isinstance(problem, StatusError) and refuses_model(problem, self._model):
            raise failure.error
        if failure.is_for_load:
            await self._wait_for_load(failure, attempts)
            return
        max_retries = self._options.max_retries
        if failure.error.is_transient and attempts.number <= max_retries:
            wait = retries.wait_before(attempts.number, failure.error.requested_wait)
            self._report(Retrying(attempts.number, max_retries, wait, problem.message))
            attempts.number += 1
            await self._health.sleep(wait)
            return
        await self._judge(failure, attempts)

    async def _wait_for_load(self, failure: _Failure, attempts: _Attempts) -> None:
        """Wait after a refusal because of load: all calls if the endpoint asks for it or refuses every one of them."""
        attempts.throttles += 1
        answered, refused = self._health.answers - attempts.answered, self._refused - attempts.refused
        self._refused += 1
        attempts.answered, attempts.refused = self._health.answers, self._refused
        if attempts.throttles > MAX_THROTTLES:
            if answered > refused:  # the endpoint has room, but not for this row
                raise failure.error
            if not answered and not refused:  # no other row was sent in between
                await self._judge(failure, attempts)
        if failure.error.requested_wait is not None or self._window.size <= 1:
            seconds = self._gate.close(failure.error.requested_wait)
            if seconds is None:
                self._health.end(failure.problem)
                raise failure.error
            if seconds:
                self._report(Throttled(seconds, failure.problem.message))
            await self._wait_at_gate()
        else:
            await self._health.sleep(retries.backoff(attempts.throttles))

    async def _judge(self, failure: _Failure, attempts: _Attempts) -> None:
        """Raise the error unless the row must be sent again, because the endpoint had failed and has recovered."""
        if failure.error.meets_all:
            self._health.end(failure.problem)
            raise failure.error
        verdict = await self._health.judge(failure.problem, failure.sent_at)
        outages = {Verdict.AGAIN: MAX_OUTAGES, Verdict.BLIP: int(failure.error.is_transient)}.get(verdict, 0)
        if attempts.outages >= outages:
            raise failure.error
        attempts.outages += 1
        attempts.number = 1

    async def _probe(self) -> MiniMaxError | None:
        """Send the smallest request for the model of the run, and return why it was not answered."""
        began = time.monotonic()
        try:
            body = json.dumps({"model": self._model, **PROBE}).encode()
            message = await self._send(body, min(PROBE_TIMEOUT_S, self._options.timeout))
        except Exception as error:
            self._report(OtherCall([]))
            return self._client.translate(error)
        self._report(OtherCall([_response(message, began)]))
        return None

    def _expected_answer_tokens(self) -> float:
        answers = self._health.answers
        return self._answer_tokens / answers if answers else FIRST_ANSWER_TOKENS


def _response(message: dict[str, Any], began: float) -> dict[str, Any]:
    response = {key: message.get(key) for key in ("id", "model", "stop_reason", "usage")}
    return {**response, "seconds": round(time.monotonic() - began, 3)}
