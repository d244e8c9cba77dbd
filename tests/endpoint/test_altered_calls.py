"""A tool call that an endpoint changed while it was sent is kept verbatim, and is marked so that it never runs."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mm_magics.endpoint.assembler import Assembler
from mm_magics.errors import MiniMaxError
from mm_magics.tools.loop import calls_in
from tests.events import Event, call, delta, ended, fed, opened, started, stopped, text

SAFE = '{"command": "ls"}'
EVIL = '{"command": "rm -r data"}'
HEAD = {"type": "tool_use", "id": "t0", "name": "f", "input": {}}

ALTERED: dict[str, list[Event]] = {
    "text": [*call(0, EVIL, stop=False), text(0, SAFE), stopped(0)],
    "text before the arguments": [opened(0, **HEAD), text(0, SAFE), delta(0, "input_json_delta", partial_json=EVIL)],
    "empty text": [*call(0, EVIL, stop=False), text(0, ""), stopped(0)],
    "thinking": [*call(0, EVIL, stop=False), delta(0, "thinking_delta", thinking=SAFE), stopped(0)],
    "a signature": [*call(0, EVIL, stop=False), delta(0, "signature_delta", signature="a"), stopped(0)],
    "a citation": [*call(0, EVIL, stop=False), delta(0, "citations_delta", citation={"a": 1}), stopped(0)],
    "reasoning": [*call(0, EVIL, stop=False), delta(0, "text_delta", reasoning_content="a"), stopped(0)],
    "another input": [*call(0, SAFE, stop=False), delta(0, "odd_delta", input=json.loads(EVIL)), stopped(0)],
    "a longer name": [*call(0, SAFE, stop=False), delta(0, "odd_delta", name="_more"), stopped(0)],
    "another id": [*call(0, SAFE, stop=False), delta(0, "odd_delta", id="t1"), stopped(0)],
    "a delta without a type": [*call(0, SAFE, stop=False), delta(0, "", partial_json="x"), stopped(0)],
    "a delta of a type that is not text": [*call(0, SAFE, stop=False), {**delta(0, "x"), "delta": {"type": 5}}],
    "a field in a delta": [opened(0, **HEAD), delta(0, "input_json_delta", partial_json=EVIL, text=SAFE), stopped(0)],
    "a text in the start": [opened(0, **HEAD, text=SAFE), *call(0, EVIL)[1:]],
    "content in the start": [opened(0, **HEAD, content=SAFE), *call(0, EVIL)[1:]],
    "partial JSON in the start": [opened(0, **HEAD, partial_json=SAFE), *call(0, EVIL)[1:]],
    "arguments in the start and in deltas": [opened(0, **{**HEAD, "input": json.loads(SAFE)}), *call(0, EVIL)[1:]],
    "a second start": [*call(0, SAFE, stop=False), *call(0, EVIL)],
    "a second start after its end": [*call(0, SAFE), *call(0, EVIL)],
    "a call where a text was": [opened(0, type="text", text="a"), stopped(0), *call(0, EVIL)],
    "arguments after its end": [*call(0, SAFE), delta(0, "input_json_delta", partial_json=EVIL)],
    "a text after its end": [*call(0, SAFE), text(0, EVIL)],
    "arguments before its start": [delta(0, "input_json_delta", partial_json=SAFE), *call(0, EVIL)],
    "a second start of the message": [*call(0, SAFE), started()],
}


@pytest.mark.parametrize("how", ALTERED)
def test_a_call_that_events_of_other_kinds_changed_is_marked(how: str) -> None:
    assembler, _ = fed(started(), *copy.deepcopy(ALTERED[how]), *ended("tool_use"))
    calls = {at for at, block in enumerate(assembler.content) if block["type"] == "tool_use"}
    assert set(assembler.altered) == calls
    assert calls


def test_the_calls_of_a_message_that_starts_with_content_are_marked_because_it_was_never_shown() -> None:
    hidden = {**HEAD, "input": {"command": "rm"}}
    assembler, _ = fed(started(content=[hidden]), *call(0, SAFE), *ended("tool_use"))
    assert (assembler.content[0], set(assembler.altered)) == (hidden, {0, 1})


@pytest.mark.parametrize("field", ["text", "thinking", "content", "in_text", "x"])
def test_a_call_with_unknown_fields_is_marked_in_a_whole_message_too(field: str) -> None:
    assembler = Assembler()
    list(assembler.whole({"role": "assistant", "content": [{**HEAD, field: "a"}, HEAD, {"type": "text", field: "a"}]}))
    assert set(assembler.altered) == {0}


@pytest.mark.parametrize(
    "events",
    [
        call(0, SAFE),
        call(0, *SAFE),
        call(0, "", SAFE),
        call(0),
        [*call(0, SAFE), stopped(0)],
        [opened(0, **{**HEAD, "input": {"command": "ls"}}), stopped(0)],
        [opened(0, **HEAD, cache_control=None, caller={"type": "direct"}), *call(0, SAFE)[1:]],
        [*call(0, SAFE, stop=False), *call(1, EVIL, stop=False), stopped(0), stopped(1)],
        [opened(0, type="text", text=""), text(0, "a"), stopped(0), *call(1, SAFE)],
    ],
)
def test_an_ordinary_call_is_not_marked(events: list[Event]) -> None:
    assert fed(started(), *copy.deepcopy(events), *ended("tool_use"))[0].altered == {}


# Any stream -----------------------------------------------------------------------------------------------------------

INDEXES = st.integers(0, 2)
VALUES = st.sampled_from(["", "a", SAFE, EVIL, {"command": "ls"}, 1, None, ["x"]])
PARTS = st.sampled_from([SAFE, EVIL, '{"command"', ': "ls"}', "{}", ""])
NAMES = st.sampled_from(["text", "thinking", "partial_json", "name", "id", "input", "signature", "content", "citation"])
TYPES = st.sampled_from(["input_json_delta", "text_delta", "thinking_delta", "signature_delta", "odd_delta", "", None])
HEADS = st.builds(
    lambda kind, id_, name, more: {"type": kind, "id": id_, "name": name, "input": {}, **more},
    st.sampled_from(["tool_use", "tool_use", "tool_use", "text"]),
    st.sampled_from(["t0", "t1", "t2"]),
    st.sampled_from(["f", "g"]),
    st.dictionaries(NAMES, VALUES, max_size=1),
)
ORDINARY = st.builds(
    lambda index, parts: [
        opened(index, type="tool_use", id=f"t{index}", name="f", input={}),
        *(delta(index, "input_json_delta", partial_json=part) for part in parts),
        stopped(index),
    ],
    INDEXES,
    st.lists(PARTS, max_size=2),
)
ODD = st.one_of(
    st.builds(lambda index, head: [opened(index, **head)], INDEXES, HEADS),
    st.builds(
        lambda index, kind, more: [{**delta(index, ""), "delta": {"type": kind, **more}}],
        INDEXES,
        TYPES,
        st.dictionaries(NAMES, VALUES, max_size=2),
    ),
    st.builds(lambda index: [stopped(index)], INDEXES),
    st.just([started()]),
    st.just([started(content=[HEAD])]),
)
STREAMS = st.lists(st.one_of(ORDINARY, ODD), max_size=5).map(lambda lists: [each for some in lists for each in some])


def strict_calls(events: list[Event]) -> Iterator[str]:
    """Yield the calls, as JSON, that a client reads which knows only the events of the Messages API."""
    starts = [event for event in events if event["type"] == "message_start"]
    if len(starts) > 1 or starts[0]["message"]["content"]:
        return
    for index in {event["index"] for event in events if "index" in event}:
        own = [event for event in events if event.get("index") == index]
        while own[:1] == [stopped(index)]:  # a stop of nothing has no effect
            own.pop(0)
        while own[-2:] == [stopped(index)] * 2:
            own.pop()
        if not own:
            continue
        head = own[0].get("content_block", {})
        deltas = [event["delta"] for event in own[1:] if event["type"] == "content_block_delta"]
        kinds = [event["type"] for event in own]
        if kinds.count("content_block_start") != 1 or "content_block_stop" in kinds[:-1] or head.keys() != HEAD.keys():
            continue
        if any(each["type"] != "input_json_delta" or each.keys() - {"type", "partial_json"} for each in deltas):
            continue
        written = "".join(each["partial_json"] for each in deltas if isinstance(each.get("partial_json"), str))
        with suppress(ValueError):
            if not written.strip() or not head["input"]:
                yield json.dumps([head["id"], head["name"], json.loads(written) if written.strip() else head["input"]])


@pytest.mark.fuzz
@given(STREAMS)
@example(ALTERED["text"])
@example([*call(0, SAFE), started(), *call(1, EVIL)])
def test_only_a_call_as_the_api_defines_it_can_run(events: list[Event]) -> None:
    events = copy.deepcopy([started(), *events])
    before = copy.deepcopy(events)
    assembler = Assembler()
    try:
        for event in [*events, *ended("tool_use")]:
            list(assembler.feed(event))
    except MiniMaxError:
        return
    altered = {str(assembler.content[at].get("id")) for at in assembler.altered}
    running = [each for each in calls_in(assembler.content, assembler.unfinished) if each.id not in altered]
    for each in running:
        assert json.dumps([each.id, each.name, each.input]) in list(strict_calls(before)), each
