"""Every fault does on the wire what its description says."""

from __future__ import annotations

import gzip
import json
import socket
import time
import zlib
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest

from mm_magics.simulator import Fault, ScriptedAnswer, Simulator, StreamPosition, text, thinking
from mm_magics.simulator.contract import REFUSALS
from mm_magics.simulator.faults.catalogue import NAMES
from tests.simulator.asking import MODEL, Asker, assembled, parsed, request

SAY = 'say="Grüße, oysters" thinking="Let me see."'
"""An answer of 3 thinking deltas and 4 text deltas."""


def asking(name: str, *more: str) -> str:
    return f"[[simulator: {SAY} fault={name} {' '.join(more)}]]"


def deltas(events: list[dict[str, Any]]) -> str:
    """Join the text of a stream's deltas."""
    parts = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    return "".join(part.get("thinking", "") + part.get("text", "") for part in parts)


# The table of errors


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


# What the message says: the same in both forms


def content(ask: Asker, name: str, **fields: Any) -> tuple[list[dict[str, Any]], str]:
    """Check that both forms are equal under a fault, and return their content and stop reason."""
    message = ask.message(asking(name), **fields)
    events = ask.events(asking(name), **fields)
    assert assembled(events) == message["content"]
    assert events[-2]["delta"]["stop_reason"] == message["stop_reason"]
    return message["content"], message["stop_reason"]


def test_unknown_stop_reasons(ask: Asker) -> None:
    assert content(ask, "stop-error")[1] == "error"
    assert content(ask, "stop-unknown")[1] == "moon_phase"
    assert ask.message("[[simulator: stop_reason=refusal]]")["stop_reason"] == "refusal"


def test_markup_leaks_into_the_text(ask: Asker) -> None:
    assert "\n<minimax:tool_call>\n<invoke name=" in content(ask, "tool-xml")[0][1]["text"]
    assert content(ask, "think-tags")[0][1]["text"].startswith("<think>\n")


def test_incomplete_content(ask: Asker) -> None:
    assert content(ask, "empty-content")[0] == []
    assert content(ask, "blank-text")[0][1]["text"].strip() == ""
    assert [block["type"] for block in content(ask, "only-thinking")[0]] == ["thinking"]
    assert content(ask, "unsigned-thinking")[0][0] == {"type": "thinking", "thinking": "Let me see."}


def test_unknown_content(ask: Asker) -> None:
    assert content(ask, "unknown-block")[0][1]["type"] == "hologram"
    assert all("x_minimax" in block for block in content(ask, "unknown-fields")[0])


def test_repeated_tool_ids(ask: Asker) -> None:
    blocks, stop = content(ask, "same-tool-id")
    assert stop == "tool_use"
    assert blocks[1]["id"] == blocks[2]["id"]
    uses = {"type": "tool_use", "id": "call_function_aaaaaaaaaaaa_1", "name": "x", "input": {}}
    messages = [
        {"role": "user", "content": "Go"},
        {"role": "assistant", "content": [uses]},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": uses["id"], "content": "ok"},
                {"type": "text", "text": asking("old-tool-id")},
            ],
        },
    ]
    assert ask.message(messages)["content"][1]["id"] == uses["id"]


# The stream's events


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


def until(true: Any, seconds: float = 2.0) -> None:
    deadline = time.perf_counter() + seconds
    while not true():
        assert time.perf_counter() < deadline
        time.sleep(0.005)


# The bytes


