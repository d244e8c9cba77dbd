"""What pages learn about a running turn, and what they can request while the kernel is busy."""

from __future__ import annotations

import json
import time
from itertools import pairwise

import pytest

from mm_magics.history.turn import MIME_TYPE, Turn
from mm_magics.tools.call_text import call_hash
from tests.pace import PATIENCE
from tests.turns import broken_rules

SILENT_AFTER_S = 1.5
"""The page then shows "no sign of life"."""
TOOLS = """
import time
from mm_magics import minimax_tool
def rest() -> str:
    time.sleep(3)
    return "rested"
@minimax_tool(asks=True)
def wipe(path: str = "a") -> str:
    return f"wiped {path}"
"""


def turn_message(kind: str, content: dict) -> dict:
    """Return the message about the running turn, or {}."""
    data = (content.get("data") or {}) if kind == "comm_msg" else {}
    return data["content"] if data.get("method") == "custom" else {}


def ops_of(kind: str, content: dict) -> list:
    return turn_message(kind, content).get("ops", [])


@pytest.mark.parametrize("prompt", ["Go on. [[simulator: deltas=3 rate=1]]", "Use rest, please."])
def test_a_busy_kernel_shows_twice_a_second_that_it_lives(kernel, prompt):
    kernel.run(TOOLS)
    flags = "--tools rest" if "rest" in prompt else ""
    run = kernel.run(f"%%minimax {flags}\n{prompt}", "a")
    times = [at for at, (kind, content) in zip(run.times, run.messages, strict=True) if turn_message(kind, content)]
    assert times[-1] - times[0] > 2
    assert max(b - a for a, b in pairwise(times)) < SILENT_AFTER_S * PATIENCE
    assert len(times) > 1.2 * (times[-1] - times[0])
    assert {(each["turn"], each["cell"]) for each in run.turn_messages} == {(run.turn["id"], "a")}
    ends = [each["end"] for each in run.turn_messages]
    assert [each["start"] for each in run.turn_messages] == [0, *ends[:-1]]
    assert run.ops[-1][1]["status"] == "complete"


def test_the_first_message_contains_the_record_of_the_turn(kernel):
    kernel.run("%%minimax\nWhat is a reef?", "a")
    run = kernel.run("%%minimax -t 0.5 --system Brief.\nGo on.", "b")
    (kind, record) = run.turn_messages[0]["ops"][0]
    assert kind == "record"
    assert broken_rules(record) == []
    final = run.turn
    same = ("id", "thread", "cell_id", "created", "model", "system", "params", "request_sha256")
    assert {name: record[name] for name in same} == {name: final[name] for name in same}
    assert (record["messages"], record["status"]) == (final["messages"][:1], "stopped")
    shown = next(content for kind, content in run.messages if kind == "display_data")
    assert shown["data"][MIME_TYPE] == record
    assert "MiniMax is answering" in shown["data"]["text/plain"]


def test_each_round_sends_the_messages_before_it(kernel):
    kernel.run(TOOLS)
    run = kernel.run("%minimax tools allow wipe\n")
    run = kernel.run("%%minimax --tools wipe\nUse wipe, please.", "a")
    kernel.run("%minimax tools forget all")
    records = [op[1] for op in run.ops if op[0] == "record"]
    messages = [message for change in records for message in change["messages"]]
    assert messages == run.turn["messages"][:-1]
    assert records[-1]["responses"][0]["tools"] == run.turn["responses"][0]["tools"]
    assert len(records[-1]["responses"]) == 2


def test_the_complete_state_is_sent_only_to_the_page_that_asks(kernel, simulator):
    state: list[dict] = []

    def half(kind: str, content: dict) -> bool:
        turn.update({"id": turn_message(kind, content)["turn"]} if turn_message(kind, content) else {})
        arrived.extend(op[2] for op in ops_of(kind, content) if op[0] == "add" and op[1] == 1)
        return sum(map(len, arrived)) > 40_000

    def ask() -> None:
        asked = time.monotonic()
        state.append(kernel.request({"type": "state"}, turn["id"])["state"])
        assert time.monotonic() - asked < 0.5 * PATIENCE
        simulator.hurry()

    turn: dict[str, str] = {}
    arrived: list[str] = []
    run = kernel.run("%%minimax\nGo on. [[simulator: deltas=80 rate=8 size=2500]]", "a", when=half, then=ask)
    received = [each for each in run.turn_messages if each["end"] <= state[0]["end"]]
    text = "".join(op[2] for each in received for op in each["ops"] if op[0] == "add" and op[1] == 1)
    (only,) = [op for op in state[0]["ops"] if op[0] == "add" and op[1] == 1]
    assert only[2] == text
    assert len(text) > 20_000
    sent = sum(len(json.dumps(content)) for kind, content in run.messages if kind == "comm_msg")
    assert sent < 230_000
    assert [each["start"] for each in run.turn_messages][1:].count(0) == 0
    assert kernel.request({"type": "state"}, turn["id"]) == {"received": False}


