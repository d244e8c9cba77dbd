"""The endpoint: from a request to the plan of its answer. It has the simulator's whole state and touches no socket.

Always true: every request gets one record, appended before its plan is followed; all of it runs in one thread.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from time import monotonic
from typing import Any
from urllib.parse import parse_qs, urlsplit

from mm_magics.errors import UsageError
from mm_magics.simulator.answer import Answer, Fault, scripted
from mm_magics.simulator.cache import PromptCache
from mm_magics.simulator.contract import MODELS, REFUSALS, Refusal, Request, authenticate, parse, read
from mm_magics.simulator.directives import DirectiveError, applied
from mm_magics.simulator.directives import parse as parse_directives
from mm_magics.simulator.faults import catalogue
from mm_magics.simulator.generate import generate, talk
from mm_magics.simulator.record import Issued, Record, Replayed, auth_headers, open_headers
from mm_magics.simulator.steps import Pause, Plan, head, new_id, whole
from mm_magics.simulator.wire import error_body, json_plan, plan, reply

PREFIX = "/anthropic"
DEFAULT_PAGE = 20
LONGEST_PAGE = 1_000
CREATED = {
    "MiniMax-M3": "2026-06-01T00:00:00Z",
    "MiniMax-M2.7": "2026-03-18T00:00:00Z",
    "MiniMax-M2.5": "2026-02-12T00:00:00Z",
    "MiniMax-M2.1": "2025-12-23T00:00:00Z",
    "MiniMax-M2": "2025-10-27T00:00:00Z",
}
"""Days of release, to the nearest that is known; a highspeed model has its sibling's."""


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it came: header names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    raw: bytes


class Endpoint:
    """One simulated endpoint. `rate` in deltas a second; `clock` is what the cache's five minutes are measured by."""

    def __init__(
        self,
        *,
        key: str | None = None,
        answers: Iterable[Answer | str] = (),
        rate: float | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.key = key or f"simulator-key-{secrets.token_urlsafe(24)}"
        self.rate = rate
        self.answers: deque[Answer | str] = deque()
        for answer in answers:
            if (fault := scripted(answer).asked_fault) is not None:
                catalogue.known(fault)
            self.answers.append(answer)
        self._cache = PromptCache(clock)
        self._issued = Issued()
        self._strikes = catalogue.Strikes({})

    def respond(self, received: Received) -> tuple[Plan, Record]:
        """What to do for a request, and its record so far."""
        target = urlsplit(received.target)
        record = Record(
            method=received.method,
            path=target.path,
            status=None,
            stream=False,
            headers=open_headers(received.headers),
            auth=None,
            auth_headers=auth_headers(received.headers),
            raw=received.raw,
            body=None,
        )
        route = (received.method, target.path)
        if route == ("POST", f"{PREFIX}/v1/messages"):
            act = self._messages
        elif route == ("GET", f"{PREFIX}/v1/models"):
            act = self._models
        else:
            steps = whole(head(404, "text/plain", new_id()), b"404 page not found")
            return Plan(steps), replace(record, status=404, problems=("404 page not found",))
        auth, refusal = authenticate(received.headers, self.key)
        record = replace(record, auth=auth)
        return _refuse(refusal, record) if refusal else act(received, record)

    # POST /v1/messages ------------------------------------------------------------------------------------------

    def _messages(self, received: Received, record: Record) -> tuple[Plan, Record]:
        body = parse(received.raw)
        if isinstance(body, Refusal):
            return _refuse(body, record)
        messages = body.get("messages")
        record = replace(record, body=body, stream=body.get("stream") is True, replayed=self._replayed(messages))
        try:
            request = read(body)
        except RecursionError:
            request = Refusal(400, "invalid_request_error", "invalid params, the body is nested too deep (2013)")
        if isinstance(request, Refusal):
            return _refuse(request, record)
        try:
            answer = self._answer(request)
        except (DirectiveError, UsageError) as error:
            text = f"invalid params, {error} (2013)"
            return _refuse(Refusal(400, "invalid_request_error", text), record)
        return self._send(request, answer, record)

    def _replayed(self, messages: Any) -> tuple[Replayed, ...]:
        if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
            return ()
        return self._issued.report(messages)

    def _answer(self, request: Request) -> Answer:
        """The next scripted answer, else what the prompt's directives ask for, else a generated one."""
        said = talk(request.messages)
        asked = parse_directives(said.raw)
        if self.answers:
            return scripted(self.answers.popleft())
        answer = generate(request, said, asked.get("rounds"))
        answer = applied(answer, asked) if said.round == asked.get("round", 1) else answer
        if (fault := answer.asked_fault) is not None:
            catalogue.known(fault)
        return answer

    def _send(self, request: Request, answer: Answer, record: Record) -> tuple[Plan, Record]:
        fault = self._fault(answer, request)
        if fault and (refused := catalogue.refusing(fault, request.stream)):
            return _waiting(refused, answer.wait), replace(record, fault=fault.name)
        counters = self._cache.count(request.model, request.prompt)
        said = reply(request, answer, counters)
        if fault:
            said = catalogue.on_reply(fault, said, request)
        self._issued.add(said.content)
        rate = self.rate if answer.rate is None else answer.rate
        sending = plan(said, request.stream, rate or None)
        if fault:
            sending = catalogue.on_plan(fault, sending)
        record = replace(record, usage=said.usage, fault=fault.name if fault else None)
        return _waiting(sending, answer.wait), record

    def _fault(self, answer: Answer, request: Request) -> Fault | None:
        fault = answer.asked_fault
        return fault if fault is not None and self._strikes.strikes(fault, request.seed) else None

    # GET /v1/models ---------------------------------------------------------------------------------------------

    def _models(self, received: Received, record: Record) -> tuple[Plan, Record]:
        query = {key: values[-1] for key, values in parse_qs(urlsplit(received.target).query).items()}
        names = list(MODELS)
        for side in ("after_id", "before_id"):
            if query.get(side, names[0]) not in names:
                return _refuse(REFUSALS["unknown-model"].about(query[side]), record)
        limit = query.get("limit", str(DEFAULT_PAGE))
        if not limit.isdecimal() or not 1 <= int(limit) <= LONGEST_PAGE:
            text = f"invalid params, limit must be from 1 to {LONGEST_PAGE} (2013)"
            return _refuse(Refusal(400, "invalid_request_error", text), record)
        if "after_id" in query:
            names = names[names.index(query["after_id"]) + 1 :]
        if "before_id" in query:
            names = names[: names.index(query["before_id"])] if query["before_id"] in names else []
        backwards = "before_id" in query and "after_id" not in query
        page = names[-int(limit) :] if backwards else names[: int(limit)]
        value = {
            "data": [_model(name) for name in page],
            "first_id": page[0] if page else None,
            "last_id": page[-1] if page else None,
            "has_more": len(page) < len(names),
        }
        return json_plan(200, value, new_id()), record


def _model(name: str) -> dict[str, str]:
    created = CREATED[name.removesuffix("-highspeed")]
    return {"id": name, "type": "model", "display_name": name, "created_at": created}


def _waiting(sending: Plan, seconds: float) -> Plan:
    return replace(sending, steps=chain([Pause(seconds)], sending.steps)) if seconds else sending


def _refuse(refusal: Refusal, record: Record) -> tuple[Plan, Record]:
    request_id = new_id()
    sending = json_plan(refusal.status, error_body(refusal, request_id), request_id)
    return sending, replace(record, problems=(refusal.message,))
