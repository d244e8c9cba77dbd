"""The request body without an endpoint: its fields, its checks, its bytes and its hash."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from mm_magics.api import request
from mm_magics.errors import RequestError

HI: Any = {"role": "user", "content": "hi"}
CALL: Any = {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]}


def body(**fields: Any) -> dict[str, Any]:
    return {"model": "MiniMax-M2", "max_tokens": 1, "messages": [HI], "stream": True, **fields}


def test_the_body_has_the_parameters_and_a_system_prompt_if_there_is_one() -> None:
    built = request.build_body("MiniMax-M2", (HI,), "Be brief.", {"max_tokens": 1})
    assert built == body(system="Be brief.")
    for system in (None, ""):
        assert request.build_body("MiniMax-M2", [HI], system, {"max_tokens": 1}) == body()


# Checks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"temperature": None, "top_p": None},
        {"temperature": 0.001, "top_p": 0.001},
        {"temperature": 1, "top_p": 1.0},
        {"model": "MiniMax-M4", "temperature": 0.5},
        {"messages": [HI, CALL, {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a"}]}]},
        {"model": "MiniMax-M4", "messages": [{"role": "user", "content": [{"type": "image"}]}]},
    ],
)
def test_a_valid_body_passes_the_checks(fields: Any) -> None:
    request.check(body(**fields))


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"model": ""}, "The request has no model.\nChoose one with %minimax model NAME."),
        ({"model": None}, "The request has no model.\nChoose one with %minimax model NAME."),
        (
            {"temperature": 0},
            "temperature must be above 0 and at most 1, not 0.\n1.0 is recommended.",
        ),
        (
            {"temperature": 1.01},
            "temperature must be above 0 and at most 1, not 1.01.\n1.0 is recommended.",
        ),
        ({"top_p": 0.0}, "top_p must be above 0 and at most 1, not 0.0.\n0.95 is recommended."),
        ({"top_p": "1"}, "top_p must be above 0 and at most 1, not '1'.\n0.95 is recommended."),
        ({"top_p": True}, "top_p must be above 0 and at most 1, not True.\n0.95 is recommended."),
        ({"max_tokens": 0}, "max_tokens must be a whole number of at least 1, not 0."),
        ({"max_tokens": 1.0}, "max_tokens must be a whole number of at least 1, not 1.0."),
        ({"max_tokens": True}, "max_tokens must be a whole number of at least 1, not True."),
        (
            {"messages": []},
            "The messages are not valid: messages: there are no messages.\nRun %minimax doctor for details.",
        ),
        (
            {"messages": None},
            "The messages are not valid: messages: there are no messages.\nRun %minimax doctor for details.",
        ),
        (
            {"messages": [HI, {"role": "user", "content": [{"type": "document"}, {"type": "image"}]}]},
            "MiniMax-M2 does not take documents. Nothing was sent.\n"
            "Send text instead, or leave out the turn that contains it with --context N.",
        ),
        (
            {
                "messages": [
                    HI,
                    CALL,
                    {"role": "user", "content": [{"type": "tool_result", "content": [{"type": "image"}]}]},
                ]
            },
            "MiniMax-M2 does not take images. Nothing was sent.\n"
            "Choose a model that does (MiniMax-M3.1-Flash, MiniMax-M3, MiniMax-M3.1-Flash-Preview) with -m NAME, or "
            "leave out the turn that contains it with --context N.",
        ),
    ],
)
def test_the_error_names_the_first_part_that_the_endpoint_refuses(fields: Any, error: str) -> None:
    with pytest.raises(RequestError) as caught:
        request.check(body(**fields))
    assert str(caught.value) == error


def test_each_ignored_field_is_described_on_a_line() -> None:
    fields = body(top_k=5, container="c", thinking={"type": "disabled"})
    assert request.describe_ignored_fields(fields) == [
        "container is ignored by the endpoint.",
        "top_k is ignored by the endpoint.",
        "MiniMax-M2 always thinks: the endpoint accepts thinking off, but ignores it.",
    ]
    for thinking in (None, "disabled", {}, {"type": "enabled", "budget_tokens": 1}):
        assert request.describe_ignored_fields(body(thinking=thinking)) == []
    assert request.describe_ignored_fields(body(model="MiniMax-M4", thinking={"type": "disabled"})) == []


# Bytes and hashes -----------------------------------------------------------------------------------------------


def test_the_body_is_compact_utf8_json_with_the_messages_last() -> None:
    two: Any = {"role": "user", "content": "牡蠣"}
    fields = {"model": "M", "messages": [HI, two], "stream": True}
    encoded = request.encode(fields)
    assert encoded.decode() == (
        '{"model":"M","stream":true,"messages":[{"role":"user","content":"hi"},{"role":"user","content":"牡蠣"}]}'
    )
    assert request.encode(fields, map(request.PreparedMessage.of, [HI, two])) == encoded
    assert request.encode(fields, map(request.PreparedMessage.of, [two])) == request.encode(
        {**fields, "messages": [two]}
    )
    assert request.encode({"model": "M"}) == b'{"model":"M","messages":[]}'


@pytest.mark.parametrize(
    ("value", "written"),
    [("é🦪", '"é🦪"'), ("é\ud83d", '"\\u00e9\\ud83d"'), ({"b": [1, None], "a": 2.5}, '{"b":[1,null],"a":2.5}')],
)
def test_json_has_characters_and_escapes_if_it_has_a_lone_surrogate(value: Any, written: str) -> None:
    assert request.json_of(value) == written


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, {(1, 2): 3}, ["\ud83d", float("nan")]])
def test_what_json_cannot_represent_is_a_request_error(value: Any) -> None:
    with pytest.raises(RequestError, match=r"^The request cannot be written as JSON: .+\.$"):
        request.json_of(value)


def test_the_hash_is_the_one_in_existing_records() -> None:
    """Records made by other versions can only be replayed while these bytes stay the same."""
    message = b'{"content":[{"text":"hi","type":"text"}],"role":"user"}'
    sha256 = hashlib.sha256(message).hexdigest()
    assert request.message_sha256(HI) == request.PreparedMessage.of(HI).sha256 == sha256
    assert request.PreparedMessage.of(HI).message is HI
    params = {"max_tokens": 1, "metadata": {"user_id": "u"}, "stream": True}
    for system, written in (("Be brief.", b'"Be brief."'), (None, b"null"), ("", b"null")):
        expected = b'{"messages":["%s"],"model":"M","params":{"max_tokens":1},"system":%s}' % (sha256.encode(), written)
        assert request.hash_input("M", system, params, iter([sha256])) == expected
        assert request.request_sha256("M", system, params, iter([sha256])) == hashlib.sha256(expected).hexdigest()