def test_stop_on_the_control_channel_ends_a_turn_at_once(kernel):
    pressed: list[float] = []

    def press() -> None:
        pressed.append(time.monotonic())
        assert kernel.request({"type": "stop"}) == {"received": True}

    slow = "%%minimax\nMore. [[simulator: deltas=2000 size=8 rate=100]]"
    run = kernel.run(
        slow, "a", when=lambda kind, content: any(op[0] == "add" for op in ops_of(kind, content)), then=press
    )
    assert run.turn["status"] == "stopped"
    assert run.times[-1] - pressed[0] < 0.5 * PATIENCE


def test_a_decision_holds_only_for_the_call_that_was_displayed(kernel):
    kernel.run(TOOLS)
    question: dict = {}
    replies: list[dict] = []

    def asking(kind: str, content: dict) -> bool:
        for op in ops_of(kind, content):
            if op[0] == "tool" and op[2]["state"] == "asking":
                question.update(op[2]["question"], turn=turn_message(kind, content)["turn"])
        return bool(question)

    def decide() -> None:
        allow = {"type": "decide", "allowed": True, "always": False, "reason": ""}
        allow |= {"question": question["id"], "sha256": question["sha256"]}
        for other in ({"sha256": call_hash("wipe", {"path": "other"})}, {"question": "other"}, {"sha256": 5}):
            replies.append(kernel.request(allow | other, question["turn"]))
        replies.append(kernel.request(allow, "another turn"))
        time.sleep(0.3)
        deny = {**allow, "allowed": False, "reason": "Not this one."}
        replies.append(kernel.request(deny, question["turn"]))

    run = kernel.run("%%minimax --tools wipe\nUse wipe, please.", "a", when=asking, then=decide)
    assert [each["received"] for each in replies] == [True, True, True, False, True]
    assert run.turn["responses"][0]["tools"][0]["outcome"] == "denied"
    assert "Not this one." in json.dumps(run.turn["messages"])
    call = run.turn["messages"][1]["content"][-1]
    assert [json.loads(part["text"]) for part in question["parts"]] == [call["input"]]
    assert question["sha256"] == call_hash("wipe", call["input"])


def test_other_requests_for_comms_are_answered_as_before(kernel):
    kernel.run("from ipywidgets import IntSlider\nslider = IntSlider()")
    for content in ({}, {"target_name": "jupyter.widget"}):
        kernel.client.control_channel.send(kernel.client.session.msg("comm_info_request", content))
        comms = kernel.client.get_control_msg(timeout=10)["content"]["comms"]
        assert {"target_name": "jupyter.widget"} in comms.values()


def test_the_turn_so_far_is_a_valid_turn_after_a_restart(kernel):
    run = kernel.run("%%minimax\nWhat is a reef?", "a")
    record = run.turn_messages[0]["ops"][0][1]
    turn = Turn.from_record(json.loads(json.dumps(record)))
    assert turn.record() == record
    assert turn.closed == []


def test_half_a_character_does_not_break_a_running_turn(kernel):
    kernel.run("def half() -> str:\n    return 'half \\ud83d'\nhalf_text = half()")
    turn: dict[str, str] = {}
    states: list[dict] = []

    def started(kind: str, content: dict) -> bool:
        turn.update({"id": turn_message(kind, content)["turn"]} if turn_message(kind, content) else {})
        return bool(turn)

    ask = lambda: states.append(kernel.request({"type": "state"}, turn["id"]))  # noqa: E731
    hello = "%%minimax\nHello {{ half_text }} there. [[simulator: deltas=60 rate=40]]"
    runs = [
        kernel.run(hello, "a", when=started, then=ask),
        kernel.run("%%minimax --tools half\nUse half, please.", "a"),
    ]
    for run in runs:
        assert run.error is None
        assert run.turn["status"] == "complete"
        assert "half \ufffd" in json.dumps(run.ops, ensure_ascii=False)
    assert "half \ufffd" in json.dumps(states[0]["state"]["ops"], ensure_ascii=False)
