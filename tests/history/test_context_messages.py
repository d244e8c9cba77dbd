"""The context of a request, prepared: the same messages, hashes and JSON as if each message were prepared alone."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from mm_magics.api import request
from mm_magics.api.request import PreparedMessage
from mm_magics.history.context_messages import ContextHash, context_messages, prepared_messages, request_digest
from mm_magics.history.thread import History
from mm_magics.history.turn import Turn
from tests.turns import turn

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


CONTEXTS = {
    "no turns": [],
    "plain turns": [turn("a"), turn("b"), turn("c")],
    "a repeated tool id": [calling("one"), turn("b"), calling("one"), turn("c")],
    "a call without a result": [turn("a"), calling("one", result=False)],
    "a turn without an answer": [turn("a"), turn("lost", []), turn("c")],
    "text as content": [Turn("main", "complete", "M", [{"role": "user", "content": "a"}, *turn("a").messages[1:]])],
}


@pytest.mark.parametrize("turns", CONTEXTS.values(), ids=CONTEXTS.keys())
def test_prepared_messages_are_the_context_messages_with_their_hash_and_json(turns: list[Turn]) -> None:
    array = context_messages(turns, PROMPT)
    assert prepared_messages(turns, PROMPT) == [PreparedMessage.of(message) for message in array]
    assert request.encode({"messages": array}) == request.encode({}, prepared_messages(turns, PROMPT))


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
    context = ContextHash(turns[:early], [*turns[early:], last])
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
    chains = {ContextHash(context, []).chain for context in ([], [one], [two], [one, two], [two, one])}
    assert len(chains) == 5
    assert ContextHash([one, two], []).chain == ContextHash([one, two], []).chain


@pytest.mark.parametrize("turns", CONTEXTS.values(), ids=CONTEXTS.keys())
def test_a_turn_with_any_unchanged_context_is_not_stale(turns: list[Turn]) -> None:
    history = History()
    for each in turns:
        digest = request_digest(history.context_turns("main", None), each)
        history.put(replace(each, request_sha256=digest))
    history.put(turn("last", above=history.turns("main")))
    assert history.stale() == set()
