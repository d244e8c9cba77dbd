"""Every failure of a call is one of our errors: two printable lines that say what to do and never contain the key."""

from __future__ import annotations

import json
import socket
import time
import traceback
from typing import Any

import pytest

from mm_magics.endpoint.error_hints import status_hint
from mm_magics.endpoint.keys import Key
from mm_magics.errors import ConnectionFailedError, EndpointError, MiniMaxError, ProtocolError, StatusError
from mm_magics.session import Session
from mm_magics.simulator import Simulator
from tests.recorder import Recorder, http, sse

SECRET = "sk-very-secret-4711"

# No response ----------------------------------------------------------------------------------------------------


def ended(base_url: str, **settings: Any) -> MiniMaxError:
    """The error that a call to this endpoint ends with."""
    with Session(base_url=base_url, api_key=SECRET, **{"max_retries": 0, **settings}) as session:
        with pytest.raises(MiniMaxError) as caught:
            session.ask("hi")
        assert session.history.threads() == {}
    return caught.value


def test_an_unreachable_server_is_reported_as_such() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    error = ended(f"http://127.0.0.1:{port}/anthropic")
    assert isinstance(error, ConnectionFailedError)
    assert f"Cannot connect to 127.0.0.1:{port}" in error.message
    assert "Is the base URL correct" in error.hint


@pytest.mark.parametrize(
    ("fault", "hint"),
    [
        ("close-before-headers", "No response was received. Run the cell again."),
        ("reset-before-headers", "No response was received. Run the cell again."),
        ("close", "The partial response is kept. Run the cell again."),
    ],
)
def test_a_partial_response_is_mentioned_only_if_a_response_began(session: Session, fault: str, hint: str) -> None:
    with pytest.raises(ConnectionFailedError) as caught:
        session.ask(f"[[simulator: deltas=20 fault={fault}]]")
    assert caught.value.hint == hint


def test_a_wrong_key_is_reported_with_its_source(endpoint: Simulator) -> None:
    error = ended(endpoint.base_url)
    assert isinstance(error, StatusError)
    assert (error.status, error.type) == (401, "authorized_error")
    assert "invalid api key (2049)" in error.message
    assert "The key from api_key was refused" in error.hint
    assert error.request_id


def test_a_wrong_path_is_reported_with_the_base_url(endpoint: Simulator) -> None:
    error = ended(endpoint.base_url.removesuffix("/anthropic"))
    assert "404" in error.message
    assert "/anthropic" in error.hint


@pytest.mark.parametrize("status", ["200 OK", "418 X", "404 X"])
def test_html_is_reported_as_not_the_messages_api(status: str) -> None:
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
def test_an_invalid_response_ends_the_call_at_once_with_an_endpoint_error(reply: bytes) -> None:
    with Recorder(reply) as recorder:
        began = time.monotonic()
        error = ended(recorder.base_url, timeout=60)
        assert time.monotonic() - began < 30
    assert isinstance(error, EndpointError)
    assert error.message.strip()
    assert 1 <= len(str(error).splitlines()) <= 2


# The key is redacted --------------------------------------------------------------------------------------------


def shouting(text: str) -> list[bytes]:
    """Responses with the text in every place that can contain it."""
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
def test_an_error_never_contains_a_key_that_the_endpoint_echoes(number: int) -> None:
    with Recorder(shouting(SECRET)[number]) as recorder:
        error = ended(recorder.base_url)
    seen = "".join([str(error), repr(error), str(vars(error)), *traceback.format_exception(error)])
    turn = getattr(error, "turn", None)
    assert SECRET not in seen + json.dumps(turn.record() if turn else None)
    assert error.message.strip()


@pytest.mark.parametrize("number", range(len(shouting(""))))
def test_an_error_is_two_printable_lines_whatever_the_endpoint_sends(number: int) -> None:
    with Recorder(shouting("\x1b[31m\u202e\r\n\r\n" + "long " * 2_000)[number]) as recorder:
        error = ended(recorder.base_url)
    assert len(str(error).splitlines()) <= 2
    assert str(error).replace("\n", "").isprintable()
    assert len(str(error)) < 3_000


def test_only_a_key_for_the_other_region_gets_a_hint_about_it() -> None:
    key = Key(SECRET, "MINIMAX_API_KEY", "api.minimax.io")
    assert "region" not in status_hint(401, "login fail (1004)", "https://api.minimax.io/anthropic", key)
    elsewhere = Key(SECRET, "here", "example.org")
    assert "region" not in status_hint(401, "invalid api key (2049)", "https://example.org", elsewhere)


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (400, "invalid params, unknown model 'gpt' (2013)", "Run %minimax models to list the models."),
        (400, "invalid params, context window exceeds limit (2013)", "--context N"),
        (402, "insufficient balance (1008)", "Top up"),
        (422, "input new_sensitive (1026)", "content filter"),
        (429, "rate limit exceeded(RPM) (1002)", "Wait"),
        (529, "High traffic detected", "Wait"),
        (404, "404 page not found", "right base URL"),
        (418, "teapot", "--dry-run"),
    ],
)
def test_each_status_in_the_error_table_has_a_hint(status: int, message: str, expected: str) -> None:
    assert expected in status_hint(status, message, "https://example.org", Key(SECRET, "here", "example.org"))
