"""Count tokens, and split a prompt into the segments that the cache rules refer to.

The count is an estimate: four characters per token, rounded up for each segment. The sum over the segments of a request
is its whole input. Their order is tools, system, messages (`minimax-api.md`, Cache).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mm_magics.api.messages import Block, blocks

CHARACTERS_PER_TOKEN = 4
IMAGE_TOKENS = 1_000


def count(text: str) -> int:
    """Count the tokens of a text, rounded up.

    >>> count("four"), count("fours"), count("")
    (1, 2, 0)
    """
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def exact_json(value: object) -> str:
    """Return JSON that differs when anything differs, even the order of keys: endpoints compare and cache bytes."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Segment:
    """One tool, system block or content block. `key` distinguishes it from others with the same `text`."""

    key: str
    text: str
    tokens: int
    marked: bool
    """Whether it has a `cache_control` breakpoint."""


def _marked(block: Mapping[str, Any]) -> bool:
    return block.get("cache_control") is not None


def without_mark(block: Mapping[str, Any]) -> Block:
    """Return the block without `cache_control`, which the model does not see."""
    return {key: value for key, value in block.items() if key != "cache_control"}


def block_text(block: Mapping[str, Any]) -> str:
    """Return what costs tokens: the text, the thinking, a call's name and input, or a result's content."""
    match block.get("type"):
        case "text":
            return str(block.get("text", ""))
        case "thinking":
            return str(block.get("thinking", ""))
        case "tool_use":
            return str(block.get("name", "")) + exact_json(block.get("input", {}))
        case "tool_result":
            content = block.get("content", "")
            return content if isinstance(content, str) else "".join(map(block_text, blocks({"content": content})))
        case "image":
            return ""
        case _:
            return exact_json(without_mark(block))


def output_tokens(content: Sequence[Block]) -> int:
    """Count the tokens of an assistant message's content, including thinking."""
    return sum(count(block_text(block)) for block in content)


def segments(
    tools: Sequence[Block], system: Sequence[Block], messages: Sequence[Mapping[str, Any]]
) -> Iterator[Segment]:
    """Yield the prompt's segments in the order of the cache."""
    for tool in tools:
        text = exact_json(without_mark(tool))
        yield Segment("tool", text, count(text), _marked(tool))
    for block in system:
        yield Segment("system", block_text(block), count(block_text(block)), _marked(block))
    for message in messages:
        for block in blocks(message):
            text = block_text(block)
            bare = {key: value for key, value in without_mark(block).items() if key not in ("text", "thinking")}
            tokens = IMAGE_TOKENS if block.get("type") == "image" else count(text)
            yield Segment(f"{message.get('role')} {exact_json(bare)}", text, tokens, _marked(block))
