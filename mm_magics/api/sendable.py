"""The form in which recorded messages are sent again, which every endpoint of this format accepts.

A message is sent as it was received, except for lone surrogates, which are not valid JSON; for names and ids of tool
calls with characters that the Messages API does not allow; for fields that rebuilding a stream put into a block of a
known type, because no endpoint defines them; and for the cache marks of earlier turns. Data from outside is sent
between marks (`outside`). The record and the hash of a request are without all this, so a recording is still found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any, TypeVar, cast

from mm_magics.api.messages import TOOL_ID, TOOL_NAME, Block, Message, blocks, images_in
from mm_magics.api.models import takes_images
from mm_magics.api.outside import enclosed_block
from mm_magics.text import without_surrogates
from mm_magics.wording import counted

T = TypeVar("T")

KNOWN_FIELDS: Mapping[str, frozenset[str]] = {
    kind: frozenset({"type", "cache_control", *fields})
    for kind, fields in {
        "text": ("text", "citations"),
        "thinking": ("thinking", "signature"),
        "redacted_thinking": ("data",),
        "tool_use": ("id", "name", "input"),
        "tool_result": ("tool_use_id", "content", "is_error"),
        "image": ("source",),
        "document": ("source", "title", "context", "citations"),
    }.items()
}
"""The fields that the Messages API defines, for each type of block that may be sent."""

REASONING = "reasoning_content"
"""The field for thinking in another API's deltas. No endpoint of this format takes it back."""

UNNAMED = "unknown_tool"
"""Stands for the name of a tool that is empty."""

Invented = Mapping[int, Collection[str]]
"""The names of the fields that rebuilding a stream put into a block, by the `id` of the block."""


def invented_fields(messages: Iterable[Message], responses: Iterable[Mapping[str, Any]]) -> Invented:
    """Return the invented fields of a turn, from `invented` in its responses: names by the index of the block."""
    found: dict[int, Collection[str]] = {}
    answers = (message["content"] for message in messages if message["role"] == "assistant")
    for content, response in zip(answers, responses, strict=False):
        marked = response.get("invented")
        if isinstance(marked, dict) and isinstance(content, list):
            found |= {id(block): marked[str(at)] for at, block in enumerate(content) if str(at) in marked}
    return found


def sent_name(name: str) -> str:
    """Return the name of a tool as it is sent.

    >>> sent_name("get_weather"), sent_name("get weather (now)"), sent_name("")
    ('get_weather', 'get_weather__now_', 'unknown_tool')
    """
    return name if TOOL_NAME.fullmatch(name) else re.sub(r"[^a-zA-Z0-9_-]", "_", name)[:64] or UNNAMED


