"""What the endpoint accepts and how it refuses, for each row of the contract's tables."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx2
import pytest

from mm_magics.api.models import CATALOGUE
from mm_magics.simulator import Simulator
from mm_magics.simulator.contract import REFUSALS
from tests.simulator.asking import Asker, request, text

KEY = "sim-the-right-key"
HEX_32 = re.compile(r"[0-9a-f]{32}")


def refusal(response: httpx2.Response) -> tuple[int, str, str]:
    """Check that the body has the contract's fields, and return status, type and message."""
    body = response.json()
    assert body.keys() == {"type", "error", "request_id"}
    assert body["type"] == "error"
    assert HEX_32.fullmatch(body["request_id"])
    assert body["error"]["http_code"] == str(response.status_code)
    return response.status_code, body["error"]["type"], body["error"]["message"]


def invalid(text: str) -> tuple[int, str, str]:
    return 400, "invalid_request_error", f"invalid params, {text} (2013)"


def call(id_: str = "call_function_abcdefghijkl_1", input_: Any = None) -> dict[str, Any]:
    return {"type": "tool_use", "id": id_, "name": "add", "input": {} if input_ is None else input_}


def result(id_: str = "call_function_abcdefghijkl_1") -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": id_, "content": "5"}


# Paths and keys


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/messages"),
        ("POST", "/anthropic/v1/complete"),
        ("POST", "/anthropic/v1/messages/count_tokens"),
        ("GET", "/anthropic/v1/messages"),
        ("GET", "/"),
        ("DELETE", "/anthropic/v1/models"),
    ],
)
def test_any_other_path_is_404_in_plain_text(ask: Asker, method: str, path: str) -> None:
    root = ask.endpoint.base_url.removesuffix("/anthropic")
    response = ask.http.request(method, root + path, headers=ask.headers)
    assert (response.status_code, response.text) == (404, "404 page not found")
    assert response.headers["content-type"] == "text/plain"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x-api-key": KEY}, None),
        ({"Authorization": f"Bearer {KEY}"}, None),
        ({"authorization": f"bearer {KEY}"}, None),
        ({"authorization": f"Bearer {KEY}", "x-api-key": "stale"}, None),
        ({"authorization": "Bearer stale", "x-api-key": KEY}, "invalid-key"),
        ({"x-api-key": "wrong"}, "invalid-key"),
        ({"x-api-key": "clé".encode()}, "invalid-key"),
        ({"authorization": f"Basic {KEY}"}, "login-fail"),
        ({"x-api-key": ""}, "no-key"),
        ({}, "no-key"),
    ],
)
def test_either_header_is_accepted_and_authorization_wins(headers: dict[str, Any], expected: str | None) -> None:
    with Simulator(key=KEY) as endpoint, httpx2.Client(trust_env=False, verify=False) as http:
        response = http.post(f"{endpoint.base_url}/v1/messages", json=request(), headers=headers)
        models = http.get(f"{endpoint.base_url}/v1/models", headers=headers)
    assert response.status_code == models.status_code
    if expected is None:
        assert response.status_code == 200
    else:
        row = REFUSALS[expected]
        assert refusal(response) == (401, row.type, row.message)


def test_the_key_is_only_in_the_key_property(ask: Asker) -> None:
    ask.post()
    ask.http.post(ask.url, json=request(), headers={"authorization": "Bearer wrong-key-7", "x-api-key": "wrong-key-8"})
    seen = repr(ask.endpoint) + repr(ask.endpoint.log) + json.dumps([each.as_json() for each in ask.endpoint.log])
    assert ask.endpoint.key not in seen
    assert "wrong-key" not in seen
    assert [record.auth for record in ask.endpoint.log] == ["x-api-key", "authorization"]
    assert ask.endpoint.log[1].auth_headers == ("authorization", "x-api-key")


def test_each_simulator_has_its_own_key() -> None:
    assert Simulator().key != Simulator().key


# Parameters


@pytest.mark.parametrize("model", [name for name in CATALOGUE if "M2" in name])
def test_every_model_of_the_page_thinks_and_then_answers(ask: Asker, model: str) -> None:
    message = ask.message(model=model, thinking={"type": "disabled"})
    assert message["model"] == model
    assert [block["type"] for block in message["content"]] == ["thinking", "text"]


@pytest.mark.parametrize(("thinking", "kinds"), [(None, ["text"]), ({"type": "adaptive"}, ["thinking", "text"])])
def test_m3_thinks_only_when_asked(ask: Asker, thinking: Any, kinds: list[str]) -> None:
    message = ask.message(model="MiniMax-M3", thinking=thinking)
    assert [block["type"] for block in message["content"]] == kinds


