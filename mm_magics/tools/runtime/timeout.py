"""What ends a synchronous tool before it is over: its time, or Stop.

When a `ToolTimeout` is exited, no interrupt of its own is pending; an interrupt by the user is passed on.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Literal, Self

from mm_magics.errors import ToolError
from mm_magics.interrupts import StoppedError

POLL_S = 0.05
AGAIN_S = 0.5
"""How long a tool may take to heed an interrupt before it gets another one."""


class ToolTimeout:
    """Interrupts the tool on this thread when its time is over (`ToolError`) or the user presses Stop (`StoppedError`).

    On the main thread as Ctrl-C does, so that a sleep or a read ends at once, also where the process ignores Ctrl-C or
    would die of it; on another thread at the next line of Python.
    """

    def __init__(self, seconds: float, stop: threading.Event) -> None:
        self._seconds, self._stop = seconds, stop
        self._thread = threading.get_ident()
        self._is_main = threading.current_thread() is threading.main_thread()
        self._lock = threading.Lock()
        self._left = threading.Event()
        self._why: Literal["time", "stop"] | None = None
        self._systems: signal.Handlers | None = None

    def __enter__(self) -> Self:
        if self._is_main and isinstance(handler := signal.getsignal(signal.SIGINT), signal.Handlers):
            self._systems = handler
            signal.signal(signal.SIGINT, self._heed)
        threading.Thread(target=self._watch, name="mm_magics guard of a tool", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            self._leave()
        except KeyboardInterrupt:  # sent just before the tool was over; or the user's
            self._leave()
            if self._why is None:
                raise
        if kind is None or not issubclass(kind, KeyboardInterrupt) or self._why is None:
            return
        if self._why == "stop":
            raise StoppedError from None
        raise ToolError(f"It took longer than {self._seconds:g} s and was ended.") from None

    def _leave(self) -> None:
        with self._lock:
            self._left.set()
        time.sleep(0)  # an interrupt that was sent under the lock arrives here at the latest
        if self._systems is not None:
            signal.signal(signal.SIGINT, self._systems)

    def _heed(self, _number: int, _frame: FrameType | None) -> None:
        """In place of the system's handler, which a shell leaves to a process in the background."""
        if self._why is not None or self._systems is signal.SIG_DFL:
            raise KeyboardInterrupt

    def _watch(self) -> None:
        due = time.monotonic() + self._seconds
        while not self._left.wait(POLL_S if self._why is None else AGAIN_S):
            if self._why is None:
                self._why = "stop" if self._stop.is_set() else "time" if time.monotonic() >= due else None
            if self._why is not None:
                with self._lock:
                    if not self._left.is_set():
                        self._interrupt()

    def _interrupt(self) -> None:
        if not self._is_main:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(self._thread), ctypes.py_object(KeyboardInterrupt)
            )
        elif os.name == "nt":
            signal.raise_signal(signal.SIGINT)
        else:
            signal.pthread_kill(self._thread, signal.SIGINT)
