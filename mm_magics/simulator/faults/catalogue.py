"""Faults by name: everything `minimax-api.md` has seen to go wrong, every error of its table, and what networks do.

`NAMES` says what each does. Three kinds, after what they change: the refusals of the table (an HTTP status, or an
`error` event in mid-stream where a spot is given), the reply (what the message holds, in both forms), the plan (what
goes over the wire). Always true: without a fault, none of this module's code touches an answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import chain

from mm_magics.errors import UsageError
from mm_magics.simulator.answer import Fault
from mm_magics.simulator.contract import REFUSALS, Refusal, Request
from mm_magics.simulator.faults import reply, stream, wire
from mm_magics.simulator.steps import Event, Plan, new_id, split
from mm_magics.simulator.wire import Reply, error_body, json_plan

ReplyFault = Callable[[Reply, Request], Reply]
PlanFault = Callable[[Plan, Fault], Plan]

REPLY: Mapping[str, tuple[str, ReplyFault]] = reply.FAULTS
PLAN: Mapping[str, tuple[str, PlanFault]] = {**stream.FAULTS, **wire.FAULTS}

NAMES: Mapping[str, str] = {
    **{name: f"{row.status} {row.type}: {row.message}" for name, row in REFUSALS.items()},
    **{name: meaning for name, (meaning, _) in REPLY.items()},
    **{name: meaning for name, (meaning, _) in PLAN.items()},
}
"""What each fault does, in one line."""


def known(fault: Fault) -> Fault:
    """The fault, if there is one of that name; else `UsageError`, listing those there are."""
    if fault.name not in NAMES:
        raise UsageError(f"unknown fault '{fault.name}', known are {', '.join(NAMES)}")
    return fault


def on_reply(fault: Fault, reply: Reply, request: Request) -> Reply:
    """What the fault makes of the message."""
    return REPLY[fault.name][1](reply, request) if fault.name in REPLY else reply


def refusing(fault: Fault, stream: bool) -> Plan | None:
    """The plan of a refusal that comes in place of an answer, None where the fault is no such thing."""
    if fault.name not in REFUSALS or (stream and fault.spot is not None):
        return None
    refusal, request_id = _refusal(fault), new_id()
    more = [("retry-after", fault.retry_after)] if fault.retry_after is not None else []
    return json_plan(refusal.status, error_body(refusal, request_id), request_id, *more)


def on_plan(fault: Fault, plan: Plan) -> Plan:
    """What the fault makes of the sending."""
    if fault.name in REFUSALS and fault.spot is not None:
        first, _ = split(plan.steps, fault.spot, plan.encode)
        error = Event("error", error_body(_refusal(fault), new_id()))
        return replace(plan, steps=chain(first, [error]))
    return PLAN[fault.name][1](plan, fault) if fault.name in PLAN else plan


def _refusal(fault: Fault) -> Refusal:
    return REFUSALS[fault.name].about("MiniMax-M9" if "model" in fault.name else "call_function_000000000000_1")


@dataclass(slots=True)
class Strikes:
    """How often each fault has struck each request; a fault limited by `times` stops striking after that."""

    counts: dict[tuple[str, str], int]

    def strikes(self, fault: Fault, seed: str) -> bool:
        if fault.times is None:
            return True
        key = (fault.name, seed)
        self.counts[key] = self.counts.get(key, 0) + 1
        return self.counts[key] <= fault.times
