"""Faults in the bytes, the HTTP framing and the connection."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Literal

from mm_magics.simulator.answer import Fault, StreamPosition
from mm_magics.simulator.steps import (
    Break,
    Event,
    Head,
    Pause,
    ResponsePlan,
    Step,
    Unframed,
    complete_body,
    encode,
    head,
    new_id,
    split,
    sse,
)

PlanFault = Callable[[ResponsePlan, Fault], ResponsePlan]

ELSEWHERE = "http://elsewhere.invalid/anthropic/v1/messages"
HTML = b"<!DOCTYPE html>\n<html><head><title>%s</title></head><body><h1>%s</h1><hr>nginx</body></html>\n"
GZIP = 31
"""zlib's `wbits` for the gzip container."""


def _from_the_start(*steps: Step) -> PlanFault:
    """Send these steps instead of the answer."""
    return lambda plan, _: replace(plan, steps=steps)


def _after_head(*end: Step) -> PlanFault:
    def fault(plan: ResponsePlan, _: Fault) -> ResponsePlan:
        def steps() -> Iterator[Step]:
            for step in plan.steps:
                yield step
                if isinstance(step, Head):
                    yield from end
                    return

        return replace(plan, steps=steps())

    return fault


def _midway(*end: Step) -> PlanFault:
    """Send the answer up to the fault's position (3 deltas, or half of an unstreamed body), then these steps."""

    def fault(plan: ResponsePlan, settings: Fault) -> ResponsePlan:
        def steps() -> Iterator[Step]:
            first, _ = split(plan.steps, settings.spot or StreamPosition(after=3), plan.encode)
            yield from first
            yield from end

        return replace(plan, steps=steps())

    return fault


def _instead(status: int, content_type: str, body: bytes) -> PlanFault:
    return lambda plan, _: replace(plan, steps=complete_body(head(status, content_type, new_id()), body))


def _redirect(plan: ResponsePlan, settings: Fault) -> ResponsePlan:
    return replace(plan, steps=complete_body(Head(307, (("location", settings.to or ELSEWHERE),)), b""))


def _redirect_loop(plan: ResponsePlan, _: Fault) -> ResponsePlan:
    return replace(plan, steps=complete_body(Head(307, (("location", "/anthropic/v1/messages"),)), b""))


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
    """Split `data` into several lines. The reader joins them with newlines, which mean nothing between JSON tokens."""
    data = encode(event.data)
    return b"event: " + event.name.encode() + b"\ndata:" + data[:1] + b"\ndata: " + data[1:] + b"\nid: 7\nretry: 1\n\n"


def _bad_utf8(event: Event) -> bytes:
    return sse(event).replace(b'_delta","text":"', b'_delta","text":"\xff\xc3')


def _body_bytes(plan: ResponsePlan) -> Iterator[Step]:
    """Yield the plan's steps, with events encoded as bytes."""
    for step in plan.steps:
        yield plan.encode(step) if isinstance(step, Event) else step


def _byte_by_byte(plan: ResponsePlan, _: Fault) -> ResponsePlan:
    def steps() -> Iterator[Step]:
        for step in _body_bytes(plan):
            if isinstance(step, bytes):
                yield from (step[n : n + 1] for n in range(len(step)))
            else:
                yield step

    return replace(plan, steps=steps())


def _no_last_newline(plan: ResponsePlan, _: Fault) -> ResponsePlan:
    def steps() -> Iterator[Step]:
        for step in plan.steps:
            if isinstance(step, Event) and step.name == "message_stop":
                yield plan.encode(step).rstrip(b"\r\n")
            else:
                yield step

    return replace(plan, steps=steps())


def _with_bom(plan: ResponsePlan, _: Fault) -> ResponsePlan:
    def steps() -> Iterator[Step]:
        for step in plan.steps:
            yield step
            if isinstance(step, Head) and ("content-type", "text/event-stream") in step.headers:
                yield b"\xef\xbb\xbf"

    return replace(plan, steps=steps())


def _gzip(cut: bool) -> PlanFault:
    def fault(plan: ResponsePlan, _: Fault) -> ResponsePlan:
        def steps() -> Iterator[Step]:
            compressor = zlib.compressobj(wbits=GZIP)
            for step in _body_bytes(plan):
                if isinstance(step, Head):
                    headers = tuple(pair for pair in step.headers if pair[0] != "content-length")
                    yield Head(step.status, (*headers, ("content-encoding", "gzip")))
                elif isinstance(step, bytes):
                    yield compressor.compress(step) + compressor.flush(zlib.Z_SYNC_FLUSH)
                else:
                    yield step
            if not cut:
                yield compressor.flush()

        if not cut:
            return replace(plan, steps=steps())
        return replace(plan, steps=_first_half(steps()))

    return fault


