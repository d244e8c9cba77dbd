"""Collect output of any length in bounded memory: its start and its end, and a count of what is cut between them."""

from __future__ import annotations

import io

from mm_magics.config import TOOL_LIMIT

LIMIT = TOOL_LIMIT


class BoundedText(io.TextIOBase):
    """A stream that stores about `limit` characters of what is written to it.

    >>> output = BoundedText(limit=8)
    >>> _ = output.write("abcdefghijkl")
    >>> output.text
    'abcd\\n… [cut here: 4 characters]\\nijkl'
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._half = limit // 2
        self._head = ""
        self._tail = ""
        self._size = 0

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        room = self._half - len(self._head)
        self._head += text[:room]
        self._tail += text[room:]
        if len(self._tail) > 4 * self._half:  # rarely, so that small writes do not copy it each time
            self._tail = self._tail[-self._half :]
        self._size += len(text)
        return len(text)

    @property
    def text(self) -> str:
        tail = self._tail[-self._half :]
        left_out = self._size - len(self._head) - len(tail)
        return f"{self._head}\n… [cut here: {left_out:,} characters]\n{tail}" if left_out else self._head + tail
