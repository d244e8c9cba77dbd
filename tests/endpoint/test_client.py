"""The HTTP client: what it sends, byte for byte, and how it reuses and closes connections."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from mm_magics.endpoint.client import Client
from mm_magics.endpoint.keys import Key
from mm_magics.endpoint.reader import Chunk, Ended, Opened, ReaderEvent, Retrying
from mm_magics.endpoint.stream_events import Delta
from mm_magics.errors import ConnectionFailedError, EndpointError, MiniMaxError, StatusError
from mm_magics.session import Session
from mm_magics.simulator import Simulator
from tests.pace import PATIENCE
from tests.recorder import Recorder, http, server, sse

SECRET = "sk-very-secret-4711"


def client_of(base_url: str, key: str = SECRET, timeout: float = 5.0, max_retries: int = 0) -> Client:
    return Client(base_url, Key(key, "here", "host"), timeout=timeout, max_retries=max_retries)


def events_of(client: Client, body: bytes = b"{}") -> list[ReaderEvent]:
    """All events of a call, to its end."""
    reader = client.message_reader(body)
    reader.start()
    out: list[ReaderEvent] = []
    while not (out and isinstance(out[-1], Ended)):
        out += [event] if (event := reader.next(5.0)) else []
    return out


def error_of(client: Client) -> MiniMaxError:
    """The error that ends a call, translated."""
    last = events_of(client)[-1]
    assert isinstance(last, Ended)
    assert last.error is not None
    return client.message_reader(b"").errors.translate(last.error)


def until(true: Callable[[], Any], seconds: float = 2.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := true()) and time.monotonic() < deadline:
        time.sleep(0.005)
    return value


# What is sent ----------------------------------------------------------------------------------------------------

EVIL = [
    {},
    {"ANTHROPIC_AUTH_TOKEN": "evil", "ANTHROPIC_API_KEY": "evil"},
    {"ANTHROPIC_CUSTOM_HEADERS": "X-Api-Key: evil\nAuthorization: Bearer evil\nanthropic-version: 1999-01-01"},
    {"ANTHROPIC_CUSTOM_HEADERS": "x-api-key: evil\nauthorization: Bearer evil\nAnthropic-Version: 1999-01-01"},
    {"ANTHROPIC_CUSTOM_HEADERS": "X-API-KEY: evil", "ANTHROPIC_AUTH_TOKEN": "evil"},
    {"ANTHROPIC_BASE_URL": "http://127.0.0.1:9", "ANTHROPIC_AUTH_TOKEN": "evil"},
]


@pytest.mark.parametrize("environ", EVIL)
def test_one_key_is_sent_in_one_header_whatever_the_environment_contains(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    client = client_of(recorder.base_url)
    events_of(client)
    client.close()
    (request,) = recorder.requests
    assert request.all("authorization", "x-api-key", "proxy-authorization", "cookie") == [f"Bearer {SECRET}"]
    assert request.all("anthropic-version") == ["2023-06-01"]
    assert "evil" not in repr(request)


def test_the_body_is_sent_byte_for_byte_to_the_messages_path(recorder: Recorder) -> None:
    body = '{ "b":1,\n\t"a": "é\\ud83d" , "a":2}'.encode()
    client = client_of(recorder.base_url)
    events_of(client, body)
    client.close()
    (request,) = recorder.requests
    assert request.line == "POST /anthropic/v1/messages HTTP/1.1"
    assert request.body == body
    assert request.all("content-type") == ["application/json"]
    assert "text/event-stream" in request.all("accept")[0]
    assert request.all("host") == [recorder.host]


def test_the_models_request_has_the_key_in_the_same_single_header(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "X-Api-Key: evil")
    recorder.replies = (http('{"data": [{"id": "M"}], "has_more": false}'),)
    client = client_of(recorder.base_url)
    assert client.models() == [{"id": "M"}]
    client.close()
    (request,) = recorder.requests
    assert request.line == "GET /anthropic/v1/models?limit=100 HTTP/1.1"
    assert request.all("authorization", "x-api-key") == [f"Bearer {SECRET}"]


def test_every_setting_of_a_call_is_in_its_request(recorder: Recorder) -> None:
    with Session(base_url=recorder.base_url, api_key=SECRET, temperature=0.25, top_p=0.5) as session:
        assert session.ask("Grüße", max_tokens=77, user_id="u").text == "Hello"
    assert json.loads(recorder.requests[0].body) == {
        "model": "MiniMax-M2.7",
        "max_tokens": 77,
        "temperature": 0.25,
        "top_p": 0.5,
        "metadata": {"user_id": "u"},
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Grüße"}]}],
        "stream": True,
    }


@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary", "308 Gone"])
def test_a_redirect_is_not_followed_and_the_key_is_not_forwarded(status: str) -> None:
    with Recorder() as other:
        redirect = http("", f"location: {other.base_url}/v1/messages", status=status)
        with Recorder(redirect) as recorder, Session(base_url=recorder.base_url, api_key=SECRET) as session:
            with pytest.raises(StatusError, match="redirects to another URL") as caught:
                session.ask("hi")
            with pytest.raises(StatusError, match="redirects to another URL"):
                session.client().models()
            assert len(recorder.requests) == 2
        assert other.connections == 0
    assert caught.value.status == int(status[:3])


def test_calls_to_this_machine_use_no_proxy_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with Recorder() as proxy, Recorder() as recorder:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://{proxy.host}")
        with Session(base_url=recorder.base_url, api_key=SECRET) as session:
            assert session.ask("hi").text == "Hello"
        assert (proxy.connections, len(recorder.requests)) == (0, 1)


# Connections ----------------------------------------------------------------------------------------------------


def test_consecutive_calls_reuse_one_connection() -> None:
    with Recorder() as recorder, Session(base_url=recorder.base_url, api_key=SECRET) as session:
        for _ in range(3):
            session.ask("hi")
        assert (recorder.connections, len(recorder.requests)) == (1, 3)


def test_a_changed_key_opens_a_new_connection(recorder: Recorder) -> None:
    with Session(base_url=recorder.base_url, api_key=SECRET) as session:
        session.ask("hi")
        session.keys.enter(recorder.base_url, "another")
        session.ask("hi")
    assert [request.all("authorization") for request in recorder.requests] == [[f"Bearer {SECRET}"], ["Bearer another"]]


@pytest.mark.parametrize("prompt", ["[[simulator: deltas=100000 rate=200]]", "[[simulator: fault=silence]]"])
def test_closing_a_call_early_closes_its_socket_at_the_server(endpoint: Simulator, prompt: str) -> None:
    with Session(base_url=endpoint.base_url, api_key=endpoint.key) as session:
        answer = session.stream(prompt)
        for event in answer:
            if isinstance(event, Delta):
                break
        began = time.monotonic()
        answer.close()
        assert time.monotonic() - began < 0.5 * PATIENCE
        assert until(lambda: endpoint.log[0].ended == "left")
        assert session.ask("And now?").status == "complete"
        assert [entry["id"] for entry in session.client().models()][:2] == ["MiniMax-M4", "MiniMax-M3.1-Flash"]


def test_the_client_is_usable_after_a_call_was_closed_before_its_response(endpoint: Simulator) -> None:
    client = client_of(endpoint.base_url, endpoint.key)
    reader = client.message_reader(b'{"x": 1}')
    reader.start()
    reader.close()
    assert len(client.models()) > 7
    client.close()


# The list of models ---------------------------------------------------------------------------------------------


def test_the_list_of_models_is_read_to_its_end() -> None:
    pages = [
        {"data": [{"id": "a"}, {"id": "b"}], "has_more": True, "last_id": "b"},
        {"data": [{"id": "c"}, {"no": "id"}, "d", None], "has_more": True, "last_id": "c"},
        {"data": [], "has_more": True, "last_id": None},
    ]
    with Recorder(*(http(json.dumps(page)) for page in pages)) as recorder:
        client = client_of(recorder.base_url)
        assert [entry["id"] for entry in client.models()] == ["a", "b", "c"]
        client.close()
    assert [request.line.split()[1].partition("?")[2] for request in recorder.requests] == [
        "limit=100",
        "limit=100&after_id=b",
        "limit=100&after_id=c",
    ]


def test_a_list_of_models_that_repeats_itself_is_read_no_further() -> None:
    with Recorder(http(json.dumps({"data": [{"id": "a"}], "has_more": True, "last_id": "a"}))) as recorder:
        client = client_of(recorder.base_url)
        assert {entry["id"] for entry in client.models()} == {"a"}
        client.close()
    assert len(recorder.requests) == 2


def test_an_endless_list_of_models_is_an_error() -> None:
    pages = [{"data": [{"id": str(n)}], "has_more": True, "last_id": str(n)} for n in range(200)]
    with Recorder(*(http(json.dumps(page)) for page in pages)) as recorder:
        client = client_of(recorder.base_url)
        with pytest.raises(EndpointError, match="does not end"):
            client.models()
        client.close()
    assert len(recorder.requests) == 100


JSON = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


@pytest.mark.parametrize(
    ("sent", "every", "message"),
    [
        ([JSON + b"\r\n", b'{"data": [' + b" " * 1_000_000], 0.0, "does not end"),
        ([JSON + b"\r\n", b'{"data": ['], 0.05, "did not arrive within 1 s"),
        ([JSON, b"x: y\r\n"], 0.05, "did not arrive within 1 s"),
        ([b""], 0.05, "did not arrive within 1 s"),
    ],
    ids=["endless", "in small pieces", "headers in small pieces", "silence"],
)
def test_the_list_of_models_arrives_within_the_timeout_or_fails(sent: list[bytes], every: float, message: str) -> None:
    with server(*sent, every=every, for_ever=True) as base_url:
        client = client_of(base_url, timeout=1.0)
        began = time.monotonic()
        with pytest.raises(EndpointError, match=message):
            client.models()
        assert time.monotonic() - began < 30
        client.close()


@pytest.mark.parametrize("body", ["[]", "{}", '{"data": 5}', '"x"', "<html>", "", "null"])
def test_an_invalid_list_of_models_is_an_endpoint_error(body: str) -> None:
    with Recorder(http(body)) as recorder:
        client = client_of(recorder.base_url)
        with pytest.raises(EndpointError):
            client.models()
        client.close()


# Events ---------------------------------------------------------------------------------------------------------


def test_a_call_yields_its_opening_its_bytes_and_its_end(recorder: Recorder) -> None:
    client = client_of(recorder.base_url)
    first, *chunks, last = events_of(client)
    assert isinstance(first, Opened)
    assert first.content_type == "text/event-stream"
    assert b"".join(chunk.data for chunk in chunks if isinstance(chunk, Chunk)) == sse().partition(b"\r\n\r\n")[2]
    assert last == Ended(None)
    client.close()


def test_waiting_for_an_event_is_bounded_and_after_the_end_only_the_end_is_returned(endpoint: Simulator) -> None:
    client = client_of(endpoint.base_url, endpoint.key)
    body = {"model": "MiniMax-M2.7", "stream": True, "max_tokens": 99}
    silent = {"role": "user", "content": "[[simulator: fault=silence-before-headers]]"}
    reader = client.message_reader(json.dumps({**body, "messages": [silent]}).encode())
    reader.start()
    began = time.monotonic()
    assert reader.next(0.05) is None
    assert reader.next(0) is None
    assert reader.next(-1) is None
    assert time.monotonic() - began < PATIENCE
    reader.close()
    assert reader.next(5) == Ended(None)
    client.close()


# Retries --------------------------------------------------------------------------------------------------------

QUICK = "retry-after: 0.01"
BUSY = http('{"error": {"type": "overloaded_error", "message": "busy"}}', QUICK, status="529 Busy")


@pytest.mark.parametrize("status", ["408 X", "409 X", "429 X", "500 X", "502 X", "529 X"])
def test_a_transient_error_is_retried_with_the_same_bytes_and_reported(status: str) -> None:
    fault = http('{"error": {"message": "busy"}}', QUICK, status=status)
    with Recorder(fault, fault, sse()) as recorder:
        client = client_of(recorder.base_url, max_retries=2)
        events = events_of(client, b'{"n": 1}')
        client.close()
    reason = f"busy (HTTP {status[:3]})"
    assert [each for each in events if isinstance(each, Retrying)] == [Retrying(n, 2, 0.01, reason) for n in (1, 2)]
    assert events[-1] == Ended(None)
    assert [request.body for request in recorder.requests] == [b'{"n": 1}'] * 3


@pytest.mark.parametrize("status", ["400 X", "401 X", "402 X", "403 X", "404 X", "413 X", "422 X"])
def test_a_permanent_error_is_not_retried(status: str) -> None:
    with Recorder(http('{"error": {"message": "no"}}', QUICK, status=status), sse()) as recorder:
        client = client_of(recorder.base_url, max_retries=2)
        assert isinstance(error_of(client), StatusError)
        client.close()
    assert len(recorder.requests) == 1


def test_retries_end_with_the_last_error() -> None:
    with Recorder(BUSY) as recorder:
        client = client_of(recorder.base_url, max_retries=1)
        error = error_of(client)
        client.close()
    assert isinstance(error, StatusError)
    assert (len(recorder.requests), error.status, error.type) == (2, 529, "overloaded_error")


def test_a_connection_that_breaks_during_the_response_is_not_retried(endpoint: Simulator) -> None:
    session = Session(base_url=endpoint.base_url, api_key=endpoint.key, max_retries=2)
    with session, pytest.raises(ConnectionFailedError):
        session.ask("[[simulator: fault=reset]]")
    assert len(endpoint.log) == 1
