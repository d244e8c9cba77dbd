"""The endpoint: it turns a request into a response plan. It owns the simulator's state and touches no socket.

Every request gets one record, which is logged before its plan is carried out. Everything runs in one thread.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from math import inf
from time import monotonic
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from mm_magics.errors import UsageError
from mm_magics.simulator.answer import Fault, ScriptedAnswer, signature, to_scripted_answer
from mm_magics.simulator.cache import PromptCache
from mm_magics.simulator.contract import (
    MODELS,
    NEWER_MODEL,
    REFUSALS,
    Refusal,
    Request,
    authenticate,
    parse,
    validate,
)
from mm_magics.simulator.directives import DirectiveError, apply_directives
from mm_magics.simulator.directives import parse as parse_directives
from mm_magics.simulator.faults import catalogue
from mm_magics.simulator.generate import generate, read_conversation
from mm_magics.simulator.record import IssuedMessages, RequestRecord, ReturnedMessage, auth_headers, public_headers
from mm_magics.simulator.steps import Pause, ResponsePlan, complete_body, head, new_id
from mm_magics.simulator.strict import Signer, problem_of
from mm_magics.simulator.wire import build_plan, build_reply, error_body, json_plan

PREFIX = "/anthropic"
DEFAULT_PAGE = 20
MAX_PAGE = 1_000
CREATED = {
    NEWER_MODEL: "2026-11-25T00:00:00Z",
    "MiniMax-M3.1-Flash": "2026-10-19T00:00:00Z",
    "MiniMax-M3": "2026-06-01T00:00:00Z",
    "MiniMax-M2.7": "2026-03-18T00:00:00Z",
    "MiniMax-M2.5": "2026-02-12T00:00:00Z",
    "MiniMax-M2.1": "2025-12-23T00:00:00Z",
    "MiniMax-M2": "2025-10-27T00:00:00Z",
}
"""Release dates, as far as they are known. A highspeed or preview model has the date of its sibling."""
NO_DATE = "2026-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Received:
    """A request as received, with header names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    raw: bytes


