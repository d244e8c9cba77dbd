"""The exception for Stop, and a way to defer an interrupt for the few milliseconds in which a turn is saved."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StoppedError(Exception):
    """The user pressed Stop."""


@contextmanager
def deferred() -> Iterator[None]:
    """Deliver a SIGINT that arrives in the block at its end. Other threads than the main one receive none anyway."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[tuple[int, FrameType | None]] = []
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, lambda number, frame: received.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before if before is not None else signal.default_int_handler)
        if received and callable(before):
            before(*received[0])
