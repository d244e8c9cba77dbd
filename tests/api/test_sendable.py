"""The form in which recorded messages are sent again, and what is left out after an endpoint refused it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_magics.api.messages import TOOL_ID, TOOL_NAME
from mm_magics.api.sendable import (
    KNOWN_FIELDS,
    cache_marks,
    invented_fields,
    sent_form,
    sent_id,
    sent_name,
    without_thinking,
    without_unknown_fields,
)

MARK = {"type": "ephemeral"}


def text(text: str = "a", **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": text, **more}


def message(*content: Any, role: str = "assistant") -> Any:
    return {"role": role, "content": list(content)}


def sent_block(block: dict[str, Any], *invented: str) -> Any:
    before = copy.deepcopy(block)
    (sent,) = sent_form([message(block)], {id(block): invented})
    assert block == before, "the recorded block was changed"
    (made,) = sent["content"]
    return made


@given(st.text())
def test_every_name_of_a_tool_is_sent_in_a_form_that_stays_the_same(name: str) -> None:
    assert TOOL_NAME.fullmatch(sent_name(name))
    assert sent_name(sent_name(name)) == sent_name(name)


@given(st.lists(st.text(min_size=1), min_size=2, unique=True))
def test_different_ids_of_calls_are_sent_as_different_ids(ids: list[str]) -> None:
    sent = list(map(sent_id, ids))
    assert len(set(sent)) == len(ids)
    assert all(map(TOOL_ID.fullmatch, sent))


@pytest.mark.parametrize(
    ("block", "invented", "sent"),
    [
        (text(x=1), [], text(x=1)),
        (text(x=1, y=2), ["x", "absent"], text(y=2)),
        (text(citations=[]), ["citations", "text"], text(citations=[])),
        (text(reasoning_content="hm"), [], text()),
        (text(cache_control=MARK), [], text()),
        (text(cache_control=MARK, x=1, reasoning_content=""), ["x", "cache_control"], text()),
        ({"type": "hologram", "reasoning_content": "hm", "x": 1}, ["x"], None),
        ({"type": "hologram", "cache_control": MARK}, [], {"type": "hologram"}),
        ({"x": 1}, ["x"], None),
        (text("\ud83e"), [], text("\ufffd")),
        (text(x=["\ud83e"]), [], text(x=["\ufffd"])),
    ],
)
def test_a_block_is_sent_without_what_endpoints_refuse(block: Any, invented: list[str], sent: Any) -> None:
    assert sent_block(block, *invented) == (block if sent is None else sent)


@pytest.mark.parametrize("other", [text("b"), {"type": "image", "source": {}}, "b", None])
def test_the_blocks_in_the_result_of_a_tool_are_sent_without_marks_too(other: Any) -> None:
    result = {"type": "tool_result", "tool_use_id": "t", "content": [text(cache_control=MARK), other]}
    assert sent_block(result) == {**result, "content": [text(), other]}
    plain: Any = [message({**result, "content": [text(), other]}, role="user")]
    assert sent_form(plain) is plain


def test_what_needs_no_change_is_the_same_object() -> None:
    plain = [message("a", role="user"), {"role": "user", "content": "b"}, message(text(x=1), {"type": "hologram"})]
    plain[0]["content"] = [text()]
    assert sent_form(plain) is plain
    marked: Any = [*plain, message(text(), text(cache_control=MARK))]
    sent: Any = sent_form(marked)
    assert all(new is old for new, old in zip(sent[:3], plain, strict=True))
    assert sent[3] == message(text(), text())
    assert sent[3]["content"][0] is marked[3]["content"][0]


def test_a_content_that_is_a_text_has_no_lone_surrogates() -> None:
    assert sent_form([{"role": "user", "content": "a\ud83e"}]) == [{"role": "user", "content": "a\ufffd"}]


def test_invented_fields_belong_to_the_blocks_of_the_answer_in_whose_response_they_are() -> None:
    one, two, three = text("1"), text("2"), text("3")
    turn: Any = [
        message(text("q"), role="user"),
        message(one, two),
        message(text("r"), role="user"),
        {"role": "assistant", "content": "text"},
        message(three),
    ]
    responses: Any = [
        {"invented": {"1": ["x", "y"], "7": ["z"]}},
        {"invented": {"0": ["x"]}},
        {"invented": {"0": ["z"]}},
    ]
    assert invented_fields(turn, responses) == {id(two): ["x", "y"], id(three): ["z"]}
    assert invented_fields(turn, [{}, {"invented": None}, {"invented": ["0"]}]) == {}
    assert invented_fields(turn, responses[:1]) == {id(two): ["x", "y"]}


@pytest.mark.parametrize("kind", KNOWN_FIELDS)
def test_only_the_fields_of_the_messages_api_are_left_in_blocks_of_known_types(kind: str) -> None:
    block = {**dict.fromkeys(sorted(KNOWN_FIELDS[kind]), "v"), "type": kind}
    plain: Any = [message(block, {"type": "hologram", "x": 1}, {"x": 1})]
    assert without_unknown_fields(plain)[0] is plain[0]
    extended: Any = [message({**block, "x": 1, "reasoning_content": ""})]
    assert without_unknown_fields(extended) == [message(block)]


THOUGHTS: list[Any] = [
    {"type": "thinking", "thinking": "a", "signature": "s"},
    {"type": "thinking", "thinking": "b", "signature": ""},
    {"type": "thinking", "thinking": "c"},
    {"type": "redacted_thinking", "data": "d"},
    text("e"),
]


@pytest.mark.parametrize(("unsigned_only", "left"), [(True, [0, 3, 4]), (False, [4])])
def test_thinking_is_left_out_or_only_the_thinking_without_a_signature(unsigned_only: bool, left: list[int]) -> None:
    made = without_thinking([message(*THOUGHTS), message(text(), role="user")], unsigned_only=unsigned_only)
    assert made == [message(*(THOUGHTS[number] for number in left)), message(text(), role="user")]
    plain: Any = [message(THOUGHTS[0], text())] if unsigned_only else [message(text())]
    assert without_thinking(plain, unsigned_only=unsigned_only)[0] is plain[0]


@pytest.mark.parametrize(
    ("body", "marks"),
    [
        ({}, 0),
        ({"system": "text", "tools": None, "messages": None}, 0),
        ({"system": [text(cache_control=MARK), text()]}, 1),
        ({"tools": [{"name": "a", "cache_control": MARK}, {"name": "b", "cache_control": None}, "c"]}, 1),
        ({"messages": [message(text(cache_control=MARK), text(cache_control=MARK)), message(text())]}, 2),
        (
            {
                "messages": [
                    message({"type": "tool_result", "content": [text(cache_control=MARK)], "cache_control": MARK}),
                    message({"type": "tool_result", "content": "text"}),
                    message({"type": "hologram", "content": [text(cache_control=MARK)]}),
                ]
            },
            2,
        ),
        (
            {
                "system": [text(cache_control=MARK)],
                "tools": [{"cache_control": MARK}],
                "messages": [message(text(cache_control=MARK))],
            },
            3,
        ),
    ],
)
def test_marks_for_the_cache_are_counted_wherever_they_are(body: Any, marks: int) -> None:
    assert cache_marks(body) == marks