@pytest.mark.parametrize("name", ["crlf", "cr", "comments", "no-event-lines", "many-data-lines", "bom", "byte-by-byte"])
def test_the_same_events_in_another_encoding(ask: Asker, name: str) -> None:
    chunks, error = ask.chunks(asking(name))
    body = b"".join(chunks)
    assert error is None
    sign = {
        "crlf": b"\r\n\r\n",
        "cr": b"\r\r",
        "comments": b": keep-alive\n\n",
        "no-event-lines": b"\n\ndata: {",
        "many-data-lines": b"\ndata:{\ndata: ",
        "bom": b"\xef\xbb\xbfevent: message_start",
        "byte-by-byte": b"event: message_start",
    }[name]
    assert sign in body
    if name == "no-event-lines":
        assert b"event:" not in body
    if name == "byte-by-byte":
        assert {len(chunk) for chunk in chunks} == {1}
    lines = body.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n").decode().split("\n")
    data, received = "", ""
    for line in lines:
        data += line.removeprefix("data:") if line.startswith("data:") else ""
        if not line and data:
            delta = json.loads(data).get("delta", {})
            received += delta.get("thinking", "") + delta.get("text", "")
            data = ""
    assert received == "Let me see.Grüße, oysters"


def test_text_that_is_not_utf8(ask: Asker) -> None:
    chunks, _ = ask.chunks(asking("bad-utf8"))
    assert b'"text":"\xff\xc3Gr' in b"".join(chunks)


def test_a_last_event_without_a_blank_line(ask: Asker) -> None:
    assert ask.post(asking("no-last-newline"), stream=True).text.endswith('{"type":"message_stop"}')


def test_gzip_complete_and_truncated(ask: Asker) -> None:
    plain = ask.post(f"[[simulator: {SAY}]]", stream=True).text
    response = ask.post(asking("gzip"), stream=True)
    assert response.headers["content-encoding"] == "gzip"
    assert len(response.text) == len(plain)
    chunks, _ = ask.chunks(asking("gzip"))
    assert gzip.decompress(b"".join(chunks)).startswith(b"event: message_start")
    assert ask.post(asking("gzip")).json()["type"] == "message"
    cut, _ = ask.chunks(asking("cut-gzip"))
    with pytest.raises(EOFError):
        gzip.decompress(b"".join(cut))
    assert zlib.decompressobj(wbits=31).decompress(b"".join(cut)).startswith(b"event: message_start")


# HTTP


@pytest.mark.parametrize(
    ("name", "status", "kind", "start"),
    [
        ("html", 200, "text/html", "<!DOCTYPE html>"),
        ("html-502", 502, "text/html", "<!DOCTYPE html>"),
        ("html-504", 504, "text/html", "<!DOCTYPE html>"),
        ("empty", 200, "text/event-stream", ""),
        ("empty-502", 502, "text/plain", ""),
        ("not-found", 404, "text/plain", "404 page not found"),
        ("json", 200, "application/json; charset=utf-8", '{"id":"'),
        ("cut-json-body", 500, "application/json", '{"type": "error", "er'),
    ],
)
def test_another_body_instead_of_the_stream(ask: Asker, name: str, status: int, kind: str, start: str) -> None:
    response = ask.post(asking(name), stream=True)
    assert (response.status_code, response.headers["content-type"]) == (status, kind)
    assert response.text.startswith(start)
    assert bool(response.text) is bool(start)


def test_a_redirect_goes_to_the_given_url(ask: Asker) -> None:
    response = ask.post(asking("redirect"))
    assert (response.status_code, response.headers["location"]) == (
        307,
        "http://elsewhere.invalid/anthropic/v1/messages",
    )
    assert ask.post(asking("redirect", "to=http://localhost:1/x")).headers["location"] == "http://localhost:1/x"
    loop = httpx2.URL(ask.url).join(ask.post(asking("redirect-loop")).headers["location"])
    assert loop == httpx2.URL(ask.url)


def test_bytes_that_are_not_http(ask: Asker) -> None:
    with pytest.raises(httpx2.RemoteProtocolError):
        ask.post(asking("not-http"))
    got, error = ask.chunks(asking("bad-chunk", "after=4"))
    assert b'"Gr\xc3\xbc\xc3\x9f"' in b"".join(got)
    assert isinstance(error, httpx2.RemoteProtocolError)


# The connection


