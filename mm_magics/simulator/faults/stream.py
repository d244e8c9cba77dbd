"""Faults in the order, type and content of a stream's events. An unstreamed answer is not changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from mm_magics.simulator.answer import Fault, StreamPosition
from mm_magics.simulator.steps import Event, Pause, ResponsePlan, Step, split
from mm_magics.simulator.wire import delta

PINGS_PER_SECOND = 20

EventFault = Callable[[Event], Iterable[Event]]


def _each(change: EventFault) -> Callable[[ResponsePlan, Fault], ResponsePlan]:
    """Replace every event by the events that `change` returns."""

    def fault(plan: ResponsePlan, _: Fault) -> ResponsePlan:
        def steps() -> Iterator[Step]:
            for step in plan.steps:
                if isinstance(step, Event):
                    yield from change(step)
                else:
                    yield step

        return replace(plan, steps=steps())

    return fault


def _inserted(
    middle: Callable[[Event], Iterable[Step]], resume: bool = True
) -> Callable[[ResponsePlan, Fault], ResponsePlan]:
    """Insert steps made from the last delta at the fault's position, then send the rest if `resume`."""

    def fault(plan: ResponsePlan, settings: Fault) -> ResponsePlan:
        def steps() -> Iterator[Step]:
            first, rest = split(plan.steps, settings.spot or StreamPosition(after=3), plan.encode)
            last = None
            for step in first:
                if isinstance(step, Event):
                    last = step if step.delta or last is None else last
                yield step
            if last is not None:
                yield from middle(last)
            if last is None or resume:
                yield from rest

        return replace(plan, steps=steps())

    return fault


def _no_usage(event: Event) -> Iterable[Event]:
    if event.name == "message_delta":
        return [Event(event.name, {"type": event.name, "delta": {"stop_reason": ""}})]
    return [event]


def _without(name: str) -> EventFault:
    return lambda event: [] if event.name == name else [event]


def _cut_json(event: Event) -> Iterable[Event]:
    part = event.data.get("delta", {})
    if part.get("type") == "input_json_delta":
        written = part["partial_json"]
        return [delta(event.data["index"], {**part, "partial_json": written[: len(written) // 2]})]
    return [event]


def _altered_call(event: Event) -> Iterable[Event]:
    """Send events of other kinds into a tool call: a front end that shows what is streamed shows another call."""
    yield event
    if event.data.get("content_block", {}).get("type") == "tool_use":
        yield delta(event.data["index"], {"type": "text_delta", "text": '{"harmless": true}'})
        yield delta(event.data["index"], {"type": "rename_delta", "name": "", "input": {"harmless": True}})


def _doubled(name: str) -> EventFault:
    return lambda event: [event, event] if event.name == name else [event]


def _with_unknown_fields(event: Event) -> Iterable[Event]:
    return [replace(event, data={**event.data, "x_minimax": {"shade": 7}})]


def _no_signature_delta(event: Event) -> Iterable[Event]:
    """Leave the signature in the block's start event only."""
    return [] if event.data.get("delta", {}).get("type") == "signature_delta" else [event]


def _repeat_forever(last: Event) -> Iterator[Step]:
    while True:
        yield last


def _pings(_: Event) -> Iterator[Step]:
    while True:
        yield Event("ping", {"type": "ping"})
        yield Pause(1 / PINGS_PER_SECOND)


def _unknown_event(_: Event) -> Iterable[Step]:
    return [Event("hologram", {"type": "hologram", "depth": 3})]


def _unknown_delta(last: Event) -> Iterable[Step]:
    return [delta(last.data.get("index", 0), {"type": "hologram_delta", "depth": 3})]


def _stray_delta(_: Event) -> Iterable[Step]:
    return [delta(99, {"type": "text_delta", "text": "a delta for a block that never started"})]


def _raw(*lines: bytes) -> Callable[[Event], Iterable[Step]]:
    return lambda _: lines


_CUT = b'event: content_block_delta\ndata: {"type": "content_block_delta", "index": 0, "delta": {"ty\n\n'
_BASE_RESP = b'data: {"base_resp": {"status_code": 1000, "status_msg": "unknown error"}}\n\n'
_NO_OBJECTS = b"event: content_block_delta\ndata: [1, 2]\n\nevent: content_block_delta\ndata: null\n\n"


FAULTS: Mapping[str, tuple[str, Callable[[ResponsePlan, Fault], ResponsePlan]]] = {
    "no-usage": ('message_delta has stop_reason "" and no usage', _each(_no_usage)),
    "no-message-start": ("the stream has no message_start", _each(_without("message_start"))),
    "no-message-delta": ("the stream has no message_delta", _each(_without("message_delta"))),
    "no-message-stop": ("the stream ends without message_stop", _each(_without("message_stop"))),
    "no-block-stop": ("no block has a content_block_stop", _each(_without("content_block_stop"))),
    "twice-started": ("every content_block_start is sent twice", _each(_doubled("content_block_start"))),
    "twice-delivered": ("every delta is sent twice", _each(_doubled("content_block_delta"))),
    "cut-tool-json": ("the input of a tool call is truncated JSON", _each(_cut_json)),
    "altered-call": ("deltas of other kinds are sent into every tool call", _each(_altered_call)),
    "base-resp-event": ("an event that contains only a base_resp with an error", _inserted(_raw(_BASE_RESP), False)),
    "event-fields": ("every event has an unknown field", _each(_with_unknown_fields)),
    "no-signature": ("no signature_delta is sent", _each(_no_signature_delta)),
    "unknown-event": ("an event with an unknown name", _inserted(_unknown_event)),
    "unknown-delta": ("a delta of an unknown type", _inserted(_unknown_delta)),
    "stray-delta": ("a delta for a block that never started", _inserted(_stray_delta)),
    "bad-json": ("an event whose data is truncated JSON", _inserted(_raw(_CUT))),
    "not-an-object": ("events whose data is JSON, but not an object", _inserted(_raw(_NO_OBJECTS))),
    "done": ("a [DONE] in mid-stream, as at the end of other APIs' streams", _inserted(_raw(b"data: [DONE]\n\n"))),
    "endless": ("the last delta, repeated forever", _inserted(_repeat_forever, False)),
    "pings": ("pings forever, and nothing else", _inserted(_pings, False)),
}
"""Faults at one position of the stream occur at the fault's `spot`, by default after 3 deltas."""