@pytest.mark.parametrize("model", ["minimax-m2.7", "MiniMax-M9", "claude-opus-4", "", None, 7])
def test_an_unknown_model_is_refused_and_names_are_case_sensitive(ask: Asker, model: Any) -> None:
    name = model if isinstance(model, str) else ""
    assert refusal(ask.post(model=model)) == invalid(f"unknown model '{name}'")


@pytest.mark.parametrize("temperature", [0.01, 0.5, 1, 1.0, None])
def test_a_temperature_in_the_range_is_accepted(ask: Asker, temperature: Any) -> None:
    assert ask.post(temperature=temperature).status_code == 200


@pytest.mark.parametrize("temperature", [0, 0.0, -1, 1.01, 2, "1", True])
def test_a_temperature_out_of_the_range_is_refused(ask: Asker, temperature: Any) -> None:
    assert refusal(ask.post(temperature=temperature)) == invalid("temperature must be in the range (0.0, 1.0]")


@pytest.mark.parametrize(
    "ignored",
    [
        {"top_k": 3},
        {"stop_sequences": ["a", "e", " "]},
        {"service_tier": "priority"},
        {"mcp_servers": [{"url": "http://localhost", "name": "x", "type": "url"}]},
        {"context_management": {"edits": []}},
        {"container": "box"},
        {"metadata": {"user_id": "somebody"}},
        {"top_p": 0.5},
        {"temperature": 0.3},
        {"thinking": {"type": "enabled", "budget_tokens": 1024}},
    ],
)
def test_parameters_that_do_not_steer_the_answer_change_nothing(ask: Asker, ignored: dict[str, Any]) -> None:
    with Simulator() as fresh:
        plain = Asker(fresh)
        with plain.http:
            expected = plain.message("Tell me of oysters")
    message = ask.message("Tell me of oysters", **ignored)
    assert {**message, "id": 0} == {**expected, "id": 0}
    assert message["stop_reason"] == "end_turn"


@pytest.mark.parametrize("model", CATALOGUE)
def test_output_config_is_refused_by_m2_only(ask: Asker, model: str) -> None:
    response = ask.post(model=model, output_config={"effort": "high"})
    if "M2" in model:
        assert refusal(response) == invalid("the parameter output_config is not supported")
    else:
        assert response.status_code == 200


@pytest.mark.parametrize(
    ("effort", "tokens"), [("low", 600), ("medium", 1_200), ("high", 2_400), ("xhigh", 4_000), ("max", 6_400)]
)
@pytest.mark.parametrize("model", ["MiniMax-M3.1-Flash", "MiniMax-M3.1-Flash-Preview"])
def test_the_effort_decides_how_much_flash_thinks(ask: Asker, model: str, effort: str, tokens: int) -> None:
    message = ask.message(model=model, max_tokens=9_000, output_config={"effort": effort})
    assert [block["type"] for block in message["content"]] == ["thinking", "text"]
    assert tokens <= message["usage"]["output_tokens"] <= tokens + 200


def test_flash_thinks_most_by_default_and_always(ask: Asker) -> None:
    assert ask.message(model="MiniMax-M3.1-Flash", max_tokens=9_000)["usage"]["output_tokens"] > 6_400
    off = ask.post(model="MiniMax-M3.1-Flash", thinking={"type": "disabled"})
    assert refusal(off) == invalid("requires adaptive thinking")
    wrong = ask.post(model="MiniMax-M3.1-Flash", output_config={"effort": "most"})
    assert refusal(wrong) == invalid("output_config.effort is one of low, medium, high, xhigh, max, not 'most'")


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "add"}])
def test_flash_does_not_honor_a_forced_tool(ask: Asker, choice: dict[str, str]) -> None:
    fields: dict[str, Any] = {"tools": [{"name": "add", "input_schema": {}}], "tool_choice": choice}
    assert ask.message(**fields)["stop_reason"] == "tool_use"
    assert ask.message(model="MiniMax-M3.1-Flash", max_tokens=9_000, **fields)["stop_reason"] == "end_turn"


def test_max_tokens_above_the_limit_of_the_model_is_cut(ask: Asker) -> None:
    assert (
        ask.message("[[simulator: tokens=9]]", model="MiniMax-M3", max_tokens=10_000_000)["stop_reason"] == "end_turn"
    )


@pytest.mark.parametrize("most", [0, -1, "10", 1.5, True])
def test_max_tokens_that_is_not_a_positive_integer_is_refused(ask: Asker, most: Any) -> None:
    assert refusal(ask.post(max_tokens=most)) == invalid("max_tokens must be a whole number from 1")


