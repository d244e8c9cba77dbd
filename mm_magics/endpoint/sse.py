"""Decode server-sent events from a byte stream.

The result does not depend on how the bytes are split into chunks. Source: the HTML standard, "Server-sent events".
"""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from typing import Any, NoReturn

import jiter

from mm_magics.errors import ProtocolError
from mm_magics.json_size import MAX_BYTES, JSONSizeError, check_size

MAX_LINES = 100_000
"""Lines of one event. Each becomes an object."""

_SMALL = 4_096
"""Bytes of an event that is parsed whatever it contains."""


class SSEDecoder:
    """Takes bytes and returns the data of complete events. The bytes of an incomplete event wait for more."""

    def __init__(self) -> None:
        self._waiting: list[bytes] = []
        self._size = 0
        self._begun = False
        self._ends_in_newline = False
        self._ends_in_return = False

    def decode(self, chunk: bytes) -> list[bytes]:
        """Return the data of the events that the chunk completes. Raises `ProtocolError` if one is too large."""
        if b"\r" in chunk or self._ends_in_return:
            chunk = self._normalize_newlines(chunk)
        if not chunk:
            return []
        closes = b"\n\n" in chunk or (self._ends_in_newline and chunk[:1] == b"\n")
        self._ends_in_newline = chunk[-1:] == b"\n"
        self._waiting.append(chunk)
        self._size += len(chunk)
        if not closes:
            if self._size > MAX_BYTES:
                raise too_large(f"more than {MAX_BYTES // 1_000_000} MB")
            return []
        *frames, rest = b"".join(self._waiting).split(b"\n\n")
        self._waiting = [rest] if rest else []
        self._size = len(rest)
        self._ends_in_newline = rest[-1:] == b"\n"
        return [data for frame in self._without_bom(frames) if (data := _data(frame))]

    def flush(self) -> list[bytes]:
        """Return, at the end of the stream, a last event with complete data but no blank line after it."""
        (rest,), self._waiting = self._without_bom([b"".join(self._waiting)]), []
        data = _data(rest)
        try:
            return [data] if data and parse(data) else []
        except ProtocolError:
            return []

    def _without_bom(self, frames: list[bytes]) -> list[bytes]:
        """Remove a byte order mark from the first frame of the stream."""
        if self._begun:
            return frames
        self._begun = True
        return [frames[0].removeprefix(BOM_UTF8), *frames[1:]]

    def _normalize_newlines(self, chunk: bytes) -> bytes:
        if not chunk:
            return chunk
        follows_return, self._ends_in_return = self._ends_in_return, chunk.endswith(b"\r")
        if follows_return:
            chunk = chunk.removeprefix(b"\n")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _data(frame: bytes) -> bytes:
    """Return the frame's data without surrounding whitespace; empty if it has none."""
    if frame.count(b"\n") > MAX_LINES:
        raise too_large(f"more than {MAX_LINES:,} lines")
    return b"\n".join([line[5:] for line in frame.split(b"\n") if line[:5] == b"data:"]).strip()


def parse(data: bytes) -> dict[str, Any]:
    """Parse the data of an event. Raises `ProtocolError` if it is not a JSON object, or too large."""
    try:
        if len(data) > _SMALL:
            check_size(data)
        event = jiter.from_json(data, allow_inf_nan=False)
    except JSONSizeError as error:
        raise too_large(str(error)) from None
    except ValueError:
        try:  # json accepts what jiter refuses: lone surrogates, and bytes that are not UTF-8
            event = json.loads(data.decode("utf-8", "replace"), parse_constant=reject_constant)
        except RecursionError:
            raise too_large("too many levels of nesting") from None
        except ValueError:
            raise ProtocolError("The endpoint sent an event that is not JSON.") from None
    if not isinstance(event, dict):
        raise ProtocolError("The endpoint sent an event that is not a JSON object.")
    return event


def too_large(what: str) -> ProtocolError:
    """Return the error for an event or a body that is not parsed, with what it has too much of."""
    return ProtocolError(
        f"The endpoint sent {what} at once, and the response was cancelled.",
        "The partial response is kept. Run the cell again, or use another endpoint.",
    )


def reject_constant(constant: str) -> NoReturn:
    """Refuse a constant that is not JSON, such as NaN; for `json.loads(parse_constant=…)`."""
    raise ValueError(constant)
