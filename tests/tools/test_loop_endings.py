"""What a tool prints, a tool that misbehaves, and a turn with tools that is stopped, interrupted or fails."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

from mm_magics import Session
from mm_magics.api.messages import blocks, problems
from mm_magics.errors import EndpointError
from mm_magics.events import TurnEnd
from mm_magics.history.turn import Turn
from mm_magics.simulator import ScriptedAnswer, Simulator, tool_use
from mm_magics.tools.runtime.runner import ToolFinished, ToolStarted
from tests.pace import PATIENCE
from tests.tools.scripted import add, calls, outcomes, results, script, valid


def test_what_a_tool_prints_is_in_its_result_and_not_on_the_screen(
    session: Session, endpoint: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    def loud(word: str) -> str:
        print(f"{word}!")
        return word

    async def aloud(word: str) -> None:
        await asyncio.sleep(0.01)
        print(f"{word}?")

    script(endpoint, calls(tool_use("loud", {"word": "a"}), tool_use("aloud", {"word": "b"})), "Done.")
    turn = session.ask("Go.", tools=[loud, aloud])
    assert results(turn) == [("a\n\nPrinted:\na!", False), ("Printed:\nb?", False)]
    assert capsys.readouterr().out == ""


def asks_the_user() -> str:
    return input("Who are you? ")


def leaves() -> None:
    raise SystemExit(3)


def sleeps() -> None:
    time.sleep(60)


async def sleeps_async() -> None:
    await asyncio.sleep(60)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (asks_the_user, "input() is not available while a tool runs."),
        (leaves, "SystemExit: 3"),
        (sleeps, "It took longer than 0.2 s and was stopped."),
        (sleeps_async, "It took longer than 0.2 s and was stopped."),
    ],
)
def test_a_tool_that_misbehaves_is_an_error_result(
    session: Session, endpoint: Simulator, function: Any, expected: str
) -> None:
    script(endpoint, calls(tool_use(function.__name__)), "I see.")
    began = time.monotonic()
    turn = session.ask("Go.", tools=[function], tool_timeout=0.2)
    assert time.monotonic() - began < 30
    ((content, is_error),) = results(turn)
    assert is_error
    assert content.endswith(expected)
    assert turn.text == "I see."
    valid(endpoint)


@pytest.mark.parametrize("function", [sleeps, sleeps_async])
def test_stop_ends_a_tool_at_once_and_keeps_the_results_so_far(
    session: Session, endpoint: Simulator, function: Any
) -> None:
    script(endpoint, calls(tool_use("add", {"a": 1, "b": 1}), tool_use(function.__name__)))
    stop = threading.Event()
    with session.stream("Go.", tools=[add, function], stop=stop) as answer:
        for event in answer:
            if isinstance(event, ToolFinished):
                threading.Timer(0.2, stop.set).start()
                began = time.monotonic()
            if isinstance(event, TurnEnd):
                ended = time.monotonic()
    assert ended - began < 0.7 * PATIENCE
    assert answer.turn is not None
    assert answer.turn.status == "stopped"
    assert outcomes(answer.turn) == ["done", "interrupted"]
    assert results(answer.turn) == [("2", False), ("Interrupted by the user before it finished.", True)]
    session.ask("Go on.")
    valid(endpoint)


def test_an_interrupt_in_a_tool_ends_the_turn_and_the_history_stays_valid(
    session: Session, endpoint: Simulator
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    script(endpoint, calls(tool_use("interrupted"), tool_use("add", {"a": 1, "b": 1})))
    with pytest.raises(KeyboardInterrupt):
        session.ask("Go.", tools=[interrupted, add])
    (turn,) = session.history.turns("main")
    assert (turn.status, outcomes(turn)) == ("stopped", ["interrupted", "interrupted"])
    session.ask("Go on.")
    valid(endpoint)


def test_an_endpoint_fault_after_a_tool_keeps_the_tools_result(session: Session, endpoint: Simulator) -> None:
    script(endpoint, calls(tool_use("add", {"a": 1, "b": 1})), ScriptedAnswer(fault="overloaded"))
    with pytest.raises(EndpointError) as raised:
        session.ask("Go.", tools=[add])
    assert raised.value.turn is not None
    assert results(raised.value.turn) == [("2", False)]
    session.ask("Go on.")
    assert problems(endpoint.log[-1].body["messages"]) == []


def test_leaving_while_a_tool_runs_keeps_a_valid_turn(session: Session, endpoint: Simulator) -> None:
    script(endpoint, calls(tool_use("add", {"a": 1, "b": 1})))
    with session.stream("Go.", tools=[add]) as answer:
        for event in answer:
            if isinstance(event, ToolStarted):
                break
    assert answer.turn is not None
    assert answer.turn.status == "stopped"
    session.ask("Go on.")
    valid(endpoint)


# Calls that cannot be answered ------------------------------------------------------------------------------------


def texts_after(turn: Turn) -> list[str]:
    """The text that followed the results of the first message with calls."""
    return [block["text"] for block in blocks(turn.messages[2]) if block["type"] == "text"]


@pytest.mark.parametrize("number", [2, 3])
def test_calls_with_one_id_are_answered_once_and_the_model_reads_which_did_not_run(
    session: Session, endpoint: Simulator, number: int
) -> None:
    twins = [{**tool_use("add", {"a": n, "b": 1}), "id": "call_1"} for n in range(number)]
    script(endpoint, calls(*twins, tool_use("add", {"a": 7, "b": 7})), "Done.")
    turn = session.ask("Go.", tools=[add])
    assert results(turn) == [("1", False), ("14", False)]
    names = ", ".join(["add"] * (number - 1))
    same_id = f"Not run: {names}, because an earlier call of the same message has the same id. Call it again."
    assert texts_after(turn) == [same_id]
    assert turn.text == "Done."
    assert [(record.status, record.problems) for record in endpoint.log] == [(200, ())] * 2


@pytest.mark.parametrize("names", [["lookup"] * 30, [f"tool_{n}" for n in range(30)]])
def test_a_model_that_calls_only_unknown_tools_gets_three_rounds_and_one_note(
    session: Session, endpoint: Simulator, names: list[str]
) -> None:
    script(endpoint, *(calls(tool_use(name)) for name in names[:3]), "I give up.")
    turn = session.ask("Go.", tools=[add])
    assert len(endpoint.log) == 4
    assert endpoint.log[-1].body["tool_choice"] == {"type": "none"}
    assert turn.text == "I give up."
    (note,) = turn.notes
    assert note == f"No more tools were called: 3 rounds called tools that are not offered ({names[2]})."
    valid(endpoint)


ADD = tool_use("add", {"a": 1, "b": 1})
MIXED: dict[str, tuple[list[list[str]], str]] = {
    "the same one in each round beside a known one": ([["lookup", "add"]] * 5, "lookup"),
    "the same one, first alone": ([["lookup"], ["lookup"], ["lookup", "add"]], "lookup"),
    "two at once": ([["lookup", "find"]] * 3, "find, lookup"),
    "twice in each message": ([["lookup", "lookup", "add"]] * 3, "lookup"),
    "with other letters": ([["Add"]] * 3, "Add"),
    "every second round": ([["lookup", "add"], ["add"]] * 3, ""),
    "another one in each round beside a known one": ([[f"tool_{n}", "add"] for n in range(6)], ""),
    "twice": ([["lookup"], ["lookup"], ["add"], ["lookup"], ["lookup"], ["add"]], ""),
}


@pytest.mark.parametrize("name", MIXED)
def test_calls_end_with_the_third_round_in_a_row_that_calls_the_same_unknown_tool(
    session: Session, endpoint: Simulator, name: str
) -> None:
    rounds, called = MIXED[name]
    sent = rounds[:3] if called else rounds
    script(endpoint, *(calls(*(ADD if each == "add" else tool_use(each) for each in names)) for names in sent), "Done.")
    turn = session.ask("Go.", tools=[add])
    note = f"No more tools were called: 3 rounds called tools that are not offered ({called})."
    assert (turn.text, turn.notes, len(endpoint.log)) == ("Done.", [note] if called else [], len(sent) + 1)
    valid(endpoint)
