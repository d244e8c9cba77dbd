"""The context of a request, prepared: the same messages, hashes and JSON as if each message were prepared alone."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mm_magics.api import request
from mm_magics.api.legacy_hash import legacy_request_sha256s
from mm_magics.api.messages import join_turns, problems
from mm_magics.api.request import PreparedMessage
from mm_magics.history.context_messages import (
    NOT_OFFERED,
    ContextHash,
    answered,
    context_messages,
    context_tools,
    prepared_messages,
    request_digest,
)
from mm_magics.history.thread import History
from mm_magics.history.turn import Turn
from tests.turns import history_of, schema_1, turn

PROMPT: Any = {"role": "user", "content": [{"type": "text", "text": "And now?"}]}


def calling(id_: str, *, result: bool = True) -> Turn:
    """Make a turn with one tool call."""
    call = {"type": "tool_use", "id": id_, "name": "f", "input": {}}
    made = turn("call it", [{"type": "text", "text": "I call."}, call])
    if result:
        content = [{"type": "tool_result", "tool_use_id": id_, "content": "3"}]
        made.messages.append({"role": "user", "content": content})
        made.messages.append({"role": "assistant", "content": [{"type": "text", "text": "Three."}]})
    return made


def hash_of(*turns: Turn) -> ContextHash:
    """Return the hash of a context of these turns."""
    context = ContextHash(has_schema_1=True)
    for each in turns:
        context.add(each)
    return context


CONTEXTS = {
    "no turns": [],
    "plain turns": [turn("a"), turn("b"), turn("c")],
    "a repeated tool id": [calling("one"), turn("b"), calling("one"), turn("c")],
    "a call without a result": [turn("a"), calling("one", result=False)],
    "a turn without an answer": [turn("a"), turn("lost", []), turn("c")],
    "text as content": [Turn("main", "complete", "M", [{"role": "user", "content": "a"}, *turn("a").messages[1:]])],
}


def test_context_messages_are_the_turns_and_then_the_prompt() -> None:
    _, turns = history_of("a", "b")
    array = context_messages(turns, {"role": "user", "content": "?"})
    assert problems(array) == []
    texts = [[block["text"] for block in message["content"]] for message in array]  # type: ignore[union-attr,index]
    assert texts == [["q0"], ["a0"], ["q1"], ["a1"], ["?"]]


def test_turns_without_a_sendable_answer_are_not_in_the_context() -> None:
    cut = turn("lost", [{"type": "thinking", "thinking": "hm"}], responses=[{"unfinished": 0}])
    array = context_messages([cut, turn("q", "a")], {"role": "user", "content": "?"})
    assert "lost" not in str(array)
    assert problems(array) == []


def test_request_digest_is_the_hash_of_the_request() -> None:
    _, turns = history_of("a", "b")
    assert request_digest(turns[:1], turns[1]) == turns[1].request_sha256
    assert request_digest([], turns[1]) != turns[1].request_sha256


@pytest.mark.parametrize("turns", CONTEXTS.values(), ids=CONTEXTS.keys())
def test_prepared_messages_are_the_context_messages_with_their_hash_and_json(turns: list[Turn]) -> None:
    array = context_messages(turns, PROMPT)
    sent = join_turns([*(turn.sent for turn in turns), [PROMPT]])
    prepared = [PreparedMessage.of(message, form) for message, form in zip(array, sent, strict=True)]
    assert prepared_messages(turns, PROMPT) == prepared
    assert request.encode({"messages": sent}) == request.encode({}, prepared_messages(turns, PROMPT))


@pytest.mark.parametrize("turns", CONTEXTS.values(), ids=CONTEXTS.keys())
def test_copied_turns_are_prepared_the_same(turns: list[Turn]) -> None:
    copies = [Turn.from_record(copy.deepcopy(each.record())) for each in turns]
    assert prepared_messages(copies, PROMPT) == prepared_messages(turns, PROMPT)


def test_what_joining_leaves_unchanged_is_prepared_only_once() -> None:
    turns = [calling("one"), turn("b"), calling("one")]
    prepared = prepared_messages(turns, PROMPT)
    assert all(one is two for one, two in zip(prepared[:6], [*turns[0].prepared, *turns[1].prepared], strict=True))
    assert not any(one is two for one in prepared[6:] for two in turns[2].prepared)


@pytest.mark.parametrize("name", CONTEXTS)
@pytest.mark.parametrize("early", [0, 1])
def test_the_hash_of_a_context_is_that_of_the_request(name: str, early: int) -> None:
    turns = CONTEXTS[name]
    last = turn("last", above=turns, system="Be brief.")
    context = hash_of(*turns[:early])
    chains = {context.chain}
    for number, each in enumerate(turns[early:], early):
        asked = turn("next", above=turns[:number], system="Be brief.", params={"max_tokens": 5})
        assert context.answered_by(asked)
        assert not context.answered_by(replace(asked, system="Be long."))
        assert request_digest(turns[:number], asked) == asked.request_sha256
        context.add(each)
        chains.add(context.chain)
    assert len(chains) == len(turns[early:]) + 1
    assert context.answered_by(last)
    assert not context.answered_by(turn("last", above=[*turns, turn("more")], system="Be brief."))
    assert context.answered_by(turn("lost", [], above=turns))


def test_the_same_turns_in_another_order_are_another_context() -> None:
    one, two = turn("one"), turn("two")
    chains = {hash_of(*context).chain for context in ([], [one], [two], [one, two], [two, one])}
    assert len(chains) == 5
    assert hash_of(one, two).chain == hash_of(one, two).chain


@given(st.lists(st.sampled_from(["add", "a", "a_2", "b", "cut", "half", "remove"]), max_size=12))
@example(["a", "a_2", "a", "remove", "remove", "a"])
def test_a_context_that_is_shortened_is_as_it_was(steps: list[str]) -> None:
    context, turns = ContextHash(has_schema_1=False), list[Turn]()
    for step in steps:
        if step == "remove":
            del turns[-2:]
            context.shorten(len(turns))
        else:
            made = {"add": turn("t"), "cut": turn("lost", []), "half": calling("a", result=False)}.get(step)
            turns.append(made or calling(step))
            context.add(turns[-1])
        assert len(context) == len(turns)
        assert context.digest(turn("next")) == request_digest(turns, turn("next"))
        assert context.chain == hash_of(*turns).chain


@pytest.mark.parametrize("turns", CONTEXTS.values(), ids=CONTEXTS.keys())
def test_a_turn_with_any_unchanged_context_is_not_stale(turns: list[Turn]) -> None:
    history = History()
    for each in turns:
        digest = request_digest(history.context_turns("main", None), each)
        history.put(replace(each, request_sha256=digest))
    history.put(turn("last", above=history.turns("main")))
    assert history.stale() == set()


def test_what_is_sent_without_invented_fields_is_hashed_with_them() -> None:
    text = {"type": "text", "text": "I call.", "made_up": 1}
    invented = turn("a", [text], responses=[{"invented": {"0": ["made_up"]}}])
    turns = [calling("one"), invented, calling("one")]
    prepared = prepared_messages(turns, PROMPT)
    assert [each.message for each in prepared] == context_messages(turns, PROMPT)
    changed = [each for each in prepared if each.sent != each.message]
    results = [each for each in changed if each.message["role"] == "user"]  # they are sent between marks
    (other,) = [each for each in changed if each not in results]
    assert len(results) == 2
    assert other.message["content"] == [text]
    assert other.sent["content"] == [{"type": "text", "text": "I call."}]
    for each in prepared:
        assert each == PreparedMessage.of(each.message, each.sent)
    joined = prepared_messages([invented, turn("b", [text])], PROMPT)
    assert [each.sent["content"] == each.message["content"] for each in joined] == [True, False, True, True, True]


def test_a_renamed_call_is_sent_without_invented_fields_too() -> None:
    one, two = calling("one"), calling("one")
    two.messages[1]["content"][0]["made_up"] = 1  # type: ignore[index]
    two = replace(two, responses=[{"invented": {"0": ["made_up"]}}, {}])
    call = prepared_messages([one, two], PROMPT)[5]
    assert [block.get("made_up") for block in call.message["content"]] == [1, None]  # type: ignore[union-attr]
    assert [block.get("made_up") for block in call.sent["content"]] == [None, None]  # type: ignore[union-attr]
    assert call.message["content"][1] == call.sent["content"][1]
    assert call.sent["content"][1]["id"] == "one_2"  # type: ignore[index]


# Tools ----------------------------------------------------------------------------------------------------------

DEFINITION = {"name": "f", "description": "It was ours.", "input_schema": {"type": "object"}}
MINIMAL = {"name": "f", "description": NOT_OFFERED, "input_schema": {"type": "object"}}


@pytest.mark.parametrize(
    ("recorded", "needed"),
    [
        (None, [MINIMAL]),
        ("f", [MINIMAL]),
        (["f", {"name": "f"}, {"name": "f", "input_schema": "object"}], [MINIMAL]),
        ([DEFINITION], [DEFINITION]),
        ([DEFINITION, {**DEFINITION, "description": "A later one."}], [DEFINITION]),
        ([{**DEFINITION, "cache_control": {"type": "ephemeral"}}], [DEFINITION]),
        ([{**DEFINITION, "description": "half \ud83d"}], [{**DEFINITION, "description": "half \ufffd"}]),
        ([{**DEFINITION, "name": "g"}, DEFINITION], [{**DEFINITION, "name": "g"}, DEFINITION]),
        ([{**DEFINITION, "name": "g"}], [{**DEFINITION, "name": "g"}, MINIMAL]),
    ],
)
def test_the_tools_that_earlier_turns_offered_or_called_are_defined(recorded: Any, needed: Any) -> None:
    called = replace(calling("one"), params={"tools": recorded})
    not_called = {**DEFINITION, "name": "not_called"}
    plain = turn("a", params={"tools": [not_called]})
    assert context_tools([plain, called]) == [not_called, *needed]
    assert context_tools([turn("a")]) == []
    assert context_tools([replace(plain, messages=plain.messages[:1])]) == []
    later = replace(called, params={"tools": [{**DEFINITION, "description": "B"}]})
    assert context_tools([called, later]) == needed


# Records of schema 1 --------------------------------------------------------------------------------------------


WITH_NUMBER = [{"type": "text", "text": "a"}, {"type": "tool_use", "id": "n", "name": "f", "input": {"n": 5}}]


@pytest.mark.parametrize(
    ("above", "fields", "believed"),
    [
        ([turn("a")], {}, False),
        ([turn("a", WITH_NUMBER), turn("b")], {}, True),
        ([turn("a")], {"params": {"max_tokens": 5, "top_k": 1}}, True),
        ([turn("a")], {"params": {"max_tokens": 5, "top_k": 1, "temperature": 0.5}}, True),
        ([turn("a")], {"params": {"max_tokens": 5, "top_k": 1, "temperature": 1.0}}, False),
        ([turn("a", WITH_NUMBER)], {"params": {"temperature": 1.0}}, False),
    ],
)
def test_a_turn_of_schema_1_is_believed_if_a_save_may_have_changed_its_request(
    above: list[Turn], fields: Any, believed: bool
) -> None:
    asked = schema_1(turn("q", system="Be brief.", **fields), above)
    other = replace(asked, request_sha256="0" * 64)
    more = replace(asked, system="Be long.")
    for made, expected in ((asked, True), (other, believed), (more, believed)):
        assert answered(above, made) is expected
        assert hash_of(*above).answered_by(made) is expected


@pytest.mark.parametrize("number", [5, True])
def test_a_number_in_the_prompt_of_schema_1_may_have_been_changed_too(number: Any) -> None:
    asked = schema_1(turn("q"), [])
    asked = replace(
        asked, messages=[{"role": "user", "content": [{"type": "text", "text": "q", "n": number}]}, *asked.messages[1:]]
    )
    assert answered([], asked) is (number == 5)
    assert hash_of().answered_by(asked) is answered([], asked)


def test_a_turn_without_messages_answered_a_request_without_messages() -> None:
    for made in (turn("q"), schema_1(turn("q"), [])):
        assert not answered([], replace(made, messages=[]))
    empty = replace(turn("q"), messages=[])
    assert answered([turn("a")], replace(empty, request_sha256=request_digest([], empty)))
    assert hash_of().answered_by(replace(empty, request_sha256=request_digest([], empty)))
    (sha256, *_) = legacy_request_sha256s(empty.model, None, empty.params, [])
    assert answered([turn("a")], replace(empty, schema=1, request_sha256=sha256))
