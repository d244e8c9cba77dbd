"""The progress line of a map run in a script, on standard error."""

from __future__ import annotations

import sys
import time

from mm_magics.batch.progress import MapEvent, Progress, Throttled
from mm_magics.events import Retrying

LOG_INTERVAL_S = 10.0
"""How often progress is written if standard error is a log, where a line cannot be overwritten."""


class ProgressLine:
    """A view that shows progress as one line, overwritten where possible. Call `end` after the last event."""

    due: float | None = None

    def __init__(self) -> None:
        self._overwrites = sys.stderr.isatty() or type(sys.stderr).__module__.startswith("ipykernel")
        self._written = 0.0
        self._pending = ""

    def show(self, event: MapEvent) -> None:
        if isinstance(event, Progress) and self._overwrites:
            sys.stderr.write(f"\r{event}\x1b[K")
        elif isinstance(event, Progress) and time.monotonic() - self._written >= LOG_INTERVAL_S:
            sys.stderr.write(f"{event}\n")
            self._written, self._pending = time.monotonic(), ""
        elif isinstance(event, Progress):
            self._pending = f"{event}\n"
        elif isinstance(event, Throttled | Retrying):
            sys.stderr.write(f"{event}\n")
        sys.stderr.flush()

    def end(self) -> None:
        """Finish the line."""
        sys.stderr.write("\n" if self._overwrites else self._pending)
