"""Rebuild an assistant message, verbatim, from the events of its stream.

Every block is kept in order with all its fields, known or unknown; thinking and signatures are kept byte for byte. Only
lone surrogates are replaced, because no request can contain them. No I/O happens here.

Source: the Messages API's page on streaming.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mm_magics.api.messages import Block, blocks, written
from mm_magics.api.sendable import KNOWN_FIELDS, REASONING
from mm_magics.endpoint.error_body import error_from_base_resp, error_from_body
from mm_magics.endpoint.stream_events import (
    BlockStart,
    BlockStop,
    Delta,
    MessageStart,
    MessageStop,
    OtherEvent,
    StreamEvent,
)
from mm_magics.errors import ProtocolError
from mm_magics.json_size import MAX_VALUES, count_values, read_json
from mm_magics.text import join_surrogates, replace_surrogates, without_surrogates

_DELTAS = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "input_json_delta": ("input", ""),
}
_KINDS = {"text": "text", "thinking": "thinking", "partial_json": "input", REASONING: "reasoning"}
"""The kind of a `Delta` event, by the field that it adds to."""
_BLOCK_VALUES, _FIELD_VALUES = 10, 5
"""What a block, and a field of one, cost besides the values in them, counted in values."""
_OPENED_BY = {"text": "text", "thinking": "thinking", "input": "tool_use", "signature": "thinking"}


class Assembler:
    """Rebuilds one assistant message from its events.

    Attributes:
        message: The message as received so far.
        started: Whether `message_start` was received.
        stopped: Whether the endpoint ended the message.
        unfinished: Index in `content` of the block that is still open, or whose input is incomplete JSON; else None.
        partial_json: The incomplete input of that block; else None.
        invented: The fields that deltas of unknown types added to blocks of known types, by their index in `content`.
        replaced: Whether lone surrogates were replaced.

    A tool call that anything but its own events changed is `altered`. What a front end showed of it while it was
    received may be another call than the one in the message, so it is kept but must not run.
    """

    def __init__(self) -> None:
        self.message: dict[str, Any] = {"role": "assistant", "content": []}
        self.started = False
        self.stopped = False
        self.unfinished: int | None = None
        self.partial_json: str | None = None
        self.invented: dict[int, list[str]] = {}
        self.replaced = False
        self._has_stop_reason = False
        self._values = 0
        """How many values were received for the message, apart from the pieces of texts."""
        self._citations: dict[int, list[Any]] = {}
        self._open: dict[int, tuple[int, Block, dict[str, list[str]]]] = {}
        self._halves: dict[int, dict[str, str]] = {}
        """The first half of a character whose second half has not arrived, by block and field."""
        self._latest: dict[int, Block] = {}
        """The block that started last with each index of the stream."""
        self._started_late = False
        self._altered: dict[int, str] = {}
        """What altered a tool call, by the `id` of its block."""

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing but `message_stop`: all blocks are closed, and the stop reason arrived."""
        return self._has_stop_reason and not self._open

    @property
    def content(self) -> list[Block]:
        found: list[Block] = self.message["content"]
        return found

    @property
    def altered(self) -> dict[int, str]:
        """What the endpoint did to each tool call that must not run, by its index in `content`."""
        late = "started the message twice, or with content" if self._started_late else ""
        found = {at: self._altered.get(id(block), late) for at, block in enumerate(self.content) if _is_call(block)}
        return {at: what for at, what in found.items() if what}

    def feed(self, event: dict[str, Any]) -> Iterator[StreamEvent]:
        """Yield the events for one event of the stream.

        Raises:
            StatusError: For an `error` event.
            ProtocolError: For an event that the Messages API does not allow.
        """
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
            yield OtherEvent(event)
        elif kind == "message_stop":
            for index in sorted(self._open):
                yield from self._stop_block(index)
            yield self.stop()
        elif kind == "error" or "error" in event:
            raise error_from_body(event)
        elif (error := error_from_base_resp(event)) is not None:
            raise error
        else:
            yield OtherEvent(event)

    def close(self) -> Iterator[StreamEvent]:
        """Stop every block that is still open. The last of them is `unfinished`."""
        for index in sorted(self._open):
            self._unfinish(self._open[index][0])
            yield from self._stop_block(index)

    def whole(self, message: dict[str, Any]) -> Iterator[StreamEvent]:
        """Yield the same events for a message that was received as a whole."""
        _check_content(message)
        self.message = message = self._checked(message)
        self.started = True
        yield MessageStart(message)
        for index, block in enumerate(self.content):
            self._check_fields(block)
            yield BlockStart(index, {key: value for key, value in block.items() if key not in ("text", "thinking")})
            for field in (REASONING, "text", "thinking"):
                if isinstance(block.get(field), str):
                    yield Delta(index, _KINDS[field], block[field])
            yield BlockStop(index, block)
        yield self.stop()

    def stop(self) -> MessageStop:
        """End the message."""
        self.stopped = True
        last = self.content[-1] if self.content else {}
        if self.message.get("stop_reason") == "max_tokens" and last.get("type") == "thinking":
            self.unfinished = len(self.content) - 1
        return MessageStop(self.message)

    def _start(self, event: dict[str, Any]) -> None:
        message = event.get("message")
        if not isinstance(message, dict):
            raise ProtocolError("The endpoint started an invalid message.")
        message = self._checked(message)
        self._started_late |= self.started or bool(self.content) or bool(message.get("content"))
        self.message = {**message, "content": [*first, *self.content] if (first := blocks(message)) else self.content}
        self.started = True

    def _merge(self, event: dict[str, Any]) -> None:
        event = self._checked(event)
        delta, usage = event.get("delta"), event.get("usage")
        if isinstance(delta, dict):
            self._has_stop_reason |= bool(delta.get("stop_reason"))
            self.message.update({key: value for key, value in delta.items() if key != "content"})
        if isinstance(usage, dict):
            start = self.message.get("usage")
            self.message["usage"] = {**(start if isinstance(start, dict) else {}), **usage}

    def _start_block(self, event: dict[str, Any]) -> Iterator[StreamEvent]:
        index, block = _index(event), event.get("content_block")
        if not isinstance(block, dict):
            raise ProtocolError("The endpoint started an invalid content block.")
        block = self._checked(block)
        if index in self._open:
            yield from self._stop_block(index)
        self._check_fields(block)
        yield self._open_block(index, block)

    def _open_block(self, index: int, block: Block) -> BlockStart:
        for each in (self._latest[index], block) if index in self._latest else ():
            self._mark_altered(each, "sent two blocks with one index")
        self._latest[index] = block
        self._hold(_BLOCK_VALUES)
        self._open[index] = (len(self.content), block, {})
        self.content.append(block)
        return BlockStart(index, dict(block))

    def _delta(self, event: dict[str, Any]) -> Iterator[StreamEvent]:
        delta, index = event.get("delta"), _index(event)
        if not isinstance(delta, dict):
            raise ProtocolError("The endpoint sent an invalid delta.")
        kind, field = _DELTAS.get(str(delta.get("type")), (None, None))
        if index not in self._open:
            default = {"type": _OPENED_BY.get(kind or "", "text" if "signature" not in delta else "thinking")}
            yield self._open_block(index, default)
        _, block, parts = self._open[index]
        if _is_call(block) and (kind != "input" or not delta.keys() <= {"type", "partial_json"}):
            self._mark_altered(block, f"sent a {str(delta.get('type'))[:40]} into it")
        field = field or "partial_json" if kind else REASONING
        text = delta.get(field)
        if isinstance(text, str):
            whole = self._whole_characters(index, field, text)
            if field not in (block.get("type"), "partial_json"):
                self._mark_invented(index, field)
            if whole or not text:
                _add(block, parts, field, whole)
                yield Delta(index, _KINDS[field], whole)
        if kind is None or len(delta) > 2:
            yield from self._merge_unknown(index, {key: value for key, value in delta.items() if key != field})
        if kind is None:
            yield OtherEvent(event)

    def _whole_characters(self, index: int, field: str, text: str) -> str:
        """Return the text without lone surrogates. The first half of a character waits for the next delta."""
        held = self._halves[index].pop(field, "") if index in self._halves else ""
        if not held and text.isascii():
            return text
        text = join_surrogates(held + text)
        if "\ud800" <= text[-1:] <= "\udbff":
            self._halves.setdefault(index, {})[field] = text[-1]
            text = text[:-1]
        return self._clean(text)

    def _clean(self, text: str) -> str:
        clean = replace_surrogates(text)
        self.replaced |= clean != text
        return clean

    def _checked(self, part: dict[str, Any]) -> dict[str, Any]:
        """Return the part of the message without lone surrogates. Refuse JSON that can be read but not written."""
        clean, count = _checked(part)
        self._hold(count)
        self.replaced |= clean is not part
        return clean

    def _hold(self, count: int) -> None:
        """Count values that stay in the message. Raise `ProtocolError` if they are too many for one message."""
        self._values += count
        if self._values > MAX_VALUES:
            raise ProtocolError(
                f"The endpoint sent a message with more than {MAX_VALUES:,} values, and it was cancelled.",
                "The partial response is kept. Run the cell again, or use another endpoint.",
            )

    def _merge_unknown(self, index: int, delta: dict[str, Any]) -> Iterator[StreamEvent]:
        """Apply a delta of an unknown kind: append strings, add a citation to the list of them, set other fields."""
        _, block, parts = self._open[index]
        for key, value in delta.items():
            if key == "type":
                continue
            self._mark_invented(index, key)
            if isinstance(value, str) and key != "citation":
                whole = self._whole_characters(index, key, value)
                self._hold(_FIELD_VALUES * (key not in parts))
                _add(block, parts, key, whole)
                if key in _KINDS:
                    yield Delta(index, _KINDS[key], whole)
                continue
            value = self._checked({key: value})[key]
            if key == "citation":
                before, own = block.get("citations"), self._citations.get(index, [])
                if own is not before:  # the block's list may be shared with an event
                    own = self._citations[index] = [*(before if isinstance(before, list) else [])]
                own.append(value)
                block["citations"] = own
            else:
                block[key] = value

    def _check_fields(self, block: Block) -> None:
        if unknown := block.keys() - KNOWN_FIELDS["tool_use"] - {"caller"}:
            self._mark_altered(block, f"sent it with the field {min(map(str, unknown))[:40]}")

    def _mark_altered(self, block: Block, what: str) -> None:
        if _is_call(block):
            self._altered.setdefault(id(block), what)

    def _mark_invented(self, index: int, field: str) -> None:
        position, block, parts = self._open[index]
        known = KNOWN_FIELDS.get(str(block.get("type")))
        if known is None or field in known or field in ("citation", "partial_json"):
            return
        if field not in block and field not in parts:
            self.invented.setdefault(position, []).append(field)

    def _stop_block(self, index: int) -> Iterator[StreamEvent]:
        if index not in self._open:
            return
        position, block, parts = self._open[index]  # removed last, because an interrupt can occur at any line
        for field in self._halves.pop(index, {}):
            self.replaced = True
            _add(block, parts, field, "\ufffd")
            if field in _KINDS:
                yield Delta(index, _KINDS[field], "\ufffd")
        for field, texts in parts.items():
            if field != "partial_json":
                block[field] = self._clean(join_surrogates("".join(texts)))
        raw = "".join(parts.get("partial_json", ()))
        try:
            if raw.strip():
                given = read_json(raw, MAX_VALUES - self._values)
                if not (text := written(given)):
                    raise ValueError(raw)
                self._values += count_values(text)
                if block.get("input"):
                    self._mark_altered(block, "sent its arguments twice")
                block["input"] = without_surrogates(given)
                self.replaced |= block["input"] is not given
            whole = block.get("type") != "tool_use" or isinstance(block.get("input"), dict)
        except ValueError:
            whole = False
        if not whole:
            self._unfinish(position)
            self.partial_json = raw
        del self._open[index]
        yield BlockStop(index, block)

    def _unfinish(self, position: int) -> None:
        """Mark the block as unfinished. Only one can be: a tool call that was marked before loses its input instead."""
        if self.unfinished is not None and self.unfinished != position:
            self.content[self.unfinished].pop("input", None)
        self.unfinished = position


