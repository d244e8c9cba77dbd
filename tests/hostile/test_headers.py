"""Hostile headers of answers and errors: they do nothing or give a plain error, and the next call works."""

from __future__ import annotations

import bz2
import json
import time
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from mm_magics.errors import EndpointError
from mm_magics.session import Session
from tests.hostile.corpus import CASES
from tests.pace import PATIENCE
from tests.recorder import Recorder, sse

pytestmark = [pytest.mark.slow, pytest.mark.traced]

NAMES = (
    "content-type",
    "minimax-request-id",
    "request-id",
    "retry-after",
    "retry-after-ms",
    "www-authenticate",
    "location",
    "set-cookie",
    "content-encoding",
    "server",
    "date",
    "link",
    "refresh",
    "warning",
)
ERROR = json.dumps({"type": "error", "error": {"type": "api_error", "message": "no"}}).encode()
HELLO = sse().partition(b"\r\n\r\n")[2]


def reply(status: bytes, body: bytes, *headers: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 " + status, b"content-length: %d" % len(body), *headers]) + b"\r\n\r\n" + body


LIMIT_S = 5.0 * PATIENCE
"""Seconds for three calls, which take milliseconds, and the import of the SDK."""


def check(answer: bytes) -> str:
    """Send prompts to an endpoint that answers like this and then normally. Return the error of the first call."""
    with (
        Recorder(answer, sse(), answer) as server,
        Session(base_url=server.base_url, api_key="k" * 20, max_retries=0, timeout=10.0) as session,
    ):
        began, message = time.monotonic(), ""
        try:
            first = session.ask("hi")
        except EndpointError as error:
            message = plain(error)
        else:
            assert (first.status, first.text) == ("complete", "Hello")
        assert session.ask("And now?").text == "Hello"
        with pytest.raises(EndpointError) as caught:
            session.client().models()
        plain(caught.value)
        assert time.monotonic() - began < LIMIT_S
        records = [turn.record() for turn in session.history.turns("main")]
        assert all(each.isprintable() for each in texts(records))
        assert all(request.all("cookie") == [] for request in server.requests)
    return message


def plain(error: EndpointError) -> str:
    lines = error._render_traceback_()
    assert 1 <= len(lines) <= 2
    assert all(line.strip() and line.isprintable() for line in lines)
    assert len(str(error)) < 3_000
    assert str(getattr(error, "request_id", "")).isprintable()
    return str(error)


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value.replace("\n", "")
    elif isinstance(value, dict | list):
        for each in [*value, *value.values()] if isinstance(value, dict) else value:
            yield from texts(each)


def as_value(evil: str) -> bytes:
    """Return the part of the text that fits into one line of HTTP."""
    return b" ".join(evil.encode("utf-8", "replace").splitlines())


@pytest.mark.parametrize("evil", list(CASES.values())[::6], ids=list(CASES)[::6])
def test_hostile_header_values_do_nothing(evil: str) -> None:
    value = as_value(evil)
    for status, body in ((b"200 OK", HELLO), (b"401 X", ERROR), (b"503 X", b""), (b"307 X", b"")):
        check(reply(status, body, *(name.encode() + b": " + value for name in NAMES)))
        check(reply(status, body, b"content-type: " + value))
    check(reply(b"500 " + value, ERROR))
    check(reply(b"500 X", ERROR, value + b": x"))


@pytest.mark.parametrize(
    "header",
    [
        b"x-long: " + b"x" * 1_000_000,
        b"x" * 1_000_000 + b": x",
        b"\r\n".join([b"x-many: y"] * 100_000),
        b"content-type: text/event-stream; " + b"a=b;" * 250_000,
        b"content-encoding: " + b"gzip," * 50,
        b"content-length: " + b"9" * 4_000,
        b"content-length: -1",
        b"transfer-encoding: \xe2\x80\xaegzip",
        b"x-folded: a\r\n\t\x1b[31mb",
    ],
    ids=lambda header: header[:30].decode("utf-8", "replace").encode("unicode_escape").decode(),
)
def test_oversized_or_false_headers_end_the_call_or_are_ignored(header: bytes) -> None:
    for status, body in ((b"200 OK", HELLO), (b"500 X", ERROR)):
        check(reply(status, body, header))


@cache
def packed() -> bytes:
    """Return an error whose body is 50 MB when decompressed."""
    return bz2.compress(b'{"error": {"message": "x"}}' + b" " * 50_000_000)


@pytest.mark.parametrize("charset", ["bz2_codec", "zlib_codec", "rot13", "idna", "unicode_escape", "utf-7", "\u202e"])
def test_an_unsupported_content_encoding_is_not_decompressed(charset: str) -> None:
    kind = b"content-type: application/json; charset=" + charset.encode()
    assert "HTTP 500" in check(reply(b"500 X", packed(), kind))
    assert "no (HTTP 500, api_error)" in check(reply(b"500 X", ERROR, kind))


@pytest.mark.parametrize(
    "value",
    ["Mon, 01 Jan 99999999999999 00:00:00 GMT", "Mon, 01 Jan 2026 00:00:00 -9999", "9" * 5_000, "1e400", "\u0661"],
)
def test_an_impossible_retry_after_is_ignored(value: str) -> None:
    assert "no (HTTP 503" in check(reply(b"503 X", ERROR, b"retry-after: " + value.encode()))


def test_cookies_of_the_endpoint_are_not_stored() -> None:
    for cookie in ("a=\x80\u202e", "a=" + "x" * 50_000, "=", "a=b; domain=.com; path=/\u202e", "a=b; expires=\x80"):
        answer = reply(b"200 OK", HELLO, b"content-type: text/event-stream", b"set-cookie: " + cookie.encode())
        assert check(answer) == ""


def test_the_stream_is_read_with_any_content_type() -> None:
    for kind in (b"", b"text/event-stream; charset=utf-16", b"application/octet-stream", b"x" * 10_000, b"\x80\xff"):
        assert check(reply(b"200 OK", HELLO, b"content-type: " + kind)) == ""
