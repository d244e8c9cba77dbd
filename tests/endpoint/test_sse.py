"""The decoder returns the same events however their bytes are split, terminated or formatted."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from statistics import mode
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mm_magics.endpoint.sse import SSEDecoder, parse
from mm_magics.errors import ProtocolError

EVENTS: list[dict[str, Any]] = [
    {"type": "message_start", "message": {"id": "m", "content": []}},
    {"type": "ping"},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Grüße 🦪 \n\n\r\n牡蠣"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "data: \ufeff\u2028\x85"}},
    {"type": "message_stop"},
]


def decoded(chunks: Iterable[bytes]) -> list[Any]:
    decoder = SSEDecoder()
    data = [each for chunk in chunks for each in decoder.decode(chunk)] + decoder.flush()
    return [parse(each) for each in data]


def split(data: bytes, cuts: Iterable[int]) -> Iterator[bytes]:
    start = 0
    for cut in sorted(cuts):
        yield data[start:cut]
        start = cut
    yield data[start:]


@st.composite
def wires(draw: st.DrawFn) -> bytes:
    """Encode the events in one of the forms that the SSE standard allows."""
    newlines = draw(st.sampled_from([["\n"], ["\r\n"], ["\r"], ["\n", "\r\n"]]))
    lines: list[str] = []
    for event in EVENTS:
        lines += draw(st.sampled_from([[], [":"], [": keep-alive", ""], ["id: 7", "retry: 10"]]))
        if draw(st.booleans()):
            lines.append(f"event: {event['type']}")
        written = json.dumps(event, ensure_ascii=draw(st.booleans()))
        form = draw(st.sampled_from(["spaced", "tight", "two lines"]))
        if form == "two lines":
            lines += [f"data: {written[:1]}", f"data:{written[1:]}"]
        else:
            lines.append(f"data: {written}" if form == "spaced" else f"data:{written}")
        lines += draw(st.sampled_from([[""], ["", ""], ["id", ""]]))
    while draw(st.booleans()) and lines[-1] == "":
        lines.pop()
    ended = [line + draw(st.sampled_from(newlines)) for line in lines[:-1]] + [lines[-1]]
    bom = "\ufeff" if draw(st.booleans()) else ""
    return (bom + "".join(ended) + draw(st.sampled_from(["", *newlines]))).encode()


@pytest.mark.fuzz
@given(wires(), st.data())
def test_the_same_events_in_any_form_and_split_are_decoded_alike(wire: bytes, data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(wire)), max_size=12))
    assert decoded(split(wire, cuts)) == EVENTS


@pytest.mark.fuzz
@given(wires())
@example(b"\r\n\n".join(b"data: " + json.dumps(event).encode() for event in EVENTS))
def test_single_bytes_are_decoded_like_one_chunk(wire: bytes) -> None:
    assert decoded(wire[n : n + 1] for n in range(len(wire))) == EVENTS


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\r"])
def test_an_event_is_returned_when_its_blank_line_is_complete_however_the_bytes_are_split(newline: bytes) -> None:
    lines = [
        b"event: x",
        b'data: {"a":',
        b"data:1}",
        b"",
        b'data: {"b": 2}',
        b"",
        b": c",
        b"",
        b'data: {"c": 3}',
        b"",
        b"",
    ]
    wire = newline.join(lines)
    events: list[dict[str, Any]] = [{"a": 1}, {"b": 2}, {"c": 3}]
    ends = [wire.index(data) + len(data) + 2 * len(newline) for data in (b"data:1}", b'{"b": 2}', b'{"c": 3}')]
    for first in range(len(wire) + 1):
        for second in range(first, len(wire) + 1):
            decoder, found = SSEDecoder(), []
            for chunk, end in zip(split(wire, [first, second]), (first, second, len(wire)), strict=True):
                found += [parse(data) for data in decoder.decode(chunk)]
                # the last LF of a CR LF is not needed
                complete = sum(each <= end + (newline == b"\r\n") for each in ends)
                assert found == events[:complete]
            assert decoder.flush() == []


def test_the_lines_of_an_event_are_joined_by_newlines() -> None:
    assert SSEDecoder().decode(b"data:1\ndata: 2\nid: 3\ndata:4\n\n") == [b"1\n 2\n4"]


def test_a_stream_may_begin_with_a_newline() -> None:
    assert decoded([b"\n", b'data: {"n": 1}\n\n']) == [{"n": 1}]


def test_a_last_event_is_joined_from_its_chunks() -> None:
    assert decoded([b'data: {"n"', b": 1", b"}"]) == [{"n": 1}]


def test_only_a_byte_order_mark_at_the_start_is_removed() -> None:
    bom = b"\xef\xbb\xbf"
    assert decoded([bom + b'data: {"n": 1}\n\n' + bom + b'data: {"n": 2}\n\n', bom + b'data: {"n": 3}']) == [{"n": 1}]


def test_a_byte_order_mark_does_not_hide_the_first_event() -> None:
    wire = b'\xef\xbb\xbfdata: {"type": "ping"}\n\ndata: {"type": "pong"}\n\n'
    for cut in range(6):
        assert [event["type"] for event in decoded(split(wire, [cut]))] == ["ping", "pong"]


def test_an_event_is_returned_as_soon_as_its_blank_line_arrives() -> None:
    decoder = SSEDecoder()
    assert decoder.decode(b'data: {"n": 1}\n') == []
    assert [json.loads(data) for data in decoder.decode(b'\ndata: {"n": 2}\n\ndata: {"n"')] == [{"n": 1}, {"n": 2}]
    assert [json.loads(data) for data in decoder.decode(b": 3}\r\r")] == [{"n": 3}]
    assert decoder.flush() == []


@pytest.mark.parametrize("frame", [b"data:", b"data: ", b"data", b": comment", b"event: ping", b"id: 1", b"", b"x: y"])
def test_an_event_without_data_is_ignored(frame: bytes) -> None:
    assert decoded([frame + b'\n\ndata: {"type": "ping"}\n\n']) == [{"type": "ping"}]


@pytest.mark.parametrize(
    ("rest", "found"),
    [
        (b'data: {"n": 1}', [{"n": 1}]),
        (b'data: {"n": 1}\r\n', [{"n": 1}]),
        (b'data: {"t": "\xff"}', [{"t": "\ufffd"}]),
        (b'data: {"n": ', []),
        (b"data: null", []),
        (b"data: [1]", []),
        (b"data: " + b"[" * 100_000, []),
        (b"event: ping", []),
    ],
)
def test_a_complete_last_event_needs_no_blank_line(rest: bytes, found: list[Any]) -> None:
    assert decoded([b'data: {"n": 0}\n\n', rest]) == [{"n": 0}, *found]


# How much work it is --------------------------------------------------------------------------------------------


class Piece(bytes):
    """A chunk that reports when it is no longer referenced."""

    gone = 0

    def __del__(self) -> None:
        Piece.gone += 1


@pytest.mark.parametrize("newline", [b"\n\n", b"\r\n\r\n"])
def test_a_huge_event_in_small_chunks_is_joined_only_once(newline: bytes) -> None:
    size, count = 5_000, 2_000  # 10 MB
    decoder = SSEDecoder()
    steps: list[int] = []

    def count_steps(*_: Any) -> Any:
        steps[-1] += 1
        return count_steps

    Piece.gone = 0
    decoder.decode(Piece(b'data: {"text": "'))
    before = sys.gettrace()
    try:
        for _ in range(count):
            piece = Piece(b"x" * size)
            steps.append(0)
            sys.settrace(count_steps)
            found = decoder.decode(piece)
            sys.settrace(before)
            assert found == []
            del piece
    finally:
        sys.settrace(before)
    assert Piece.gone == 0, "earlier chunks were copied before the event was whole"
    assert mode(steps[:100]) == mode(steps[-100:]), "later chunks cost more steps than earlier ones"
    (data,) = decoder.decode(b'"}' + newline)
    assert len(json.loads(data)["text"]) == size * count
    assert Piece.gone == count + 1, "chunks are held after their event was given out"


# JSON -----------------------------------------------------------------------------------------------------------

STRINGS = st.text(st.characters(exclude_categories=()), max_size=8)
JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**40), 10**40),
        st.floats(allow_nan=False, allow_infinity=False),
        STRINGS,
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(STRINGS, inner, max_size=4)),
    max_leaves=12,
)


@pytest.mark.fuzz
@given(st.dictionaries(STRINGS, JSON, max_size=5), st.booleans())
@example({"a": 2**64, "b": -(10**300), "c": "\ud83d", "d": "\ude00\ud83d", "e": -0.0}, True)
def test_events_are_parsed_like_json(value: dict[str, Any], escaped: bool) -> None:
    written = json.dumps(value, ensure_ascii=escaped)
    try:
        data = written.encode()
    except UnicodeEncodeError:  # lone surrogates have no bytes, only escapes
        data = json.dumps(value).encode()
    assert repr(parse(data)) == repr(json.loads(data))


@pytest.mark.parametrize(
    "data",
    [
        b'{"a": 1, "a": 2, "a": {"b": 1, "b": 3}}',
        b'{"a": 123456789012345678901234567890123456789, "b": -0, "c": -0.0, "d": 1E5, "e": 1e-7, "f": 1e400}',
        b'{"a": "\\ud83d", "b": "\\ude00", "c": "\\ud83d\\ude00", "d": "\\u0000"}',
        b'{"a": 0.1000000000000000055511151231257827, "b": 100000000000000000000.0}',
        b'  {"a" : [ ] , "b":{}}\t\r\n ',
        b'{"a": "\xf0\x9f\xa6\xaa \xc2\x85 \xe2\x80\xa8"}',
        b'{"deep": ' + b"[" * 500 + b"]" * 500 + b"}",
    ],
)
def test_corner_cases_are_parsed_like_json(data: bytes) -> None:
    assert repr(parse(data)) == repr(json.loads(data))


def test_invalid_utf8_becomes_replacement_characters() -> None:
    assert parse(b'{"a": "x\xff\xc3y"}') == {"a": "x\ufffd\ufffdy"}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"<html>",
        b"[1, 2]",
        b"null",
        b'"x"',
        b"7",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b'{"a": "\xff", "b": NaN}',
        b"{'a': 1}",
        b'{"a": 1} {"b": 2}',
        b'{"a": "\n"}',
        b'{"a": 01}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a": ' + b"1" * 5_000 + b"}",
    ],
)
def test_data_that_is_not_a_json_object_is_a_protocol_error(data: bytes) -> None:
    with pytest.raises(
        ProtocolError,
        match=r"^The endpoint sent (an event that is not (JSON|a JSON object)\.$|too many levels of nesting)",
    ):
        parse(data)
