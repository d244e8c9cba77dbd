"""The stream: bytes → server-sent events → turn events, and the assembler that rebuilds the message verbatim.

Always true: any split of the same bytes gives the same message; every block comes out in order, with every field
it came with, known or not; thinking and signature to the byte. No I/O happens here.
Sources: the HTML standard (server-sent events) and the Messages API's streaming page.
"""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Iterator
from math import isinf
from typing import Any, NamedTuple, NoReturn

import jiter

from mm_magics.api.messages import Block, blocks, is_writable
from mm_magics.endpoint.error_body import error_from_body
from mm_magics.errors import ProtocolError, StatusError

# Turn events: what a view is told ---------------------------------------------------------------------------------


class MessageStart(NamedTuple):
    """The endpoint began to answer; `message` is the message as it started, `usage` included."""

    message: dict[str, Any]


class BlockStart(NamedTuple):
    """Block `number` of the message starts, as given; its content follows."""

    number: int
    block: Block


class Delta(NamedTuple):
    """More of a block. `kind` is `text`, `thinking` or `input` (a tool's input, as JSON in the making)."""

    number: int
    kind: str
    text: str


class BlockStop(NamedTuple):
    """A block is complete, and this is all of it."""

    number: int
    block: Block


class MessageStop(NamedTuple):
    """The message is complete."""

    message: dict[str, Any]


class Other(NamedTuple):
    """An event that changes nothing: a ping, or a type that nobody here has heard of."""

    event: dict[str, Any]


StreamEvent = MessageStart | BlockStart | Delta | BlockStop | MessageStop | Other

# Bytes → events ---------------------------------------------------------------------------------------------------


class EventDecoder:
    """Bytes in, the data of whole server-sent events out. Bytes that do not end an event wait for the next ones."""

    def __init__(self) -> None:
        self._waiting: list[bytes] = []
        self._begun = False
        self._ends_in_newline = False
        self._ends_in_return = False

    def decode(self, chunk: bytes) -> list[bytes]:
        if b"\r" in chunk or self._ends_in_return:
            chunk = self._one_kind_of_newline(chunk)
        if not chunk:
            return []
        closes = b"\n\n" in chunk or (self._ends_in_newline and chunk[:1] == b"\n")
        self._ends_in_newline = chunk[-1:] == b"\n"
        self._waiting.append(chunk)
        if not closes:
            return []
        *frames, rest = b"".join(self._waiting).split(b"\n\n")
        self._waiting = [rest] if rest else []
        self._ends_in_newline = rest[-1:] == b"\n"
        return [data for frame in self._unmarked(frames) if (data := _data(frame))]

    def flush(self) -> list[bytes]:
        """What is left when the bytes end: a last event without its blank line counts if its data is a whole event."""
        (rest,), self._waiting = self._unmarked([b"".join(self._waiting)]), []
        data = _data(rest)
        try:
            return [data] if data and parse(data) else []
        except ProtocolError:
            return []

    def _unmarked(self, frames: list[bytes]) -> list[bytes]:
        """The frames, the stream's very first one without a byte order mark."""
        if self._begun:
            return frames
        self._begun = True
        return [frames[0].removeprefix(BOM_UTF8), *frames[1:]]

    def _one_kind_of_newline(self, chunk: bytes) -> bytes:
        if not chunk:
            return chunk
        follows_return, self._ends_in_return = self._ends_in_return, chunk.endswith(b"\r")
        if follows_return:
            chunk = chunk.removeprefix(b"\n")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _data(frame: bytes) -> bytes:
    """The frame's data without the spaces around it; empty where there is no event."""
    return b"\n".join([line[5:] for line in frame.split(b"\n") if line[:5] == b"data:"]).strip()


def parse(data: bytes) -> dict[str, Any]:
    """One event's data as JSON. Raises `ProtocolError` if it is not an object."""
    try:
        event = jiter.from_json(data, allow_inf_nan=False)
    except ValueError:
        try:  # what jiter refuses and json takes: lone surrogates, and bytes that are not UTF-8
            event = json.loads(data.decode("utf-8", "replace"), parse_constant=_refuse)
        except (ValueError, RecursionError):
            raise ProtocolError("The endpoint sent an event that is not JSON.") from None
    if not isinstance(event, dict):
        raise ProtocolError("The endpoint sent an event that is not a JSON object.")
    return event


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


