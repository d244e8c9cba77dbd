"""All faults by name: the errors of `minimax-api.md`, the defects it has observed, and network failures.

`NAMES` describes each fault. There are three kinds: refusals from the table of errors (an HTTP status, or an `error`
event in mid-stream if a position is given), faults in the reply (the content of the message, streamed or not), and
faults in the plan (the bytes on the wire). An answer without a fault never passes through this module.

    >>> from mm_magics.simulator.faults.catalogue import NAMES
    >>> NAMES["reset"]
    'the connection is reset in mid-answer'
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import chain

from mm_magics.errors import UsageError
from mm_magics.simulator.answer import Fault
from mm_magics.simulator.contract import REFUSALS, Refusal, Request
from mm_magics.simulator.faults import reply, stream, wire
from mm_magics.simulator.steps import Event, ResponsePlan, new_id, split
from mm_magics.simulator.wire import Reply, error_body, json_plan

ReplyFault = Callable[[Reply, Request], Reply]
PlanFault = Callable[[ResponsePlan, Fault], ResponsePlan]

REPLY: Mapping[str, tuple[str, ReplyFault]] = reply.FAULTS
PLAN: Mapping[str, tuple[str, PlanFault]] = {**stream.FAULTS, **wire.FAULTS}

NAMES: Mapping[str, str] = {
    **{name: f"{row.status} {row.type}: {row.message}" for name, row in REFUSALS.items()},
    **{name: meaning for name, (meaning, _) in REPLY.items()},
    **{name: meaning for name, (meaning, _) in PLAN.items()},
}
"""A one-line description of each fault."""


def check_fault(fault: Fault) -> None:
    """Check the fault's name.

    Raises:
        UsageError: If there is no such fault. The message lists all faults.
    """
    if fault.name not in NAMES:
        raise UsageError(f"unknown fault '{fault.name}'; the faults are {', '.join(NAMES)}")


def apply_to_reply(fault: Fault, reply: Reply, request: Request) -> Reply:
    """Apply the fault to the message."""
    return REPLY[fault.name][1](reply, request) if fault.name in REPLY else reply


def refusal_plan(fault: Fault, stream: bool) -> ResponsePlan | None:
    """Return the plan of a refusal that replaces the answer, or None if the fault is of another kind."""
    if fault.name not in REFUSALS or (stream and fault.spot is not None):
        return None
    refusal, request_id = _refusal(fault), new_id()
    more = [("retry-after", fault.retry_after)] if fault.retry_after is not None else []
    return json_plan(refusal.status, error_body(refusal, request_id), request_id, *more)


def apply_to_plan(fault: Fault, plan: ResponsePlan) -> ResponsePlan:
    """Apply the fault to the plan."""
    if fault.name in REFUSALS and fault.spot is not None:
        first, _ = split(plan.steps, fault.spot, plan.encode)
        error = Event("error", error_body(_refusal(fault), new_id()))
        return replace(plan, steps=chain(first, [error]))
    return PLAN[fault.name][1](plan, fault) if fault.name in PLAN else plan


def _refusal(fault: Fault) -> Refusal:
    of_model = fault.name == "plan" or "model" in fault.name
    return REFUSALS[fault.name].about("MiniMax-M9" if of_model else "call_function_000000000000_1")


class FaultCounter:
    """Counts how often each fault occurred for each request, to honor `Fault.times`."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def occurs(self, fault: Fault, seed: str) -> bool:
        """Count the fault, and return whether it occurs this time."""
        if fault.times is None:
            return True
        key = (fault.name, seed)
        self._counts[key] += 1
        return self._counts[key] <= fault.times
