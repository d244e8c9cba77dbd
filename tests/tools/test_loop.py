"""A turn with tools, over HTTP: which tools are called, what is sent back, and which limits apply."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from mm_magics import Session
from mm_magics.api.messages import blocks, problems
from mm_magics.simulator import Simulator, text, tool_use
from mm_magics.tools.approval import Decision
from mm_magics.tools.runtime.runner import ApprovalRequested, ToolFinished, ToolStarted
from mm_magics.tools.tool import Tool, ToolCall
from tests.tools.scripted import add, calls, divide, outcomes, results, script, valid


def test_a_function_is_called_and_the_whole_reply_is_sent_back_verbatim(session: Session, endpoint: Simulator) -> None:
    odd = {"type": "hologram", "depth": 3}
    script(endpoint, calls(odd, text("Let me add."), tool_use("add", {"a": 2, "b": 3})), "It is 5.")
    turn = session.ask("2 + 3?", tools=[add])
    assert turn.text.endswith("It is 5.")
    assert results(turn) == [("5", False)]
    assert outcomes(turn) == ["done"]
    first, second = (record.body for record in endpoint.log)
    assert first["tools"] == second["tools"] == [turn.params["tools"][0]]
    assert first["tools"][0]["name"] == "add"
    assert second["messages"][1]["content"] == turn.messages[1]["content"]
    assert second["messages"][1]["content"][1] == odd
    assert len(turn.responses) == 2
    valid(endpoint)
    session.ask("And now?")
    assert endpoint.log[-1].body["messages"][: len(second["messages"])] == second["messages"]
    valid(endpoint)


def test_parallel_calls_are_answered_in_one_message_in_their_order(session: Session, endpoint: Simulator) -> None:
    together = asyncio.Barrier(2)

    async def slow(n: int) -> int:
        await asyncio.wait_for(together.wait(), 30)
        return n

    script(endpoint, calls(*(tool_use("slow", {"n": n}) for n in (1, 2)), tool_use("add", {"a": 1, "b": 1})), "Done.")
    turn = session.ask("Go.", tools=[slow, add])
    assert results(turn) == [("1", False), ("2", False), ("2", False)]
    assert [message["role"] for message in turn.messages] == ["user", "assistant", "user", "assistant"]
    valid(endpoint)


def test_a_failing_tool_is_an_error_result_and_the_model_continues(session: Session, endpoint: Simulator) -> None:
    script(endpoint, calls(tool_use("divide", {"a": 1, "b": 0})), "By zero, no.")
    turn = session.ask("1/0?", tools=[divide])
    ((content, is_error),) = results(turn)
    assert is_error
    assert content.endswith("ZeroDivisionError: float division by zero")
    assert "return a / b" in content
    assert turn.status == "complete"
    valid(endpoint)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (tool_use("add", {"a": "two", "b": 3}), "a"),
        (tool_use("add", {"a": 1}), "b"),
        (tool_use("add", {"a": 1, "b": 2, "c": 3}), "c"),
        (tool_use("subtract", {"a": 1}), "There is no tool named 'subtract'.\nThe tools are: add."),
    ],
)
def test_invalid_arguments_are_an_error_result_and_nothing_runs(
    session: Session, endpoint: Simulator, call: Any, expected: str
) -> None:
    ran: list[int] = []

    def add(a: int, b: int) -> int:
        ran.append(a)
        return a + b

    script(endpoint, calls(call), "I see.")
    turn = session.ask("Go.", tools=[add])
    ((content, is_error),) = results(turn)
    assert is_error
    assert expected in content
    assert (ran, outcomes(turn)) == ([], ["failed"])
    valid(endpoint)


def test_a_call_whose_arguments_were_cut_never_runs(session: Session, endpoint: Simulator) -> None:
    script(endpoint, calls(tool_use("add", {"a": 2, "b": 3}), fault="cut-tool-json"), "Again, then.")
    turn = session.ask("Go.", tools=[add])
    assert results(turn) == []
    texts = [block["text"] for block in blocks(turn.messages[2]) if block["type"] == "text"]
    assert texts == ["A tool call could not be read: its arguments are not a JSON object. Call the tool again."]
    assert turn.text == "Again, then."
    sent = endpoint.log[-1].body["messages"]
    assert problems(sent) == []
    assert [block["type"] for block in sent[1]["content"]] == ["thinking"]


def test_a_turn_that_is_cut_by_max_tokens_runs_no_tool(session: Session, endpoint: Simulator) -> None:
    script(endpoint, calls(tool_use("add", {"a": 2, "b": 3}), stop_reason="max_tokens"))
    turn = session.ask("Go.", tools=[add])
    assert (turn.status, results(turn)) == ("truncated", [])
    session.ask("And?")
    valid(endpoint)


def test_a_call_with_the_stop_reason_end_turn_is_answered(session: Session, endpoint: Simulator) -> None:
    script(endpoint, calls(tool_use("add", {"a": 2, "b": 3}), stop_reason="end_turn"), "Five.")
    assert results(session.ask("Go.", tools=[add])) == [("5", False)]
    valid(endpoint)


def test_ids_that_repeat_are_run_once_in_a_message_and_again_in_a_later_one(
    session: Session, endpoint: Simulator
) -> None:
    def again(a: int) -> Any:
        return {**tool_use("add", {"a": a, "b": 1}), "id": "call_1"}

    script(endpoint, calls(again(1), again(2)), calls(again(3)), "Done.")
    turn = session.ask("Go.", tools=[add])
    assert results(turn) == [("2", False), ("4", False)]
    session.ask("And?")
    for record in endpoint.log:
        assert problems(record.body["messages"]) == []


def test_after_the_last_round_an_answer_without_tools_is_requested(session: Session, endpoint: Simulator) -> None:
    script(endpoint, *(calls(tool_use("add", {"a": n, "b": 1})) for n in range(3)), "This is what I have.")
    with session.stream("Go.", tools=[add], max_rounds=3) as answer:
        list(answer)
    assert answer.turn is not None
    assert answer.turn.text == "This is what I have."
    assert endpoint.log[-1].body["tool_choice"] == {"type": "none"}
    last = blocks(endpoint.log[-1].body["messages"][-1])
    assert last[-1]["text"].startswith("No more tools can be called: 3 rounds of tool calls are the limit.")
    assert answer.close().notes == ["No more tools were called: 3 rounds of tool calls are the limit."]
    valid(endpoint)


def test_a_call_is_answered_if_no_tools_are_offered(session: Session, endpoint: Simulator) -> None:
    script(endpoint, calls(tool_use("add", {"a": 1, "b": 1})), calls(tool_use("final_answer", {"sum": 2})))
    turn = session.ask("Go.", schema={"type": "object", "properties": {"sum": {"type": "integer"}}})
    assert results(turn)[0] == ("There is no tool named 'add'.\nThere are no tools.", True)
    valid(endpoint)


def test_a_limit_of_one_round_is_reported_in_the_singular(session: Session, endpoint: Simulator) -> None:
    script(endpoint, calls(tool_use("add", {"a": 1, "b": 1})), "This is what I have.")
    with session.stream("Go.", tools=[add], max_rounds=1) as answer:
        list(answer)
    assert answer.close().notes == ["No more tools were called: 1 round of tool calls is the limit."]


def test_a_turn_that_has_cost_enough_calls_no_more_tools(session: Session, endpoint: Simulator) -> None:
    script(endpoint, calls(tool_use("add", {"a": 1, "b": 1})), "Enough.")
    with session.stream("Go.", tools=[add], max_cost=0.000001) as answer:
        list(answer)
    assert endpoint.log[-1].body["tool_choice"] == {"type": "none"}
    assert answer.turn is not None
    assert answer.turn.text == "Enough."
    (note,) = answer.turn.notes
    assert re.fullmatch(
        r"No more tools were called: the turn has cost (< \$0\.0001|≈ \$0\.\d{4}), and the limit is \$1e-06\.", note
    )


def test_a_forced_choice_applies_once_and_a_note_reports_if_it_was_not_honored(
    session: Session, endpoint: Simulator
) -> None:
    script(endpoint, calls(tool_use("add", {"a": 1, "b": 1})), "Two.")
    session.ask("Go.", tools=[add], tool_choice="add")
    choices = [record.body.get("tool_choice") for record in endpoint.log]
    assert choices == [{"type": "tool", "name": "add"}, {"type": "auto"}]
    script(endpoint, "I would rather talk.")
    with session.stream("Go.", tools=[add], tool_choice="any") as answer:
        list(answer)
    assert answer.close().notes == ["The endpoint did not honor tool_choice any: there was no such call."]


def test_a_tool_that_requires_approval_runs_only_if_approved(session: Session, endpoint: Simulator) -> None:
    ran: list[str] = []
    tool = Tool("wipe", "Wipe it.", {"type": "object"}, lambda **given: ran.append("wiped"), asks=True)
    requested: list[ToolCall] = []

    def no(call: ToolCall) -> Decision:
        requested.append(call)
        return Decision(False, "Not today.")

    script(endpoint, calls(tool_use("wipe", {"all": True})), "A pity.")
    turn = session.ask("Go.", tools=[tool], approve=no)
    assert requested[0][1:] == ("wipe", {"all": True})
    assert results(turn) == [("The user did not allow this call. Not today.", True)]
    assert (ran, outcomes(turn)) == ([], ["denied"])
    script(endpoint, calls(tool_use("wipe")), "Nobody there.")
    assert "There was no one to ask for approval." in results(session.ask("Go.", tools=[tool]))[0][0]
    script(endpoint, calls(tool_use("wipe")), calls(tool_use("wipe")), "Done.")
    session.ask("Go.", tools=[tool], approve=lambda call: Decision(not ran, always=True))
    assert ran == ["wiped", "wiped"], "the standing rule was not added"
    valid(endpoint)


def test_a_deny_rule_overrides_approval(session: Session, endpoint: Simulator) -> None:
    session.rules.add("deny", "add", {"a": "13"})
    script(endpoint, calls(tool_use("add", {"a": 13, "b": 1}), tool_use("add", {"a": 1, "b": 1})), "Done.")
    turn = session.ask("Go.", tools=[add], approve=lambda call: True)
    assert outcomes(turn) == ["denied", "done"]


def test_a_tool_cannot_prompt_the_session_that_called_it(session: Session, endpoint: Simulator) -> None:
    def nested() -> str:
        return session.ask("From within.").text

    script(endpoint, calls(tool_use("nested")), "I see.")
    turn = session.ask("Go.", tools=[nested])
    assert "A tool cannot use the session that called it." in results(turn)[0][0]
    assert len(session.history.turns("main")) == 1
    valid(endpoint)


def test_events_report_each_call_and_how_it_ended(session: Session, endpoint: Simulator) -> None:
    tool = Tool("wipe", "", {"type": "object"}, lambda: "wiped", asks=True)
    script(endpoint, calls(tool_use("wipe")), "Done.")
    answer = session.stream("Go.", tools=[tool])
    seen = [
        event
        for event in answer.events(lambda: None, lambda call: True)
        if isinstance(event, ApprovalRequested | ToolStarted | ToolFinished)
    ]
    assert [type(event).__name__ for event in seen] == ["ApprovalRequested", "ToolStarted", "ToolFinished"]


def test_a_turn_with_tools_is_replayed_without_calling_them(session: Session, endpoint: Simulator) -> None:
    ran: list[int] = []

    def count() -> int:
        ran.append(1)
        return len(ran)

    script(endpoint, calls(tool_use("count")), "One.")
    first = session.ask("Go.", tools=[count], cell_id="a")
    again = session.ask("Go.", tools=[count], cell_id="a", replay="only")
    assert again.messages == first.messages
    assert ran == [1]
    assert len(endpoint.log) == 2
