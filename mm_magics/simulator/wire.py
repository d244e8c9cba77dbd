"""Turn an answer into a message, in its streamed and its unstreamed form, and into the plan that sends it.

Both forms have the same content and usage. Their formats are described in `minimax-api.md`, sections Stream, Not
streamed and Error body.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from mm_magics.api.messages import Block
from mm_magics.api.sendable import REASONING
from mm_magics.simulator.answer import ScriptedAnswer, StreamPosition, complete_blocks, signature, truncate_blocks
from mm_magics.simulator.cache import Counters
from mm_magics.simulator.contract import Refusal, Request
from mm_magics.simulator.steps import (
    Event,
    Pause,
    ResponsePlan,
    Step,
    complete_body,
    encode,
    head,
    new_id,
    split,
    to_json,
)
from mm_magics.simulator.tokens import count, output_tokens


def error_body(refusal: Refusal, request_id: str) -> dict[str, Any]:
    error = {"type": refusal.type, "message": refusal.message, "http_code": str(refusal.status)}
    return {"type": "error", "error": error, "request_id": request_id}


def json_plan(status: int, value: object, request_id: str, *more: tuple[str, str]) -> ResponsePlan:
    return ResponsePlan(
        complete_body(head(status, "application/json; charset=utf-8", request_id, *more), encode(value))
    )


@dataclass(frozen=True, slots=True)
class Reply:
    """A message to send. `cut_json` is the start of the last call's input if `max_tokens` truncated it.

    `base_resp` is MiniMax's own status beside the message. A stream has it only in case of an error. With
    `empty_signature` a streamed block of thinking starts with one, as those of Anthropic's endpoint do.
    """

    id: str
    model: str
    content: list[Block]
    stop_reason: str
    counters: Counters
    answer: ScriptedAnswer
    cut_json: str | None = None
    base_resp: tuple[int, str] = (0, "")
    empty_signature: bool = False

    @property
    def usage(self) -> dict[str, int]:
        output = output_tokens(self.content)
        if self.cut_json is not None:
            output = output_tokens(self.content[:-1]) + count(str(self.content[-1].get("name", "")) + self.cut_json)
        return {
            "input_tokens": self.counters.input,
            "output_tokens": output,
            "cache_creation_input_tokens": self.counters.creation,
            "cache_read_input_tokens": self.counters.read,
        }


def build_reply(
    request: Request, answer: ScriptedAnswer, counters: Counters, sign: Callable[[str], str] = signature
) -> Reply:
    """Turn the answer into a message of at most `max_tokens`, with its thinking signed by `sign`."""
    full = complete_blocks(answer.blocks, request.seed, sign)
    content, room = truncate_blocks(full, request.max_tokens, sign)
    calls = any(block.get("type") == "tool_use" for block in content)
    stop = answer.stop_reason if answer.stop_reason is not None else "tool_use" if calls else "end_turn"
    cut_json = None if room is None else to_json(full[len(content) - 1]["input"])[:room]
    if content != full:
        stop = "max_tokens"
    return Reply(new_id(), request.model, content, stop, counters, answer, cut_json)


def build_plan(reply: Reply, stream: bool, rate: float | None) -> ResponsePlan:
    """Return the plan that sends the reply. An unstreamed reply with a rate takes as long as its stream."""
    answer = reply.answer
    body = encode(message(reply))
    if not stream:
        seconds = answer.stall + (sum(event.delta for event in events(reply)) / rate if rate else 0)
        start: list[Step] = [Pause(seconds)] if seconds else []
        return ResponsePlan(
            [*start, *complete_body(head(200, "application/json; charset=utf-8", reply.id), body)], unstreamed=body
        )
    opening = head(200, "text/event-stream", reply.id, ("cache-control", "no-cache"))

    def steps() -> Iterator[Step]:
        yield opening
        if not answer.stall:
            yield from events(reply)
            return
        first, rest = split(events(reply), answer.spot or StreamPosition())
        yield from first
        yield Pause(answer.stall)
        yield from rest

    return ResponsePlan(steps(), rate, body)


def message(reply: Reply) -> dict[str, Any]:
    """Return the unstreamed form: with `base_resp`, without `stop_sequence`, and without cache counters that are 0."""
    usage = {key: value for key, value in reply.usage.items() if value or not key.startswith("cache_")}
    return {
        "id": reply.id,
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "content": reply.content,
        "stop_reason": reply.stop_reason,
        "usage": usage,
        "base_resp": _base_resp(reply),
    }


def _base_resp(reply: Reply) -> dict[str, Any]:
    return dict(zip(("status_code", "status_msg"), reply.base_resp, strict=True))


def events(reply: Reply) -> Iterator[Event]:
    """Yield the streamed form. `message_start` has no token counts yet; `message_delta` has all four counters."""
    start: dict[str, Any] = {
        "id": reply.id,
        "type": "message",
        "role": "assistant",
        "content": [],
        "model": reply.model,
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 0, "output_tokens": 0},
    }
    yield Event("message_start", {"type": "message_start", "message": start})
    yield Event("ping", {"type": "ping"})
    for index, block in enumerate(reply.content):
        cut = reply.cut_json if index == len(reply.content) - 1 else None
        for event in block_events(index, block, reply.answer, cut):
            if reply.empty_signature and event.name == "content_block_start" and block.get("type") == "thinking":
                event.data["content_block"]["signature"] = ""
            yield event
    end = {"type": "message_delta", "delta": {"stop_reason": reply.stop_reason}, "usage": reply.usage}
    if reply.base_resp[0]:
        end["base_resp"] = _base_resp(reply)
    yield Event("message_delta", end)
    yield Event("message_stop", {"type": "message_stop"})


def block_events(index: int, block: Block, answer: ScriptedAnswer, cut_json: str | None = None) -> Iterator[Event]:
    """Yield the events of one block: start, deltas, stop. A type without deltas is complete in its start event."""
    kind = block.get("type")
    if kind == "text":
        reasoning = block.get(REASONING)
        yield _start(index, {**{name: value for name, value in block.items() if name != REASONING}, "text": ""})
        for piece in _pieces(reasoning or "", answer.thinking_size):
            yield delta(index, {"type": "text_delta", "text": "", REASONING: piece})
        for piece in _pieces(block["text"], answer.size):
            yield delta(index, {"type": "text_delta", "text": piece})
    elif kind == "thinking":
        bare = {key: value for key, value in block.items() if key != "signature"}
        yield _start(index, {**bare, "thinking": ""})
        for piece in _pieces(block["thinking"], answer.thinking_size):
            yield delta(index, {"type": "thinking_delta", "thinking": piece})
        if "signature" in block:
            signed = {"type": "signature_delta", "signature": block["signature"]}
            yield Event(
                "content_block_delta", {"type": "content_block_delta", "index": index, "delta": signed}, delta=False
            )
    elif kind == "tool_use":
        yield _start(index, {**block, "input": {}})
        written = cut_json if cut_json is not None else to_json(block.get("input", {}))
        for piece in _pieces(written, answer.fragments):
            yield delta(index, {"type": "input_json_delta", "partial_json": piece})
    else:
        yield _start(index, block)
    yield Event("content_block_stop", {"type": "content_block_stop", "index": index})


def _start(index: int, block: Block) -> Event:
    return Event("content_block_start", {"type": "content_block_start", "index": index, "content_block": block})


def delta(index: int, data: dict[str, Any]) -> Event:
    return Event("content_block_delta", {"type": "content_block_delta", "index": index, "delta": data}, delta=True)


def _pieces(text: str, size: int | None) -> Iterator[str]:
    if not text:
        return
    step = size or len(text)
    for start in range(0, len(text), step):
        yield text[start : start + step]
