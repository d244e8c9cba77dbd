"""What ends a tool where the process ignores SIGINT, as one put into the background by a shell, or would die of it."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator

import pytest

from mm_magics.errors import ToolError
from mm_magics.interrupts import StoppedError
from mm_magics.tools.runtime.timeout import ToolTimeout


@pytest.fixture(params=[signal.SIG_IGN, signal.SIG_DFL], ids=str)
def handler(request: pytest.FixtureRequest) -> Iterator[signal.Handlers]:
    before = signal.signal(signal.SIGINT, request.param)
    yield request.param
    after = signal.signal(signal.SIGINT, before)
    assert after == request.param


def test_a_tool_is_interrupted_when_its_time_is_over(handler: signal.Handlers) -> None:
    began = time.monotonic()
    with pytest.raises(ToolError, match=r"longer than 0\.1 s"), ToolTimeout(0.1, threading.Event()):
        time.sleep(60)
    assert time.monotonic() - began < 30


def test_stop_ends_a_tool(handler: signal.Handlers) -> None:
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    began = time.monotonic()
    with pytest.raises(StoppedError), ToolTimeout(60, stop):
        time.sleep(60)
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("handler", [signal.SIG_IGN], indirect=True)
def test_an_ignored_interrupt_stays_ignored_while_a_tool_runs(handler: signal.Handlers) -> None:
    with ToolTimeout(60, threading.Event()):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("handler", [signal.SIG_DFL], indirect=True)
def test_an_interrupt_that_would_kill_the_process_interrupts_the_tool(handler: signal.Handlers) -> None:
    with pytest.raises(KeyboardInterrupt), ToolTimeout(60, threading.Event()):
        signal.raise_signal(signal.SIGINT)