@pytest.mark.parametrize(
    ("name", "error"),
    [("close-before-headers", httpx2.RemoteProtocolError), ("reset-before-headers", httpx2.ReadError)],
)
@pytest.mark.parametrize("stream", [True, False])
def test_a_connection_ends_without_an_answer(ask: Asker, name: str, error: type[Exception], stream: bool) -> None:
    with pytest.raises(error):
        ask.post(asking(name), stream=stream)
    assert (ask.endpoint.log[-1].status, ask.endpoint.log[-1].fault) == (None, name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("close-after-headers", httpx2.RemoteProtocolError),
        ("reset-after-headers", httpx2.ReadError),
        ("close", httpx2.RemoteProtocolError),
        ("reset", httpx2.ReadError),
    ],
)
def test_a_connection_ends_in_mid_answer(ask: Asker, name: str, expected: type[Exception]) -> None:
    got, error = ask.chunks(asking(name, "after=4"))
    assert isinstance(error, expected)
    if name in ("close", "close-after-headers"):
        assert (b'"Gr' in b"".join(got)) is (name == "close")
    with pytest.raises(expected):
        ask.post(asking(name))


@pytest.mark.parametrize("part", ["before", "during", "after"])
@pytest.mark.parametrize(
    "event",
    [
        "message_start",
        "ping",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ],
)
def test_a_position_can_be_any_part_of_any_event(ask: Asker, event: str, part: str) -> None:
    got, error = ask.chunks(asking("close", f"at={event}", f"part={part}"))
    body = b"".join(got).decode()
    assert isinstance(error, httpx2.RemoteProtocolError)
    whole = body.count(f'data: {{"type":"{event}"')
    if part == "before":
        assert f"event: {event}" not in body
    elif part == "during":
        assert not body.endswith("\n\n")
        assert f"event: {event}" in body
    else:
        assert whole == 1
        assert body.endswith("\n\n")


def test_a_body_ends_properly_in_mid_answer(ask: Asker) -> None:
    events = ask.events(asking("end", "after=4"))
    assert deltas(events) == "Let me see.Grüß"
    assert events[-1]["type"] == "content_block_delta"


@pytest.mark.parametrize("name", ["silence-before-headers", "silence-after-headers", "silence"])
def test_silence_lasts_until_the_client_disconnects(endpoint: Simulator, name: str) -> None:
    ask = Asker(endpoint, timeout=0.4)
    with ask.http:
        if name == "silence-before-headers":
            with pytest.raises(httpx2.ReadTimeout):
                ask.post(asking(name), stream=True)
        else:
            got, error = ask.chunks(asking(name, "after=4"))
            assert isinstance(error, httpx2.ReadTimeout)
            assert (b'"Gr' in b"".join(got)) is (name == "silence")
    until(lambda: endpoint.log[-1].ended == "left")


def test_wait_comes_before_a_fault(ask: Asker) -> None:
    started = time.perf_counter()
    assert ask.post(asking("overloaded", "wait=0.2")).status_code == 529
    assert time.perf_counter() - started >= 0.2


def test_reset_is_an_rst_and_close_a_fin(ask: Asker) -> None:
    for name, clean in (("close", True), ("reset", False)):
        with socket.create_connection(("127.0.0.1", ask.endpoint.port)) as connection:
            body = json.dumps(request(asking(name), stream=True)).encode()
            headers = f"POST /anthropic/v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: {ask.endpoint.key}\r\n"
            connection.sendall(f"{headers}content-length: {len(body)}\r\n\r\n".encode() + body)
            try:
                while connection.recv(65_536):
                    pass
                ended_clean = True
            except ConnectionResetError:
                ended_clean = False
        assert ended_clean is clean


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
    source = Path(__file__).read_text(encoding="utf-8")
    missing = [name for name in NAMES if name not in REFUSALS and f'"{name}"' not in source]
    assert missing == []
    assert all(NAMES.values())


def test_thinking_can_be_scripted_unsigned() -> None:
    answers = [ScriptedAnswer([{**thinking("Hm."), "signature": None}, text("Yes.")])]
    with Simulator(answers=answers) as endpoint:
        ask = Asker(endpoint)
        with ask.http:
            assert assembled(ask.events())[0] == {"type": "thinking", "thinking": "Hm."}
