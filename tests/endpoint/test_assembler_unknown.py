"""Unknown events are kept as far as possible; invalid events are clear errors."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from mm_magics.endpoint.assembler import Assembler
from mm_magics.errors import ProtocolError, StatusError
from tests.events import Event, content, delta, ended, fed, opened, started, stopped, text

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


@pytest.mark.parametrize(
    "event",
    [
        {"type": "message_start"},
        {"type": "message_start", "message": "x"},
        {"type": "content_block_start", "index": 0},
        {"type": "content_block_start", "index": 0, "content_block": []},
        {"type": "content_block_start", "content_block": {"type": "text"}},
        {"type": "content_block_start", "index": "0", "content_block": {"type": "text"}},
        {"type": "content_block_delta", "index": 0},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "a"}},
        {"type": "content_block_delta", "index": [0], "delta": {"type": "text_delta", "text": "a"}},
        {"type": "content_block_stop"},
        {"type": "content_block_stop", "index": {}},
    ],
)
def test_an_invalid_event_is_a_protocol_error(event: Event) -> None:
    with pytest.raises(ProtocolError, match="The endpoint "):
        fed(started(), event)


@pytest.mark.parametrize("content", [None, "a text", {}, ["a text"], [None]])
def test_a_message_without_content_is_a_protocol_error(content: Any) -> None:
    with pytest.raises(ProtocolError):
        list(Assembler().whole({"role": "assistant", "content": content}))


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
