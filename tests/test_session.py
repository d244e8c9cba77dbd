"""A session: what is sent back to the endpoint, what a cell sees, and how a turn can end."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from mm_magics import Session
from mm_magics.api.messages import blocks, problems
from mm_magics.errors import ConfigError, ConnectionFailedError, EndpointError, MissingKeyError
from mm_magics.events import BlockStart, BlockStop, Delta, Idle, MessageStart, MessageStop, PromptSent, TurnEnd
from mm_magics.simulator import ScriptedAnswer, Simulator, text, thinking, tool_use
from tests.pace import PATIENCE
from tests.recorder import Recorder, sse
from tests.turns import broken_rules

TOOL = {"name": "lookup", "input_schema": {"type": "object", "properties": {"query": {"type": "string"}}}}


def sent(endpoint: Simulator, number: int = -1) -> list[list[str]]:
    """The texts of each message of a request."""
    messages = endpoint.log[number].body["messages"]
    return [[block["text"] for block in blocks(message) if block["type"] == "text"] for message in messages]


# Verbatim -------------------------------------------------------------------------------------------------------

ODD: list[Any] = [
    thinking(" spaces \u00a0 and\r\nlines \u2028 牡蠣 "),
    {"type": "hologram", "depth": 3, "data": {"deep": [None, 1.5, "🦪", {}]}},
    {"type": "redacted_thinking", "data": "gAAAA=="},
    {"type": "text", "text": "Hello\n\n  ", "citations": None, "x_minimax": {"shade": 7}},
    {"type": "thinking", "thinking": "unsigned", "signature": None},
    {"type": "text", "text": "Grüße 🦪"},
    {"type": "server_tool_use", "id": "s1", "name": "search", "input": {"q": [1, {"a": "b"}]}},
]


@pytest.mark.parametrize("is_strict", [False])
def test_every_assistant_message_is_sent_back_verbatim(session: Session, endpoint: Simulator) -> None:
    endpoint.answers.extend(
        [ScriptedAnswer(ODD), "second", ScriptedAnswer([text("no thinking")]), ScriptedAnswer(ODD[2:], size=1)]
    )
    for number in range(5):
        session.ask(f"question {number}")
    replayed = endpoint.log[-1].replayed
    assert [each.index for each in replayed] == [1, 3, 5, 7]
    assert all(each.unchanged for each in replayed), replayed
    assert endpoint.log[-1].body["messages"][1]["content"][1] == ODD[1]


@pytest.mark.parametrize("is_strict", [False])
@pytest.mark.parametrize(
    "fault", ["unknown-block", "unknown-fields", "unsigned-thinking", "only-thinking", "think-tags", "tool-xml", "json"]
)
def test_unknown_blocks_and_fields_are_sent_back_verbatim(session: Session, endpoint: Simulator, fault: str) -> None:
    session.ask(f"Hello. [[simulator: fault={fault}]]")
    session.ask("And now?")
    assert [each.unchanged for each in endpoint.log[-1].replayed] == [True]


def test_tool_calls_are_sent_back_with_their_thinking_and_a_result_for_each(
    session: Session, endpoint: Simulator
) -> None:
    endpoint.answers.append(
        ScriptedAnswer([thinking("hm"), tool_use("lookup", {"query": "a"}), tool_use("lookup", {"n": 1})])
    )
    turn = session.ask("Look it up.", params={"tools": [TOOL]})
    session.ask("And now?")
    array = endpoint.log[-1].body["messages"]
    assert endpoint.log[-1].replayed[0].unchanged
    ids = [block["id"] for block in blocks(turn.messages[1]) if block["type"] == "tool_use"]
    assert [block.get("tool_use_id") for block in array[2]["content"]] == [*ids, None]
    assert all(block["is_error"] for block in array[2]["content"][:2])


def test_an_answer_that_max_tokens_cut_is_sent_back_as_it_is(session: Session, endpoint: Simulator) -> None:
    endpoint.answers.append(ScriptedAnswer([thinking("short"), text("x" * 4_000)]))
    turn = session.ask("Hello", max_tokens=100)
    assert turn.status == "truncated"
    session.ask("Go on.")
    assert sent(endpoint) == [["Hello"], [turn.text], ["Go on."]]
    assert endpoint.log[-1].replayed[0].unchanged


def test_thinking_that_max_tokens_cut_is_shown_and_not_sent(session: Session, endpoint: Simulator) -> None:
    endpoint.answers.append(ScriptedAnswer([thinking("x" * 4_000), text("never said")]))
    turn = session.ask("Hello", max_tokens=10)
    assert (turn.status, turn.closed) == ("truncated", [])
    assert blocks(turn.messages[1])[0]["thinking"]
    session.ask("Again.")
    assert sent(endpoint) == [["Again."]]


# What a cell sees -----------------------------------------------------------------------------------------------


def test_a_cell_sees_the_turns_above_it_and_rerunning_replaces_its_own(session: Session, endpoint: Simulator) -> None:
    endpoint.answers.extend(["a1", "b1", "c1", "b2", "d1"])
    for cell in "abcbd":
        session.ask(f"{cell}?", cell_id=cell)
    assert sent(endpoint, 3) == [["a?"], ["a1"], ["b?"]]
    assert sent(endpoint, 4) == [["a?"], ["a1"], ["b?"], ["b2"], ["c?"], ["c1"], ["d?"]]
    turns = session.history.turns("main")
    assert [turn.text for turn in turns] == ["a1", "b2", "c1", "d1"]
    assert [turn.place in session.history.stale() for turn in turns] == [False, False, True, False]


@pytest.mark.parametrize(
    ("context", "seen"),
    [
        ("above", [["a?"], ["a1"], ["b?"], ["b1"], ["new"]]),
        ("all", [["a?"], ["a1"], ["b?"], ["b1"], ["d?"], ["d1"], ["new"]]),
        ("none", [["new"]]),
        (1, [["b?"], ["b1"], ["new"]]),
        (0, [["new"]]),
    ],
)
def test_context_selects_the_turns_that_are_sent(
    session: Session, endpoint: Simulator, context: Any, seen: Any
) -> None:
    endpoint.answers.extend(["a1", "b1", "c1", "d1"])
    for cell in "abcd":
        session.ask(f"{cell}?", cell_id=cell)
    prompt = session.prepare("new", cell_id="c", context=context)
    assert len(prompt.context_turns) == (len(seen) - 1) // 2
    session.ask(prompt)
    assert sent(endpoint) == seen


def test_threads_do_not_see_each_other(session: Session, endpoint: Simulator) -> None:
    endpoint.answers.extend(["a1", "x1", "a2"])
    session.ask("a?", cell_id="a")
    session.ask("x?", cell_id="a", thread="other")
    session.ask("b?", cell_id="b")
    assert sent(endpoint, 1) == [["x?"]]
    assert sent(endpoint, 2) == [["a?"], ["a1"], ["b?"]]


def test_without_cells_turns_are_in_the_order_of_the_prompts(session: Session, endpoint: Simulator) -> None:
    endpoint.answers.extend(["1", "2"])
    for question in ("q1", "q2", "q3"):
        session.ask(question)
    assert sent(endpoint) == [["q1"], ["1"], ["q2"], ["2"], ["q3"]]


def test_clearing_a_thread_makes_the_next_prompt_the_first(session: Session, endpoint: Simulator) -> None:
    session.ask("a?")
    session.history.clear("main")
    session.ask("b?")
    assert sent(endpoint) == [["b?"]]


def test_prepare_sends_nothing_and_leaves_the_history_unchanged(session: Session, endpoint: Simulator) -> None:
    prompt = session.prepare("hi", cell_id="a")
    assert (endpoint.log, session.history.threads()) == ([], {})
    assert prompt.body["messages"] == [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]


def test_a_changed_setting_applies_to_the_next_call(session: Session, endpoint: Simulator) -> None:
    session.ask("hi")
    session.config.model, session.config.temperature, session.config.thread = "MiniMax-M2", 0.5, "other"
    session.ask("hi")
    body = endpoint.log[-1].body
    assert (body["model"], body["temperature"], len(body["messages"])) == ("MiniMax-M2", 0.5, 1)
    assert list(session.history.threads()) == ["main", "other"]


# Events ---------------------------------------------------------------------------------------------------------


def test_the_events_of_a_turn_are_in_order(session: Session, endpoint: Simulator) -> None:
    endpoint.answers.append(ScriptedAnswer([thinking("hmm"), text("Hello")], thinking_size=None, size=5))
    events = [event for event in session.stream("hi") if not isinstance(event, Idle)]
    types = [type(event) for event in events if type(event).__name__ != "OtherEvent"]
    block = [BlockStart, Delta, BlockStop]
    assert types == [PromptSent, MessageStart, *block, *block, MessageStop, TurnEnd]
    end = events[-1]
    assert isinstance(end, TurnEnd)
    assert end.turn is session.history.turns("main")[0]
    assert (end.turn.text, end.turn.status) == ("Hello", "complete")


def test_a_turn_records_usage_and_times(session: Session, endpoint: Simulator) -> None:
    turn = session.ask("hi [[simulator: wait=0.05 rate=200 deltas=10]]")
    (response,) = turn.responses
    assert response["usage"] == endpoint.log[0].usage
    assert 0.04 <= response["first_token_s"] <= response["seconds"] < 5 * PATIENCE
    assert 0 <= response["thinking_s"] <= response["seconds"]
    assert response["model"] == turn.model
    assert len(response["id"]) == 32


def test_malformed_usage_gives_a_valid_record() -> None:
    start = {"type": "message_start", "message": {"content": [], "usage": "many", "model": 5}}
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "a"}}
    stop = {"type": "message_stop"}
    with Recorder(sse(start, block, stop)) as recorder, Session(base_url=recorder.base_url, api_key="k") as session:
        turn = session.ask("hi")
    assert broken_rules(turn.record()) == []


def test_a_view_is_shown_every_event_and_woken_when_it_is_due(session: Session, endpoint: Simulator) -> None:
    class Impatient:
        def __init__(self) -> None:
            self.due: float | None = None
            self.seen: list[Any] = []
            self.idle: list[float] = []

        def show(self, event: Any) -> None:
            self.seen.append(event)
            if isinstance(event, Idle):
                self.idle.append(time.monotonic())
            self.due = time.monotonic() + 0.01

    view = Impatient()
    session.ask("hi [[simulator: stall=0.2 after=2 deltas=4]]", view=view)
    assert isinstance(view.seen[0], PromptSent)
    assert isinstance(view.seen[-1], TurnEnd)
    assert len(view.idle) >= 8


def test_an_idle_event_follows_within_a_tenth_of_a_second_of_silence(session: Session) -> None:
    began = time.monotonic()
    for event in session.stream("[[simulator: fault=silence-before-headers]]"):
        if isinstance(event, Idle):
            break
    assert time.monotonic() - began < 0.5 * PATIENCE


# How a turn can end ---------------------------------------------------------------------------------------------

LONG = "[[simulator: deltas=100000 rate=500]]"


def test_stop_keeps_the_partial_response(session: Session, endpoint: Simulator) -> None:
    stop = threading.Event()
    deltas = 0
    for event in session.stream(LONG, stop=stop, cell_id="a"):
        deltas += isinstance(event, Delta)
        if deltas == 20 and not stop.is_set():
            stop.set()
            asked = time.monotonic()
    assert time.monotonic() - asked < 0.3 * PATIENCE
    (turn,) = session.history.turns("main")
    assert turn.status == "stopped"
    assert turn.text.startswith("Sentence 1 of this answer")
    assert broken_rules(turn.record()) == []
    assert session.ask("And now?", cell_id="b").status == "complete"
    assert sent(endpoint) == [[LONG], [turn.text], ["And now?"]]


@pytest.mark.parametrize("fault", ["silence-before-headers", "silence-after-headers", "silence", "pings", "endless"])
def test_stop_is_noticed_within_a_tenth_of_a_second_whatever_the_socket_does(session: Session, fault: str) -> None:
    stop = threading.Event()
    timer = threading.Timer(0.05, stop.set)
    timer.start()
    began = time.monotonic()
    turn = session.ask(f"[[simulator: fault={fault}]]", stop=stop)
    assert time.monotonic() - began < 0.5 * PATIENCE
    assert turn.status == "stopped"
    timer.join()


def test_leaving_the_loop_keeps_the_partial_response_as_a_stopped_turn(session: Session) -> None:
    with session.stream(LONG) as answer:
        for event in answer:
            if isinstance(event, Delta) and event.kind == "text":
                break
    assert answer.turn is session.history.turns("main")[0]
    assert answer.turn is not None
    assert (answer.turn.status, bool(answer.turn.text)) == ("stopped", True)
    assert answer.close() is answer.turn


def test_an_error_in_the_view_keeps_the_partial_response_and_is_raised(session: Session) -> None:
    class Broken:
        due = None

        def show(self, event: Any) -> None:
            if isinstance(event, Delta) and event.kind == "text":
                raise ZeroDivisionError("in the view")

    with pytest.raises(ZeroDivisionError, match="in the view"):
        session.ask(LONG, view=Broken())
    assert [turn.status for turn in session.history.turns("main")] == ["stopped"]
    assert session.ask("And now?").status == "complete"


def test_a_turn_without_content_leaves_the_history_unchanged(session: Session, endpoint: Simulator) -> None:
    first = session.ask("hi", cell_id="a")
    with pytest.raises(EndpointError) as caught:
        session.ask("hi [[simulator: fault=overloaded]]", cell_id="a", timeout=5)
    assert session.history.turns("main") == [first]
    assert caught.value.turn is not None
    assert caught.value.turn.messages[1:] == []


def test_a_failed_rerun_replaces_the_turn_with_the_partial_response(session: Session) -> None:
    session.ask("hi", cell_id="a")
    with pytest.raises(EndpointError):
        session.ask("hi [[simulator: fault=reset after=9]]", cell_id="a")
    (turn,) = session.history.turns("main")
    assert turn.status == "failed"


def test_a_missing_key_is_reported_before_anything_is_sent(endpoint: Simulator) -> None:
    with Session(base_url=endpoint.base_url) as session, pytest.raises(MissingKeyError, match="No API key found for"):
        session.ask("hi")
    assert endpoint.log == []


def test_an_unknown_setting_raises_a_type_error(session: Session) -> None:
    with pytest.raises(TypeError, match="temprature"):
        session.ask("hi", temprature=1)


def test_an_invalid_base_url_in_the_environment_raises_a_config_error(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "nonsense")
    with pytest.raises(ConfigError, match="not an http"):
        Session().ask("hi")


# Time -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["silence-before-headers", "silence-after-headers", "silence", "pings"])
def test_a_silent_endpoint_is_given_up_after_the_timeout(session: Session, fault: str) -> None:
    began = time.monotonic()
    with pytest.raises(ConnectionFailedError, match=r"No response from the endpoint for 0\.2 s") as caught:
        session.ask(f"[[simulator: fault={fault}]]", timeout=0.2)
    assert 0.15 < time.monotonic() - began < 1.5 * PATIENCE
    assert "--timeout" in caught.value.hint


def test_a_long_answer_is_not_given_up_while_it_streams(session: Session) -> None:
    assert session.ask("[[simulator: deltas=200 rate=40]]", timeout=4).status == "complete"


def test_the_timeout_starts_when_the_request_is_sent(endpoint: Simulator) -> None:
    """The first call imports the SDK, which can take longer than a short timeout."""
    import subprocess
    import sys

    code = """
import sys, time
from mm_magics import Session

class SlowImport:
    def find_spec(self, name, *_):
        time.sleep(9 if name == "anthropic" else 0)

sys.meta_path.insert(0, SlowImport())
print(Session(base_url=sys.argv[1], api_key=sys.argv[2], timeout=8, max_retries=0).ask("hi").status)
"""
    run = subprocess.run(
        [sys.executable, "-c", code, endpoint.base_url, endpoint.key], capture_output=True, text=True, check=False
    )
    assert run.stdout.strip() == "complete", run.stderr


def test_a_closed_session_can_be_used_again(session: Session) -> None:
    session.ask("hi")
    session.close()
    session.close()
    assert session.ask("hi").status == "complete"


def test_the_history_is_valid_after_stops_and_faults(session: Session) -> None:
    for prompt in ("hi", LONG, "[[simulator: fault=reset after=5]]", "[[simulator: fault=only-thinking]]"):
        with session.stream(prompt) as answer:
            try:
                for number, _ in enumerate(answer):
                    if number > 30:
                        break
            except EndpointError:
                continue
    assert problems(session.prepare("And now?").body["messages"]) == []
    assert len(session.history.turns("main")) == 4