def sent_id(id_: str) -> str:
    """Return the id of a tool call as it is sent. Different ids stay different.

    >>> sent_id("call_1"), sent_id("functions.look:0")
    ('call_1', 'functions_look_0_ec000204')
    """
    if TOOL_ID.fullmatch(id_):
        return id_
    digest = sha256(id_.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{re.sub(r'[^a-zA-Z0-9_-]', '_', id_)[:48]}_{digest}"


_SENT_FIELDS: Mapping[str, Mapping[str, Callable[[str], str]]] = {
    "tool_use": {"id": sent_id, "name": sent_name},
    "tool_result": {"tool_use_id": sent_id},
}
"""The fields of a block that have another value where the Messages API does not allow the one received."""


def sent_form(
    messages: Sequence[Message], invented: Invented | None = None, outside: Collection[int] = ()
) -> Sequence[Message]:
    """Return the messages as they are sent. Messages and blocks that do not change are the same objects.

    Args:
        messages: Messages of one turn.
        invented: What `invented_fields` returns for the turn.
        outside: What `outside_blocks` returns for the turn.
    """
    sent = [_sent_message(message, invented or {}, outside) for message in messages]
    return messages if all(new is old for new, old in zip(sent, messages, strict=True)) else sent


def images_not_sent(count: int, model: str) -> str:
    """Return the sentence that stands for images of tool results, for a model that takes none."""
    return f"{counted(count, 'image')} {'was' if count == 1 else 'were'} not sent: {model} does not take images."


def without_result_images(message: Message, model: str) -> tuple[Message, int]:
    """Return the message with a sentence instead of the images of each tool result, and how many images it had.

    Nobody chose to send these images, so that a model without images can continue the conversation.
    """
    content = message["content"]
    counts = [len(images_in(block)) if block.get("type") == "tool_result" else 0 for block in blocks(message)]
    if not any(counts) or isinstance(content, str):
        return message, 0
    sent = [
        {**block, "content": [*_texts(block), {"type": "text", "text": f"[{images_not_sent(count, model)}]"}]}
        if count
        else block
        for block, count in zip(content, counts, strict=True)
    ]
    return {"role": message["role"], "content": sent}, sum(counts)


def for_model(model: str, messages: Sequence[Message]) -> Sequence[Message]:
    """Return messages as they are sent to this model, see `without_result_images`."""
    return messages if takes_images(model) else [without_result_images(each, model)[0] for each in messages]


def _texts(result: Block) -> list[Block]:
    return [block for block in blocks(result) if block.get("type") != "image"]


def _sent_message(message: Message, invented: Invented, outside: Collection[int]) -> Message:
    content = message["content"]
    if isinstance(content, str):
        text = without_surrogates(content)
        return message if text is content else {"role": message["role"], "content": text}
    sent = [_sent_block(block, invented, is_outside=id(block) in outside) for block in content]
    if all(new is old for new, old in zip(sent, content, strict=True)):
        return message
    return {"role": message["role"], "content": sent}


def _sent_block(block: Block, invented: Invented, *, is_outside: bool) -> Block:
    dropped = {"cache_control"} & block.keys()
    if str(block.get("type")) in KNOWN_FIELDS:
        dropped |= ({REASONING, *invented.get(id(block), ())} - KNOWN_FIELDS[str(block["type"])]) & block.keys()
    inner = block.get("content")
    if isinstance(inner, list) and any(isinstance(each, dict) and "cache_control" in each for each in inner):
        block = {**block, "content": [_without(each, {"cache_control"}) for each in inner]}
    for name, allowed in _SENT_FIELDS.get(str(block.get("type")), {}).items():
        if isinstance(value := block.get(name), str) and value != allowed(value):
            block = {**block, name: allowed(value)}
    sent = without_surrogates(_without(block, dropped))
    return enclosed_block(sent) if is_outside else sent


def _without(block: T, names: Collection[str]) -> T:
    if not names or not isinstance(block, dict):
        return block
    return cast(T, {name: value for name, value in block.items() if name not in names})


# What an endpoint refused ---------------------------------------------------------------------------------------


def without_unknown_fields(messages: Iterable[Message]) -> list[Message]:
    """Return the messages with only the fields that the Messages API defines in blocks of known types."""
    return [_with_content(message, map(_known_part, blocks(message))) for message in messages]


def _known_part(block: Block) -> Block:
    known = KNOWN_FIELDS.get(str(block.get("type")))
    return block if known is None else _without(block, block.keys() - known)


def without_thinking(messages: Iterable[Message], *, unsigned_only: bool) -> list[Message]:
    """Return the messages without their thinking, or only without the thinking that has no signature."""
    return [
        _with_content(
            message, (block for block in blocks(message) if not _is_thinking(block, unsigned_only=unsigned_only))
        )
        for message in messages
    ]


def _is_thinking(block: Block, *, unsigned_only: bool) -> bool:
    kind = block.get("type")
    if unsigned_only:
        return kind == "thinking" and not block.get("signature")
    return kind in ("thinking", "redacted_thinking")


def _with_content(message: Message, content: Iterator[Block]) -> Message:
    """Return the message with this content; the message itself if that is what it has."""
    new, old = list(content), message["content"]
    if len(new) == len(old) and all(one is other for one, other in zip(new, old, strict=True)):
        return message
    return cast(Message, {"role": message["role"], "content": new})


def cache_marks(body: Mapping[str, Any]) -> int:
    """Return how many tools and blocks of a request have a mark for the cache."""
    system = body.get("system")
    marked = [*(body.get("tools") or ()), *(system if isinstance(system, list) else ())]
    for message in body.get("messages") or ():
        for block in blocks(message):
            marked += [block, *blocks(block)] if block.get("type") == "tool_result" else [block]
    return sum(isinstance(each, Mapping) and each.get("cache_control") is not None for each in marked)
