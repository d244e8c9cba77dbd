"""Faults in the bytes, the HTTP around them and the connection under them. See `faults.NAMES`."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Literal

from mm_magics.simulator.answer import Fault, Spot
from mm_magics.simulator.steps import (
    Break,
    Event,
    Head,
    Pause,
    Plan,
    Step,
    Unframed,
    encode,
    head,
    new_id,
    split,
    sse,
    whole,
)

PlanFault = Callable[[Plan, Fault], Plan]

ELSEWHERE = "http://elsewhere.invalid/anthropic/v1/messages"
HTML = b"<!DOCTYPE html>\n<html><head><title>%s</title></head><body><h1>%s</h1><hr>nginx</body></html>\n"
GZIP = 31
"""zlib's `wbits` for the gzip container."""


def _from_the_start(*steps: Step) -> PlanFault:
    """These steps in place of the answer."""
    return lambda plan, _: replace(plan, steps=steps)


def _after_head(*end: Step) -> PlanFault:
    def fault(plan: Plan, _: Fault) -> Plan:
        def steps() -> Iterator[Step]:
            for step in plan.steps:
                yield step
                if isinstance(step, Head):
                    yield from end
                    return

        return replace(plan, steps=steps())

    return fault


def _midway(*end: Step) -> PlanFault:
    """The answer up to the fault's spot (3 deltas, or half of a body that is not streamed), then these steps."""

    def fault(plan: Plan, how: Fault) -> Plan:
        def steps() -> Iterator[Step]:
            first, _ = split(plan.steps, how.spot or Spot(after=3), plan.encode)
            yield from first
            yield from end

        return replace(plan, steps=steps())

    return fault


def _instead(status: int, content_type: str, body: bytes) -> PlanFault:
    return lambda plan, _: replace(plan, steps=whole(head(status, content_type, new_id()), body))


def _redirect(plan: Plan, how: Fault) -> Plan:
    return replace(plan, steps=whole(Head(307, (("location", how.to or ELSEWHERE),)), b""))


def _redirect_loop(plan: Plan, _: Fault) -> Plan:
    return replace(plan, steps=whole(Head(307, (("location", "/anthropic/v1/messages"),)), b""))


def _encoded(form: Callable[[Event], bytes]) -> PlanFault:
    return lambda plan, _: replace(plan, encode=form)


def _crlf(event: Event) -> bytes:
    return sse(event).replace(b"\n", b"\r\n")


def _cr(event: Event) -> bytes:
    return sse(event).replace(b"\n", b"\r")


def _comments(event: Event) -> bytes:
    return b": keep-alive\n\n:\n" + sse(event)


def _nameless(event: Event) -> bytes:
    return b"data: " + encode(event.data) + b"\n\n"


def _many_lines(event: Event) -> bytes:
    """`data` in several lines, which the reader joins with a newline: between JSON's tokens it means nothing."""
    data = encode(event.data)
    return b"event: " + event.name.encode() + b"\ndata:" + data[:1] + b"\ndata: " + data[1:] + b"\nid: 7\nretry: 1\n\n"


def _bad_utf8(event: Event) -> bytes:
    return sse(event).replace(b'_delta","text":"', b'_delta","text":"\xff\xc3')


def _body_bytes(plan: Plan) -> Iterator[Step]:
    """The plan's steps with its events as bytes."""
    for step in plan.steps:
        yield plan.encode(step) if isinstance(step, Event) else step


def _byte_by_byte(plan: Plan, _: Fault) -> Plan:
    def steps() -> Iterator[Step]:
        for step in _body_bytes(plan):
            if isinstance(step, bytes):
                yield from (step[n : n + 1] for n in range(len(step)))
            else:
                yield step

    return replace(plan, steps=steps())


def _no_last_newline(plan: Plan, _: Fault) -> Plan:
    def steps() -> Iterator[Step]:
        for step in plan.steps:
            if isinstance(step, Event) and step.name == "message_stop":
                yield plan.encode(step).rstrip(b"\r\n")
            else:
                yield step

    return replace(plan, steps=steps())


def _with_bom(plan: Plan, _: Fault) -> Plan:
    def steps() -> Iterator[Step]:
        for step in plan.steps:
            yield step
            if isinstance(step, Head) and ("content-type", "text/event-stream") in step.headers:
                yield b"\xef\xbb\xbf"

    return replace(plan, steps=steps())


