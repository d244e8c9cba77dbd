"""What the server can do, step by step: heads, events, bytes, silences, breaks; and the plan that they make.

Always true: a plan's steps are followed once, in order; bytes on the wire come from steps and from nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal
from uuid import uuid4

from mm_magics.simulator.answer import Spot

to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def encode(value: object) -> bytes:
    return to_json(value).encode("utf-8", "replace")


def new_id() -> str:
    """32 hex characters, as in message ids and `request_id`."""
    return uuid4().hex


@dataclass(frozen=True, slots=True)
class Head:
    """Status and headers."""

    status: int
    headers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Event:
    """A server-sent event. Events are sent together where nothing holds them apart."""

    name: str
    data: dict[str, Any]
    delta: bool = False
    """Whether it carries content: text, thinking or a tool's input. These are counted and paced."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Silence; for ever where `seconds` is None."""

    seconds: float | None


@dataclass(frozen=True, slots=True)
class Break:
    """The connection ends here: closed (FIN) or reset (RST)."""

    kind: Literal["close", "reset"]


@dataclass(frozen=True, slots=True)
class Unframed:
    """Bytes that go out as they are, past HTTP's framing."""

    data: bytes


Step = Head | Event | bytes | Pause | Break | Unframed
"""One thing the server does. `bytes` are body bytes, sent in a chunk of their own. After the last one the body ends."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything the server does for one request. `rate`: deltas a second, None for as fast as it goes.

    `unstreamed`: the body of the same answer when no stream is asked.
    """

    steps: Iterable[Step]
    rate: float | None = None
    unstreamed: bytes = b""
    encode: Callable[[Event], bytes] = lambda event: sse(event)


def sse(event: Event) -> bytes:
    return b"event: " + event.name.encode() + b"\ndata: " + encode(event.data) + b"\n\n"


def head(status: int, content_type: str, request_id: str, *more: tuple[str, str]) -> Head:
    """The endpoint's headers; there is no `request-id`."""
    ids = ("minimax-request-id", "x-mm-request-id", "trace-id")
    return Head(status, (("content-type", content_type), *((name, request_id) for name in ids), *more))


def whole(head: Head, body: bytes) -> list[Step]:
    """An answer that is not streamed."""
    return [Head(head.status, (*head.headers, ("content-length", str(len(body))))), body]


def split(
    steps: Iterable[Step], spot: Spot, encode: Callable[[Event], bytes] = sse
) -> tuple[Iterator[Step], Iterator[Step]]:
    """The steps up to a spot, and those after it; take the first to its end before the second.

    A spot that never comes leaves the second part empty. A body that is not a stream is split in its middle.
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