@pytest.mark.parametrize(
    "choice", [{"type": "auto"}, {"type": "any"}, {"type": "none"}, {"type": "tool", "name": "add"}]
)
def test_every_tool_choice_of_the_page_is_accepted(ask: Asker, choice: dict[str, str]) -> None:
    assert ask.post(tools=[{"name": "add", "input_schema": {}}], tool_choice=choice).status_code == 200


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": "add"},
        {"tools": [{"description": "no name"}]},
        {"tool_choice": {"type": "required"}},
        {"tool_choice": "auto"},
        {"tools": [{"name": "add"}], "tool_choice": {"type": "tool", "name": "sub"}},
        {"system": 7},
        {"system": [{"type": "image"}]},
    ],
)
def test_a_field_of_the_wrong_type_is_refused(ask: Asker, fields: dict[str, Any]) -> None:
    status, type_, message = refusal(ask.post(**fields))
    assert (status, type_) == (400, "invalid_request_error")
    assert message.startswith("invalid params, ")


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_a_body_that_is_not_a_json_object_is_refused(ask: Asker, raw: bytes) -> None:
    response = ask.http.post(ask.url, content=raw, headers=ask.headers)
    assert refusal(response)[:2] == (400, "invalid_request_error")


# Messages


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([], "chat content is empty"),
        (None, "chat content is empty"),
        ([{"role": "user", "content": ""}], "chat content is empty"),
        ([{"role": "user", "content": []}], "chat content is empty"),
        ([{"role": "user", "content": [{"type": "text", "text": " \n"}]}], "chat content is empty"),
        ([{"role": "system", "content": "x"}], "chat content has invalid message role: system"),
        ([{"role": "user", "content": [result("call_x")]}], "tool result's tool id(call_x) not found"),
        (
            [
                {"role": "user", "content": "x"},
                {"role": "assistant", "content": [call("call_y", "{")]},
                {"role": "user", "content": [result("call_y")]},
            ],
            "invalid function arguments json string, tool_call_id: call_y",
        ),
    ],
)
def test_messages_that_break_a_rule_of_the_table_get_its_message(ask: Asker, messages: Any, expected: str) -> None:
    body = {**request(), "messages": messages}
    assert refusal(ask.http.post(ask.url, json=body, headers=ask.headers)) == invalid(expected)
    assert ask.endpoint.log[-1].problems == (f"invalid params, {expected} (2013)",)


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "assistant", "content": "x"}],
        [{"role": "user", "content": "x"}, {"role": "user", "content": "y"}],
        [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}],
        [{"role": "user", "content": "x"}, {"role": "assistant", "content": [call()]}],
        [
            {"role": "user", "content": "x"},
            {"role": "assistant", "content": [call()]},
            {"role": "user", "content": "no result"},
        ],
        [
            {"role": "user", "content": "x"},
            {"role": "assistant", "content": [call(), call()]},
            {"role": "user", "content": [result()]},
        ],
        [{"role": "user", "content": [{"no": "type"}]}],
        ["not a message"],
    ],
)
def test_messages_that_break_any_other_rule_are_refused(ask: Asker, messages: Any) -> None:
    assert refusal(ask.post(messages))[:2] == (400, "invalid_request_error")


@pytest.mark.parametrize("kind", ["image", "document"])
@pytest.mark.parametrize("inside_a_result", [False, True])
def test_media_is_refused_by_models_without_it(ask: Asker, kind: str, inside_a_result: bool) -> None:
    media = {"type": kind, "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    messages: list[Any] = [{"role": "user", "content": [media, {"type": "text", "text": "What is it?"}]}]
    if inside_a_result:
        messages = [
            {"role": "user", "content": "x"},
            {"role": "assistant", "content": [call()]},
            {"role": "user", "content": [{**result(), "content": [media]}]},
        ]
    assert refusal(ask.post(messages)) == invalid(f"model 'MiniMax-M2.7' does not support {kind} content")
    assert ask.post(messages, model="MiniMax-M3").status_code == (200 if kind == "image" else 400)


def test_input_and_max_tokens_together_must_fit_the_window(ask: Asker) -> None:
    prompt = "word " * (200_000 * 4 // 5)
    over = invalid("context window exceeds limit")
    room = 204_800 - ask.message(prompt, max_tokens=1)["usage"]["input_tokens"]
    assert ask.post(prompt, max_tokens=room).status_code == 200
    assert refusal(ask.post(prompt, max_tokens=room + 1)) == over
    assert refusal(ask.post(prompt, max_tokens=None)) == over, "the default is 65,536"
    assert ask.post(prompt, max_tokens=room + 1, model="MiniMax-M3").status_code == 200


# Models


def test_a_simulator_offers_and_lists_only_the_models_it_was_given() -> None:
    names = ["MiniMax-M3.1-Flash", "MiniMax-M3", "MiniMax-M2.1", "house-model"]
    with Simulator(models=names) as endpoint:
        ask = Asker(endpoint)
        with ask.http:
            page = ask.http.get(f"{endpoint.base_url}/v1/models", headers=ask.headers).json()
            assert [model["id"] for model in page["data"]] == names
            assert [ask.post(model=name).status_code for name in names] == [200] * 4
            assert refusal(ask.post(model="MiniMax-M2.7")) == invalid("unknown model 'MiniMax-M2.7'")


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("unknown-model", invalid("unknown model 'MiniMax-M2.7'")),
        ("retired-model", invalid("model 'MiniMax-M2.7' is no longer available")),
        ("model-not-found", (404, "not_found_error", "model: MiniMax-M2.7")),
    ],
)
def test_a_model_can_be_refused_in_the_words_of_other_endpoints(fault: str, expected: tuple[int, str, str]) -> None:
    with Simulator(models=[], not_offered=fault) as endpoint:
        ask = Asker(endpoint)
        with ask.http:
            page = ask.http.get(f"{endpoint.base_url}/v1/models", headers=ask.headers).json()
            assert page == {"data": [], "first_id": None, "last_id": None, "has_more": False}
            assert refusal(ask.post()) == expected


