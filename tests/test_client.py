"""The line: what leaves on the wire, to the byte, and what becomes of a connection."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mm_magics.client import Chunk, Client, Ended, News, Opened, Retrying
from mm_magics.errors import ConnectionFailed, EndpointError, MiniMaxError, ProtocolError, StatusError
from mm_magics.keys import Key
from mm_magics.session import Session
from mm_magics.simulator import Simulator
from mm_magics.stream import Delta

from .recorder import Recorder, http, sse

SECRET = "sk-very-secret-4711"


def client_of(base_url: str, key: str = SECRET, timeout: float = 5.0, max_retries: int = 0) -> Client:
    return Client(base_url, Key(key, "here", "host"), timeout=timeout, max_retries=max_retries)


def news_of(client: Client, body: bytes = b"{}") -> list[News]:
    """All that a call brings, to its end."""
    exchange = client.send(body)
    out: list[News] = []
    while not (out and isinstance(out[-1], Ended)):
        out += [news] if (news := exchange.next(5.0)) else []
    return out


def until(true: Callable[[], Any], seconds: float = 2.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := true()) and time.monotonic() < deadline:
        time.sleep(0.005)
    return value


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with Recorder() as recorder:
        yield recorder


# What leaves ----------------------------------------------------------------------------------------------------

EVIL = [
    {},
    {"ANTHROPIC_AUTH_TOKEN": "evil", "ANTHROPIC_API_KEY": "evil"},
    {"ANTHROPIC_CUSTOM_HEADERS": "X-Api-Key: evil\nAuthorization: Bearer evil\nanthropic-version: 1999-01-01"},
    {"ANTHROPIC_CUSTOM_HEADERS": "x-api-key: evil\nauthorization: Bearer evil\nAnthropic-Version: 1999-01-01"},
    {"ANTHROPIC_CUSTOM_HEADERS": "X-API-KEY: evil", "ANTHROPIC_AUTH_TOKEN": "evil"},
    {"ANTHROPIC_BASE_URL": "http://127.0.0.1:9", "ANTHROPIC_AUTH_TOKEN": "evil"},
]


@pytest.mark.parametrize("environ", EVIL)
def test_one_key_leaves_in_one_header_whatever_the_environment_says(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    client = client_of(recorder.base_url)
    news_of(client)
    client.close()
    (request,) = recorder.requests
    assert request.all("authorization", "x-api-key", "proxy-authorization", "cookie") == [f"Bearer {SECRET}"]
    assert request.all("anthropic-version") == ["2023-06-01"]
    assert "evil" not in repr(request)


def test_the_body_leaves_to_the_byte_at_the_messages_path(recorder: Recorder) -> None:
    body = '{ "b":1,\n\t"a": "é\\ud83d" , "a":2}'.encode()
    client = client_of(recorder.base_url)
    news_of(client, body)
    client.close()
    (request,) = recorder.requests
    assert request.line == "POST /anthropic/v1/messages HTTP/1.1"
    assert request.body == body
    assert request.all("content-type") == ["application/json"]
    assert "text/event-stream" in request.all("accept")[0]
    assert request.all("host") == [recorder.host]


def test_the_list_of_models_is_asked_for_with_the_same_one_header(
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


def test_every_setting_of_a_call_reaches_the_wire(recorder: Recorder) -> None:
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
def test_a_redirect_is_not_followed_and_the_key_not_sent_on(status: str) -> None:
    with Recorder() as other:
        redirect = http("", f"location: {other.base_url}/v1/messages", status=status)
        with Recorder(redirect) as recorder, Session(base_url=recorder.base_url, api_key=SECRET) as session:
            with pytest.raises(StatusError, match="redirects elsewhere") as caught:
                session.ask("hi")
            with pytest.raises(StatusError, match="redirects elsewhere"):
                session.client().models()
            assert len(recorder.requests) == 2
        assert other.connections == 0
    assert caught.value.status == int(status[:3])


def test_no_proxy_of_the_environment_stands_between_this_machine_and_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    with Recorder() as proxy, Recorder() as recorder:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://{proxy.host}")
        with Session(base_url=recorder.base_url, api_key=SECRET) as session:
            assert session.ask("hi").text == "Hello"
        assert (proxy.connections, len(recorder.requests)) == (0, 1)


# Connections ----------------------------------------------------------------------------------------------------


def test_one_connection_serves_call_after_call() -> None:
    with Recorder() as recorder, Session(base_url=recorder.base_url, api_key=SECRET) as session:
        for _ in range(3):
            session.ask("hi")
        assert (recorder.connections, len(recorder.requests)) == (1, 3)


def test_a_changed_key_or_endpoint_gets_a_connection_of_its_own(recorder: Recorder) -> None:
    with Session(base_url=recorder.base_url, api_key=SECRET) as session:
        session.ask("hi")
        session.keys.enter(recorder.base_url, "another")
        session.ask("hi")
    assert [request.all("authorization") for request in recorder.requests] == [[f"Bearer {SECRET}"], ["Bearer another"]]


@pytest.mark.parametrize("prompt", ["[[simulator: deltas=100000 rate=200]]", "[[simulator: fault=silence]]"])
def test_ending_a_call_early_closes_its_socket_at_the_server(endpoint: Simulator, prompt: str) -> None:
    with Session(base_url=endpoint.base_url, api_key=endpoint.key) as session:
        answer = session.stream(prompt)
        for event in answer:
            if isinstance(event, Delta):
                break
        began = time.monotonic()
        answer.close()
        assert time.monotonic() - began < 0.5
        assert until(lambda: endpoint.log[0].ended == "left")
        assert session.ask("And now?").status == "complete"
        assert [entry["id"] for entry in session.client().models()][:2] == ["MiniMax-M3", "MiniMax-M2.7"]


def test_a_call_ended_before_anything_came_leaves_the_line_usable(endpoint: Simulator) -> None:
    client = client_of(endpoint.base_url, endpoint.key)
    client.send(b'{"x": 1}').close()
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


def test_a_list_of_models_that_never_ends_is_given_up() -> None:
    with Recorder(http(json.dumps({"data": [{"id": "a"}], "has_more": True, "last_id": "a"}))) as recorder:
        client = client_of(recorder.base_url)
        assert {entry["id"] for entry in client.models()} == {"a"}
        client.close()
    assert len(recorder.requests) == 2


@pytest.mark.parametrize("body", ["[]", "{}", '{"data": 5}', '"x"', "<html>", "", "null"])
def test_a_list_of_models_that_is_none_is_one_of_our_errors(body: str) -> None:
    with Recorder(http(body)) as recorder:
        client = client_of(recorder.base_url)
        with pytest.raises(EndpointError):
            client.models()
        client.close()


# News -----------------------------------------------------------------------------------------------------------


def test_a_call_brings_its_opening_its_bytes_and_its_end(recorder: Recorder) -> None:
    client = client_of(recorder.base_url)
    first, *chunks, last = news_of(client)
    assert isinstance(first, Opened)
    assert first.content_type == "text/event-stream"
    assert b"".join(chunk.data for chunk in chunks if isinstance(chunk, Chunk)) == sse().partition(b"\r\n\r\n")[2]
    assert last == Ended(None)
    client.close()


def test_waiting_for_news_is_bounded_and_after_the_end_there_is_nothing_more(endpoint: Simulator) -> None:
    client = client_of(endpoint.base_url, endpoint.key)
    body = {"model": "MiniMax-M2.7", "stream": True, "max_tokens": 99}
    silent = {"role": "user", "content": "[[simulator: fault=silence-before-headers]]"}
    exchange = client.send(json.dumps({**body, "messages": [silent]}).encode())
    began = time.monotonic()
    assert exchange.next(0.05) is None
    assert exchange.next(0) is None
    assert exchange.next(-1) is None
    assert time.monotonic() - began < 1
    exchange.close()
    assert exchange.next(5) == Ended(None)
    client.close()


# Retries --------------------------------------------------------------------------------------------------------

QUICK = "retry-after: 0.01"
BUSY = http('{"error": {"type": "overloaded_error", "message": "busy"}}', QUICK, status="529 Busy")


@pytest.mark.parametrize("status", ["408 X", "409 X", "429 X", "500 X", "502 X", "529 X"])
def test_a_passing_fault_is_tried_again_with_the_same_bytes_and_said_so(status: str) -> None:
    fault = http('{"error": {"message": "busy"}}', QUICK, status=status)
    with Recorder(fault, fault, sse()) as recorder:
        client = client_of(recorder.base_url, max_retries=2)
        news = news_of(client, b'{"n": 1}')
        client.close()
    assert [each for each in news if isinstance(each, Retrying)] == [Retrying(1), Retrying(2)]
    assert news[-1] == Ended(None)
    assert [request.body for request in recorder.requests] == [b'{"n": 1}'] * 3


@pytest.mark.parametrize("status", ["400 X", "401 X", "402 X", "403 X", "404 X", "413 X", "422 X"])
def test_a_lasting_fault_is_not_tried_again(status: str) -> None:
    with Recorder(http('{"error": {"message": "no"}}', QUICK, status=status), sse()) as recorder:
        client = client_of(recorder.base_url, max_retries=2)
        assert isinstance(news_of(client)[-1].error, StatusError)  # type: ignore[union-attr]
        client.close()
    assert len(recorder.requests) == 1


def test_tries_come_to_an_end_with_the_last_fault() -> None:
    with Recorder(BUSY) as recorder:
        caught = ended(recorder.base_url, max_retries=1)
    assert isinstance(caught, StatusError)
    assert (len(recorder.requests), caught.status, caught.type) == (2, 529, "overloaded_error")


def test_a_connection_that_breaks_in_mid_answer_is_not_tried_again(endpoint: Simulator) -> None:
    session = Session(base_url=endpoint.base_url, api_key=endpoint.key, max_retries=2)
    with session, pytest.raises(ConnectionFailed):
        session.ask("[[simulator: fault=reset]]")
    assert len(endpoint.log) == 1


# No answer ------------------------------------------------------------------------------------------------------


def ended(base_url: str, **settings: Any) -> MiniMaxError:
    """The error that a call to this endpoint ends with."""
    with Session(base_url=base_url, api_key=SECRET, **{"max_retries": 0, **settings}) as session:
        with pytest.raises(MiniMaxError) as caught:
            session.ask("hi")
        assert session.history.threads() == {}
    return caught.value


def test_no_server_is_said_to_be_none() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    error = ended(f"http://127.0.0.1:{port}/anthropic")
    assert isinstance(error, ConnectionFailed)
    assert f"Nothing answers at 127.0.0.1:{port}" in error.message
    assert "Is the base URL right" in error.hint


def test_a_wrong_key_is_said_to_be_wrong_with_where_it_is_from(endpoint: Simulator) -> None:
    error = ended(endpoint.base_url)
    assert isinstance(error, StatusError)
    assert (error.status, error.type) == (401, "authorized_error")
    assert "invalid api key (2049)" in error.message
    assert "The key from api_key was refused" in error.hint
    assert error.request_id


def test_a_wrong_path_is_said_to_be_wrong(endpoint: Simulator) -> None:
    error = ended(endpoint.base_url.removesuffix("/anthropic"))
    assert "404" in error.message
    assert "/anthropic" in error.hint


@pytest.mark.parametrize("status", ["200 OK", "500 X", "404 X"])
def test_a_server_that_speaks_html_is_not_the_api(status: str) -> None:
    page = http("<html><body>" + "Welcome! " * 10_000 + "</body></html>", status=status, content_type="text/html")
    with Recorder(page) as recorder:
        error = ended(recorder.base_url)
    assert isinstance(error, ProtocolError | StatusError)
    assert "not" in error.message
    assert "/anthropic" in error.hint
    assert len(str(error)) < 500


@pytest.mark.parametrize(
    "reply",
    [
        http("[" * 100_000, status="500 X"),
        http("[" * 100_000),
        http(b"\xff\xfe\x00", status="500 X"),
        http("[1, 2]", status="400 X"),
        http('{"error": null}', status="400 X"),
        http('{"error": ["x"], "request_id": 5}', status="400 X"),
        http('{"base_resp": null}', status="400 X"),
        http("not gzip", "content-encoding: gzip", status="500 X"),
        http("not gzip", "content-encoding: gzip"),
        http("", status="204 No Content"),
        http("{}", content_type=""),
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n",
        b"\x00\x01\x02\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    ],
)
def test_any_answer_that_is_none_ends_the_call_at_once_with_one_of_our_errors(reply: bytes) -> None:
    with Recorder(reply) as recorder:
        began = time.monotonic()
        error = ended(recorder.base_url, timeout=3.0)
        assert time.monotonic() - began < 2.5
    assert isinstance(error, EndpointError)
    assert error.message.strip()
    assert 1 <= len(str(error).splitlines()) <= 2


# The key stays out ----------------------------------------------------------------------------------------------


def shouting(text: str) -> list[bytes]:
    """Answers that hold the text wherever one can hold it."""
    line = text.partition("\r")[0]
    error = {"type": "error", "error": {"type": text, "message": f"bad key {text}!"}, "request_id": text}
    base = {"base_resp": {"status_code": 1004, "status_msg": f"login fail {text}"}}
    return [
        http(json.dumps(error), status="401 X"),
        http(json.dumps(error), status="529 X"),
        http(json.dumps(error)),
        http(json.dumps(base), status="400 X"),
        http(json.dumps(base)),
        http(json.dumps({"error": text}), status="500 X"),
        http(f"<html>{text}</html>", status="502 X", content_type="text/html"),
        http(text, status="404 X", content_type="text/plain"),
        http(text, content_type=f"text/{line}"),
        http("", f"location: http://127.0.0.1:9/?{line}", status="307 X"),
        sse(error),
        sse({"type": "message_start", "message": {"content": []}}, error),
        sse(base),
        f"HTTP/1.1 {line} OK\r\n\r\n".encode(),
        f"HTTP/1.1 200 OK\r\n{line}\r\n\r\n".encode(),
        f"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{line}\r\n".encode(),
    ]


@pytest.mark.parametrize("number", range(len(shouting(""))))
def test_a_key_that_the_endpoint_echoes_is_in_no_error(number: int) -> None:
    import traceback

    with Recorder(shouting(SECRET)[number]) as recorder:
        error = ended(recorder.base_url)
    seen = "".join([str(error), repr(error), str(vars(error)), *traceback.format_exception(error)])
    turn = getattr(error, "turn", None)
    assert SECRET not in seen + json.dumps(turn.record() if turn else None)
    assert error.message.strip()


@pytest.mark.parametrize("number", range(len(shouting(""))))
def test_an_error_is_two_plain_lines_whatever_the_endpoint_writes_in_it(number: int) -> None:
    with Recorder(shouting("\x1b[31m\u202e\r\n\r\n" + "long " * 2_000)[number]) as recorder:
        error = ended(recorder.base_url)
    assert len(str(error).splitlines()) <= 2
    assert str(error).replace("\n", "").isprintable()
    assert len(str(error)) < 3_000


def test_a_key_of_another_region_gets_a_hint() -> None:
    from mm_magics.client import status_hint

    for host, other in (("api.minimax.io", "api.minimaxi.com"), ("api.minimaxi.com", "api.minimax.io")):
        key = Key(SECRET, "MINIMAX_API_KEY", host)
        hint = status_hint(401, "invalid api key (2049)", f"https://{host}/anthropic", key)
        assert hint == f"The key from MINIMAX_API_KEY is wrong, or for the other region ({other})."
        assert "region" not in status_hint(401, "login fail (1004)", f"https://{host}/anthropic", key)
    elsewhere = Key(SECRET, "here", "example.org")
    assert "region" not in status_hint(401, "invalid api key (2049)", "https://example.org", elsewhere)


@pytest.mark.parametrize(
    ("status", "message", "said"),
    [
        (400, "invalid params, unknown model 'minimax-m2.7' (2013)", "Did you mean MiniMax-M2.7?"),
        (400, "invalid params, unknown model 'gpt' (2013)", "%minimax models lists what there is."),
        (400, "invalid params, context window exceeds limit (2013)", "--context N"),
        (402, "insufficient balance (1008)", "Top up"),
        (422, "input new_sensitive (1026)", "content filter"),
        (429, "rate limit exceeded(RPM) (1002)", "Wait"),
        (529, "High traffic detected", "Wait"),
        (404, "404 page not found", "right base URL"),
        (418, "teapot", ""),
    ],
)
def test_each_status_of_the_error_table_says_what_to_do(status: int, message: str, said: str) -> None:
    from mm_magics.client import status_hint

    assert said in status_hint(status, message, "https://example.org", Key(SECRET, "here", "example.org"))
