"""A response that is small when it is sent and large when it is parsed: what it may cost, and that Stop ends it."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from collections.abc import Iterable
from typing import Any

import pytest

from tests.recorder import EVENTS, server

pytestmark = [pytest.mark.slow, pytest.mark.traced]

HEAD = b"HTTP/1.1 %b\r\ncontent-type: %b\r\ncontent-encoding: %b\r\ncontent-length: %d\r\n\r\n"
STREAM, JSON = b"text/event-stream", b"application/json"
BEGUN = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in EVENTS[:4])
BLOCK = b'{"type": "content_block_start", "index": %d, "content_block": {"type": "hologram", "x": %b}}'
DELTA = b'{"type": "content_block_delta", "index": 1, "delta": {"type": "aura", "x": %b}}'
CALL = b'{"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "a", "name": "b"}}'
STOP = b'{"type": "content_block_stop", "index": %d}'
TEXT = b'{"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": %b}}'
TEXT_BLOCK = b'{"type": "content_block_start", "index": %d, "content_block": {"type": "text", "text": "a, b"}}'
INPUT = b'{"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": %b}}'

LISTS = b"[" + b"[]," * 8_000_000 + b"[]]"


def events(*data: bytes) -> bytes:
    return b"".join(b"data: " + each + b"\n\n" for each in data)


SHAPES: dict[str, tuple[list[bytes], str]] = {
    "lists in a block": ([events(BLOCK % (1, LISTS))], "16 MB at once"),
    "lists in a delta": ([events(DELTA % LISTS)], "16 MB at once"),
    "lists in a ping": ([events(b'{"type": "ping", "x": %b}' % LISTS)], "16 MB at once"),
    "lists in 15 MB": ([events(BLOCK % (1, b"[" + b"[]," * 5_000_000 + b"[]]"))], "500,000 values at once"),
    "objects in 15 MB": ([events(BLOCK % (1, b"[" + b'{"a":1},' * 1_800_000 + b"0]"))], "500,000 values at once"),
    "numbers in 15 MB": ([events(BLOCK % (1, b"[" + b"0.5," * 3_700_000 + b"0]"))], "500,000 values at once"),
    "deep": ([events(BLOCK % (1, b"[" * 900_000))], "500,000 values at once"),
    "small lists in many blocks": (
        [events(BLOCK % (number, b"[" + b"[]," * 300 + b"0]")) for number in range(3_000)],
        "a message with more than 500,000 values",
    ),
    "many empty blocks": (
        [events(*[b'{"type":"content_block_start","index":1,"content_block":{}}'] * 9_999)] * 10,
        "a message with more than 500,000 values",
    ),
    "many citations": (
        [events(DELTA.replace(b'"x"', b'"citation"') % (b"[" + b"[]," * 300 + b"0]"))] * 3_000,
        "a message with more than 500,000 values",
    ),
    "many fields": (
        [events(DELTA.replace(b'"x"', b'"x%d"' % number) % b'""') for number in range(150_000)],
        "a message with more than 500,000 values",
    ),
    "an event without end": ([b"data: " + b" " * 999_000 + b"\n"] * 30, "16 MB at once"),
    "many lines": ([b"data:\n" * 2_000_000 + b"\n"], "100,000 lines at once"),
}
"""What is sent after the first block, and the limit that the error names."""

WHOLE: dict[str, tuple[list[bytes], str]] = {
    "lists": ([b'{"content": ', LISTS], "16 MB at once"),
    "lists in 15 MB": ([b'{"content": ['] + [b"[]," * 1_000_000] * 5, "500,000 values at once"),
    "spaces": ([b" " * 1_000_000] * 30, "16 MB at once"),
}


def packed(parts: Iterable[bytes], encoding: bytes) -> list[bytes]:
    """Return the parts as they are sent with this content encoding, or these."""
    for each in encoding.split(b", ") if encoding else ():
        packer = zlib.compressobj(1, wbits=31 if each == b"gzip" else 15)
        parts = [data for data in [*map(packer.compress, parts), packer.flush()] if data]
    return list(parts)


def measure(
    kind: bytes,
    parts: Iterable[bytes],
    encoding: bytes = b"gzip",
    *,
    stop_after: float = 60.0,
    status: bytes = b"200 OK",
) -> dict[str, Any]:
    sent = packed(parts, encoding)
    head = HEAD % (status, kind, encoding or b"identity", sum(map(len, sent)))
    with server(head, *sent) as base_url:
        command = [sys.executable, "-m", "tests.endpoint.measured_call", base_url, str(stop_after)]
        found = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=90).stdout
    return dict(json.loads(found))


@pytest.mark.parametrize("shape", SHAPES)
def test_an_event_that_is_too_large_ends_the_call_and_what_was_received_is_kept(shape: str) -> None:
    parts, limit = SHAPES[shape]
    found = measure(STREAM, [BEGUN, *parts])
    assert limit in found["error"]
    assert [bool(line.strip()) for line in found["error"].splitlines()] == [True, True]
    assert (found["status"], found["text"]) == ("failed", "Hello")
    assert found["mb"] < 250
    assert found["seconds"] < 30


@pytest.mark.parametrize("encoding", [b"", b"deflate", b"gzip, gzip"])
def test_the_limit_does_not_depend_on_the_compression(encoding: bytes) -> None:
    found = measure(STREAM, [BEGUN, *SHAPES["lists in a block"][0]], encoding)
    assert "16 MB at once" in found["error"]
    assert found["text"] == "Hello"
    assert found["mb"] < 250


@pytest.mark.parametrize("shape", WHOLE)
@pytest.mark.parametrize("status", [b"200 OK", b"400 X"])
def test_a_whole_message_that_is_too_large_is_an_error(shape: str, status: bytes) -> None:
    parts, limit = WHOLE[shape]
    found = measure(JSON, parts, status=status)
    assert (limit if status == b"200 OK" else "responded with HTTP 400") in found["error"]
    assert found["mb"] < 250
    assert found["seconds"] < 30


@pytest.mark.parametrize(
    "shape", ["small lists in many blocks", "many empty blocks", "numbers in 15 MB", "many fields", "deltas"]
)
def test_stop_ends_the_call_within_a_second_while_events_are_parsed(shape: str) -> None:
    parts, _ = SHAPES.get(shape, ([events(TEXT % b'"a, "') * 1_000] * 500, ""))
    found = measure(STREAM, [BEGUN, *parts], stop_after=0.2)
    assert found["after_stop"] < 1.0
    assert found["status"] == "stopped" if shape == "deltas" else found["status"] in ("stopped", "failed")
    assert found["text"].startswith("Hello")


# What is large, and is read ------------------------------------------------------------------------------------


def call(*inputs: str) -> bytes:
    return events(CALL, *(INPUT % json.dumps(each).encode() for each in inputs), STOP % 1)


LARGE: dict[str, bytes] = {
    "1 MB in 10,000 deltas": events(TEXT % json.dumps("x, [y] " * 14).encode()) * 10_000,
    "10 MB in one delta": events(TEXT % json.dumps('x, "y" [' * 1_200_000).encode()),
    "10,000 blocks": events(*(TEXT_BLOCK % n + b"\n\ndata: " + STOP % n for n in range(1, 10_001))),
    "a tool input of 500 kB": call(*['{"a": ['], *["1,"] * 240_000, "1]}"),
    "an unknown block of 100,000 values": events(BLOCK % (1, b"[" + b"0," * 100_000 + b"0]")),
}


@pytest.mark.parametrize("name", LARGE)
def test_a_large_answer_is_read(name: str) -> None:
    found = measure(STREAM, [BEGUN, LARGE[name], events(*(json.dumps(event).encode() for event in EVENTS[4:]))])
    assert (found["status"], found["error"]) == ("complete", "")
    assert found["text"].startswith("Hello")
    assert found["record_mb"] > 0.3
