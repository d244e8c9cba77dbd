"""Faults in the bytes, the HTTP framing and the connection."""

from __future__ import annotations

import gzip
import json
import socket
import time
import zlib

import httpx2
import pytest

from mm_magics.simulator import Simulator
from tests.simulator.asking import Asker, request
from tests.simulator.faults.prompts import SAY, asking, deltas, until

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
