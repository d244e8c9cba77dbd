"""Refusals from the table of errors, how often a fault occurs, and what holds for every fault."""

from __future__ import annotations

from pathlib import Path

import anthropic
import httpx2
import pytest

from mm_magics.simulator import Fault, ScriptedAnswer, Simulator, StreamPosition, text
from mm_magics.simulator.contract import REFUSALS
from mm_magics.simulator.faults.catalogue import NAMES
from tests.simulator.asking import MODEL, Asker, parsed, request
from tests.simulator.faults.prompts import asking, deltas


@pytest.mark.parametrize("name", REFUSALS)
@pytest.mark.parametrize("stream", [True, False])
def test_an_error_of_the_table_is_sent_with_its_http_status(ask: Asker, name: str, stream: bool) -> None:
    response = ask.post(asking(name), stream=stream)
    row = REFUSALS[name]
    body = response.json()
    assert response.status_code == row.status
    assert body["error"]["type"] == row.type
    assert body["error"]["message"].split("X")[0].startswith(row.message.split("X")[0])
    assert "retry-after" not in response.headers
    assert ask.endpoint.log[-1].fault == name


@pytest.mark.parametrize("name", REFUSALS)
def test_an_error_of_the_table_is_an_event_if_a_position_is_given(ask: Asker, name: str) -> None:
    response = ask.post(asking(name, "after=4"), stream=True)
    events = parsed(response.text)
    assert response.status_code == 200
    assert deltas(events) == "Let me see.Grüß"
    assert events[-1]["type"] == "error"
    assert events[-1]["error"]["type"] == REFUSALS[name].type
    assert events[-1].keys() == {"type", "error", "request_id"}


def test_an_error_event_can_come_first(ask: Asker) -> None:
    events = ask.events(asking("overloaded", "at=message_start"))
    assert [event["type"] for event in events] == ["error"]


def test_times_limits_a_fault_per_request_and_retry_after_is_sent(ask: Asker) -> None:
    prompt = asking("rate-limit", "times=2", "retry_after=7")
    responses = [ask.post(prompt) for _ in range(3)]
    assert [response.status_code for response in responses] == [429, 429, 200]
    assert [response.headers.get("retry-after") for response in responses] == ["7", "7", None]
    assert ask.post(prompt + " again").status_code == 429


def test_the_sdk_retries_through_a_limited_fault(endpoint: Simulator) -> None:
    http = httpx2.Client(trust_env=False, verify=False)
    with anthropic.Anthropic(
        base_url=endpoint.base_url, api_key=endpoint.key, max_retries=1, http_client=http
    ) as client:
        prompt = "[[simulator: fault=overloaded times=1 retry_after=0.01]]"
        message = client.messages.create(model=MODEL, max_tokens=99, messages=[{"role": "user", "content": prompt}])
    assert message.content[0].type == "thinking"
    assert [record.status for record in endpoint.log] == [529, 200]


def test_a_scripted_answer_can_fail_too() -> None:
    answers = [
        ScriptedAnswer([text("abcdefgh")], fault=Fault("close", StreamPosition(after=1))),
        ScriptedAnswer(fault="usage-limit"),
        ScriptedAnswer([text("fine")]),
    ]
    with Simulator(answers=answers) as endpoint:
        ask = Asker(endpoint)
        with ask.http:
            got, error = ask.chunks("x")
            assert b"abcd" in b"".join(got)
            assert isinstance(error, httpx2.RemoteProtocolError)
            assert ask.post().status_code == 429
            assert ask.message()["content"] == [{"type": "text", "text": "fine"}]


@pytest.mark.parametrize("name", NAMES)
def test_the_endpoint_works_after_any_fault(name: str) -> None:
    with Simulator() as endpoint:
        ask = Asker(endpoint, timeout=0.1)
        with ask.http:
            try:
                body = request(f"[[simulator: fault={name} after=2]]", stream=True)
                with ask.http.stream("POST", ask.url, json=body, headers=ask.headers) as response:
                    next(response.iter_raw(), None)
            except httpx2.HTTPError:
                pass
            ask.http.timeout = httpx2.Timeout(5)
            assert ask.post().status_code == 200


def test_every_fault_is_described_and_tested_here() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    missing = [name for name in NAMES if name not in REFUSALS and f'"{name}"' not in source]
    assert missing == []
    assert all(NAMES.values())