# Events → the message -----------------------------------------------------------------------------------------------

_DELTAS = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "input_json_delta": ("input", ""),
}
_OPENED_BY = {"text": "text", "thinking": "thinking", "input": "tool_use", "signature": "thinking"}


class Assembler:
    """Rebuilds one assistant message from its events.

    `message` holds it as far as it has come. `unfinished` is the index in `content` of the block that is still open
    (or whose input is not whole JSON), None if there is none; `stopped` says whether the endpoint ended the message.
    """

    def __init__(self) -> None:
        self.message: dict[str, Any] = {"role": "assistant", "content": []}
        self.started = False
        self.stopped = False
        self.unfinished: int | None = None
        self.partial_json: str | None = None
        self._open: dict[int, tuple[int, Block, dict[str, list[str]]]] = {}

    @property
    def content(self) -> list[Block]:
        found: list[Block] = self.message["content"]
        return found

    def feed(self, event: dict[str, Any]) -> Iterator[StreamEvent]:
        """The turn events of one event. Raises `StatusError` for an `error` event, `ProtocolError` for nonsense."""
        kind = event.get("type")
        if kind == "content_block_delta":
            yield from self._delta(event)
        elif kind == "content_block_start":
            yield from self._start_block(event)
        elif kind == "content_block_stop":
            yield from self._stop_block(_index(event))
        elif kind == "message_start":
            self._start(event)
            yield MessageStart(self.message)
        elif kind == "message_delta":
            self._merge(event)
            yield Other(event)
        elif kind == "message_stop":
            for index in sorted(self._open):
                yield from self._stop_block(index)
            yield self._stop()
        elif kind == "error" or "error" in event:
            raise error_from_body(event)
        elif isinstance(status := event.get("base_resp"), dict) and status.get("status_code"):
            raise StatusError(f"{status.get('status_msg')} ({status['status_code']})", status=200)
        else:
            yield Other(event)

    def close(self) -> Iterator[StreamEvent]:
        """End every block that is still open; the last of them counts as unfinished."""
        for index in sorted(self._open):
            self._unfinish(self._open[index][0])
            yield from self._stop_block(index)

    def whole(self, message: dict[str, Any]) -> Iterator[StreamEvent]:
        """The same events for a message that came in one piece."""
        content = message.get("content")
        if not isinstance(content, list) or not all(isinstance(block, dict) for block in content):
            raise ProtocolError("The endpoint's answer has no content.")
        _check(message)
        self.message = message
        self.started = True
        yield MessageStart(message)
        for index, block in enumerate(self.content):
            yield BlockStart(index, {key: value for key, value in block.items() if key not in ("text", "thinking")})
            for kind in ("text", "thinking"):
                if isinstance(block.get(kind), str):
                    yield Delta(index, kind, _writable(block[kind]))
            yield BlockStop(index, block)
        yield self._stop()

    def _stop(self) -> MessageStop:
        self.stopped = True
        last = self.content[-1] if self.content else {}
        if self.message.get("stop_reason") == "max_tokens" and last.get("type") == "thinking":
            self.unfinished = len(self.content) - 1
        return MessageStop(self.message)

    def _start(self, event: dict[str, Any]) -> None:
        message = event.get("message")
        if not isinstance(message, dict):
            raise ProtocolError("The endpoint started a message that is not one.")
        _check(message)
        self.message = {**message, "content": [*blocks(message), *self.content]}
        self.started = True

    def _merge(self, event: dict[str, Any]) -> None:
        _check(event)
        delta, usage = event.get("delta"), event.get("usage")
        if isinstance(delta, dict):
            self.message.update({key: value for key, value in delta.items() if key != "content"})
        if isinstance(usage, dict):
            start = self.message.get("usage")
            self.message["usage"] = {**(start if isinstance(start, dict) else {}), **usage}

    def _start_block(self, event: dict[str, Any]) -> Iterator[StreamEvent]:
        index, block = _index(event), event.get("content_block")
        if not isinstance(block, dict):
            raise ProtocolError("The endpoint started a content block that is not one.")
        _check(block)
        if index in self._open:
            yield from self._stop_block(index)
        yield self._open_block(index, block)

    def _open_block(self, index: int, block: Block) -> BlockStart:
        self._open[index] = (len(self.content), block, {})
        self.content.append(block)
        return BlockStart(index, dict(block))

    def _delta(self, event: dict[str, Any]) -> Iterator[StreamEvent]:
        delta, index = event.get("delta"), _index(event)
        if not isinstance(delta, dict):
            raise ProtocolError("The endpoint sent a delta that is not one.")
        kind, field = _DELTAS.get(str(delta.get("type")), (None, None))
        if index not in self._open:
            default = {"type": _OPENED_BY.get(kind or "", "text" if "signature" not in delta else "thinking")}
            yield self._open_block(index, default)
        _, block, parts = self._open[index]
        if kind is None:
            _merge_unknown(block, parts, delta)
            yield Other(event)
            return
        text = delta.get("partial_json" if kind == "input" else kind)
        if isinstance(text, str):
            _add(block, parts, field or "partial_json", text)
            yield Delta(index, kind, _writable(text))
        if len(delta) > 2:
            _merge_unknown(block, parts, {k: v for k, v in delta.items() if k not in ("type", field, "partial_json")})

    def _stop_block(self, index: int) -> Iterator[StreamEvent]:
        if index not in self._open:
            return
        position, block, parts = self._open[index]  # taken out last: an interrupt may come at any line of this
        for field, texts in parts.items():
            if field != "partial_json":
                block[field] = _paired("".join(texts))
        raw = "".join(parts.get("partial_json", ()))
        try:
            if raw.strip():
                given = json.loads(raw, parse_constant=_refuse, parse_float=_finite)
                block["input"] = given if is_writable(given) else _refuse("too deep")
            whole = block.get("type") != "tool_use" or isinstance(block.get("input"), dict)
        except (ValueError, RecursionError):
            whole = False
        if not whole:
            self._unfinish(position)
            self.partial_json = raw
        del self._open[index]
        yield BlockStop(index, block)

    def _unfinish(self, position: int) -> None:
        """Name the block as unfinished. Only one is: a call that was cut before it is left without input instead."""
        if self.unfinished is not None and self.unfinished != position:
            self.content[self.unfinished].pop("input", None)
        self.unfinished = position


