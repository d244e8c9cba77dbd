"""Capture what each tool prints, for its result, and make `input()` fail while tools run.

What other code prints at the same time goes to the usual stream.
"""

from __future__ import annotations

import builtins
import contextlib
import io
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NoReturn, TextIO

from mm_magics.background_context import background_execution
from mm_magics.errors import ToolError
from mm_magics.prompt.terminal_text import terminal_text
from mm_magics.wording import counted

_current: ContextVar[CapturedOutput | None] = ContextVar("mm_magics_captured_output", default=None)


class CapturedOutput:
    """The first `limit` characters (0: all) that a call prints, and the number of the others."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[str] = []
        self._stored = self._size = 0

    def add(self, text: str) -> None:
        part = text if not self._limit else text[: max(0, self._limit - self._stored)]
        self._parts.append(part)
        self._stored += len(part)
        self._size += len(text)

    @property
    def text(self) -> str:
        text, more = terminal_text("".join(self._parts)), self._size - self._stored
        return f"{text}\n… [cut here: {counted(more, 'more character')}]" if more else text.rstrip("\n")

    @contextmanager
    def capture(self) -> Iterator[None]:
        """Capture what this context prints, and the tasks and threads that copy the context."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)


def _write(stream: TextIO, text: str) -> int:
    """Pass a text to the call that prints it; what other code prints goes to the stream."""
    captured = _current.get()
    if captured is None:
        return stream.write(text)
    captured.add(text)
    return len(text)


class _Router(io.TextIOBase):
    """A standard stream that passes each text to the call that prints it."""

    encoding = "utf-8"

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        return _write(self._stream, text)

    def flush(self) -> None:
        if _current.get() is None:
            self._stream.flush()


def is_in_tool() -> bool:
    """Return whether this code runs in a tool."""
    return _current.get() is not None


@contextmanager
def route_output() -> Iterator[None]:
    """Replace the standard streams, so that each call's `CapturedOutput` gets what the call prints."""
    if background_execution() is not None:
        yield  # `route_beside_cells` has done it
        return
    outer, input_, stdin = _current.get(), builtins.input, sys.stdin
    builtins.input, sys.stdin = refuse_input, io.StringIO()
    try:
        with contextlib.redirect_stdout(_Router(sys.stdout)), contextlib.redirect_stderr(_Router(sys.stderr)):
            yield
    finally:
        builtins.input, sys.stdin = input_, stdin
        _current.set(outer)  # an interrupt may have left a call as the current one


class _StreamBesideCells:
    """A standard stream of the kernel in every respect, except that it passes what a tool prints to its call."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    __class__ = property(lambda self: type(self._stream))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        return _write(self._stream, text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)


def route_beside_cells() -> None:
    """Let each call get what it prints while cells run, from now on.

    IPython and cells replace the streams and their `write` at any time, and then restore what they found.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if type(stream) is not _StreamBesideCells:
            setattr(sys, name, _StreamBesideCells(stream))


def refuse_input(_prompt: Any = "") -> NoReturn:
    """Fail in place of `input()`, which nobody would answer."""
    raise ToolError("input() is not available while a tool runs.")
