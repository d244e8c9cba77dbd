"""What the page is sent while a turn waits: for data, for the next attempt, or for the rows of a map run."""

from __future__ import annotations

import re
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from mm_magics.batch.progress import Progress, Throttled
from mm_magics.display.page_view import PageView
from mm_magics.events import ApprovalRequested, PromptSent, Retrying, ToolFinished, ToolStarted
from mm_magics.history.turn import Turn
from mm_magics.tools.tool import ToolCall, ToolResult

PROMPT: Any = SimpleNamespace(notes=[], model="MiniMax-M2.7", thread="main", timeout=120.0)
CALL = ToolCall("t1", "look", {})
NO_TOOL: Any = None


class Output:
    """A page that records the fields of the turn."""

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}

    def open_channel(self, _turn: Turn, _receive: Any) -> Output:
        return self

    def send(self, ops: Any) -> None:
        for op in ops:
            if op[0] == "state":
                self.fields.update(op[1])

    def display(self, _turn: Turn) -> None:
        pass


@pytest.fixture
def output() -> Output:
    return Output()


@pytest.fixture
def view(output: Output) -> PageView:
    turn = Turn("main", "stopped", "MiniMax-M2.7", [{"role": "user", "content": [{"type": "text", "text": "Hi."}]}])
    shown = PageView(threading.Event(), lambda: turn, output)  # type: ignore[arg-type]
    shown.show(PromptSent(PROMPT))
    return shown


def test_the_page_knows_when_a_silent_call_is_given_up(view: PageView, output: Output) -> None:
    assert output.fields["timeout"] == 120.0


@pytest.mark.parametrize("event", [ToolStarted(CALL), ApprovalRequested(CALL, NO_TOOL)])
def test_the_endpoint_owes_nothing_while_a_tool_runs_or_waits(view: PageView, output: Output, event: Any) -> None:
    view.show(event)
    assert output.fields["timeout"] is None
    result = ToolResult({"type": "tool_result", "tool_use_id": "t1", "content": "ok"}, "done", 0.1)
    view.show(ToolFinished(CALL, result))
    assert output.fields["timeout"] == 120.0


def test_a_retry_can_be_counted_down(view: PageView, output: Output) -> None:
    view.show(Retrying(2, 5, 7.5, "High traffic."))
    assert output.fields["retry"] == {"seconds": 7.5, "attempt": 2, "of": 5}
    assert output.fields["status"] == "waiting"


def test_a_map_run_sends_how_many_rows_are_done(view: PageView, output: Output) -> None:
    view.show(Throttled(3.0, "Slow down."))
    assert "retry" not in output.fields
    view.show(Progress(1000, 312, 3, 40.0, 0.1, 60.0))
    assert output.fields["rows"] == {"rows": 1000, "done": 312, "failed": 3}
    assert output.fields["timeout"] is None


@pytest.mark.parametrize("wait", [Throttled(9.0, "Slow down."), Retrying(2, 5, 9.0, "Slow down.")])
def test_the_note_of_a_wait_of_a_map_run_counts_down_and_ends(
    view: PageView, output: Output, wait: Throttled | Retrying, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("mm_magics.display.page_view.time", SimpleNamespace(monotonic=lambda: now[0]))
    view.show(wait)
    shown = {}
    for seconds in (0.0, 2.5, 8.9, 9.0):
        now[0] = 100.0 + seconds
        view.show(Progress(1000, 312, 3, 40.0, 0.1, 60.0))
        shown[seconds] = "; ".join(output.fields["notes"][1:])
    assert [re.findall(r"(\d+) s", note) for note in shown.values()] == [["9"], ["7"], ["1"], []]
    assert shown[9.0] == ""