def test_one_model_is_described(ask: Asker) -> None:
    url = f"{ask.endpoint.base_url}/v1/models"
    listed = ask.http.get(url, headers=ask.headers).json()["data"]
    for model in listed:
        assert ask.http.get(f"{url}/{model['id']}", headers=ask.headers).json() == model
    assert refusal(ask.http.get(f"{url}/MiniMax-M9", headers=ask.headers)) == (
        404,
        "not_found_error",
        "model: MiniMax-M9",
    )
    assert ask.http.get(f"{url}/MiniMax-M2").status_code == 401


def test_models_are_the_catalogue_and_one_newer(ask: Asker) -> None:
    page = ask.http.get(f"{ask.endpoint.base_url}/v1/models", headers=ask.headers).json()
    assert [model["id"] for model in page["data"]] == ["MiniMax-M4", *CATALOGUE]
    assert (page["first_id"], page["last_id"], page["has_more"]) == ("MiniMax-M4", "MiniMax-M3.1-Flash-Preview", False)
    assert page["data"][0].keys() == {"id", "type", "display_name", "created_at"}


@pytest.mark.parametrize(
    ("query", "ids", "has_more"),
    [
        ("limit=2", ["MiniMax-M4", "MiniMax-M3.1-Flash"], True),
        ("limit=2&after_id=MiniMax-M2.1-highspeed", ["MiniMax-M2", "MiniMax-M3.1-Flash-Preview"], False),
        ("limit=1&before_id=MiniMax-M3.1-Flash", ["MiniMax-M4"], False),
        ("limit=1&before_id=MiniMax-M2.5", ["MiniMax-M2.7-highspeed"], True),
        ("after_id=MiniMax-M3.1-Flash-Preview", [], False),
    ],
)
def test_models_are_paginated(ask: Asker, query: str, ids: list[str], has_more: bool) -> None:
    page = ask.http.get(f"{ask.endpoint.base_url}/v1/models?{query}", headers=ask.headers).json()
    assert [model["id"] for model in page["data"]] == ids
    assert page["has_more"] is has_more
    assert page["first_id"] == (ids[0] if ids else None)


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=1001", "after_id=nobody", "before_id=nobody"])
def test_an_invalid_page_is_refused(ask: Asker, query: str) -> None:
    response = ask.http.get(f"{ask.endpoint.base_url}/v1/models?{query}", headers=ask.headers)
    assert refusal(response)[:2] == (400, "invalid_request_error")


def test_the_sdk_pages_through_all_models(sdk: Any) -> None:
    assert len(list(sdk.models.list(limit=3))) == len(CATALOGUE) + 1


# Generated answers


@pytest.mark.parametrize(
    "prompt", ["Hello", "Schreib Python-code für Primzahlen", "compare oysters and clams", "日本語"]
)
def test_the_first_answer_says_that_no_model_wrote_it_and_later_ones_do_not(ask: Asker, prompt: str) -> None:
    first = ask.message(prompt)
    assert "simulator" in text(first).splitlines()[0]
    again = [
        {"role": "user", "content": prompt},
        {"role": "assistant", "content": first["content"]},
        {"role": "user", "content": "More"},
    ]
    assert "I am the simulator" not in text(ask.message(again))
