"""However a stream is made of repeated pieces, what it becomes is bounded, and what was received before is kept."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mm_magics.endpoint.assembler import Assembler
from mm_magics.endpoint.sse import SSEDecoder, parse
from mm_magics.errors import ProtocolError, StatusError
from mm_magics.json_size import MAX_BYTES, MAX_VALUES, JSONSizeError, count_values, read_json
from tests.endpoint.test_sse import split
from tests.recorder import EVENTS

pytestmark = [pytest.mark.fuzz, pytest.mark.slow, pytest.mark.traced]

FEWER = settings(max_examples=max(20, settings.default.max_examples // 10), deadline=None)

PIECES = st.sampled_from(["[]", "{}", "1", '""', '"a,[{"', '"\\""', '{"a":1}', "[[]]", "null", "1.5e3"])
FRAMES = st.sampled_from(
    [
        '{"type":"content_block_start","index":%d,"content_block":{"type":"hologram","x":[%s]}}',
        '{"type":"content_block_start","index":%d,"content_block":{"type":"tool_use","id":"a","name":"b","input":{"x":[%s]}}}',
        '{"type":"content_block_delta","index":%d,"delta":{"type":"aura","x":[%s]}}',
        '{"type":"content_block_delta","index":%d,"delta":{"type":"citations_delta","citation":[%s]}}',
        '{"type":"message_start","x":%d,"message":{"content":[{"type":"text","x":[%s]}]}}',
        '{"type":"message_delta","x":%d,"delta":{"stop_sequence":[%s]}}',
        '{"type":"ping","x":%d,"y":[%s]}',
    ]
)
REPEATED = st.tuples(FRAMES, PIECES, st.sampled_from([0, 1, 30, 2_000, 200_000]), st.sampled_from([1, 2, 50, 1_000]))
MAX_WIRE = 4_000_000
"""Bytes of an example, so that it takes a second at most."""


def objects_in(value: Any) -> int:
    """Return how many objects a value consists of."""
    count, pending = 0, [value]
    while pending:
        each = pending.pop()
        count += 1
        if isinstance(each, dict):
            pending += [*each, *each.values()]
        elif isinstance(each, list):
            pending += each
    return count


@FEWER
@given(st.lists(REPEATED, min_size=1, max_size=3), st.lists(st.integers(0, 100_000), max_size=3))
@example([('{"type":"content_block_delta","index":%d,"delta":{"type":"aura","x":[%s]}}', "[]", 200_000, 2)], [])
@example([('{"type":"content_block_delta","index":%d,"delta":{"x":[%s]}}', "{}", 2_000, 1_000)], [])
def test_no_stream_becomes_more_objects_than_the_limit(shapes: list[Any], cuts: list[int]) -> None:
    wire = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in EVENTS[:4])
    for frame, piece, count, times in shapes:
        joined = ",".join([piece] * min(count, MAX_WIRE // len(piece)))
        for number in range(min(times, 1 + (MAX_WIRE - len(wire)) // (len(frame) + len(joined)))):
            wire += b"data: " + (frame % (number + 1, joined)).encode() + b"\n\n"
    decoder, assembler = SSEDecoder(), Assembler()
    ended = "more than 500,000 values"
    try:
        for data in [each for chunk in split(wire, cuts) for each in decoder.decode(chunk)] + decoder.flush():
            list(assembler.feed(parse(data)))
    except (ProtocolError, StatusError) as error:
        ended = str(error)
    assert "more than 500,000 values" in ended
    list(assembler.close())
    assert objects_in(assembler.message) <= 3 * MAX_VALUES
    assert "Hello" in json.dumps(assembler.message)


@FEWER
@given(st.text(st.sampled_from('[]{},:"\\ab 1'), max_size=40), st.integers(1, 2_000), st.booleans())
@example('"\\', 2_000, False)
def test_no_fewer_values_are_counted_than_parsing_makes(text: str, times: int, as_bytes: bool) -> None:
    text = "[" + ",".join([text or "0"] * times) + "]"
    counted = count_values(text.encode() if as_bytes else text)
    try:
        value = read_json(text)
    except ValueError:
        return
    assert objects_in(value) <= 2 * counted + 1
    assert count_values(text, 5) == min(counted, 6)


@pytest.mark.parametrize("kind", [str, str.encode, lambda text: bytearray(text.encode())])
def test_large_text_that_is_one_value_is_read(kind: Any) -> None:
    text = json.dumps('[{"a, b"}]' * 1_000_000)
    assert read_json(kind(text)) == json.loads(text)
    with pytest.raises(ValueError, match="more than 16 MB"):
        read_json(kind(" " * (MAX_BYTES + 1)))
    with pytest.raises(ValueError, match="too many levels of nesting"):
        read_json(kind("[" * 100_000 + "]" * 100_000))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
@pytest.mark.parametrize("letters", ["a", "\u0122", "\u2200", "\u5c22", "\u225c\u2222"])
def test_no_encoding_hides_values_from_the_count(encoding: str, letters: str) -> None:
    """The bytes of these letters are those of quotes and backslashes."""
    text = f'["{letters}",{"[]," * MAX_VALUES}0]'
    with pytest.raises(JSONSizeError, match="500,000 values"):
        read_json(text.encode(encoding))
    assert read_json(f'["{letters}"]'.encode(encoding)) == [letters]
