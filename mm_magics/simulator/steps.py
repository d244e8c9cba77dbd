"""The steps of a response: heads, events, bytes, pauses and breaks, and the plan that they form.

The server carries out a plan's steps once, in order, and sends no byte that is not part of a step.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal
from uuid import uuid4

from mm_magics.simulator.answer import StreamPosition

to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def encode(value: object) -> bytes:
    return to_json(value).encode("utf-8", "replace")


def new_id() -> str:
    """Return 32 random hex characters, as in message ids and `request_id`."""
    return uuid4().hex


@dataclass(frozen=True, slots=True)
class Head:
    """Status and headers."""

    status: int
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Event:
    """A server-sent event. Consecutive events are sent together unless the rate or a pause separates them."""

    name: str
    data: dict[str, Any]
    delta: bool = False
    """Whether it carries content: text, thinking or a tool's input. Deltas are counted and paced."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Silence for this many seconds; forever if None."""

    seconds: float | None


@dataclass(frozen=True, slots=True)
class Break:
    """The end of the connection: closed (FIN) or reset (RST)."""

    kind: Literal["close", "reset"]


@dataclass(frozen=True, slots=True)
class Unframed:
    """Bytes that bypass HTTP framing."""

    data: bytes


Step = Head | Event | bytes | Pause | Break | Unframed
"""One action of the server. `bytes` are part of the body, sent in a separate chunk. The last step ends the body."""


@dataclass(frozen=True, slots=True)
class ResponsePlan:
    """Everything the server does for one request.

    Args:
        steps: The steps, in order.
        rate: Deltas per second. None: as fast as possible.
        unstreamed: The body of the same answer without streaming.
        encode: Turns an event into bytes.
    """

    steps: Iterable[Step]
    rate: float | None = None
    unstreamed: bytes = b""
    encode: Callable[[Event], bytes] = lambda event: sse(event)


def sse(event: Event) -> bytes:
    return b"event: " + event.name.encode() + b"\ndata: " + encode(event.data) + b"\n\n"


def head(status: int, content_type: str, request_id: str, *more: tuple[str, str]) -> Head:
    """Return a head with the headers that the endpoint sends. It sends no `request-id`."""
    ids = ("minimax-request-id", "x-mm-request-id", "trace-id")
    return Head(status, (("content-type", content_type), *((name, request_id) for name in ids), *more))


def complete_body(head: Head, body: bytes) -> list[Step]:
    """Return the steps of an answer that is not streamed."""
    return [Head(head.status, (*head.headers, ("content-length", str(len(body))))), body]


def split(
    steps: Iterable[Step], spot: StreamPosition, encode: Callable[[Event], bytes] = sse
) -> tuple[Iterator[Step], Iterator[Step]]:
    """Split the steps at a position. Consume the first part before the second.

    If the position never comes, the second part is empty. A body that is not a stream is split in the middle.
    """
    source = iter(steps)
    rest: list[Step] = []

    def first() -> Iterator[Step]:
        deltas = 0
        for step in source:
            if isinstance(step, bytes) and len(step) > 1:
                yield step[: len(step) // 2]
                rest.append(step[len(step) // 2 :])
                return
            if not isinstance(step, Event):
                yield step
                continue
            if step.name == spot.at and deltas >= spot.after:
                if spot.part == "during":
                    data = encode(step)
                    yield data[: len(data) // 2]
                    rest.append(data[len(data) // 2 :])
                elif spot.part == "after":
                    yield step
                else:
                    rest.append(step)
                return
            if spot.at is None and step.delta and spot.after == 0:
                rest.append(step)
                return
            yield step
            deltas += step.delta
            if spot.at is None and step.delta and deltas == spot.after:
                return

    def second() -> Iterator[Step]:
        yield from rest
        yield from source

    return first(), second()
