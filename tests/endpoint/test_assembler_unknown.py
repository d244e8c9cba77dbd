"""Unknown events are kept as far as possible; invalid events are clear errors."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from mm_magics.endpoint.assembler import Assembler
from mm_magics.endpoint.stream_events import BlockStart, BlockStop, Delta, OtherEvent
from mm_magics.errors import ProtocolError, StatusError
from tests.events import Event, call, content, delta, ended, fed, opened, started, stopped, text

# What nobody has heard of ---------------------------------------------------------------------------------------


def test_an_unknown_block_keeps_all_its_fields() -> None:
    block = {"type": "hologram", "depth": 3, "data": {"deep": [1, {"n": None}]}}
    assert content(opened(0, **copy.deepcopy(block)), stopped(0)) == [block]


def test_an_unknown_delta_adds_its_fields_to_its_block() -> None:
    assert content(
        opened(0, type="hologram", shape="cu"),
        delta(0, "hologram_delta", depth=3, shape="b"),
        delta(0, "hologram_delta", shape="e"),
        stopped(0),
    ) == [{"type": "hologram", "depth": 3, "shape": "cube"}]


def test_citations_are_collected_in_order() -> None:
    one, two = {"cited_text": "a"}, {"cited_text": "b"}
    assert content(
        opened(0, type="text", text=""),
        text(0, "x"),
        delta(0, "citations_delta", citation=one),
        delta(0, "citations_delta", citation=two),
        stopped(0),
    ) == [{"type": "text", "text": "x", "citations": [one, two]}]


def test_unknown_fields_of_a_known_delta_are_kept() -> None:
    events = [opened(0, type="text", text=""), text(0, "a", x={"shade": 7}), text(0, "b"), stopped(0)]
    assert content(*events) == [{"type": "text", "text": "ab", "x": {"shade": 7}}]


def test_unknown_events_and_unknown_fields_of_events_change_nothing() -> None:
    plain = [opened(0, type="text", text=""), text(0, "a"), stopped(0)]
    odd = [{**event, "x_minimax": {"shade": 7}} for event in plain]
    assert content({"type": "hologram"}, *odd, {"no": "type"}) == content(*plain)


def test_a_delta_without_a_started_block_starts_one() -> None:
    assert content(text(9, "a"), text(9, "b"), stopped(9)) == [{"type": "text", "text": "ab"}]
    assert content(delta(0, "thinking_delta", thinking="a"), delta(0, "signature_delta", signature="5")) == [
        {"type": "thinking", "thinking": "a", "signature": "5"}
    ]


def test_an_unknown_delta_without_a_started_block_starts_a_text_block_or_thinking() -> None:
    assert content(delta(0, "hologram_delta", depth=3)) == [{"type": "text", "depth": 3}]
    assert content(delta(0, "signature_delta", signature="5")) == [{"type": "thinking", "signature": "5"}]


@pytest.mark.parametrize(
    ("events", "invented"),
    [
        ([opened(0, type="text", text=""), text(0, "a", shade="b"), text(0, "c", shade="d")], {0: ["shade"]}),
        ([opened(0, type="text", text=""), delta(0, "x_delta", shade=1, depth=[2])], {0: ["shade", "depth"]}),
        ([opened(0, type="text", text=""), delta(0, "thinking_delta", thinking="a")], {0: ["thinking"]}),
        ([opened(0, type="text", text=""), delta(0, "reasoning", reasoning_content="a")], {0: ["reasoning_content"]}),
        ([opened(0, type="text", text="", shade="a"), text(0, "b", shade="c")], {}),
        ([opened(0, type="text", text=""), delta(0, "citations_delta", citation={"cited_text": "a"})], {}),
        ([opened(0, type="text", text=""), delta(0, "input_json_delta", partial_json="{}")], {}),
        ([opened(0, type="thinking", thinking=""), delta(0, "signature_delta", signature="5")], {}),
        ([opened(0, type="hologram"), delta(0, "hologram_delta", depth=3)], {}),
        ([opened(0, type="text", text=""), stopped(0), opened(1, type="text", text=""), text(1, "a", b=1)], {1: ["b"]}),
    ],
)
def test_fields_that_the_api_does_not_have_are_noted(events: list[Event], invented: dict[int, list[str]]) -> None:
    assembler, _ = fed(started(), *events)
    assert assembler.invented == invented


REASON = ended("end_turn")[0]
HALF, OTHER_HALF = "\ud83e", "\uddaa"


@pytest.mark.parametrize(
    ("events", "replaced"),
    [
        ([opened(0, type="text", text=""), text(0, "a"), text(0, "é"), stopped(0)], False),
        ([opened(0, type="text", text=""), text(0, HALF), text(0, OTHER_HALF), stopped(0)], False),
        ([opened(0, type="text", text=""), text(0, HALF), text(0, "a"), text(0, "b"), stopped(0)], True),
        ([opened(0, type="text", text=""), text(0, "\ud800"), stopped(0)], True),
        ([opened(0, type="text", text=""), text(0, OTHER_HALF + "a"), text(0, "b"), stopped(0)], True),
        ([opened(0, type="text", text=HALF + "a"), text(0, "b"), stopped(0)], True),
        (call(0, '{"a": "b"}'), False),
        (call(0, '{"a": "\\ud83e"}'), True),
        ([*call(0, '{"a": "\\ud83e"}'), *call(1, '{"a": "b"}')], True),
    ],
)
def test_replaced_halves_of_characters_are_noted(events: list[Event], replaced: bool) -> None:
    assembler, _ = fed(started(), *copy.deepcopy(events))
    assert assembler.replaced is replaced


def test_the_replacement_of_a_half_is_given_on_with_its_block_and_kind() -> None:
    _, out = fed(started(), opened(3, type="text", text=""), text(3, "a" + HALF), stopped(3))
    assert out[2:-1] == [Delta(3, "text", "a"), Delta(3, "text", "\ufffd")]
    _, out = fed(started(), opened(3, type="text", text=""), delta(3, "x", thinking="a" + HALF), stopped(3))
    assert [each for each in out if isinstance(each, Delta)] == [
        Delta(3, "thinking", "a"),
        Delta(3, "thinking", "\ufffd"),
    ]


@pytest.mark.parametrize(
    ("events", "is_complete"),
    [
        ([], False),
        ([REASON], True),
        ([REASON, {"type": "message_delta", "delta": {}, "usage": {}}], True),
        ([{"type": "message_delta", "delta": {"stop_reason": None}}], False),
        ([opened(0, type="text", text=""), REASON], False),
        ([opened(0, type="text", text=""), stopped(0), REASON], True),
    ],
)
def test_a_message_is_complete_with_its_stop_reason_and_closed_blocks(events: list[Event], is_complete: bool) -> None:
    assembler, _ = fed(started(), *events)
    assert assembler.is_complete is is_complete


def test_a_block_that_starts_again_stops_the_open_one() -> None:
    assembler, out = fed(
        started(), opened(0, type="text", text=""), text(0, "a"), opened(0, type="text", text="b"), text(0, "c")
    )
    assert out[3:] == [
        BlockStop(0, {"type": "text", "text": "a"}),
        BlockStart(0, {"type": "text", "text": "b"}),
        Delta(0, "text", "c"),
    ]
    list(assembler.close())
    assert assembler.content == [{"type": "text", "text": "a"}, {"type": "text", "text": "bc"}]


def test_unknown_events_and_deltas_are_given_on_unchanged() -> None:
    odd = [{"type": "hologram", "x": 1}, delta(0, "hologram_delta", depth=3)]
    _, out = fed(started(), opened(0, type="text", text=""), *odd)
    assert out[2:] == [OtherEvent(event) for event in odd]


def test_unknown_fields_of_an_input_delta_are_kept_and_its_fragments_are_not() -> None:
    events = [*call(0, '{"n": 1', stop=False), delta(0, "input_json_delta", partial_json="}", note="a"), stopped(0)]
    assert content(*events) == [{"type": "tool_use", "id": "t0", "name": "f", "input": {"n": 1}, "note": "a"}]


def test_usage_that_is_not_an_object_is_replaced() -> None:
    assembler, _ = fed(started(usage="y"), *ended(usage={"output_tokens": 3}))
    assert assembler.message["usage"] == {"output_tokens": 3}


def test_a_message_without_message_start_is_complete() -> None:
    assembler, _ = fed(opened(0, type="text", text=""), text(0, "a"), stopped(0), *ended())
    assert (assembler.content, assembler.stopped) == ([{"type": "text", "text": "a"}], True)


def test_a_signature_is_unchanged_wherever_it_arrives() -> None:
    in_start = opened(0, type="thinking", thinking="", signature="5" * 64)
    assert content(in_start, delta(0, "thinking_delta", thinking="a"), stopped(0))[0]["signature"] == "5" * 64
    assert content(opened(0, type="thinking", thinking="a"), stopped(0)) == [{"type": "thinking", "thinking": "a"}]


# Errors ---------------------------------------------------------------------------------------------------------


def test_an_error_event_raises_its_error_and_leaves_the_partial_message() -> None:
    assembler, _ = fed(started(), opened(0, type="text", text=""), text(0, "Hel"))
    event = {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}, "request_id": "r1"}
    with pytest.raises(StatusError, match="busy") as caught:
        list(assembler.feed(event))
    assert (caught.value.type, caught.value.status, caught.value.request_id) == ("overloaded_error", 200, "r1")
    list(assembler.close())
    assert (assembler.content, assembler.unfinished) == ([{"type": "text", "text": "Hel"}], 0)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error"},
        {"type": "error", "error": None},
        {"type": "error", "error": "a text"},
        {"type": "error", "error": {"message": 5}},
        {"error": {}},
        {"base_resp": {"status_code": 1000, "status_msg": None}},
    ],
)
def test_any_error_event_raises_a_status_error_with_a_message(event: Event) -> None:
    with pytest.raises(StatusError) as caught:
        fed(event)
    assert caught.value.message.strip()


INVALID_MESSAGE = "The endpoint started an invalid message."
INVALID_BLOCK = "The endpoint started an invalid content block."
INVALID_DELTA = "The endpoint sent an invalid delta."
NO_INDEX = "The endpoint sent a content block event without its index."
NOT_WRITABLE = "The endpoint sent a number that JSON cannot represent, or JSON that is nested too deeply."


@pytest.mark.parametrize(
    ("event", "error"),
    [
        ({"type": "message_start"}, INVALID_MESSAGE),
        ({"type": "message_start", "message": "x"}, INVALID_MESSAGE),
        ({"type": "content_block_start", "index": 0}, INVALID_BLOCK),
        ({"type": "content_block_start", "index": 0, "content_block": []}, INVALID_BLOCK),
        ({"type": "content_block_start", "content_block": {"type": "text"}}, NO_INDEX),
        ({"type": "content_block_start", "index": "0", "content_block": {"type": "text"}}, NO_INDEX),
        ({"type": "content_block_delta", "index": 0}, INVALID_DELTA),
        ({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "a"}}, NO_INDEX),
        ({"type": "content_block_delta", "index": [0], "delta": {"type": "text_delta", "text": "a"}}, NO_INDEX),
        ({"type": "content_block_stop"}, NO_INDEX),
        ({"type": "content_block_stop", "index": {}}, NO_INDEX),
        (started(x=float("inf")), NOT_WRITABLE),
        (opened(0, type="hologram", x=float("nan")), NOT_WRITABLE),
        (delta(0, "hologram_delta", x=float("inf")), NOT_WRITABLE),
        ({"type": "message_delta", "delta": {}, "usage": {"output_tokens": float("inf")}}, NOT_WRITABLE),
    ],
)
def test_an_invalid_event_is_a_protocol_error(event: Event, error: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        fed(started(), event)
    assert str(caught.value) == error


@pytest.mark.parametrize("content", [None, "a text", {}, ["a text"], [None]])
def test_a_message_without_content_is_a_protocol_error(content: Any) -> None:
    with pytest.raises(ProtocolError, match=r"^The endpoint's response has no content\.$"):
        list(Assembler().whole({"role": "assistant", "content": content}))


def test_a_whole_message_that_cannot_be_written_is_a_protocol_error() -> None:
    with pytest.raises(ProtocolError) as caught:
        list(Assembler().whole({"role": "assistant", "content": [{"type": "hologram", "x": float("nan")}]}))
    assert str(caught.value) == NOT_WRITABLE


@pytest.mark.parametrize(
    "event",
    [
        {"type": ["message_start"]},
        {"type": "message_delta", "delta": None, "usage": 7},
        {"type": "content_block_delta", "index": 0, "delta": {"type": ["text_delta"], "text": "a"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": None}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta"}},
        {"type": "content_block_delta", "index": 0, "delta": {}},
        {"type": "message_start", "message": {"content": "x", "usage": "y"}},
        {"type": "content_block_stop", "index": 77},
        {"base_resp": {"status_code": 0}},
        {"base_resp": 5},
    ],
)
def test_an_event_with_a_missing_part_is_accepted(event: Event) -> None:
    assembler, _ = fed(started(), opened(0, type="text", text=""), text(0, "a"), event, text(0, "b"), *ended())
    assert assembler.stopped
    assert "".join(block.get("text") or "" for block in assembler.content).endswith("b")
