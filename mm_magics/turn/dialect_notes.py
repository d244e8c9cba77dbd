"""What the user must know about an answer that departs from the Messages API in ways that models of this family do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from textwrap import shorten
from typing import Any

from mm_magics.api.dialect import OPEN, split_thinking, without_thinking
from mm_magics.api.messages import Block
from mm_magics.api.sendable import REASONING, sent_id, sent_name
from mm_magics.tools.loop import NOT_RUN_NOTE, text_calls

THINK_NOTE = "The model wrote thinking into its text. It is displayed as thinking."
REASONING_NOTE = f"The endpoint sent thinking as {REASONING}. It is displayed as thinking, and not sent back."
ID_NOTE = "The endpoint sent an id of a tool call that endpoints refuse. It is sent back with other characters."
NO_CALL_NOTE = "The endpoint reported a tool call, but sent none."


def dialect_notes(
    messages: Sequence[Mapping[str, Any]], unfinished: int | None, *, offers_tools: bool
) -> Iterator[str]:
    """Yield the notes about the messages of a turn.

    Args:
        messages: The model's messages of the turn, as received.
        unfinished: The index of the block of the last message that was cut, if any.
        offers_tools: Whether tools were offered.
    """
    content = [block for message in messages for block in message["content"]]
    if any(OPEN in text and any(p.kind == "thinking" for p in split_thinking(text)) for text in _texts(content)):
        yield THINK_NOTE
    if any(block.get(REASONING) for block in content):
        yield REASONING_NOTE
    calls = [block for block in content if block.get("type") == "tool_use"]
    for name in dict.fromkeys(str(call.get("name")) for call in calls):
        if name != (sent := sent_name(name)):
            yield f"Endpoints refuse the tool name “{shorten(name, 60, placeholder='…')}”. It is sent back as {sent}."
    if any(id_ != sent_id(id_) for id_ in (str(call.get("id")) for call in calls)):
        yield ID_NOTE
    if not messages:
        return
    last: Sequence[Block] = messages[-1]["content"]
    called = [str(block.get("name")) for block in last if block.get("type") == "tool_use"]
    written = [call.name for call in text_calls(last, unfinished)]
    if called and not offers_tools:
        yield f"The model called {', '.join(dict.fromkeys(called))}, but no tools were offered. Nothing was run."
    if written and not offers_tools:
        yield NOT_RUN_NOTE.format(names=", ".join(dict.fromkeys(written)), reason="no tools were offered")
    if messages[-1].get("stop_reason") == "tool_use" and not called and not written:
        yield NO_CALL_NOTE


def is_empty(content: Sequence[Block]) -> bool:
    """Return whether a message has nothing but thinking and blank text."""
    thoughts = ("thinking", "redacted_thinking")
    return not any(
        without_thinking(str(block.get("text", ""))).strip()
        if block.get("type") == "text"
        else block.get("type") not in thoughts
        for block in content
    )


def _texts(content: Sequence[Block]) -> Iterator[str]:
    return (block["text"] for block in content if block.get("type") == "text" and isinstance(block.get("text"), str))
