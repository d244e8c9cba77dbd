"""Text that comes piece by piece and is kept up to a limit: its beginning and its end, which says how it ended.

Always true: however much comes, about `limit` characters are held; what was left out is counted in the text itself.
"""

from __future__ import annotations

import io

LIMIT = 20_000
"""Characters of what one call of a built-in tool gives to the model."""


class BoundedText(io.TextIOBase):
    """A stream to write to, whose `text` is what is left of it.

    >>> kept = BoundedText(limit=8)
    >>> _ = kept.write("abcdefghijkl")
    >>> kept.text
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
        if len(self._tail) > 4 * self._half:  # seldom, so that many small pieces do not each copy it
            self._tail = self._tail[-self._half :]
        self._size += len(text)
        return len(text)

    @property
    def text(self) -> str:
        tail = self._tail[-self._half :]
        left_out = self._size - len(self._head) - len(tail)
        return f"{self._head}\n… [cut here: {left_out:,} characters]\n{tail}" if left_out else self._head + tail
