"""Stop, and holding an interrupt back for the few milliseconds in which a turn is written down.

Always true: an interrupt that came meanwhile is delivered at the end, never lost.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StoppedError(Exception):
    """Somebody pressed Stop."""


@contextmanager
def deferred() -> Iterator[None]:
    """SIGINT waits until the block is left. Off the main thread, where no interrupt can arrive, nothing is done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, lambda number, frame: came.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before if before is not None else signal.default_int_handler)
        if came and callable(before):
            before(*came[0])
