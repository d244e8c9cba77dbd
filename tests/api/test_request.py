"""The request body: what is sent, refused or reported as ignored, and what its hash covers."""

from __future__ import annotations

from typing import Any

import pytest

from mm_magics.api import request
from mm_magics.api.canonical import canonical_json
from mm_magics.api.models import CATALOGUE
from mm_magics.errors import PromptError, RequestError, UsageError
from mm_magics.session import Session
from mm_magics.simulator import Simulator

MODEL = "MiniMax-M2.7"


@pytest.fixture
def session_settings() -> dict[str, Any]:
    return {"model": MODEL}


def hashed(model: str = MODEL, system: str | None = None, *messages: Any, **params: Any) -> str:
    array = [*messages] or [{"role": "user", "content": "hi"}]
    return request.request_sha256(model, system, params, map(request.message_sha256, array))


# The hash -------------------------------------------------------------------------------------------------------


def test_the_hash_ignores_the_order_of_keys() -> None:
    one = {"role": "user", "content": [{"type": "text", "text": "hi", "x": {"a": 1, "b": 2}}]}
    two = {"content": [{"x": {"b": 2, "a": 1}, "text": "hi", "type": "text"}], "role": "user"}
    assert hashed(MODEL, None, one, top_p=0.9, max_tokens=9) == hashed(MODEL, None, two, max_tokens=9, top_p=0.9)


def test_a_string_and_its_text_block_have_the_same_hash() -> None:
    block = {"role": "user", "content": [{"type": "text", "text": "hi"}]}
    assert hashed(MODEL, None, {"role": "user", "content": "hi"}) == hashed(MODEL, None, block)


def test_no_system_prompt_and_an_empty_one_have_the_same_hash() -> None:
    assert hashed(MODEL, None) == hashed(MODEL, "")


@pytest.mark.parametrize(
    "other",
    [
        hashed("MiniMax-M2"),
        hashed(MODEL, "Be brief."),
        hashed(MODEL, None, {"role": "user", "content": "hi "}),
        hashed(MODEL, None, {"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": None}]}),
        hashed(MODEL, None, {"role": "assistant", "content": "hi"}),
        hashed(MODEL, None, *[{"role": "user", "content": "hi"}] * 2),
        hashed(temperature=0.5),
        hashed(max_tokens=9),
        hashed(top_p=0.9),
        hashed(thinking={"type": "disabled"}),
        hashed(tools=[]),
        hashed(tool_choice={"type": "auto"}),
        hashed(x=1),
    ],
)
def test_the_hash_covers_everything_that_can_change_the_answer(other: str) -> None:
    assert other != hashed()


def test_the_hash_ignores_the_user_and_streaming() -> None:
    assert hashed() == hashed(metadata={"user_id": "u"}) == hashed(stream=True)


def test_the_hash_ignores_key_host_and_timeout() -> None:
    one = Session(base_url="https://api.minimax.io/anthropic", api_key="a", model=MODEL)
    two = Session(base_url="https://api.minimaxi.com/anthropic", api_key="b", model=MODEL)
    assert one.prepare("hi").request.sha256 == two.prepare("hi", timeout=7.0, user_id="u").request.sha256


# The page's parameter table ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(CATALOGUE))
def test_every_model_in_the_catalogue_can_be_requested(session: Session, endpoint: Simulator, name: str) -> None:
    assert session.ask("hi", model=name).status == "complete"
    assert endpoint.log[0].body["model"] == name


@pytest.mark.parametrize(
    ("flags", "sent"),
    [
        ({"max_tokens": 100}, {"max_tokens": 100}),
        ({"system": "Be brief."}, {"system": "Be brief."}),
        ({"top_p": 0.9}, {"top_p": 0.9}),
        ({"temperature": 0.01}, {"temperature": 0.01}),
        ({"temperature": 1.0}, {"temperature": 1.0}),
        ({"user_id": "u1"}, {"metadata": {"user_id": "u1"}}),
        ({"thinking": "on", "max_tokens": 4000}, {"thinking": {"type": "enabled", "budget_tokens": 2000}}),
        ({"thinking": 3000}, {"thinking": {"type": "enabled", "budget_tokens": 3000}}),
        ({"thinking": "off"}, {"thinking": {"type": "disabled"}}),
        ({"params": {"tools": [{"name": "f", "input_schema": {}}]}}, {"tools": [{"name": "f", "input_schema": {}}]}),
        (
            {"params": {"tools": [{"name": "f"}], "tool_choice": {"type": "any"}}},
            {"tools": [{"name": "f"}], "tool_choice": {"type": "any"}},
        ),
        ({"params": {"brand_new": [1, {"a": None}]}}, {"brand_new": [1, {"a": None}]}),
    ],
)
def test_every_supported_parameter_is_sent(session: Session, endpoint: Simulator, flags: Any, sent: Any) -> None:
    session.ask("hi", **flags)
    body = endpoint.log[0].body
    assert {name: body.get(name) for name in sent} == sent
    assert body["stream"] is True


def test_only_parameters_that_were_set_are_sent(session: Session, endpoint: Simulator) -> None:
    session.ask("hi", temperature=None)
    assert endpoint.log[0].body == {
        "model": MODEL,
        "max_tokens": 65_536,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
        "stream": True,
    }


