"""The compatibility page of MiniMax: one test for each row of its tables of models, parameters and messages."""

from __future__ import annotations

from typing import Any

import pytest

from mm_magics import Session
from mm_magics.api.messages import blocks
from mm_magics.api.models import CATALOGUE
from mm_magics.errors import RequestError
from mm_magics.simulator import ScriptedAnswer, Simulator, text, thinking, tool_use

MODELS = {
    "MiniMax-M2.7": 60,
    "MiniMax-M2.7-highspeed": 100,
    "MiniMax-M2.5": 60,
    "MiniMax-M2.5-highspeed": 100,
    "MiniMax-M2.1": 60,
    "MiniMax-M2.1-highspeed": 100,
    "MiniMax-M2": None,
}


def lookup(query: str) -> str:
    """Look something up."""
    return f"found {query}"


@pytest.mark.parametrize("name", MODELS)
def test_model(session: Session, endpoint: Simulator, name: str) -> None:
    turn = session.ask("Hello.", model=name)
    assert (turn.status, endpoint.log[0].body["model"]) == ("complete", name)
    assert (CATALOGUE[name].window, CATALOGUE[name].speed) == (204_800, MODELS[name])


SUPPORTED: dict[str, tuple[dict[str, Any], Any]] = {
    "model": ({"model": "MiniMax-M2.5"}, "MiniMax-M2.5"),
    "max_tokens": ({"max_tokens": 999}, 999),
    "stream": ({}, True),
    "system": ({"system": "Be brief."}, "Be brief."),
    "temperature": ({"temperature": 0.5}, 0.5),
    "tool_choice": ({"tools": [lookup], "tool_choice": "none"}, {"type": "none"}),
    "top_p": ({"top_p": 0.9}, 0.9),
    "metadata": ({"user_id": "u1"}, {"user_id": "u1"}),
}


@pytest.mark.parametrize("parameter", SUPPORTED)
def test_parameter_is_sent(session: Session, endpoint: Simulator, parameter: str) -> None:
    flags, expected = SUPPORTED[parameter]
    turn = session.ask("Hello.", **flags)
    assert endpoint.log[0].body[parameter] == expected
    assert (turn.status, endpoint.log[0].status) == ("complete", 200)


def test_parameter_tools_is_sent_and_the_tools_can_be_called(session: Session, endpoint: Simulator) -> None:
    endpoint.answers.extend([ScriptedAnswer([tool_use("lookup", {"query": "a"})]), "Done."])
    assert session.ask("Look it up.", tools=[lookup]).text == "Done."
    assert [tool["name"] for tool in endpoint.log[0].body["tools"]] == ["lookup"]


def test_parameter_thinking_is_sent(session: Session, endpoint: Simulator) -> None:
    session.ask("Hello.", thinking="on")
    assert endpoint.log[0].body["thinking"]["type"] == "enabled"


@pytest.mark.parametrize("value", [0, 0.0, -0.1, 1.1, 2])
def test_temperature_outside_of_its_range_is_refused_before_sending(
    session: Session, endpoint: Simulator, value: float
) -> None:
    with pytest.raises(RequestError, match="temperature"):
        session.ask("Hello.", temperature=value)
    assert endpoint.log == []


@pytest.mark.parametrize(
    "parameter", ["top_k", "stop_sequences", "service_tier", "mcp_servers", "context_management", "container"]
)
def test_ignored_parameter_is_named_as_ignored(session: Session, endpoint: Simulator, parameter: str) -> None:
    values: dict[str, Any] = {"top_k": 5, "stop_sequences": ["x"], "mcp_servers": [], "context_management": {}}
    prompt = session.prepare("Hello.", params={parameter: values.get(parameter, "auto")})
    assert f"{parameter} is ignored by the endpoint." in prompt.notes
    assert session.ask(prompt).status == "complete"


def test_messages_of_types_text_thinking_tool_use_and_tool_result_are_sent_back_in_order_and_unchanged(
    session: Session, endpoint: Simulator
) -> None:
    answer = [thinking("hm"), text("I call."), tool_use("lookup", {"query": "a"})]
    endpoint.answers.extend([ScriptedAnswer(answer), "Done."])
    session.ask("Look it up.", tools=[lookup])
    array = endpoint.log[1].body["messages"]
    assert [block["type"] for block in blocks(array[1])] == ["thinking", "text", "tool_use"]
    assert [block["type"] for block in blocks(array[2])] == ["tool_result"]
    assert endpoint.log[1].replayed[0].unchanged


@pytest.mark.parametrize("kind", ["image", "document"])
@pytest.mark.parametrize("name", MODELS)
def test_messages_of_types_image_and_document_are_refused_before_sending(
    session: Session, endpoint: Simulator, kind: str, name: str
) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
    with pytest.raises(RequestError, match=name):
        session.ask([{"type": kind, "source": source}, text("What is it?")], model=name)
    assert endpoint.log == []
