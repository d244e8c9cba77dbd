"""An answer in a wanted shape, over HTTP: by the forced tool, by its text, after a correction, or not at all."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from mm_magics import Session
from mm_magics.api.messages import problems
from mm_magics.errors import ProtocolError, UsageError
from mm_magics.simulator import ScriptedAnswer, Simulator, thinking, tool_use


@dataclass
class Person:
    name: str
    age: int


ADA = {"name": "Ada", "age": 36}


def given(**fields: Any) -> ScriptedAnswer:
    return ScriptedAnswer([thinking("I know."), tool_use("final_answer", fields)])


def test_the_answer_is_given_by_a_forced_tool_and_becomes_a_value(session: Session, endpoint: Simulator) -> None:
    endpoint.answers.append(given(**ADA))
    turn = session.ask("Who?", schema=Person)
    assert session.value(turn, Person) == Person("Ada", 36)
    body = endpoint.log[0].body
    assert body["tool_choice"] == {"type": "tool", "name": "final_answer"}
    assert set(body["tools"][0]["input_schema"]["properties"]) == {"name", "age"}
    assert json.loads(turn.text) == ADA
    assert (turn.status, len(endpoint.log)) == ("complete", 1)
    session.ask("And now?")
    assert problems(endpoint.log[-1].body["messages"]) == []


def test_the_text_is_parsed_if_the_endpoint_did_not_honor_the_forced_tool(
    session: Session, endpoint: Simulator
) -> None:
    endpoint.answers.append(f"Here you are:\n```json\n{json.dumps(ADA)}\n```")
    with session.stream("Who?", schema=Person) as answer:
        list(answer)
    assert session.value(answer.close(), Person) == Person("Ada", 36)
    assert answer.close().notes == ["The endpoint did not honor tool_choice final_answer: there was no such call."]


@pytest.mark.parametrize("wrong", [given(name="Ada", age="young"), "I do not know.", given()])
def test_problems_are_sent_back_and_a_better_answer_is_accepted(
    session: Session, endpoint: Simulator, wrong: Any
) -> None:
    endpoint.answers.extend([wrong, given(**ADA)])
    turn = session.ask("Who?", schema=Person)
    assert session.value(turn, Person) == Person("Ada", 36)
    assert "does not match the schema" in str(endpoint.log[1].body["messages"][-1]["content"])
    assert problems(endpoint.log[1].body["messages"]) == []


def test_after_two_corrections_the_turn_ends_and_keeps_the_answers(session: Session, endpoint: Simulator) -> None:
    endpoint.answers.extend([given(age=n) for n in range(3)] + ["never requested"])
    turn = session.ask("Who?", schema=Person)
    assert len(endpoint.log) == 3
    assert [m["role"] for m in turn.messages] == ["user", "assistant"] * 3 + ["user"]
    with pytest.raises(ProtocolError, match=r"does not match the schema.*name"):
        session.value(turn, Person)
    session.ask("And now?")
    assert problems(endpoint.log[-1].body["messages"]) == []


def test_other_tools_may_be_used_before_the_answer(session: Session, endpoint: Simulator) -> None:
    def look_up(name: str) -> int:
        """The age."""
        return 36

    use = ScriptedAnswer([thinking("First."), tool_use("look_up", {"name": "Ada"})])
    beside = ScriptedAnswer([thinking("Now."), tool_use("look_up", {"name": "Ada"}), tool_use("final_answer", ADA)])
    endpoint.answers.extend([use, beside])
    turn = session.ask("Who?", schema=Person, tools=[look_up])
    assert "tool_choice" not in endpoint.log[0].body
    assert session.value(turn, Person) == Person("Ada", 36)
    last = turn.messages[-1]["content"]
    assert [block["content"] for block in last] == [  # type: ignore[index]
        "Not run: the final answer was given in the same message.",
        "The answer is accepted.",
    ]
    session.ask("And now?")
    assert problems(endpoint.log[-1].body["messages"]) == []


def test_an_invalid_schema_is_refused_before_anything_is_sent(session: Session, endpoint: Simulator) -> None:
    with pytest.raises(UsageError):
        session.ask("Who?", schema={"type": "nonsense"})
    assert len(endpoint.log) == 0