@pytest.mark.parametrize(
    "flags",
    [
        {"temperature": 0},
        {"temperature": -0.1},
        {"temperature": 1.01},
        {"temperature": 2},
        {"temperature": float("nan")},
        {"temperature": True},
        {"temperature": "1"},
        {"params": {"temperature": 1.5}},
        {"top_p": 0},
        {"top_p": 1.5},
        {"max_tokens": 0},
        {"max_tokens": -1},
        {"max_tokens": 1.5},
        {"max_tokens": True},
        {"max_tokens": None},
        {"thinking": 0},
        {"thinking": -5},
        {"thinking": "yes"},
        {"thinking": []},
        {"model": ""},
        {"model": "  "},
        {"params": {"x": float("nan")}},
        {"params": {"x": float("inf")}},
        {"params": {"x": {1, 2}}},
        {"params": {"x": b"bytes"}},
        {"params": {"x": {(1, 2): 3}}},
        {"params": {"x": {1: 1, "a": 2}}},
        {"context": -1},
        {"context": "abov"},
        {"context": True},
        {"context": 1.5},
        {"context": None},
        {"context": []},
        {"params": {"model": "MiniMax-M2"}},
        {"params": {"messages": []}},
        {"params": {"system": "x"}},
        {"params": {"stream": False}},
    ],
)
def test_a_request_that_the_endpoint_would_refuse_is_not_sent(
    session: Session, endpoint: Simulator, flags: Any
) -> None:
    with pytest.raises((RequestError, UsageError)) as caught:
        session.ask("hi", **flags)
    assert caught.value.message.strip()
    assert endpoint.log == []
    assert session.history.threads() == {}


@pytest.mark.parametrize(
    "name", ["top_k", "stop_sequences", "service_tier", "mcp_servers", "context_management", "container"]
)
def test_ignored_fields_are_reported_and_still_sent(session: Session, endpoint: Simulator, name: str) -> None:
    prompt = session.prepare("hi", params={name: 5})
    assert prompt.notes == [f"{name} is ignored by the endpoint."]
    session.ask(prompt)
    assert endpoint.log[0].body[name] == 5


def test_thinking_off_is_reported_as_ignored_for_models_that_always_think(session: Session) -> None:
    assert session.prepare("hi", thinking="off").notes == [
        "MiniMax-M2.7 always thinks: the endpoint accepts thinking off, but ignores it."
    ]
    assert session.prepare("hi", thinking="off", model="MiniMax-M4").notes == []
    assert session.prepare("hi", thinking="on").notes == []


@pytest.mark.parametrize("kind", ["image", "document"])
@pytest.mark.parametrize("where", ["prompt", "result"])
def test_images_and_documents_are_refused_with_the_models_name(
    session: Session, endpoint: Simulator, kind: str, where: str
) -> None:
    media: Any = {"type": kind, "source": {"type": "url", "url": "https://example.org/x"}}
    if where == "result":
        call = {"type": "tool_use", "id": "a", "name": "f", "input": {}}
        body = request.build_body(
            MODEL,
            [
                {"role": "user", "content": "hi"},
                {"role": "assistant", "content": [call]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": [media]}]},
            ],
            None,
            {"max_tokens": 9},
        )
        with pytest.raises(RequestError, match=f"{MODEL} does not take {kind}s. Nothing was sent."):
            request.check(body)
    else:
        with pytest.raises(RequestError, match=f"{MODEL} does not take {kind}s. Nothing was sent."):
            session.ask([{"type": "text", "text": "look"}, media])  # type: ignore[arg-type]
    assert endpoint.log == []


def test_an_unknown_model_can_receive_images(session: Session, endpoint: Simulator) -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}
    prompt = session.prepare([{"type": "text", "text": "look"}, image], model="MiniMax-M4")
    assert session.ask(prompt).status == "complete"
    assert endpoint.log[0].body["messages"][0]["content"][1] == image


# The user message -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", ["", " \n\t", []])
def test_an_empty_prompt_is_not_sent(session: Session, endpoint: Simulator, content: Any) -> None:
    with pytest.raises(PromptError, match="The prompt is empty"):
        session.prepare(content)
    assert endpoint.log == []


@pytest.mark.parametrize(
    "block",
    [
        {"type": "text", "text": "  "},
        {"type": "text"},
        {"type": "thinking", "thinking": "x"},
        {"type": "tool_use", "id": "a", "name": "f", "input": {}},
        {"type": "tool_result", "tool_use_id": "a", "content": "x"},
        {"type": ["text"]},
        {"type": None},
        {},
        "text",
        None,
    ],
)
def test_a_block_that_is_invalid_in_a_prompt_is_not_sent(session: Session, endpoint: Simulator, block: Any) -> None:
    with pytest.raises((RequestError, PromptError)):
        session.prepare([{"type": "text", "text": "hi"}, block])
    assert endpoint.log == []


# The bytes ------------------------------------------------------------------------------------------------------


def test_text_is_encoded_as_utf8_and_decodes_to_the_same_text(session: Session, endpoint: Simulator) -> None:
    prompt = 'Ünïcödé 🦪 牡蠣 \u2028 \x00 {{ }} \\ "quoted"'
    session.ask(prompt)
    assert endpoint.log[0].body["messages"][0]["content"][0]["text"] == prompt
    assert "牡蠣".encode() in endpoint.log[0].raw


def test_a_request_that_is_nested_too_deeply_is_a_request_error() -> None:
    deep: Any = []
    for _ in range(200_000):
        deep = [deep]
    for write in (request.encode, canonical_json):
        with pytest.raises(RequestError, match="cannot be written as JSON"):
            write({"x": deep})