def _first_half(steps: Iterable[Step]) -> Iterator[Step]:
    """Yield the steps with only the first half of the body's bytes."""
    complete = list(steps)
    left = sum(len(step) for step in complete if isinstance(step, bytes)) // 2
    for step in complete:
        if not isinstance(step, bytes):
            yield step
        elif left > 0:
            yield step[:left]
            left -= len(step)


def _as_json(plan: ResponsePlan, _: Fault) -> ResponsePlan:
    """Send the unstreamed form of the message although a stream was requested."""
    return replace(plan, steps=complete_body(head(200, "application/json; charset=utf-8", new_id()), plan.unstreamed))


def _status(code: int, text: bytes) -> PlanFault:
    return _instead(code, "text/html", HTML % (text, text))


_BASE_RESP = encode({"base_resp": {"status_code": 1004, "status_msg": "login fail: Please carry the API secret key"}})
_FOREVER = Pause(None)

Kind = Literal["close", "reset"]


def _breaks(kind: Kind, verb: str) -> dict[str, tuple[str, PlanFault]]:
    return {
        f"{kind}-before-headers": (f"the connection is {verb} without an answer", _from_the_start(Break(kind))),
        f"{kind}-after-headers": (f"the connection is {verb} after the headers", _after_head(Break(kind))),
        kind: (f"the connection is {verb} in mid-answer", _midway(Break(kind))),
    }


FAULTS: Mapping[str, tuple[str, PlanFault]] = {
    **_breaks("close", "closed"),
    **_breaks("reset", "reset"),
    "silence-before-headers": ("no answer, forever", _from_the_start(_FOREVER)),
    "silence-after-headers": ("headers, then silence forever", _after_head(_FOREVER)),
    "silence": ("silence forever in mid-answer", _midway(_FOREVER)),
    "end": ("the body ends properly in mid-answer", _midway()),
    "html": ("an HTML page with status 200", _status(200, b"Welcome to nginx!")),
    "html-502": ("an HTML page with status 502", _status(502, b"502 Bad Gateway")),
    "html-504": ("an HTML page with status 504", _status(504, b"504 Gateway Time-out")),
    "empty": ("status 200 and an empty body", _instead(200, "text/event-stream", b"")),
    "empty-502": ("status 502 and an empty body", _instead(502, "text/plain", b"")),
    "not-found": ("status 404 in plain text", _instead(404, "text/plain", b"404 page not found")),
    "json": ("JSON instead of a stream", _as_json),
    "base-resp": ("status 200 and only a base_resp with an error", _instead(200, "application/json", _BASE_RESP)),
    "cut-json-body": (
        "status 500 and truncated JSON",
        _instead(500, "application/json", b'{"type": "error", "er'),
    ),
    "redirect": ("307 to another host, `to` if given", _redirect),
    "redirect-loop": ("307 to the same URL, forever", _redirect_loop),
    "not-http": (
        "bytes that are not HTTP",
        _from_the_start(Unframed(b"\x15\x03\x01 this is no HTTP\r\n\r\n"), Break("close")),
    ),
    "bad-chunk": (
        "a chunk whose size is not a number, in mid-answer",
        _midway(Unframed(b"zz\r\nwhat\r\n"), Break("close")),
    ),
    "byte-by-byte": ("each byte in a separate chunk, so UTF-8 is split", _byte_by_byte),
    "crlf": ("lines that end in CRLF", _encoded(_crlf)),
    "cr": ("lines that end in CR", _encoded(_cr)),
    "bom": ("the stream starts with a byte order mark", _with_bom),
    "comments": ("SSE comments between events", _encoded(_comments)),
    "no-event-lines": ("events without an event: line", _encoded(_nameless)),
    "many-data-lines": ("data in several lines, with id: and retry: lines", _encoded(_many_lines)),
    "no-last-newline": ("no blank line after the last event", _no_last_newline),
    "bad-utf8": ("text with bytes that are not UTF-8", _encoded(_bad_utf8)),
    "gzip": ("a gzip body", _gzip(cut=False)),
    "cut-gzip": ("a gzip body that is truncated in the middle", _gzip(cut=True)),
}
"""Faults in mid-answer occur at the fault's `spot`, by default after 3 deltas."""
