"""The assembler keeps every block in order with all its fields, however the stream ends."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_magics.api.messages import join_turns, problems, repair_turn
from mm_magics.endpoint.assembler import Assembler
from mm_magics.endpoint.sse import SSEDecoder, parse
from mm_magics.endpoint.stream_events import (
    BlockStart,
    BlockStop,
    Delta,
    MessageStart,
    MessageStop,
    OtherEvent,
    StreamEvent,
)
from tests.events import USER, Event, call, content, delta, ended, fed, opened, started, stopped, text

# Any message ----------------------------------------------------------------------------------------------------

PIECES = st.lists(st.text(max_size=6), max_size=4)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5))
EXTRA = st.dictionaries(st.sampled_from(["x", "y", "cache_control"]), st.one_of(SCALARS, st.lists(SCALARS, max_size=2)))
INPUTS = st.dictionaries(st.text(max_size=5), st.one_of(SCALARS, st.lists(SCALARS, max_size=3)), max_size=3)


@st.composite
def streams(draw: st.DrawFn) -> list[Event]:
    """The events of one message, in order."""
    events = [started(x_new=draw(SCALARS)), {"type": "ping"}]
    for index in range(draw(st.integers(0, 4))):
        kind = draw(st.sampled_from(["text", "thinking", "tool_use", "hologram"]))
        extra = draw(EXTRA)
        if kind == "text":
            events.append(opened(index, type=kind, text="", **extra))
            events += [text(index, piece) for piece in draw(PIECES)]
        elif kind == "thinking":
            events.append(opened(index, type=kind, thinking="", **extra))
            events += [delta(index, "thinking_delta", thinking=piece) for piece in draw(PIECES)]
            if draw(st.booleans()):
                events.append(delta(index, "signature_delta", signature=draw(st.text("0123456789abcdef", min_size=1))))
        elif kind == "tool_use":
            events.append(opened(index, type=kind, id=f"t{index}", name="f", input={}, **extra))
            written = json.dumps(draw(INPUTS), ensure_ascii=draw(st.booleans()))
            size = draw(st.integers(1, 10))
            pieces = [written[n : n + size] for n in range(0, len(written), size)]
            events += [delta(index, "input_json_delta", partial_json=piece) for piece in pieces]
        else:
            events.append(opened(index, type=kind, **extra))
        if draw(st.booleans()):
            events.append({"type": "hologram", "index": index})
        events.append(stopped(index))
    usage = {"input_tokens": 7, "output_tokens": 5, "cache_read_input_tokens": 3, "x_new": draw(SCALARS)}
    return [*events, *ended("end_turn", usage=usage)]


def rebuilt(events: Iterable[Event]) -> tuple[list[Event], int | None]:
    """A simple reference implementation: the content, and the index of the block that is open at the end."""
    blocks: list[dict[str, Any]] = []
    inputs: dict[int, str] = {}
    open_: int | None = None
    for event in copy.deepcopy(list(events)):
        if event["type"] == "content_block_start":
            blocks.append(event["content_block"])
            open_ = event["index"]
        elif event["type"] == "content_block_stop":
            if event["index"] in inputs:
                blocks[event["index"]]["input"] = json.loads(inputs[event["index"]])
            open_ = None
        elif event["type"] == "content_block_delta":
            kind, value = list(event["delta"].items())[1]
            block = blocks[event["index"]]
            if kind == "partial_json":
                inputs[event["index"]] = inputs.get(event["index"], "") + value
            else:
                block[kind] = block.get(kind, "") + value
    return blocks, open_


def wire(events: Iterable[Event]) -> bytes:
    return b"".join(b"event: %s\ndata: %s\n\n" % (e["type"].encode(), json.dumps(e).encode()) for e in events)


def read(chunks: Iterable[bytes]) -> tuple[Assembler, list[StreamEvent]]:
    """Assemble chunks as a call does when the body ends after them."""
    decoder, assembler = SSEDecoder(), Assembler()
    datas = [data for chunk in chunks for data in decoder.decode(chunk)]
    out = [event for data in datas + decoder.flush() for event in assembler.feed(parse(data))]
    return assembler, [*out, *assembler.close()]


@pytest.mark.fuzz
@given(streams())
def test_every_block_is_kept_in_order_with_every_field(events: list[Event]) -> None:
    assembler, out = fed(*copy.deepcopy(events))
    expected, _ = rebuilt(events)
    assert assembler.content == expected
    assert assembler.stopped
    assert assembler.unfinished is None
    assert assembler.message["usage"] == events[-2]["usage"]
    assert assembler.message["x_new"] == events[0]["message"]["x_new"]
    assert [event.block for event in out if isinstance(event, BlockStop)] == expected
    assert [event for event in out if isinstance(event, OtherEvent)] == [
        OtherEvent(event) for event in events if event["type"] in ("ping", "hologram", "message_delta") or _signs(event)
    ]
    for number, block in enumerate(expected):
        for kind in ("text", "thinking"):
            if block["type"] == kind:
                deltas = [e.text for e in out if isinstance(e, Delta) and (e.number, e.kind) == (number, kind)]
                assert "".join(deltas) == block[kind]


def _signs(event: Event) -> bool:
    return bool(event.get("delta", {}).get("type") == "signature_delta")


@pytest.mark.fuzz
@given(streams(), st.data())
def test_any_split_of_the_bytes_gives_the_same_message_and_the_same_events(events: list[Event], data: Any) -> None:
    whole = wire(events)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=10)))
    chunks = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    (one, out_one), (many, out_many) = read([whole]), read(chunks)
    assert out_one == out_many
    assert one.message == many.message
    assert many.stopped


@pytest.mark.fuzz
@given(streams(), st.data())
def test_a_stream_cut_at_any_byte_leaves_the_partial_message_and_marks_the_unfinished_block(
    events: list[Event], data: Any
) -> None:
    whole = wire(events)
    at = data.draw(st.integers(0, len(whole)))
    arrived = len([n for n in range(len(events)) if len(wire(events[: n + 1])) - 2 <= at])
    assembler, _ = read([whole[:at]])
    expected, open_ = rebuilt(events[:arrived])
    assert [_known(block) for block in assembler.content] == [_known(block) for block in expected]
    assert assembler.unfinished == open_
    assert assembler.stopped == (arrived == len(events))
    turn: Any = [USER, {"role": "assistant", "content": assembler.content}]
    array = join_turns([repair_turn(turn, [assembler.unfinished]), [USER]])
    assert problems(array) == []
    for number, block in enumerate(assembler.content):
        is_kept = any(block is each for message in array for each in message["content"])
        if block["type"] in ("thinking", "tool_use") and len(array) > 1:
            assert is_kept == (number != open_)


def _known(block: dict[str, Any]) -> dict[str, Any]:
    """The block without its tool input, which is set only once it is complete."""
    return {key: value for key, value in block.items() if key != "input"}


# Usage and stop reason ------------------------------------------------------------------------------------------


def test_final_usage_replaces_initial_usage_counter_by_counter() -> None:
    start = started(usage={"input_tokens": 0, "output_tokens": 0, "service_tier": "standard"})
    usage = {"input_tokens": 25, "output_tokens": 9, "cache_read_input_tokens": 4, "new_counter": {"a": 1}}
    assembler, _ = fed(start, *ended(usage=usage))
    assert assembler.message["usage"] == {**usage, "service_tier": "standard"}


@pytest.mark.parametrize("end", [{}, {"usage": None}, {"usage": []}])
def test_initial_usage_stays_if_the_end_reports_none(end: Any) -> None:
    assembler, _ = fed(started(usage={"input_tokens": 3}), *ended("", **end))
    assert assembler.message["usage"] == {"input_tokens": 3}
    assert assembler.message["stop_reason"] == ""


def test_content_in_message_delta_does_not_replace_the_message() -> None:
    events = [started(), opened(0, type="text", text="a"), stopped(0)]
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn", "content": [], "x": 1}}
    assembler, _ = fed(*events, end, {"type": "message_stop"})
    assert assembler.content == [{"type": "text", "text": "a"}]
    assert assembler.message["x"] == 1


# Tool inputs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pieces", "input_"),
    [
        (["{}"], {}),
        ([], {}),
        ([""], {}),
        (['{"a": ', "1}"], {"a": 1}),
        (list('{"a": "\\ud83d\\ude00"}'), {"a": "😀"}),
        (['{"a": 1, "a": 2}'], {"a": 2}),
        (['{"n": 123456789012345678901234567890}'], {"n": 123456789012345678901234567890}),
    ],
)
def test_tool_input_is_joined_from_its_fragments(pieces: list[str], input_: Any) -> None:
    assembler, _ = fed(started(), *call(0, *pieces), *ended("tool_use"))
    assert assembler.content == [{"type": "tool_use", "id": "t0", "name": "f", "input": input_}]
    assert assembler.unfinished is None


@pytest.mark.parametrize(
    "written",
    [
        '{"a": ',
        "[1]",
        "null",
        '"x"',
        '{"a": NaN}',
        '{"a": 1e999}',
        "{} {}",
        '{"a":' * 5000,
        "1" * 5000,
        '{"a":' * 300 + "1" + "}" * 300,
    ],
)
def test_tool_input_that_is_not_an_object_is_unfinished_and_kept_unchanged(written: str) -> None:
    assembler, _ = fed(started(), *call(0, written), *ended("tool_use"))
    assert (assembler.unfinished, assembler.partial_json) == (0, written)
    assert repair_turn([USER, {"role": "assistant", "content": assembler.content}], [0]) == []


def test_two_tool_calls_that_were_cut_off_are_left_out_of_the_context() -> None:
    thought = [opened(0, type="thinking", thinking="a"), stopped(0)]
    assembler, _ = fed(started(), *thought, *call(1, '{"a": '), *call(2, '{"b": '), *ended("tool_use"))
    turn: Any = [USER, {"role": "assistant", "content": assembler.content}]
    assert [block["type"] for block in repair_turn(turn, [assembler.unfinished])[1]["content"]] == ["thinking"]  # type: ignore


def test_of_two_calls_without_complete_input_the_last_is_unfinished() -> None:
    cut = [
        event
        for index in (0, 1)
        for event in (
            opened(index, type="tool_use", id=f"t{index}", name="f"),
            delta(index, "input_json_delta", partial_json='{"a'),
            stopped(index),
        )
    ]
    assembler, _ = fed(started(), *cut, *ended("tool_use"))
    assert (assembler.unfinished, assembler.partial_json) == (1, '{"a')
    assert [block.get("input") for block in assembler.content] == [None, None]


def test_parallel_tool_calls_stay_in_order_if_their_deltas_are_interleaved() -> None:
    one, two = call(0, '{"n": 1', "}"), call(1, '{"n": 2', "}")
    mixed = [event for pair in zip(one, two, strict=True) for event in pair]
    assert [block["input"] for block in content(*mixed)] == [{"n": 1}, {"n": 2}]


# Ends -----------------------------------------------------------------------------------------------------------


def test_message_stop_finishes_open_blocks() -> None:
    thought = [opened(0, type="thinking", thinking=""), delta(0, "thinking_delta", thinking="a")]
    assembler, out = fed(started(), *thought, *call(1, '{"n": 1}', stop=False), *ended("tool_use"))
    assert [block["type"] for block in assembler.content] == ["thinking", "tool_use"]
    assert assembler.content[1]["input"] == {"n": 1}
    assert assembler.unfinished is None
    assert len([event for event in out if isinstance(event, BlockStop)]) == 2


def test_thinking_cut_off_by_max_tokens_is_unfinished() -> None:
    thought = [opened(0, type="thinking", thinking=""), delta(0, "thinking_delta", thinking="a"), stopped(0)]
    assert fed(started(), *thought, *ended("max_tokens"))[0].unfinished == 0
    assert (
        fed(started(), *thought, opened(1, type="text", text="a"), stopped(1), *ended("max_tokens"))[0].unfinished
        is None
    )


def test_two_halves_of_a_character_in_two_deltas_are_joined() -> None:
    halves = [parse(json.dumps(text(0, half)).encode()) for half in ("a\ud83d", "\ude00b")]
    assembler, out = fed(started(), opened(0, type="text", text=""), *halves, stopped(0), *ended())
    assert assembler.content == [{"type": "text", "text": "a😀b"}]
    for event in out:
        if isinstance(event, Delta):
            event.text.encode()  # a view can write it


LONE: dict[str, tuple[list[Event], list[dict[str, Any]]]] = {
    "in a text": ([text(0, "a\ud83d.")], [{"type": "text", "text": "a\ufffd."}]),
    "at the end of a text": ([text(0, "a\ud83d")], [{"type": "text", "text": "a\ufffd"}]),
    "a first half, then another character": (
        [text(0, "a\ud83d"), text(0, "\ud83d\ude00")],
        [{"type": "text", "text": "a\ufffd😀"}],
    ),
    "second halves": ([text(0, "\ude00"), text(0, "\ude00")], [{"type": "text", "text": "\ufffd\ufffd"}]),
    "in an unknown field": (
        [delta(0, "odd_delta", odd="\ud83d"), delta(0, "odd_delta", odd="\ude00\ud83d")],
        [{"type": "text", "text": "", "odd": "😀\ufffd"}],
    ),
    "in a value of an unknown delta": (
        [delta(0, "odd_delta", odd=["\ud83d"])],
        [{"type": "text", "text": "", "odd": ["\ufffd"]}],
    ),
}


@pytest.mark.parametrize("where", LONE)
def test_lone_surrogates_become_replacement_characters_as_they_arrive(where: str) -> None:
    deltas, expected = LONE[where]
    received = [parse(json.dumps(each).encode()) for each in deltas]
    assembler, out = fed(started(), opened(0, type="text", text=""), *received, stopped(0), *ended())
    assert assembler.content == expected
    assert assembler.replaced
    streamed = "".join(event.text for event in out if isinstance(event, Delta) and event.kind == "text")
    assert streamed == expected[0]["text"]


def test_lone_surrogates_in_inputs_blocks_and_whole_messages_become_replacement_characters() -> None:
    written = json.dumps({"a\ud83d": ["\ude00"]})
    started_block = opened(1, type="hologram", data={"deep": "\ud83d"})
    assembler, _ = fed(*call(0, written), started_block, stopped(1), *ended())
    assert assembler.content[0]["input"] == {"a\ufffd": ["\ufffd"]}
    assert assembler.content[1]["data"] == {"deep": "\ufffd"}
    assert assembler.replaced
    whole = Assembler()
    list(whole.whole({"content": [{"type": "text", "text": "\ud83d"}], "id": "\ude00"}))
    assert whole.message == {"content": [{"type": "text", "text": "\ufffd"}], "id": "\ufffd"}


@pytest.mark.fuzz
@given(st.text(st.characters(min_codepoint=0xD7FE, max_codepoint=0xE001) | st.sampled_from("a😀")), st.data())
def test_any_split_of_utf16_code_units_gives_the_same_text_live_and_stored(given_text: str, data: Any) -> None:
    units = given_text.encode("utf-16-le", "surrogatepass")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(units) // 2), max_size=5)))
    pieces = [
        units[2 * a : 2 * b].decode("utf-16-le", "surrogatepass")
        for a, b in zip([0, *cuts], [*cuts, len(units) // 2], strict=True)
    ]
    assembler, out = fed(
        started(), opened(0, type="text", text=""), *(text(0, piece) for piece in pieces), stopped(0), *ended()
    )
    expected = units.decode("utf-16-le", "replace")
    assert assembler.content[0]["text"] == expected
    assert "".join(event.text for event in out if isinstance(event, Delta)) == expected


# Events for views ----------------------------------------------------------------------------------------------


def test_the_events_of_a_simple_response() -> None:
    _, out = fed(started(), opened(0, type="text", text=""), text(0, "Hel"), text(0, "lo"), stopped(0), *ended())
    message = {**started()["message"], "content": [{"type": "text", "text": "Hello"}], "stop_reason": "end_turn"}
    assert [type(event) for event in out] == [
        MessageStart,
        BlockStart,
        Delta,
        Delta,
        BlockStop,
        OtherEvent,
        MessageStop,
    ]
    assert out[0] == MessageStart(message)
    assert out[1:5] == [
        BlockStart(0, {"type": "text", "text": ""}),
        Delta(0, "text", "Hel"),
        Delta(0, "text", "lo"),
        BlockStop(0, {"type": "text", "text": "Hello"}),
    ]
    assert out[5] == OtherEvent(ended()[0])
    assert out[6] == MessageStop(message)


def test_a_whole_message_yields_the_events_of_a_stream() -> None:
    message = {
        "id": "m1",
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "5"},
            {"type": "text", "text": "Hello", "x": 1},
            {"type": "tool_use", "id": "a", "name": "f", "input": {"n": 1}},
            {"type": "hologram"},
        ],
        "stop_reason": "tool_use",
        "base_resp": {"status_code": 0},
    }
    assembler = Assembler()
    out = list(assembler.whole(copy.deepcopy(message)))
    assert assembler.message == message
    assert (assembler.started, assembler.stopped) == (True, True)
    blocks: list[Any] = message["content"]  # type: ignore[assignment]
    assert out == [
        MessageStart(message),
        BlockStart(0, {"type": "thinking", "signature": "5"}),
        Delta(0, "thinking", "hm"),
        BlockStop(0, blocks[0]),
        BlockStart(1, {"type": "text", "x": 1}),
        Delta(1, "text", "Hello"),
        BlockStop(1, blocks[1]),
        BlockStart(2, blocks[2]),
        BlockStop(2, blocks[2]),
        BlockStart(3, blocks[3]),
        BlockStop(3, blocks[3]),
        MessageStop(message),
    ]


def test_nothing_is_started_before_the_first_event() -> None:
    assembler = Assembler()
    assert (assembler.started, assembler.stopped) == (False, False)
    assert (assembler.unfinished, assembler.partial_json) == (None, None)
    assert assembler.message == {"role": "assistant", "content": []}
    list(assembler.feed(started()))
    assert (assembler.started, assembler.stopped) == (True, False)
