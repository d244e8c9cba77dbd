"""The rules of a valid `messages` array, and the repair of turns that break them."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mm_magics.api.messages import (
    INTERRUPTED,
    MAX_JSON_DEPTH,
    blocks,
    called_tools,
    is_writable,
    join_turns,
    join_with_sources,
    problems,
    repair_turn,
    text_of,
    tool_ids,
)
from mm_magics.history.context_messages import context_messages
from mm_magics.history.turn import Turn

USER: Any = {"role": "user", "content": "And now?"}


def text(text: Any = "hello", **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": text, **more}


def use(id_: Any = "t1", name: Any = "lookup", input_: Any = None, **more: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": id_, "name": name, "input": {} if input_ is None else input_, **more}


def result(id_: Any = "t1", **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": id_, "content": "42", **more}


def interrupted(id_: str) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": id_, "content": INTERRUPTED, "is_error": True}


def user(*content: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(content) or [text()]}


def assistant(*content: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(content) or [text()]}


# The rules ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "array",
    [
        [user()],
        [{"role": "user", "content": "hi"}],
        [user(), assistant(), user()],
        [user(), assistant(use("a"), use("b")), user(result("b"), result("a"), text("go on"))],
        [user(), assistant({"type": "thinking", "thinking": "", "signature": "s"}, text()), user()],
        [user(), assistant({"type": "hologram"}), user({"type": "image", "source": {}})],
        [user(), assistant(use("a")), user(result("a")), assistant(use("b")), user(result("b"))],
    ],
)
def test_a_valid_array_has_no_problems(array: Any) -> None:
    assert problems(array) == []


@pytest.mark.parametrize(
    ("array", "rule", "where"),
    [
        ([], "empty", "messages"),
        (None, "empty", "messages"),
        ({"role": "user"}, "empty", "messages"),
        ([user(), {"role": "system", "content": "x"}], "role", "messages.1"),
        ([None], "role", "messages.0"),
        ([{"content": "x"}], "role", "messages.0"),
        ([assistant(), user()], "order", "messages.0"),
        ([user(), user()], "order", "messages.1"),
        ([user(), assistant(), assistant(), user()], "order", "messages.2"),
        ([user(), assistant()], "last", "messages.1"),
        ([{"role": "user", "content": []}], "empty", "messages.0"),
        ([{"role": "user"}], "empty", "messages.0"),
        ([{"role": "user", "content": ""}], "empty", "messages.0.content.0"),
        ([user(text(" \n\t"))], "empty", "messages.0.content.0"),
        ([user(text(None))], "shape", "messages.0.content.0"),
        ([user("bare")], "shape", "messages.0.content.0"),
        ([user({"text": "no type"})], "shape", "messages.0.content.0"),
        ([user({"type": ""})], "shape", "messages.0.content.0"),
        ([user({"type": "thinking", "thinking": "x"})], "shape", "messages.0.content.0"),
        ([user(), assistant({"type": "thinking"}), user()], "shape", "messages.1.content.0"),
        ([user(), assistant(use("")), user()], "shape", "messages.1"),
        ([user(), assistant(use("a", None)), user(result("a"))], "shape", "messages.1"),
        ([user(), assistant(use("a", "n", "{}")), user(result("a"))], "shape", "messages.1"),
        ([user(), assistant(use("5")), user(result(5))], "shape", "messages.2.content.0"),
        ([user(), assistant(use("a"), use("a")), user(result("a"))], "tool_use", "messages.1"),
        ([user(use("a"))], "tool_use", "messages.0"),
        ([user(), assistant(use("a")), user()], "tool_use", "messages.2"),
        ([user(), assistant(use("a"), use("b")), user(result("a"))], "tool_use", "messages.2"),
        ([user(), assistant(use("a"))], "last", "messages.1"),
        ([user(), assistant(), user(result("a"))], "tool_result", "messages.2"),
        ([user(result("a"))], "tool_result", "messages.0"),
        ([user(), assistant(use("a")), user(result("a"), result("a"))], "tool_result", "messages.2"),
        ([user(), assistant(use("a")), user(text(), result("a"))], "tool_result", "messages.2.content.1"),
        ([user(), assistant(result("a")), user()], "tool_result", "messages.1"),
        (
            [user(), assistant(use("a")), user(result("a")), assistant(use("a")), user(result("a"))],
            "tool_use",
            "messages.3",
        ),
        ([user(), assistant(use("a")), user(text()), assistant(), user(result("a"))], "tool_result", "messages.4"),
    ],
)
def test_each_broken_rule_is_reported_with_its_place(array: Any, rule: str, where: str) -> None:
    found = problems(array)
    assert (rule, where) in [(problem.rule, problem.where) for problem in found]
    assert str(found[0]).startswith(found[0].where)


# Closing a turn -------------------------------------------------------------------------------------------------


def test_repairing_a_finished_turn_returns_the_same_objects() -> None:
    thought = {"type": "thinking", "thinking": " a\u00a0b\r\n", "signature": "f" * 64, "x": [1]}
    turn: Any = [user(), assistant(thought, {"type": "hologram", "depth": 3}, text())]
    out = repair_turn(turn)
    assert out == turn
    assert all(a is b for m, n in zip(turn, out, strict=True) for a, b in zip(m["content"], n["content"], strict=True))


def test_unfinished_thinking_and_tool_use_are_dropped_and_unfinished_text_is_kept() -> None:
    turn: Any = [user(), assistant({"type": "thinking", "thinking": "hm"}, text("so"), use("a"))]
    assert repair_turn(turn, unfinished=[2])[1]["content"] == turn[1]["content"][:2]
    assert repair_turn(turn, unfinished=[1])[1]["content"] == turn[1]["content"]
    assert repair_turn([user(), assistant({"type": "thinking", "thinking": "hm"})], unfinished=[0]) == []  # type: ignore[list-item]


def test_an_unanswered_tool_use_gets_an_error_result() -> None:
    turn: Any = [user(), assistant(use("a"), use("b")), user(result("b"), text("and"))]
    (answers,) = [message["content"] for message in repair_turn(turn)[2:]]
    assert answers == [
        interrupted("a"),
        result("b"),
        text("and"),
    ]


def test_a_turn_that_ends_with_a_tool_call_gets_a_result_before_the_next_prompt() -> None:
    first: Any = Turn("main", "stopped", "M", [user(), assistant(use("a"))])  # type: ignore[list-item]
    array = context_messages([first], USER)
    assert problems(array) == []
    assert [block["type"] for block in array[-1]["content"]] == ["tool_result", "text"]  # type: ignore[index]


def test_a_turn_without_assistant_content_is_left_out_of_the_context() -> None:
    assert repair_turn([user(), assistant(text("  "))]) == []  # type: ignore[list-item]
    assert repair_turn([user()]) == []  # type: ignore[list-item]


def test_a_tool_id_used_in_two_turns_is_renamed_in_call_and_result() -> None:
    turn: Any = [user(), assistant(use("a")), user(result("a")), assistant()]
    array = join_turns([repair_turn(turn), repair_turn(turn), [USER]])
    assert problems(array) == []
    ids = [block["id"] for message in array for block in blocks(message) if block["type"] == "tool_use"]
    assert ids == ["a", "a_2"]


def test_the_first_of_two_calls_with_one_id_is_kept() -> None:
    turn: Any = [user(), assistant(use("a", input_={"n": 1}), use("a", input_={"n": 2})), user(result("a"))]
    assert [block.get("input") for block in blocks(repair_turn(turn)[1])] == [{"n": 1}]


def test_the_first_of_two_results_of_one_call_is_kept() -> None:
    turn: Any = [user(), assistant(use("a")), user(result("a"), {**result("a"), "content": "43"}), assistant()]
    assert repair_turn(turn)[2]["content"] == [result("a")]


def test_a_string_is_one_text_block() -> None:
    assert blocks({"role": "user", "content": "hi"}) == [text("hi")]
    assert blocks({"role": "user", "content": [text(), "bare", None]}) == [text()]
    assert blocks({}) == []


def test_text_of_leaves_out_blank_texts_and_other_roles() -> None:
    turn: Any = [user(text("q")), assistant(text("a"), text(" "), use(), text("b")), user(result())]
    assert text_of(turn) == "a\n\nb"
    assert text_of(turn, "user") == "q"
    assert text_of([assistant({"type": "note", "text": "n"}, text(5), text("a"))]) == "a"


def test_text_of_leaves_out_thinking_in_the_text_of_the_model_only() -> None:
    thought = text("<think>hm</think>\n\nyes")
    assert text_of([assistant(thought)]) == "yes"
    assert text_of([user(thought)], "user") == thought["text"]


def test_a_call_answered_in_a_later_message_gets_an_error_result_where_it_is_due() -> None:
    late: Any = [user(), assistant(use("a")), user(), assistant(text("x")), user(result("a")), assistant()]
    assert repair_turn(late) == [
        user(),
        assistant(use("a")),
        user(interrupted("a"), text()),
        assistant(text("x"), text()),
    ]


def test_a_turn_that_begins_with_the_model_loses_what_precedes_the_prompt() -> None:
    turn: Any = [assistant(use("a")), user(result("a"), text("q")), {"role": "system", "content": "x"}, assistant()]
    assert repair_turn(turn) == [user(text("q")), assistant()]
    assert repair_turn([assistant()]) == []  # type: ignore[list-item]


def test_blocks_that_are_invalid_in_their_message_are_dropped() -> None:
    turn: Any = [
        user(use("u"), {"type": "thinking", "thinking": "x"}, {"type": 5}, {"type": ""}, text(None), text("q")),
        assistant(result("r"), {"type": "thinking"}, use(""), use(5), use("n", None), use("i", "f", "{}"), text(), {}),
        user(result(5), text(" "), text("more")),
        assistant(text("end")),
    ]
    assert repair_turn(turn) == [user(text("q")), assistant(), user(text("more")), assistant(text("end"))]


def test_each_assistant_message_has_its_own_unfinished_block() -> None:
    turn: Any = [user(), assistant(use("a"), text("x")), user(result("a")), assistant(text("y"), use("b"))]
    assert repair_turn(turn, [None, 1]) == [*turn[:3], assistant(text("y"))]
    assert repair_turn(turn, [0]) == [user(), assistant(text("x"), text("y"), use("b")), user(interrupted("b"))]


def test_joined_messages_name_their_source_unless_they_were_changed() -> None:
    one: Any = [user(text("a")), {"role": "assistant", "content": "b"}, {"role": "user", "content": []}]
    two: Any = [{"role": "assistant", "content": [text("c")], "x": 1}, user(text("d"))]
    three: Any = [user(text("e")), assistant(use("a")), user(result("a")), assistant()]
    joined, sources = join_with_sources([one, two, three, three])
    assert joined == [
        user(text("a")),
        assistant(text("b"), text("c")),
        user(text("d"), text("e")),
        *three[1:],
        user(text("e")),
        assistant(use("a_2")),
        user(result("a_2")),
        assistant(),
    ]
    assert sources == [0, None, None, 6, 7, 8, None, None, None, None]
    assert join_with_sources([[user(text("a")), {"role": "assistant", "content": []}, user(text("b"))], two[:1]]) == (
        [user(text("a"), text("b")), assistant(text("c"))],
        [None, None],
    )
    assert join_with_sources([]) == ([], [])
    assert join_with_sources([two[1:]]) == ([user(text("d"))], [0])


def test_a_renamed_tool_id_is_one_that_no_turn_uses() -> None:
    one: Any = [user(), assistant(use("a"), use("a_2")), user(result("a"), result("a_2"))]
    two: Any = [assistant(use("a"), use("a_3")), user(result("a"), result("a_3"))]
    ids = [block["id"] for message in join_turns([one, two, two]) for block in blocks(message) if "id" in block]
    assert ids == ["a", "a_2", "a_4", "a_3", "a_5", "a_3_2"]
    assert tool_ids(join_turns([one, two, two])) == set(ids)


def test_tool_ids_are_those_of_calls() -> None:
    assert tool_ids([{"role": "user", "content": "x"}, user(result("r")), assistant(use("a"), text(), use(5))]) == {  # type: ignore[list-item]
        "a",
        "5",
    }


def test_called_tools_are_named_once_in_the_order_of_their_calls() -> None:
    turn: Any = [
        user({**text(), "name": "x"}),
        assistant(text(), use("1", "b"), use("2", "a")),
        assistant(use("3", "b")),
    ]
    assert called_tools([*turn, {"role": "assistant", "content": "d"}, assistant(use("4", "c"))]) == ["b", "a", "c"]


@pytest.mark.parametrize("wrap", [lambda value: [value], lambda value: {"a": value}])
def test_json_that_is_nested_too_deeply_cannot_be_written(wrap: Any) -> None:
    value: Any = 1
    for _ in range(MAX_JSON_DEPTH):
        value = wrap(value)
    assert is_writable(value)
    assert is_writable({"text": "[" * 1000, "x": [[]] * 1000})
    assert not is_writable(wrap(value))
    assert not is_writable({"b": [[]] * 1000, "a": wrap(value)})
    for _ in range(10_000):
        value = wrap(value)
    assert not is_writable(value)


@pytest.mark.parametrize(
    ("value", "writable"), [(None, True), (1.5, True), ([float("nan")], False), (float("inf"), False)]
)
def test_numbers_that_json_cannot_represent_cannot_be_written(value: Any, writable: bool) -> None:
    assert is_writable(value) is writable


# Any past at all ------------------------------------------------------------------------------------------------

IDS = st.sampled_from(["a", "b", "a_2", "", "[1]"])
ODD = st.sampled_from([None, 1, True, [1], {}, "", " ", "x"])
BLOCKS = st.one_of(
    st.builds(text, st.one_of(st.sampled_from(["hi", "", " \n"]), ODD)),
    st.builds(use, st.one_of(IDS, ODD), st.one_of(st.just("f"), ODD), st.one_of(st.just({"n": 1}), ODD)),
    st.builds(result, st.one_of(IDS, ODD)),
    st.fixed_dictionaries({"type": st.just("thinking"), "thinking": st.one_of(st.just("hm"), ODD)}),
    st.fixed_dictionaries(
        {"type": st.just("thinking"), "thinking": st.just("h\u00e9\r"), "signature": st.just("5" * 64)}
    ),
    st.dictionaries(st.sampled_from(["type", "id", "text", "", "tool_use_id", "x"]), ODD, max_size=4),
    st.sampled_from([{"type": "hologram", "": [1]}, {"type": "redacted_thinking", "data": "…"}, {}]),
    ODD,
)
ROLES = st.sampled_from(["user", "assistant", "assistant", "system", "", None, 5])
MESSAGES = st.fixed_dictionaries(
    {}, optional={"role": ROLES, "content": st.one_of(st.lists(BLOCKS, max_size=5), st.lists(BLOCKS, max_size=2), ODD)}
)
TURNS = st.tuples(st.lists(MESSAGES, max_size=5), st.one_of(st.none(), st.integers(-1, 5)))


def as_turn(messages: list[Any], unfinished: int | None) -> Turn:
    return Turn("main", "stopped", "M", messages, responses=[{"unfinished": unfinished}])


@pytest.mark.fuzz
@given(st.lists(TURNS, max_size=4))
@example([([user(), assistant(use("[1]")), user(result([1]))], None)] * 2)
@example([([user(), assistant(use("a"), {"type": "hologram", "": [1]})], None)] * 2)
@example([([user(), assistant(use("5")), user(result(5))], None)])
def test_the_next_request_is_valid_whatever_the_turns_contain(turns: list[tuple[list[Any], int | None]]) -> None:
    before = copy.deepcopy(turns)
    array = context_messages([as_turn(*turn) for turn in turns], USER)
    assert problems(array) == []
    assert turns == before, "closing changed its input"
    answers = [b for m in array for b in blocks(m) if b["type"] == "tool_result"]
    assert all(isinstance(block["tool_use_id"], str) for block in answers)


@pytest.mark.fuzz
@given(st.lists(TURNS, max_size=3))
def test_intact_blocks_are_the_same_objects_and_no_content_is_invented(
    turns: list[tuple[list[Any], int | None]],
) -> None:
    given_ = {id(b) for messages, _ in turns for m in messages if isinstance(m.get("content"), list) for b in blocks(m)}
    strings = [m["content"] for messages, _ in turns for m in messages if isinstance(m.get("content"), str)]
    for messages, unfinished in turns:
        for message in repair_turn(messages, [unfinished]):
            for block in blocks(message):
                made = block.get("content") == INTERRUPTED or block.get("text") in strings
                assert id(block) in given_ or made


@pytest.mark.fuzz
@given(st.lists(TURNS, max_size=3))
def test_thinking_is_unchanged_in_every_array(turns: list[tuple[list[Any], int | None]]) -> None:
    array = context_messages([as_turn(*turn) for turn in turns], USER)
    thoughts = [b for m, _ in turns for each in m for b in blocks(each) if b.get("type") == "thinking"]
    for message in array:
        for block in blocks(message):
            if block["type"] == "thinking":
                assert any(block is thought for thought in thoughts)


@pytest.mark.fuzz
@given(st.lists(TURNS, min_size=1, max_size=4))
def test_repairing_a_repaired_turn_changes_nothing(turns: list[tuple[list[Any], int | None]]) -> None:
    for turn in turns:
        once = repair_turn(turn[0], [turn[1]])
        assert repair_turn(once) == once