def _index(event: dict[str, Any]) -> int:
    index = event.get("index")
    if not isinstance(index, int):
        raise ProtocolError("The endpoint sent a content block event without its index.")
    return index


def _check(part: dict[str, Any]) -> None:
    """Refuse what could be read, but never be written again."""
    if not is_writable(part):
        raise ProtocolError("The endpoint sent a number that JSON cannot hold, or JSON that is nested too deep.")


def _finite(number: str) -> float:
    """The number, refused if it is too large to be written as JSON again."""
    value = float(number)
    return _refuse(number) if isinf(value) else value


def _add(block: Block, parts: dict[str, list[str]], field: str, text: str) -> None:
    """More text for a field of an open block, after what the block started with."""
    start = block.get(field)
    parts.setdefault(field, [start if isinstance(start, str) else ""]).append(text)


def _paired(text: str) -> str:
    """The text with the two halves of a character (JSON's surrogates) that came in two deltas as one character."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def _writable(text: str) -> str:
    """The text for a view, which cannot write half a character."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _merge_unknown(block: Block, parts: dict[str, list[str]], delta: dict[str, Any]) -> None:
    """A delta of an unknown kind: strings are appended, a citation is added to the list of them, the rest is set."""
    _check(delta)
    for key, value in delta.items():
        if key == "type":
            continue
        if key == "citation":
            before = block.get("citations")
            block["citations"] = [*(before if isinstance(before, list) else []), value]
        elif isinstance(value, str):
            _add(block, parts, key, value)
        else:
            block[key] = value
