"""The tool `recall`: returns turns that a summary stands for, exactly as they are.

It is offered while a summary is in the context. What it returns is the user's own conversation, but text in it from
outside is between marks (`mm_magics.api.outside`), also in a part of a turn.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from mm_magics.api.messages import blocks, images_in
from mm_magics.api.outside import enclosed, outside_blocks, recalled_ids
from mm_magics.api.request import json_of
from mm_magics.errors import ToolInputError, UsageError
from mm_magics.history.turn import Turn
from mm_magics.text import excerpt
from mm_magics.tools.tool import Tool, ToolOutput
from mm_magics.wording import counted

RECALL = "recall"
PAGE = 40_000
"""Characters of a turn that are returned at once."""
MARKS = 400
"""Characters for the marks around text from outside, and for the line above it."""
HITS = 12
AROUND = 240
"""Characters before and after a hit."""

DESCRIPTION = (
    "Returns turns of this conversation that were replaced by a summary, exactly as they were. Give `turn` for one of "
    "them by its number, with `start` for the next part of a long one, or `search` to find a text in all of them."
)
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "turn": {"type": "integer", "minimum": 1, "description": "The number of the turn, from 1."},
        "start": {"type": "integer", "minimum": 0, "description": "The character to begin at; 0 by default."},
        "search": {"type": "string", "description": "A text to find; upper and lower case are equal."},
    },
}


class Part(NamedTuple):
    """A part of a turn as text. `label` says whose it is; `is_outside`, whether it is data from outside."""

    label: str
    text: str
    is_outside: bool = False


def recall_tool(turns: Sequence[Turn], limit: int) -> Tool:
    """Return the tool for these turns. `limit` is the maximum number of characters of a result; 0 for no limit."""
    size = max(1, min(PAGE, limit or PAGE) - MARKS)

    def recall(**arguments: Any) -> ToolOutput:
        if "search" in arguments:
            return _found(turns, arguments["search"], size)
        return _page(turns, arguments["turn"], arguments.get("start", 0), size)

    check = partial(_checked, count=len(turns))
    return Tool(RECALL, DESCRIPTION, SCHEMA, recall, check, beside_cells=True)


def with_recall(tools: Mapping[str, Tool], turns: Sequence[Turn], limit: int) -> Mapping[str, Tool]:
    """Return the tools of a prompt with `recall`, if a summary in its context stands for these turns.

    Raises:
        UsageError: One of the tools has this name.
    """
    if not turns:
        return tools
    if RECALL in tools:
        raise UsageError(
            f"The tool name {RECALL} is reserved while a summary is in the context.",
            "Rename your tool, or send the turns without a summary: %minimax compact undo.",
        )
    return {**tools, RECALL: recall_tool(turns, limit)}


def _checked(arguments: Mapping[str, Any], count: int) -> Mapping[str, Any]:
    given = {name: value for name, value in arguments.items() if value is not None}
    if unknown := given.keys() - SCHEMA["properties"].keys():
        raise ToolInputError(f"There is no argument {min(unknown)}. The arguments are turn, start and search.")
    if isinstance(search := given.get("search"), str) and search.strip():
        return {"search": search}
    numbers = [given.get("turn"), given.get("start", 0)]
    if not all(type(each) is int for each in numbers):
        raise ToolInputError("Give the number of a turn, or a text to search for.")
    if not 1 <= given["turn"] <= count:
        raise ToolInputError(f"There is no turn {given['turn']}. The summary stands for turns 1 to {count}.")
    return {"turn": given["turn"], "start": max(0, given.get("start", 0))}


def parts_of(turn: Turn) -> Iterator[Part]:
    """Yield the text of a turn in parts, each exactly as it was sent or received."""
    outside = outside_blocks(turn.messages, turn.responses)
    recalled = recalled_ids(turn.responses)
    for message in turn.messages:
        role = message["role"]
        for block in blocks(message):
            kind, is_outside = str(block.get("type")), id(block) in outside
            match kind:
                case "text":
                    yield Part(role, str(block.get("text", "")), is_outside)
                case "thinking":
                    yield Part("thinking", str(block.get("thinking", "")))
                case "tool_use":
                    yield Part(f"call of {block.get('name')}", json_of(block.get("input")))
                case "tool_result" if str(block.get("tool_use_id")) in recalled:
                    yield Part("result", "[what recall returned: see that turn]")
                case "tool_result":
                    for part in blocks(block):
                        if part.get("type") == "text":
                            yield Part("result", str(part.get("text", "")), is_outside)
                    if count := len(images_in(block)):
                        yield Part("result", f"[{counted(count, 'image')}]")
                case "image":
                    yield Part(role, "[an image]")
                case _:
                    yield Part(kind, json_of(block))


def _page(turns: Sequence[Turn], number: int, start: int, size: int) -> ToolOutput:
    parts = [part for part in parts_of(turns[number - 1]) if part.text]
    total, end, at = sum(len(part.text) for part in parts), start + size, 0
    written = []
    for part in parts:
        text = part.text[max(0, start - at) : max(0, end - at)]
        if text:
            written.append(_written(part, text))
        at += len(part.text)
    range_ = f"characters {start:,} to {min(end, total):,} of {total:,}" if start or end < total else "complete"
    more = f"\n[The next part: turn={number}, start={end}]" if end < total else ""
    return ToolOutput("\n".join([f"[Turn {number}, {range_}]", *written]) + more, is_marked=True)


def _written(part: Part, text: str) -> str:
    return f"[{part.label}]\n{enclosed(text) if part.is_outside else text}"


def _found(turns: Sequence[Turn], search: str, size: int) -> ToolOutput:
    """Return the places where the text is; if it is nowhere, those of all its words in one turn."""
    hits = list(_hits(turns, re.compile(re.escape(search), re.IGNORECASE)))
    if not hits:
        words = [re.compile(re.escape(word), re.IGNORECASE) for word in search.split()]
        texts = [(number, "\n".join(part.text for part in parts_of(turn))) for number, turn in enumerate(turns, 1)]
        with_all = {number for number, text in texts if all(word.search(text) for word in words)}
        rarest = max(words, key=lambda word: len(word.pattern))
        hits = [hit for hit in _hits(turns, rarest) if hit[0] in with_all]
    written: list[str] = []
    room = size
    for number, position, part, text in hits[:HITS]:
        line = (
            f"[Turn {number}, at character {position:,}, {part.label}]\n{enclosed(text) if part.is_outside else text}"
        )
        room -= len(line) + 1
        if written and room < 0:
            break
        written.append(line)
    left = len(hits) - len(written)
    more = f"[{counted(left, 'more place')}]" if left else ""
    nothing = f"[{excerpt(search, 60)!r} is not in the summarized turns 1 to {len(turns)}.]"
    return ToolOutput("\n".join(filter(None, [*written, more])) or nothing, is_marked=True)


def _hits(turns: Sequence[Turn], pattern: re.Pattern[str]) -> Iterator[tuple[int, int, Part, str]]:
    """Yield each place: the number of its turn, its character, its part, and the text around it."""
    for number, turn in enumerate(turns, 1):
        at = 0
        for part in parts_of(turn):
            last = -1
            for found in pattern.finditer(part.text):
                if found.start() >= last:
                    first, last = max(0, found.start() - AROUND), min(len(part.text), found.end() + AROUND)
                    yield number, at + found.start(), part, part.text[first:last]
            at += len(part.text)
