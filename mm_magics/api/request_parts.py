"""The parts of a request body: each text and image in it, with the place that it came from.

The parts are read from the body itself. Every text that a person or a program wrote is in exactly one part.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from mm_magics.api.messages import Block, Message, blocks
from mm_magics.api.outside import content_of

PartKind = Literal[
    "system", "prompt", "cell", "output", "file", "image", "answer", "thinking", "call", "result", "tool", "field"
]

_CELLS = re.compile(r'<cell id="([^"\n]*)">\n(.*?)(?:(?:^|\n)<output>\n(.*?)\n</output>)?\n</cell>(?:\n|\Z)', re.DOTALL)
_FILE = re.compile(r'<file name="([^"\n]*)">\n(.*)\n</file>', re.DOTALL)
_SHOWN_CODE = re.compile(r"^\[\d+ #[^\n]*\][^\n]*\n(.*?)\n\[output\]\n", re.DOTALL | re.MULTILINE)
"""The code of cells whose output is in a result of `read_cells` or `run_cell`."""
_RETURNED = re.compile(r"([\w-]{1,64}) (?:returned|failed):\n")
"""Our line above the result of a call that the model wrote into its text."""


class Part(NamedTuple):
    """One part of a request.

    Attributes:
        kind: What it is.
        name: The id of a cell, the name of a file, a tool or a field, the label of an image; "" otherwise.
        text: The text; "" for an image.
        message: The index of the message; None for what is not in a message.
        source: The code that made it: of an output the source of its cell, of a result the arguments of its call, or
            the source of the cells whose outputs it has.
    """

    kind: PartKind
    name: str
    text: str
    message: int | None = None
    source: str = ""

    @property
    def place(self) -> str:
        """Where it is in the request, in words."""
        return _PLACES[self.kind].format(self.name)


_PLACES: dict[PartKind, str] = {
    "system": "the system prompt",
    "prompt": "the text of a prompt",
    "cell": "cell {}",
    "output": "the output of cell {}",
    "file": "the file {}",
    "image": "the image {}",
    "answer": "an answer",
    "thinking": "the thinking of an answer",
    "call": "a call of the tool {}",
    "result": "a result of the tool {}",
    "tool": "the definition of the tool {}",
    "field": "the field {}",
}


def parts_of(body: Mapping[str, Any]) -> Iterator[Part]:
    """Yield the parts of a request body, in order."""
    for block in _as_blocks(body.get("system")):
        yield Part("system", "", _text(block))
    for tool in body.get("tools") or ():
        yield Part("tool", str(tool.get("name", "")) if isinstance(tool, dict) else "", _text(tool))
    for name, value in body.items():
        if name not in ("system", "tools", "messages"):
            yield Part("field", name, _text(value))
    yield from message_parts(body.get("messages") or ())


def message_parts(messages: Sequence[Message]) -> Iterator[Part]:
    """Yield the parts of messages, in order."""
    calls = {block.get("id"): block for each in messages for block in blocks(each) if block.get("type") == "tool_use"}
    for number, message in enumerate(messages):
        label = ""
        for block in blocks(message):
            kind = block.get("type")
            if message["role"] == "assistant":
                found = _assistant_part(block, number)
                yield from [found] if found else ()
            elif kind == "tool_result":
                yield from _result_parts(block, calls.get(block.get("tool_use_id")), number)
            elif kind == "image":
                yield Part("image", label, "", number)
            elif kind == "text":
                text = str(block.get("text", ""))
                label = text.removesuffix(":").strip("[]")
                yield from _text_parts(text, number)
            else:
                yield Part("prompt", "", _text(block), number)


def _as_blocks(system: Any) -> Sequence[Any]:
    return system if isinstance(system, list) else [system] if system else []


def _assistant_part(block: Block, number: int) -> Part | None:
    kind = block.get("type")
    if kind == "text":
        return Part("answer", "", str(block.get("text", "")), number)
    if kind == "thinking":
        return Part("thinking", "", str(block.get("thinking", "")), number)
    if kind == "tool_use":
        return Part("call", str(block.get("name", "")), _text(block.get("input")), number)
    return Part("answer", "", _text(block), number)


def _result_parts(block: Block, call: Block | None, number: int) -> Iterator[Part]:
    name, source = (str(call.get("name", "")), _text(call.get("input"))) if call else ("", "")
    found = block.get("content")
    for part in found if isinstance(found, list) else [found]:
        if isinstance(part, dict) and part.get("type") == "image":
            yield Part("image", f"of a result of the tool {name}", "", number, source)
        elif part:
            text = part.get("text") if isinstance(part, dict) and part.get("type") == "text" else part
            content = content_of(_text(text))
            if name in ("read_cells", "run_cell") and (code := _SHOWN_CODE.findall(content)):
                source = "\n".join(code)
            yield Part("result", name, content, number, source)


def _text_parts(text: str, number: int) -> Iterator[Part]:
    """Yield the parts of a text of the user: cells, a file, or the result of a call; else it is a prompt."""
    if returned := _RETURNED.match(text):
        yield Part("result", returned[1], content_of(text[returned.end() :]), number)
        return
    content = content_of(text)
    if file := _FILE.fullmatch(content):
        yield Part("file", file[1], file[2], number)
        return
    position = 0
    while cell := _CELLS.match(content, position):
        yield Part("cell", cell[1], cell[2], number)
        if cell[3] is not None:
            yield Part("output", cell[1], cell[3], number, cell[2])
        position = cell.end()
    if rest := content[position:]:
        yield Part("prompt", "", rest, number)


def _text(value: Any) -> str:
    """Return a text or the text of a block as it is, another value as JSON."""
    if isinstance(value, dict) and set(value) == {"type", "text"}:
        value = value["text"]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