def _is_call(block: Block) -> bool:
    return block.get("type") == "tool_use"


def _index(event: dict[str, Any]) -> int:
    index = event.get("index")
    if not isinstance(index, int):
        raise ProtocolError("The endpoint sent a content block event without its index.")
    return index


def _add(block: Block, parts: dict[str, list[str]], field: str, text: str) -> None:
    """Append text to a field of an open block, after the text that the block started with."""
    if field not in parts:
        start = block.get(field)
        parts[field] = [start if isinstance(start, str) else ""]
    parts[field].append(text)


def whole_message(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message that was received as a whole, checked and without lone surrogates, as `Assembler.whole` does.

    Raises:
        ProtocolError: It has no content, or values that cannot be written.
    """
    _check_content(message)
    return _checked(message)[0]


def _check_content(message: dict[str, Any]) -> None:
    content = message.get("content")
    if not isinstance(content, list) or not all(isinstance(block, dict) for block in content):
        raise ProtocolError("The endpoint's response has no content.")


def _checked(part: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Return the part of a message without lone surrogates, and how many values it has."""
    text = written(part)
    if not text:
        raise ProtocolError("The endpoint sent a number that JSON cannot represent, or JSON that is nested too deeply.")
    return without_surrogates(part) if "\\ud" in text else part, count_values(text)
