"""The compatibility page of MiniMax, and the tables of errors and prices of its later pages: a test for each row."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from mm_magics import Session, map_prompts
from mm_magics.api.messages import blocks
from mm_magics.api.models import CATALOGUE
from mm_magics.api.outside import content_of
from mm_magics.errors import RequestError, StatusError
from mm_magics.simulator import ScriptedAnswer, Simulator, text, thinking, tool_use
from tests.simulator.asking import Asker

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


@pytest.mark.parametrize("host", ["api.minimax.io", "api.minimaxi.com"])
def test_quick_start_with_the_two_variables(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", f"https://{host}/anthropic")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "key")
    with Session() as session:
        assert session.client().base_url == f"https://{host}/anthropic"
        assert session.client().key.reveal() == "key"


def test_quick_start_streamed_and_not(session: Session, endpoint: Simulator, tmp_path: Path) -> None:
    endpoint.answers.extend(["Hello", "Hello"])
    result = map_prompts("{{ row }}", ["Hi"], session=session, store=tmp_path / "store.sqlite", progress=False)
    assert session.ask("Hi").text == result.frame[0]["answer"] == "Hello"
    assert [record.stream for record in endpoint.log] == [False, True]


@pytest.mark.parametrize("name", MODELS)
def test_model(session: Session, endpoint: Simulator, name: str) -> None:
    turn = session.ask("Hello.", model=name)
    assert (turn.status, endpoint.log[0].body["model"]) == ("complete", name)
    assert (CATALOGUE[name].window, CATALOGUE[name].speed) == (204_800, MODELS[name])


LOOKUP = {
    "name": "lookup",
    "description": "Look something up.",
    "input_schema": {
        "type": "object",
        "properties": {"query": {"type": "string"}},
        "required": ["query"],
        "additionalProperties": False,
    },
}
SUPPORTED: dict[str, tuple[dict[str, Any], Any]] = {
    "model": ({"model": "MiniMax-M2.5"}, "MiniMax-M2.5"),
    "max_tokens": ({"max_tokens": 999}, 999),
    "stream": ({}, True),
    "system": ({"system": "Be brief."}, "Be brief."),
    "temperature": ({"temperature": 0.5}, 0.5),
    "tools": ({"tools": [lookup], "tool_choice": "none"}, [LOOKUP]),
    "tool_choice": ({"tools": [lookup], "tool_choice": "none"}, {"type": "none"}),
    "top_p": ({"top_p": 0.9}, 0.9),
    "metadata": ({"user_id": "u1"}, {"user_id": "u1"}),
    "thinking": ({"thinking": "on"}, {"type": "enabled", "budget_tokens": 32_768}),
    "messages": ({}, [{"role": "user", "content": [text("Hello.")]}]),
}


@pytest.mark.parametrize("parameter", SUPPORTED)
def test_parameter_is_sent(session: Session, endpoint: Simulator, parameter: str) -> None:
    flags, expected = SUPPORTED[parameter]
    turn = session.ask("Hello.", **flags)
    assert endpoint.log[0].body[parameter] == expected
    assert (turn.status, endpoint.log[0].status) == ("complete", 200)


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


@pytest.mark.parametrize("kind", ["thinking", "text", "tool_use", "tool_result"])
def test_message_type_is_sent_back_in_its_place_and_unchanged(session: Session, endpoint: Simulator, kind: str) -> None:
    answer = [thinking("hm"), text("I call."), tool_use("lookup", {"query": "a"})]
    endpoint.answers.extend([ScriptedAnswer(answer), "Done."])
    turn = session.ask("Look it up.", tools=[lookup])
    sent = endpoint.log[1].body["messages"]
    kinds = [[block["type"] for block in blocks(message)] for message in sent]
    assert kinds == [["text"], ["thinking", "text", "tool_use"], ["tool_result"]]
    message = next(number for number, found in enumerate(kinds) if number and kind in found)
    if kind == "tool_result":  # is sent between marks
        (result,) = blocks(sent[message])
        sent[message] = {"role": "user", "content": [{**result, "content": content_of(result["content"])}]}
    assert sent[message] == turn.messages[message]
    assert endpoint.log[1].replayed[0].unchanged
    assert turn.text == "I call.\n\nDone."


@pytest.mark.parametrize("kind", ["image", "document"])
@pytest.mark.parametrize("name", MODELS)
def test_message_type_is_refused_before_sending(session: Session, endpoint: Simulator, kind: str, name: str) -> None:
    source = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
    with pytest.raises(RequestError, match=name):
        session.ask([{"type": kind, "source": source}, text("What is it?")], model=name)
    assert endpoint.log == []


# Tables of the later pages --------------------------------------------------------------------------------------


ERRORS = {
    "no-key": (401, "authentication_error", "login fail: Please carry the API secret key in the 'X-Api-Key' field"),
    "login-fail": (401, "authorized_error", "(1004)"),
    "invalid-key": (401, "authorized_error", "invalid api key (2049)"),
    "empty-chat": (400, "invalid_request_error", "invalid params, chat content is empty (2013)"),
    "tool-id-not-found": (400, "invalid_request_error", "invalid params, tool result's tool id("),
    "invalid-role": (400, "invalid_request_error", "chat content has invalid message role: system (2013)"),
    "context-window": (400, "invalid_request_error", "context window exceeds limit (2013)"),
    "unknown-model": (400, "invalid_request_error", "invalid params, unknown model '"),
    "invalid-arguments": (400, "invalid_request_error", "invalid function arguments json string, tool_call_id: "),
    "insufficient-balance": (402, "insufficient_balance_error", "insufficient balance (1008)"),
    "input-sensitive": (422, "unprocessable_entity_error", "input new_sensitive (1026)"),
    "output-sensitive": (422, "unprocessable_entity_error", "output new_sensitive (1027)"),
    "usage-limit": (429, "rate_limit_error", "usage limit exceeded (2056)"),
    "rate-limit": (429, "rate_limit_error", "rate limit exceeded(RPM) (1002)"),
    "unknown-error": (500, "api_error", "unknown error, 798 (1000)"),
    "overloaded": (529, "overloaded_error", "High traffic detected"),
    "not-found": (404, None, "404 page not found"),
}
"""The rows of the table of errors, by the simulator's name for them."""


