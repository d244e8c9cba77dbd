"""The execution that a thread works for, beside the cells that the kernel runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_execution: ContextVar[str | None] = ContextVar("mm_magics_background_execution", default=None)


def background_execution() -> str | None:
    """Return the id of the execution that this context works for; None if it runs no prompt in the background."""
    return _execution.get()


@contextmanager
def in_background(execution: str) -> Iterator[None]:
    """Work for an execution whose cell has returned."""
    token = _execution.set(execution)
    try:
        yield
    finally:
        _execution.reset(token)
