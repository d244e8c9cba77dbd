"""Events of a stream for tests, and their assembly."""

from __future__ import annotations

from typing import Any

from mm_magics.endpoint.assembler import Assembler
from mm_magics.endpoint.stream_events import StreamEvent

Event = dict[str, Any]
USER: Any = {"role": "user", "content": "hi"}


def started(**fields: Any) -> Event:
    message = {"id": "m1", "role": "assistant", "content": [], "usage": {"input_tokens": 0, "output_tokens": 0}}
    return {"type": "message_start", "message": {**message, **fields}}


def opened(index: int, **block: Any) -> Event:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, kind: str, **fields: Any) -> Event:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def text(index: int, text: str, **more: Any) -> Event:
    return delta(index, "text_delta", text=text, **more)


def stopped(index: int) -> Event:
    return {"type": "content_block_stop", "index": index}


def ended(stop_reason: str | None = "end_turn", **more: Any) -> list[Event]:
    return [{"type": "message_delta", "delta": {"stop_reason": stop_reason}, **more}, {"type": "message_stop"}]


def call(index: int, *pieces: str, stop: bool = True) -> list[Event]:
    return [
        opened(index, type="tool_use", id=f"t{index}", name="f", input={}),
        *(delta(index, "input_json_delta", partial_json=piece) for piece in pieces),
        *([stopped(index)] if stop else []),
    ]


def fed(*events: Event) -> tuple[Assembler, list[StreamEvent]]:
    assembler = Assembler()
    return assembler, [out for event in events for out in assembler.feed(event)]


def content(*events: Event) -> list[dict[str, Any]]:
    """Return the content of a message with these events between its start and its end."""
    return fed(started(), *events, *ended())[0].content
