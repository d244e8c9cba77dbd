"""Faults in the events of a stream."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.simulator.asking import Asker, request
from tests.simulator.faults.prompts import SAY, asking, deltas, until


def types(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


def test_missing_events(ask: Asker) -> None:
    for name, missing in {
        "no-message-start": "message_start",
        "no-message-delta": "message_delta",
        "no-message-stop": "message_stop",
        "no-block-stop": "content_block_stop",
    }.items():
        events = types(ask.events(asking(name)))
        assert missing not in events
        assert "content_block_delta" in events
    signed = [event.get("delta", {}).get("type") for event in ask.events(asking("no-signature"))]
    assert "signature_delta" not in signed


def test_a_message_delta_without_usage(ask: Asker) -> None:
    assert ask.events(asking("no-usage"))[-2] == {"type": "message_delta", "delta": {"stop_reason": ""}}


def test_repeated_events(ask: Asker) -> None:
    assert types(ask.events(asking("twice-started"))).count("content_block_start") == 4
    assert deltas(ask.events(asking("twice-delivered"))).startswith("Let Let ")


def test_the_json_of_a_tool_call_is_truncated(ask: Asker) -> None:
    tool = {"name": "find", "input_schema": {"type": "object", "properties": {"q": {"type": "string"}}}}
    name = "cut-tool-json"
    events = ask.events(f"find it [[simulator: fault={name}]]", tools=[tool])
    (cut,) = [event["delta"] for event in events if event.get("delta", {}).get("type") == "input_json_delta"]
    with pytest.raises(json.JSONDecodeError):
        json.loads(cut["partial_json"])


def test_other_events_are_sent_into_a_tool_call(ask: Asker) -> None:
    tool = {"name": "find", "input_schema": {"type": "object", "properties": {"q": {"type": "string"}}}}
    name = "altered-call"
    events = ask.events(f"find it [[simulator: fault={name}]]", tools=[tool])
    (at,) = {event["index"] for event in events if event.get("content_block", {}).get("type") == "tool_use"}
    kinds = [event["delta"]["type"] for event in events if event.get("index") == at and "delta" in event]
    assert kinds == ["text_delta", "rename_delta", "input_json_delta"]


def test_a_base_resp_with_an_error_beside_the_message_and_alone(ask: Asker) -> None:
    assert ask.events(asking("base-resp-beside"))[-2]["base_resp"]["status_code"] == 1000
    assert ask.message(asking("base-resp-beside"))["base_resp"]["status_code"] == 1000
    alone = ask.post(asking("base-resp"), stream=True)
    assert alone.status_code == 200
    assert alone.json().keys() == {"base_resp"}
    event = ask.post(asking("base-resp-event", "after=4"), stream=True).text.split("\n\n")[-2]
    assert json.loads(event.removeprefix("data: ")).keys() == {"base_resp"}


@pytest.mark.parametrize(
    ("name", "sign"),
    [
        ("unknown-event", '"type":"hologram"'),
        ("unknown-delta", '"type":"hologram_delta"'),
        ("stray-delta", '"index":99'),
        ("bad-json", '{"ty\n\n'),
        ("not-an-object", "data: null\n\n"),
        ("done", "data: [DONE]\n\n"),
    ],
)
def test_an_inserted_event_does_not_end_the_stream(ask: Asker, name: str, sign: str) -> None:
    body = ask.post(asking(name, "after=4"), stream=True).text
    plain = ask.post(f"[[simulator: {SAY}]]", stream=True).text
    assert sign in body
    assert body.index('"Grüß"') < body.index(sign) < body.index('"text":"e, o"')
    assert len(plain) < len(body)
    assert body.endswith('{"type":"message_stop"}\n\n')
    assert ask.message(asking(name))["stop_reason"] == "end_turn"


def test_every_event_has_an_unknown_field(ask: Asker) -> None:
    assert all("x_minimax" in event for event in ask.events(asking("event-fields")))


@pytest.mark.parametrize(("name", "sign"), [("endless", b'"text":"Gr'), ("pings", b"event: ping")])
def test_an_endless_stream_lasts_until_the_client_disconnects(ask: Asker, name: str, sign: bytes) -> None:
    body = request(asking(name, "after=4"), stream=True)
    seen = 0
    with ask.http.stream("POST", ask.url, json=body, headers=ask.headers) as response:
        for chunk in response.iter_raw():
            seen += chunk.count(sign)
            if seen > 3:
                break
    until(lambda: ask.endpoint.log[-1].ended == "left")
