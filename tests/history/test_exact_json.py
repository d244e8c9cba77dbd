"""A turn is the same after it was saved, by a page or by nbformat, and its next request has the same bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mm_magics.api.request import encode
from mm_magics.display.mime_bundle import make_bundle
from mm_magics.history.context_messages import prepared_messages
from mm_magics.history.exact_json import exact_texts, restore
from mm_magics.history.turn import MIME_TYPE, Turn
from tests.api.test_canonical import VALUES
from tests.page_json import Page, write_file
from tests.turns import broken_rules, turn

PROMPT: Any = {"role": "user", "content": [{"type": "text", "text": "next"}]}
TEXTS = st.text(st.characters(codec=None), min_size=1)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1) | st.sampled_from(["10", "9", "__proto__", "z"])
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=3)
BLOCKS = st.one_of(
    st.fixed_dictionaries({"type": st.just("text"), "text": TEXTS}),
    st.fixed_dictionaries({"text": TEXTS, "type": st.just("text"), "citations": VALUES}),
    st.fixed_dictionaries({"signature": TEXTS, "type": st.just("thinking"), "thinking": TEXTS}),
    st.fixed_dictionaries({"type": st.just("tool_use"), "id": TEXTS, "name": TEXTS, "input": OBJECTS}),
    st.builds(lambda fields, kind: {**fields, "type": kind}, OBJECTS, TEXTS),
)


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with Page() as page:
        yield page


def saved(page: Page, made: Turn) -> list[Turn]:
    """Return the turn after each way of saving it: by the page and nbformat, by nbformat alone, and again."""
    record = make_bundle(made)[MIME_TYPE]
    assert broken_rules(record) == []
    once = json.loads(write_file(page.save(record)))
    records = [json.loads(write_file(record)), page.save(record), once]
    records.append(json.loads(write_file(page.save(Turn.from_record(once).record()))))
    return list(map(Turn.from_record, records))


def next_request(above: Turn) -> bytes:
    return encode({"model": "M", "messages": []}, prepared_messages([above], PROMPT))


@pytest.mark.fuzz
@given(st.lists(BLOCKS, min_size=1, max_size=3), OBJECTS)
@example([{"type": "tool_use", "id": "1", "name": "f", "input": {"z": 1, "a": 2}}], {"temperature": 1.0})
@example([{"type": "tool_use", "id": "1", "name": "f", "input": {"n": 9007199254740993, "x": [-0.0, 2.0]}}], {})
@example([{"type": "tool_use", "id": "1", "name": "f", "input": {"b": 1, "10": 2, "9": 3, "__proto__": 4}}], {})
@example([{"x": 1, "text": "half \ud83d", "type": "text"}], {"tools": [{"name": "f", "input_schema": {}}]})
@example([{"type": "image", "source": {"type": "base64", "data": "aGk=", "media_type": "image/png"}}], {})
def test_a_save_changes_nothing_that_is_sent(page: Page, content: list[Any], params: dict[str, Any]) -> None:
    made = turn("hi", content, params=params)
    for restored in saved(page, made):
        assert next_request(restored) == next_request(made)
        assert json.dumps(restored.messages) == json.dumps(made.messages)
        assert {name: repr(value) for name, value in restored.params.items()} == {
            name: repr(value) for name, value in made.params.items()
        }
        assert restored.request_sha256 == made.request_sha256


def test_nothing_is_stored_twice_that_a_save_keeps() -> None:
    blocks = [
        {"type": "thinking", "thinking": "Hm.", "signature": "s"},
        {"type": "text", "text": "Grüße 🦪"},
        {"type": "tool_use", "id": "a", "name": "f", "input": {"a": 1, "b": [2.5, None, True]}},
    ]
    made = turn("hi", blocks, params={"max_tokens": 9, "temperature": 0.5})
    assert "json" not in made.record()
    assert turn("hi", blocks, params={"temperature": 1.0}).record()["json"] == {"params.temperature": "1.0"}


@pytest.mark.parametrize(
    "texts",
    [
        {"messages.1.content.0": '{"type":"text","text":"forged"}'},
        {"messages.1.content.0": '{"type":"text","text":"hello","more":1}'},
        {"messages.1.content.0": "{"},
        {"messages.1.content.0": "NaN"},
        {"messages.1.content.0": "[" * 100_000},
        {"messages.1.content.0": 5},
        {"params.max_tokens": "1"},
        {"messages.7.content.0": "{}", "x": "{}"},
        [],
        "text",
    ],
)
def test_a_text_that_is_not_the_visible_value_is_ignored(texts: Any) -> None:
    record = {**turn("hi", "hello").record(), "json": texts}
    restored = Turn.from_record(record)
    assert restored.text == "hello"
    assert restored.params == {"max_tokens": 8192}


def test_an_edit_of_the_visible_block_wins() -> None:
    block = {"type": "tool_use", "id": "a", "name": "f", "input": {"z": 1.0}}
    record = turn("hi", [block]).record()
    assert record["json"] == {"messages.1.content.0": json.dumps(block, separators=(",", ":"))}
    record["messages"][1]["content"][0] = {**block, "input": {"z": 2}}
    assert Turn.from_record(record).messages[1]["content"] == [{**block, "input": {"z": 2}}]


def test_a_result_of_a_tool_is_not_stored_twice_but_restored_in_the_usual_order() -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "image", "source": {"data": "aGk=", "type": "base64"}}, "two"]
    result = {"type": "tool_result", "tool_use_id": "a", "content": parts, "is_error": True}
    assert exact_texts({}, [{"role": "user", "content": [result]}]) == {}
    as_saved = json.loads(json.dumps([{"role": "user", "content": [result]}], sort_keys=True))
    assert json.dumps(restore({}, as_saved, None)) == json.dumps(({}, [{"role": "user", "content": [result]}]))
    unusual = {**result, "content": [{"text": "one", "type": "text"}]}
    assert list(exact_texts({}, [{"role": "user", "content": [unusual]}], 3)) == ["messages.3.content.0"]