@pytest.mark.parametrize("name", [pytest.param(name, id=f"{row[0]} {name}") for name, row in ERRORS.items()])
def test_error_is_shown_with_its_message_and_what_to_do(session: Session, endpoint: Simulator, name: str) -> None:
    status, kind, message = ERRORS[name]
    with pytest.raises(StatusError) as caught:
        session.ask(f"[[simulator: fault={name}]]", model="MiniMax-M2")
    assert (caught.value.status, caught.value.type, endpoint.log[0].status) == (status, kind, status)
    assert message in caught.value.message
    assert caught.value.hint


PRICES = {
    "MiniMax-M2.7": (0.30, 1.20, 0.06, 0.375),
    "MiniMax-M2.7-highspeed": (0.60, 2.40, 0.06, 0.375),
    "MiniMax-M2.5": (0.30, 1.20, 0.03, 0.375),
    "MiniMax-M2.1": (0.30, 1.20, 0.03, 0.375),
    "MiniMax-M2": (0.30, 1.20, 0.03, 0.375),
    "MiniMax-M2.5-highspeed": (0.60, 2.40, 0.03, 0.375),
    "MiniMax-M2.1-highspeed": (0.60, 2.40, 0.03, 0.375),
}
"""USD per million tokens: input, output, cache read, cache write. For the last row the sources differ."""


@pytest.mark.parametrize("name", PRICES)
def test_price(session: Session, name: str) -> None:
    price = CATALOGUE[name].price
    assert price is not None
    assert (price.input, price.output, price.cache_read, price.cache_write) == PRICES[name]


EVENTS = {
    "message_start": {"message"},
    "ping": set(),
    "content_block_start": {"index", "content_block"},
    "content_block_delta": {"index", "delta"},
    "content_block_stop": {"index"},
    "message_delta": {"delta", "usage"},
    "message_stop": set(),
}


@pytest.mark.parametrize("name", EVENTS)
def test_event_of_a_stream_has_its_fields(endpoint: Simulator, name: str) -> None:
    asker = Asker(endpoint)
    with asker.http:
        found = [event for event in asker.events("Please look up a word.", tools=[LOOKUP]) if event["type"] == name]
    assert found
    assert all(event.keys() == EVENTS[name] | {"type"} for event in found)


def test_ids_are_those_of_the_page(endpoint: Simulator, session: Session) -> None:
    endpoint.answers.extend([ScriptedAnswer([tool_use("lookup", {"query": word}) for word in "ab"]), "Done."])
    turn = session.ask("Look both up.", tools=[lookup])
    assert re.fullmatch(r"[0-9a-f]{32}", turn.responses[0]["id"])
    calls = [block["id"] for block in blocks(turn.messages[1]) if block["type"] == "tool_use"]
    assert [re.fullmatch(r"call_function_[a-z0-9]{12}_(\d)", each).group(1) for each in calls] == ["1", "2"]
