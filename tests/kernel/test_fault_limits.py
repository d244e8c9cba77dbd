"""Limits of time and size, and hostile headers, in one real kernel and over real sockets."""

from __future__ import annotations

import itertools
import json
import time
import zlib

import pytest

from mm_magics.api.messages import problems
from tests.kernel.faults import lines_of, met
from tests.pace import PATIENCE
from tests.recorder import EVENTS, Recorder, server, sse, unanswered

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("same_kernel")]


def bytewise(data: bytes) -> list[bytes]:
    return [data[n : n + 1] for n in range(len(data))]


STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
PING = b'event: ping\ndata: {"type": "ping"}\n\n'
JSON = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n"


def test_connecting_takes_no_longer_than_the_limit(kernel):
    with unanswered() as base_url:
        kernel.send_to(base_url)
        began = time.monotonic()
        run = kernel.run("%%minimax --timeout 1\nHello.", "a")
        assert time.monotonic() - began < 1.5 * PATIENCE
    assert "Cannot connect to 127.0.0.1" in lines_of(run)


@pytest.mark.parametrize(
    ("sent", "every"),
    [
        ([], 0.0),
        (bytewise(STREAM), 0.1),
        ([STREAM, *[PING] * 100], 0.05),
        ([STREAM, *[b": keep-alive\n\n"] * 100], 0.05),
        ([STREAM, *bytewise(b'data: {"type": "message_start"' + b" " * 100)], 0.05),
    ],
    ids=["half-open", "headers by the byte", "pings", "comments", "an event by the byte"],
)
def test_bytes_that_are_not_events_do_not_reset_the_timeout(kernel, sent, every):
    with server(*sent, every=every) as base_url:
        kernel.send_to(base_url)
        began = time.monotonic()
        run = kernel.run("%%minimax --timeout 0.5\nHello.", "a")
        assert time.monotonic() - began < 1.5 * PATIENCE
    assert lines_of(run).startswith("No response from the endpoint for 0.5 s.\n")


def test_a_slow_first_byte_is_accepted(kernel, simulator):
    assert met(kernel, simulator, "wait=1", "--timeout 20").error is None
    assert "No response from the endpoint for 0.2 s" in lines_of(met(kernel, simulator, "wait=5", "--timeout 0.2"))


def test_the_whole_answer_has_a_time_limit(kernel, simulator):
    kernel.run("%minimax set max_seconds 2")
    for directive in ("deltas=1000 rate=20", "fault=endless"):
        run = met(kernel, simulator, directive, "--timeout 20")
        assert "not complete after 2 s" in lines_of(run)
        assert "max_seconds" in lines_of(run)
        assert run.turn["messages"][1:]
    with server(JSON, *bytewise(b" " * 1_000), every=0.02) as base_url:
        kernel.send_to(base_url)
        assert "not complete after 2 s" in lines_of(kernel.run("%%minimax --timeout 1.5\nHello.", "a"))


def test_an_endless_answer_does_not_fill_the_memory(kernel):
    with server(STREAM, *[(b": " + b"x" * 998 + b"\n") * 1_000] * 300) as base_url:
        kernel.send_to(base_url)
        run = kernel.run("%%minimax\nHello.", "a")
    assert lines_of(run).startswith("The endpoint sent more than 16 MB at once, and the response was cancelled.\n")


REFUSED = b"HTTP/1.1 500 X\r\ncontent-type: application/json\r\n"
PEAK = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"


def bomb() -> bytes:
    """1 GB of spaces, compressed."""
    packer = zlib.compressobj(wbits=31)
    return b"".join(packer.compress(b" " * 10_000_000) for _ in range(100)) + packer.flush()


@pytest.mark.parametrize(
    ("sent", "every"),
    [
        (lambda: [REFUSED + b"\r\n", b"x" * 1_000_000], 0.0),
        (lambda: [REFUSED + b"content-length: 1000000000\r\n\r\n", b"x" * 1_000_000], 0.0),
        (lambda: [REFUSED + b"content-encoding: gzip\r\n\r\n", bomb()], 0.0),
        (lambda: [REFUSED + b"\r\n", b'{"error": {"message": "'], 0.05),
    ],
    ids=["without end", "1 GB", "1 GB, packed", "by little pieces"],
)
def test_an_endless_error_body_is_cut_and_reported(kernel, simulator, sent, every):
    before = int(kernel.run(PEAK).text)
    with server(*sent(), every=every, for_ever=True) as base_url:
        kernel.send_to(base_url)
        began = time.monotonic()
        run = kernel.run("%%minimax\nHello.", "a")
        assert time.monotonic() - began < 30
        assert "responded with HTTP 500, but not as the Messages API does" in lines_of(run)
        assert len(lines_of(run)) < 1_000
        began = time.monotonic()
        assert "Could not list the endpoint's models" in kernel.run("%minimax models").text
        assert time.monotonic() - began < 30
    assert int(kernel.run(PEAK).text) - before < 50_000
    kernel.send_to(simulator.base_url, simulator.key)
    assert kernel.run("%%minimax\nAnd now?", "b").turn["status"] == "complete"


def test_hostile_headers_are_ignored_or_give_a_plain_error(kernel, simulator):
    evil = "\x1b[31m\u202e<img src=x onerror=alert(1)>".encode()
    names = (b"retry-after", b"request-id", b"www-authenticate", b"set-cookie", b"content-type", b"location", b"x\x1b")
    heads = [b"\r\n".join(name + b": " + value for name in names) for value in (evil, evil[5:], b"x" * 1_000_000)]
    for head, status in itertools.product(heads, (b"200 OK", b"307 X", b"401 X", b"529 X")):
        with server(b"HTTP/1.1 " + status + b"\r\n" + head + b"\r\n\r\n") as base_url:
            kernel.send_to(base_url)
            lines = kernel.run("%%minimax --timeout 0.5\nHello.", "a").error["evalue"].splitlines()
        assert len(lines) == 2
        assert all(line.strip() and line.isprintable() for line in lines)
    kernel.send_to(simulator.base_url, simulator.key)
    assert kernel.run("%%minimax\nAnd now?", "b").turn["status"] == "complete"


def test_an_answer_can_arrive_in_one_chunk_of_10_mb(kernel):
    piece = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "word " * 2_000_000}}
    with Recorder(sse(*EVENTS[:2], piece, *EVENTS[3:])) as recorder:
        kernel.send_to(recorder.base_url)
        run = kernel.run("%%minimax\nHello.", "a")
        assert run.error is None
        assert len(run.turn["messages"][1]["content"][0]["text"]) == 10_000_000
        assert kernel.run("%%minimax\nAnd now?", "b").error is None
    assert problems(json.loads(recorder.requests[-1].body)["messages"]) == []
