"""What tools print goes into their results and not into the cell, each one's into its own; `input()` has nobody to ask.

Always true: what is printed by anybody else meanwhile goes where it went before.
"""

from __future__ import annotations

import builtins
import contextlib
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NoReturn, TextIO

from mm_magics.errors import ToolError

_taker: ContextVar[CapturedOutput | None] = ContextVar("mm_magics_printed", default=None)


class CapturedOutput:
    """The first `limit` characters (0: all) that a call prints, and how many more there were."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[str] = []
        self._kept = self._size = 0

    def add(self, text: str) -> None:
        part = text if not self._limit else text[: max(0, self._limit - self._kept)]
        self._parts.append(part)
        self._kept += len(part)
        self._size += len(text)

    @property
    def text(self) -> str:
        kept, more = "".join(self._parts), self._size - self._kept
        return f"{kept}\n… [cut here: {more:,} more characters]" if more else kept.rstrip("\n")

    @contextmanager
    def taking(self) -> Iterator[None]:
        """What this context, and what it starts, prints is taken."""
        token = _taker.set(self)
        try:
            yield
        finally:
            _taker.reset(token)


class _Router(io.TextIOBase):
    """A standard stream that gives each text to the call that prints it."""

    encoding = "utf-8"

    def __init__(self, usual: TextIO) -> None:
        self._usual = usual

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        taker = _taker.get()
        if taker is None:
            return self._usual.write(text)
        taker.add(text)
        return len(text)

    def flush(self) -> None:
        if _taker.get() is None:
            self._usual.flush()


@contextmanager
def routed() -> Iterator[None]:
    """Let each call's `CapturedOutput` take what it prints."""
    ask, stdin = builtins.input, sys.stdin
    builtins.input, sys.stdin = _nobody, io.StringIO()
    try:
        with contextlib.redirect_stdout(_Router(sys.stdout)), contextlib.redirect_stderr(_Router(sys.stderr)):
            yield
    finally:
        builtins.input, sys.stdin = ask, stdin


def _nobody(_prompt: Any = "") -> NoReturn:
    raise ToolError("input() has nobody to ask while a tool runs.")
