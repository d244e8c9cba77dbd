"""Send a prompt from a process of its own, and print as JSON how it ended, and how much memory and time it took.

python -m tests.endpoint.measured_call BASE_URL SECONDS_UNTIL_STOP
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mm_magics import Session
from mm_magics.endpoint.sdk import import_sdk
from mm_magics.errors import EndpointError
from mm_magics.events import BlockStop, Event


def peak_mb() -> float:
    """Return the most memory that this process has had; `getrusage` would count what its parent had."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].removesuffix("kB")) / 1024


class StopLater:
    """A view that sets `stop` some seconds after the first block was received."""

    due = None

    def __init__(self, stop: threading.Event, seconds: float) -> None:
        self.began = time.monotonic()
        self._timer = threading.Timer(seconds, stop.set)
        self._timer.daemon = True

    def show(self, event: Event) -> None:
        if isinstance(event, BlockStop) and not self._timer.ident:
            self.began = time.monotonic()
            self._timer.start()


def main(base_url: str, stop_after: float) -> Iterator[tuple[str, Any]]:
    import_sdk()
    stop, error = threading.Event(), ""
    with Session(base_url=base_url, api_key="none", max_retries=0) as session:
        before, view = peak_mb(), StopLater(stop, stop_after)
        try:
            turn = session.ask("Hello.", stop=stop, view=view)
        except EndpointError as failure:
            error, turn = str(failure), failure.turn or session.history.turns("main")[-1]
        yield "seconds", time.monotonic() - view.began
        yield "after_stop", time.monotonic() - view.began - stop_after
        yield "mb", peak_mb() - before
        yield "error", error
        yield "status", turn.status
        yield "text", turn.text[:100]
        yield "record_mb", len(json.dumps(turn.record())) / 1e6
        session.prepare("And now?")


if __name__ == "__main__":
    print(json.dumps(dict(main(sys.argv[1], float(sys.argv[2])))), flush=True)
