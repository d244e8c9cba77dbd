"""Decode server-sent events from a byte stream.

The result does not depend on how the bytes are split into chunks. Source: the HTML standard, "Server-sent events".
"""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from typing import Any, NoReturn

import jiter

from mm_magics.errors import ProtocolError


class SSEDecoder:
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
            event = json.loads(data.decode("utf-8", "replace"), parse_constant=reject_constant)
        except (ValueError, RecursionError):
            raise ProtocolError("The endpoint sent an event that is not JSON.") from None
    if not isinstance(event, dict):
        raise ProtocolError("The endpoint sent an event that is not a JSON object.")
    return event


def reject_constant(constant: str) -> NoReturn:
    raise ValueError(constant)