def _gzip(cut: bool) -> PlanFault:
    def fault(plan: Plan, _: Fault) -> Plan:
        def steps() -> Iterator[Step]:
            squeeze = zlib.compressobj(wbits=GZIP)
            for step in _body_bytes(plan):
                if isinstance(step, Head):
                    kept = tuple(pair for pair in step.headers if pair[0] != "content-length")
                    yield Head(step.status, (*kept, ("content-encoding", "gzip")))
                elif isinstance(step, bytes):
                    yield squeeze.compress(step) + squeeze.flush(zlib.Z_SYNC_FLUSH)
                else:
                    yield step
            if not cut:
                yield squeeze.flush()

        if not cut:
            return replace(plan, steps=steps())
        return replace(plan, steps=_first_half(steps()))

    return fault


def _first_half(steps: Iterable[Step]) -> Iterator[Step]:
    """The steps with only half of the body's bytes."""
    known = list(steps)
    left = sum(len(step) for step in known if isinstance(step, bytes)) // 2
    for step in known:
        if not isinstance(step, bytes):
            yield step
        elif left > 0:
            yield step[:left]
            left -= len(step)


def _as_json(plan: Plan, _: Fault) -> Plan:
    """The message as it would be unstreamed; what its stream's events say, in one body."""
    return replace(plan, steps=whole(head(200, "application/json; charset=utf-8", new_id()), plan.unstreamed))


def _status(code: int, text: bytes) -> PlanFault:
    return _instead(code, "text/html", HTML % (text, text))


_BASE_RESP = encode({"base_resp": {"status_code": 1004, "status_msg": "login fail: Please carry the API secret key"}})
_FOREVER = Pause(None)

Kind = Literal["close", "reset"]


def _breaks(kind: Kind, verb: str) -> dict[str, tuple[str, PlanFault]]:
    return {
        f"{kind}-before-headers": (f"the connection is {verb} with no answer", _from_the_start(Break(kind))),
        f"{kind}-after-headers": (f"the connection is {verb} after the headers", _after_head(Break(kind))),
        kind: (f"the connection is {verb} in mid-answer", _midway(Break(kind))),
    }


FAULTS: Mapping[str, tuple[str, PlanFault]] = {
    **_breaks("close", "closed"),
    **_breaks("reset", "reset"),
    "silence-before-headers": ("no answer, for ever", _from_the_start(_FOREVER)),
    "silence-after-headers": ("headers, then silence for ever", _after_head(_FOREVER)),
    "silence": ("silence for ever in mid-answer", _midway(_FOREVER)),
    "end": ("the body ends in mid-answer, in good order", _midway()),
    "html": ("a page of HTML with status 200", _status(200, b"Welcome to nginx!")),
    "html-502": ("a page of HTML with status 502", _status(502, b"502 Bad Gateway")),
    "html-504": ("a page of HTML with status 504", _status(504, b"504 Gateway Time-out")),
    "empty": ("status 200 and an empty body", _instead(200, "text/event-stream", b"")),
    "empty-502": ("status 502 and an empty body", _instead(502, "text/plain", b"")),
    "not-found": ("status 404 in plain text", _instead(404, "text/plain", b"404 page not found")),
    "json": ("JSON, whatever was asked", _as_json),
    "base-resp": ("status 200 and a base_resp with an error alone", _instead(200, "application/json", _BASE_RESP)),
    "cut-json-body": (
        "status 500 and JSON cut in its middle",
        _instead(500, "application/json", b'{"type": "error", "er'),
    ),
    "redirect": ("307 to another host, `to` if given", _redirect),
    "redirect-loop": ("307 to the same place, for ever", _redirect_loop),
    "not-http": (
        "bytes that are no HTTP",
        _from_the_start(Unframed(b"\x15\x03\x01 this is no HTTP\r\n\r\n"), Break("close")),
    ),
    "bad-chunk": (
        "a chunk whose size is no number, in mid-answer",
        _midway(Unframed(b"zz\r\nwhat\r\n"), Break("close")),
    ),
    "byte-by-byte": ("every byte in a chunk of its own, so UTF-8 is split", _byte_by_byte),
    "crlf": ("lines that end in CRLF", _encoded(_crlf)),
    "cr": ("lines that end in CR", _encoded(_cr)),
    "bom": ("the stream starts with a byte order mark", _with_bom),
    "comments": ("SSE comments between events", _encoded(_comments)),
    "no-event-lines": ("events with no event: line", _encoded(_nameless)),
    "many-data-lines": ("data in several lines, with id: and retry: lines", _encoded(_many_lines)),
    "no-last-newline": ("the last event has no blank line after it", _no_last_newline),
    "bad-utf8": ("text with bytes that are no UTF-8", _encoded(_bad_utf8)),
    "gzip": ("a body squeezed with gzip", _gzip(cut=False)),
    "cut-gzip": ("a body squeezed with gzip and cut in its middle", _gzip(cut=True)),
}
"""Those in mid-answer take their place from the fault's spot, else after 3 deltas."""