class Endpoint:
    """One simulated endpoint. `rate` is in deltas per second; the cache measures its five minutes with `clock`.

    Args:
        models: The names of the models on offer; None for all of the catalogue and one that is newer.
        not_offered: How any other model is refused: the name of a fault.
        strict: Whether to add the rules of other endpoints.

    Attributes:
        fault: The fault of every answer that has none of its own.
        max_in_flight: Answers at the same time, above which a request is refused with `rate-limit`.
        in_flight: Requests that are being answered, the current one included. The server counts them.
        hurried_at: An answer that began before, by `perf_counter`, is sent as fast as possible.
    """

    def __init__(
        self,
        *,
        key: str | None = None,
        answers: Iterable[ScriptedAnswer | str] = (),
        rate: float | None = None,
        clock: Callable[[], float] = monotonic,
        models: Iterable[str] | None = None,
        not_offered: str = "unknown-model",
        strict: bool = False,
    ) -> None:
        self._signer = Signer() if strict else None
        newer = MODELS[NEWER_MODEL]
        self._models = (
            MODELS if models is None else {name: MODELS.get(name) or replace(newer, name=name) for name in models}
        )
        self._not_offered = not_offered
        self.key = key or f"simulator-key-{secrets.token_urlsafe(24)}"
        self.rate = rate
        self.fault: Fault | None = None
        self.max_in_flight: int | None = None
        self.in_flight = 0
        self.hurried_at = -inf
        self.answers: deque[ScriptedAnswer | str] = deque()
        for answer in answers:
            if (fault := to_scripted_answer(answer).fault_or_none) is not None:
                catalogue.check_fault(fault)
            self.answers.append(answer)
        self._cache = PromptCache(clock)
        self._issued = IssuedMessages()
        self._fault_counter = catalogue.FaultCounter()

    def respond(self, received: Received) -> tuple[ResponsePlan, RequestRecord]:
        """Return the response plan for a request, and the request's record so far."""
        target = urlsplit(received.target)
        record = RequestRecord(
            method=received.method,
            path=target.path,
            status=None,
            stream=False,
            headers=public_headers(received.headers),
            auth=None,
            auth_headers=auth_headers(received.headers),
            raw=received.raw,
            body=None,
        )
        route = (received.method, target.path)
        if route == ("POST", f"{PREFIX}/v1/messages"):
            handler = self._messages
        elif route == ("GET", f"{PREFIX}/v1/models"):
            handler = self._list_models
        elif received.method == "GET" and target.path.startswith(f"{PREFIX}/v1/models/"):
            handler = self._get_model
        else:
            steps = complete_body(head(404, "text/plain", new_id()), b"404 page not found")
            return ResponsePlan(steps), replace(record, status=404, problems=("404 page not found",))
        auth, refusal = authenticate(received.headers, self.key)
        record = replace(record, auth=auth)
        return _refuse(refusal, record) if refusal else handler(received, record)

    # POST /v1/messages ------------------------------------------------------------------------------------------

    def _messages(self, received: Received, record: RequestRecord) -> tuple[ResponsePlan, RequestRecord]:
        body = parse(received.raw)
        if isinstance(body, Refusal):
            return _refuse(body, record)
        messages = body.get("messages")
        record = replace(record, body=body, stream=body.get("stream") is True, replayed=self._replayed(messages))
        try:
            request = validate(body, self._models, self._not_offered, resumes=self._issued.is_paused(messages))
        except RecursionError:
            request = Refusal(400, "invalid_request_error", "invalid params, the body is nested too deep (2013)")
        if isinstance(request, Refusal):
            return _refuse(request, record)
        if self._signer and (problem := problem_of(body, self._signer)):
            return _refuse(Refusal(400, "invalid_request_error", f"invalid params, {problem} (2013)"), record)
        try:
            answer = self._answer(request)
        except (DirectiveError, UsageError) as error:
            text = f"invalid params, {error} (2013)"
            return _refuse(Refusal(400, "invalid_request_error", text), record)
        return self._send(request, answer, record)

    def _replayed(self, messages: Any) -> tuple[ReturnedMessage, ...]:
        if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
            return ()
        return self._issued.report(messages)

    def _answer(self, request: Request) -> ScriptedAnswer:
        """Return the next scripted answer, or else a generated one with the prompt's directives applied."""
        conversation = read_conversation(request.messages)
        directives = parse_directives(conversation.raw)
        if self.answers:
            return to_scripted_answer(self.answers.popleft())
        answer = generate(request, conversation, directives.get("rounds"))
        if conversation.round == directives.get("round", 1):
            answer = apply_directives(answer, directives)
        if (fault := answer.fault_or_none) is not None:
            catalogue.check_fault(fault)
        return answer

    def _send(
        self, request: Request, answer: ScriptedAnswer, record: RequestRecord
    ) -> tuple[ResponsePlan, RequestRecord]:
        fault = self._fault(answer, request)
        if fault and (refused := catalogue.refusal_plan(fault, request.stream)):
            return _after_wait(refused, answer.wait), replace(record, fault=fault.name)
        counters = self._cache.count(request.model, request.prompt)
        message = build_reply(request, answer, counters, self._signer.sign if self._signer else signature)
        if fault:
            message = catalogue.apply_to_reply(fault, message, request)
        self._issued.add(message.content, paused=message.stop_reason == "pause_turn")
        if self._signer:
            self._signer.add(message.content)
            message = replace(message, empty_signature=True)
        rate = self.rate if answer.rate is None else answer.rate
        plan = build_plan(message, request.stream, rate or None)
        if fault:
            plan = catalogue.apply_to_plan(fault, plan)
        record = replace(record, usage=message.usage, fault=fault.name if fault else None)
        return _after_wait(plan, answer.wait), record

    def _fault(self, answer: ScriptedAnswer, request: Request) -> Fault | None:
        if self.max_in_flight is not None and self.in_flight > self.max_in_flight:
            return Fault("rate-limit")
        fault = answer.fault_or_none or self.fault
        return fault if fault is not None and self._fault_counter.occurs(fault, request.seed) else None

    # GET /v1/models and /v1/models/{id} -------------------------------------------------------------------------

    def _get_model(self, received: Received, record: RequestRecord) -> tuple[ResponsePlan, RequestRecord]:
        name = unquote(urlsplit(received.target).path.removeprefix(f"{PREFIX}/v1/models/"))
        if name not in self._models:
            return _refuse(REFUSALS["model-not-found"].about(name), record)
        return json_plan(200, _model(name), new_id()), record

    def _list_models(self, received: Received, record: RequestRecord) -> tuple[ResponsePlan, RequestRecord]:
        query = {key: values[-1] for key, values in parse_qs(urlsplit(received.target).query).items()}
        names = list(self._models)
        for side in ("after_id", "before_id"):
            if side in query and query[side] not in names:
                return _refuse(REFUSALS["unknown-model"].about(query[side]), record)
        limit = query.get("limit", str(DEFAULT_PAGE))
        if not limit.isdecimal() or not 1 <= int(limit) <= MAX_PAGE:
            text = f"invalid params, limit must be from 1 to {MAX_PAGE} (2013)"
            return _refuse(Refusal(400, "invalid_request_error", text), record)
        if "after_id" in query:
            names = names[names.index(query["after_id"]) + 1 :]
        if "before_id" in query:
            names = names[: names.index(query["before_id"])] if query["before_id"] in names else []
        from_the_end = "before_id" in query and "after_id" not in query
        page = names[-int(limit) :] if from_the_end else names[: int(limit)]
        value = {
            "data": [_model(name) for name in page],
            "first_id": page[0] if page else None,
            "last_id": page[-1] if page else None,
            "has_more": len(page) < len(names),
        }
        return json_plan(200, value, new_id()), record


def _model(name: str) -> dict[str, str]:
    created = CREATED.get(name.removesuffix("-highspeed").removesuffix("-Preview"), NO_DATE)
    return {"id": name, "type": "model", "display_name": name, "created_at": created}


def _after_wait(plan: ResponsePlan, seconds: float) -> ResponsePlan:
    return replace(plan, steps=chain([Pause(seconds)], plan.steps)) if seconds else plan


def _refuse(refusal: Refusal, record: RequestRecord) -> tuple[ResponsePlan, RequestRecord]:
    request_id = new_id()
    plan = json_plan(refusal.status, error_body(refusal, request_id), request_id)
    return plan, replace(record, problems=(refusal.message,))
