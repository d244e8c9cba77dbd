"""The messages about a running turn: every op once, heartbeats, and the complete state for a page that lacks ops."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_magics.display.protocol import AddOp, CloseOp, OpenOp, StateOp, TurnOp
from mm_magics.display.turn_channel import HEARTBEAT_S, PageHandlers, TurnChannel, answer_page
from tests.turns import turn

TURN = replace(turn(), id="t1", cell_id="a")

OPS = st.one_of(
    st.builds(AddOp, st.just("add"), st.integers(0, 1), st.text(min_size=1, max_size=3)),
    st.builds(OpenOp, st.just("open"), st.integers(0, 1), st.just({"type": "text"})),
    st.builds(CloseOp, st.just("close"), st.integers(0, 1), st.just({"seconds": 1.0})),
    st.builds(StateOp, st.just("state"), st.just({"status": "answering"})),
)


def no_stop() -> None:
    raise AssertionError("stopped")


def no_order(_message: object) -> None:
    raise AssertionError("reordered")


def unexpected(*_arguments: object) -> Any:
    raise AssertionError("something else was asked for")


HANDLERS = PageHandlers(no_stop, no_order, *[unexpected] * 6)


class Page:
    """Applies messages as a page does."""

    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.received: list[Any] = []
        self.channel = TurnChannel(TURN, self._send, self.received.append)

    def _send(self, data: Mapping[str, Any]) -> None:
        assert data["method"] == "custom"
        self.messages.append(data["content"])


@pytest.fixture
def page() -> Iterator[Page]:
    page = Page()
    yield page
    page.channel.close()


def texts(ops: list[Any]) -> list[Any]:
    """Return the ops with consecutive texts for a block joined."""
    joined: list[Any] = []
    for op in map(list, ops):
        if op[0] == "add" and joined and joined[-1][:2] == op[:2]:
            joined[-1][2] += op[2]
        else:
            joined.append(op)
    return joined


@given(st.lists(st.lists(OPS, min_size=1, max_size=4), max_size=5), st.integers(0, 5))
def test_every_op_is_sent_once_and_the_state_replaces_all_before_it(batches: list[list[TurnOp]], asked: int) -> None:
    page = Page()
    late: list[Any] = []
    for number, ops in enumerate(batches):
        if number == asked:
            late = page.channel.state()["ops"][:]  # type: ignore[assignment]
        page.channel.send(ops)
    state = page.channel.state()
    page.channel.close()
    sent = [message for message in page.messages if message["ops"]]
    assert [message["start"] for message in sent] == [0, *(message["end"] for message in sent)][: len(sent)]
    assert (
        texts([op for message in sent for op in message["ops"]])
        == state["ops"]
        == texts([op for ops in batches for op in ops])
    )
    if late:
        later = [op for message in sent[asked:] for op in message["ops"]]
        assert texts([*late, *later]) == state["ops"]
    assert (state["start"], state["end"]) == (0, sum(map(len, batches)))


def test_a_heartbeat_is_sent_while_nothing_else_is(page: Page) -> None:
    deadline = time.monotonic() + 60
    while len(beats := [message for message in page.messages if not message["ops"]]) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert {(each["turn"], each["cell"], each["start"], each["end"]) for each in beats} == {("t1", "a", 0, 0)}
    assert beats[-1]["seconds"] > beats[0]["seconds"]


def test_a_heartbeat_waits_until_nothing_else_was_sent_for_a_while(page: Page) -> None:
    page.channel.send([AddOp("add", 0, "a")])
    sent_at = time.monotonic()
    while not page.messages[1:]:
        page.channel.beat()
        time.sleep(0.01)
    assert time.monotonic() - sent_at > HEARTBEAT_S * 0.9
    assert [len(message["ops"]) for message in page.messages] == [1, 0]


def test_a_closed_channel_sends_and_receives_nothing(page: Page) -> None:
    page.channel.close()
    time.sleep(HEARTBEAT_S * 1.5)
    assert page.messages == []
    assert answer_page({"turn": "t1", "message": {"type": "stop"}}, HANDLERS) == {"received": False}
    assert page.received == []


def test_a_channel_that_nobody_uses_ends() -> None:
    page = Page()
    messages = page.messages
    del page
    gc.collect()
    time.sleep(HEARTBEAT_S * 1.5)
    assert messages == []


def test_a_request_reaches_the_turn_that_it_names(page: Page) -> None:
    page.channel.send([AddOp("add", 0, "text")])
    state = answer_page({"turn": "t1", "message": {"type": "state"}}, HANDLERS)
    assert state["received"]
    assert state["state"]["ops"] == [["add", 0, "text"]]
    assert answer_page({"turn": "t1", "message": {"type": "here"}}, HANDLERS) == {"received": True}
    assert answer_page({"turn": "t2", "message": {"type": "stop"}}, HANDLERS) == {"received": False}
    assert page.received == [{"type": "here"}]


def test_the_request_of_a_turn_and_its_pin_are_answered_for_turns_that_do_not_run() -> None:
    pinned: list[tuple[str, bool]] = []

    def pin(id_: str, on: bool) -> bool:
        pinned.append((id_, on))
        return id_ == "t1"

    shown: Any = {"t1": {"text": "{}", "note": "Sent."}}
    handlers = replace(HANDLERS, show_request=shown.get, pin=pin)
    assert answer_page({"turn": "t1", "message": {"type": "request"}}, handlers) == {
        "received": True,
        "request": shown["t1"],
    }
    assert answer_page({"turn": "t2", "message": {"type": "request"}}, handlers) == {"received": False}
    assert answer_page({"turn": "t1", "message": {"type": "pin", "on": True}}, handlers) == {"received": True}
    assert answer_page({"turn": "t2", "message": {"type": "pin", "on": False}}, handlers) == {"received": False}
    assert answer_page({"turn": "t1", "message": {"type": "pin", "on": "yes"}}, handlers) == {"received": False}
    assert pinned == [("t1", True), ("t2", False)]


def test_the_summary_after_a_turn_is_shown_and_changed() -> None:
    asked: list[tuple[str, str | None]] = []

    def summary(id_: str, text: str | None) -> Any:
        asked.append((id_, text))
        return {"text": "They met.", "note": ""} if id_ == "t1" else None

    handlers = replace(HANDLERS, summary=summary)
    reply = {"received": True, "summary": {"text": "They met.", "note": ""}}
    assert answer_page({"turn": "t1", "message": {"type": "summary"}}, handlers) == reply
    assert answer_page({"turn": "t1", "message": {"type": "summary", "text": "New."}}, handlers) == reply
    assert answer_page({"turn": "t2", "message": {"type": "summary"}}, handlers) == {"received": False}
    assert answer_page({"turn": "t1", "message": {"type": "summary", "text": 1}}, handlers) == {"received": False}
    assert asked == [("t1", None), ("t1", "New."), ("t2", None)]
