"""The requests of a turn with tools: each one equals all messages, joined again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mm_magics import Session
from mm_magics.api import request
from mm_magics.api.messages import join_turns, repair_turn
from mm_magics.api.outside import outside_blocks
from mm_magics.api.sendable import sent_form
from mm_magics.history.turn import Turn
from mm_magics.simulator import Fault, ScriptedAnswer, Simulator, text, thinking, tool_use


def add(a: int, b: int) -> int:
    """The sum."""
    return a + b


def call(id_: str = "", **more: Any) -> ScriptedAnswer:
    block = tool_use("add", {"a": 1, "b": 2})
    return ScriptedAnswer([thinking("Let me add."), {**block, "id": id_} if id_ else block], **more)


def joined(turn: Turn, past: Turn, rounds: int) -> list[Any]:
    """The messages of the request after so many rounds, joined from all messages."""
    cut = [each.get("unfinished") for each in turn.responses]
    marked = outside_blocks(turn.messages, turn.responses)
    return join_turns([past.sent, sent_form(repair_turn(turn.messages[: 2 * rounds + 1], cut), outside=marked)])


SCRIPTS = {
    "plain": [call(), call(), call()],
    "an id again": [call("one"), call("two"), call("one"), call("three")],
    "an id of the past": [call("past"), call(), call("past_2"), call()],
    "no text but blanks": [ScriptedAnswer([text("Ah…"), text(" "), *call().blocks]), call()],
    "a call that was cut": [call(), call(fault=Fault("cut-tool-json")), call()],
    "letters beyond ASCII": [ScriptedAnswer([thinking("naïve ☃ 語"), *call().blocks]), call()],
}


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS.keys())
def test_each_request_equals_all_messages_joined_again_byte_for_byte(
    session: Session, endpoint: Simulator, script: list[ScriptedAnswer]
) -> None:
    endpoint.answers.extend([call("past"), "It is 3.", *script, "Done."])
    past = session.ask("Add, please.", tools=[add])
    before = len(endpoint.log)
    turn = session.ask("And again.", tools=[add], tool_choice="any")
    records = list(endpoint.log)[before:]
    assert [record.status for record in records] == [200] * (len(script) + 1)
    for rounds, record in enumerate(records):
        array = joined(turn, past, rounds) if rounds else [*past.sent, turn.messages[0]]
        assert json.loads(record.raw)["messages"] == array
        assert request.encode({"messages": array})[1:-1] in record.raw
    assert [json.loads(record.raw)["tool_choice"]["type"] for record in records] == ["any", *["auto"] * len(script)]


def test_an_unreadable_tool_call_is_requested_again(session: Session, endpoint: Simulator) -> None:
    endpoint.answers.extend(
        [ScriptedAnswer([tool_use("add", {"a": 1, "b": 2})], fault=Fault("cut-tool-json")), "Done."]
    )
    turn = session.ask("Add, please.", model="MiniMax-M4", tools=[add])
    assert turn.text == "Done."
    (message,) = list(endpoint.log)[-1].body["messages"]
    assert [block["text"][:12] for block in message["content"]] == ["Add, please.", "A tool call "]
