"""Interrupt a synchronous tool when its time is over or Stop is pressed."""

from __future__ import annotations

import ctypes
import signal
import sys
import threading
import time
from types import FrameType, TracebackType
from typing import Literal, Self

from mm_magics.errors import ToolError
from mm_magics.interrupts import StoppedError
from mm_magics.system import interrupt_main_thread

TOOL_POLL_S = 0.05
"""Seconds between two checks of the time and of Stop."""

REPEAT_S = 0.5
"""Seconds after which a tool that ignored an interrupt gets another one."""


def timeout_error(seconds: float) -> ToolError:
    """Return the error of a tool that was stopped after this many seconds."""
    return ToolError(f"It took longer than {seconds:g} s and was stopped.")


class ToolTimeout:
    """A context manager that interrupts the tool it contains, as Ctrl-C does.

    On the main thread a signal also ends a sleep or a read at once, even where the process ignores SIGINT or would be
    killed by it. On another thread the exception is raised at the next Python instruction.

    When it is exited, none of its interrupts is pending. An interrupt by the user is passed on.

    Raises:
        ToolError: If the tool took longer than `seconds`.
        StoppedError: If `stop` was set.
    """

    def __init__(self, seconds: float, stop: threading.Event) -> None:
        self._seconds, self._stop = seconds, stop
        self._thread = threading.get_ident()
        self._is_main = threading.current_thread() is threading.main_thread()
        self._exited = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="mm_magics tool timeout", daemon=True)
        self._reason: Literal["time", "stop"] | None = None
        self._system_handler: signal.Handlers | None = None

    def __enter__(self) -> Self:
        self._user = sys._getframe(1)
        try:
            return self._enter()
        except BaseException:  # an interrupt: nothing would exit
            self._finish()
            raise

    def _enter(self) -> Self:
        if self._is_main and isinstance(handler := signal.getsignal(signal.SIGINT), signal.Handlers):
            self._system_handler = handler
            signal.signal(signal.SIGINT, self._on_sigint)
        self._watcher.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            self._finish()
        except KeyboardInterrupt:  # ours, sent just before the tool ended, or the user's
            self._finish()
            if self._reason is None:
                raise
        if kind is None or not issubclass(kind, KeyboardInterrupt) or self._reason is None:
            return
        if self._reason == "stop":
            raise StoppedError from None
        raise timeout_error(self._seconds) from None

    def _finish(self) -> None:
        self._exited.set()
        if self._watcher.ident is not None:
            self._watcher.join()
        time.sleep(0)  # an interrupt that the watcher sent is delivered here at the latest
        if self._system_handler is not None:
            signal.signal(signal.SIGINT, self._system_handler)

    def _on_sigint(self, _number: int, _frame: FrameType | None) -> None:
        """Replace the system's handler, which a shell sets for a background process."""
        if self._reason is not None or self._system_handler is signal.SIG_DFL:
            raise KeyboardInterrupt

    def _watch(self) -> None:
        due = time.monotonic() + self._seconds
        while not self._exited.wait(TOOL_POLL_S if self._reason is None else REPEAT_S):
            if self._reason is None:
                self._reason = "stop" if self._stop.is_set() else "time" if time.monotonic() >= due else None
            if not self._is_used():
                return
            if self._reason is not None and not self._exited.is_set():
                self._interrupt()

    def _is_used(self) -> bool:
        """Return whether the thread is still in the function with the `with` statement.

        An interrupt in the first line of `__exit__` leaves that function without setting `_exited`.
        """
        frame = sys._current_frames().get(self._thread)
        while frame is not None and frame is not self._user:
            frame = frame.f_back
        return frame is not None

    def _interrupt(self) -> None:
        if not self._is_main:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(self._thread), ctypes.py_object(KeyboardInterrupt)
            )
        else:
            interrupt_main_thread(self._thread)
