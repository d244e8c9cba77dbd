"""Generated answers, their tool calls, and directives."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mm_magics.errors import UsageError
from mm_magics.simulator import ScriptedAnswer, Simulator
from mm_magics.simulator.directives import KEYS, DirectiveError, filler_text, parse, strip_directives
from mm_magics.simulator.faults.catalogue import NAMES
from mm_magics.simulator.samples import sample
from tests.simulator.asking import Asker, text

ADD = {
    "name": "add",
    "input_schema": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
    },
}
WEATHER = {
    "name": "get_weather",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"enum": ["celsius", "fahrenheit"]}},
        "required": ["city", "unit"],
    },
}


def conversation(ask: Asker, *prompts: str, **fields: Any) -> dict[str, Any]:
    """The answer to the last of the prompts, each asked after the answers to those before it."""
    messages: list[Any] = []
    message: dict[str, Any] = {}
    for prompt in prompts:
        messages.append({"role": "user", "content": prompt})
        message = ask.message(messages, **fields)
        messages.append({"role": "assistant", "content": message["content"]})
    return message


def calls(message: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(block["name"], block["input"]) for block in message["content"] if block["type"] == "tool_use"]


# Text


def test_an_answer_mentions_the_prompt_and_the_previous_prompts(ask: Asker) -> None:
    answer = text(conversation(ask, "I like oysters", "Tell me about mussels", system="Be brief."))
    assert "*mussels*" in answer
    assert "earlier prompts in this conversation: 1" in answer
    assert "`I like oysters`" in answer
    assert "`Be brief.`" in answer


def test_a_name_and_earlier_prompts_are_recalled_from_the_messages_alone(ask: Asker) -> None:
    answer = text(conversation(ask, "My name is Ada.", "What is 2 + 2?", "What is my name?"))
    assert "**Ada**" in answer
    answer = text(conversation(ask, "How deep is the sea?", "And what did I ask before?"))
    assert "How deep is the sea?" in answer
    assert "Ada" not in text(ask.message("What is my name?"))


@pytest.mark.parametrize(
    "subject", ["fibonacci numbers", "prime numbers", "how to sort a list", "anything 'else' at all"]
)
def test_a_prompt_for_code_gets_python_that_runs(ask: Asker, subject: str) -> None:
    code = text(ask.message(f"Write python code for {subject}")).split("```python\n")[1].split("\n```")[0]
    exec(compile(code, "answer", "exec"), {"print": lambda *_: None})


@pytest.mark.parametrize("subject", ["the quadratic formula", "an integral", "a derivative", "Euler's equation"])
def test_a_prompt_for_a_formula_gets_latex(ask: Asker, subject: str) -> None:
    answer = text(ask.message(f"Show me {subject}"))
    assert answer.count("$$") == 2
    assert "\\" in answer


def test_a_prompt_for_a_comparison_gets_a_table(ask: Asker) -> None:
    answer = text(ask.message("Compare oysters and clams"))
    assert "| | oysters | clams |\n| --- | ---: | ---: |\n" in answer


def test_a_lone_surrogate_in_a_prompt_is_answered(ask: Asker) -> None:
    body = json.dumps({"model": "MiniMax-M2.7", "max_tokens": 99, "messages": [{"role": "user", "content": "\ud800"}]})
    assert ask.http.post(ask.url, content=body, headers=ask.headers).status_code == 200


# Tools


def test_a_tool_named_in_the_prompt_is_called_with_the_prompts_values(ask: Asker) -> None:
    message = ask.message("Please add 2 and 40", tools=[ADD, WEATHER])
    assert calls(message) == [("add", {"a": 2, "b": 40})]
    assert message["stop_reason"] == "tool_use"
    assert message["content"][0]["type"] == "thinking"


def test_several_named_tools_are_called_in_parallel_with_numbered_ids(ask: Asker) -> None:
    message = ask.message("add 1 and 2, and get_weather for 'Oslo'", tools=[ADD, WEATHER])
    assert calls(message) == [("add", {"a": 1, "b": 2}), ("get_weather", {"city": "Oslo", "unit": "celsius"})]
    ids = [block["id"] for block in message["content"] if block["type"] == "tool_use"]
    assert [id_.rpartition("_")[2] for id_ in ids] == ["1", "2"]
    assert all(id_.startswith("call_function_") and len(id_.split("_")[2]) == 12 for id_ in ids)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"type": "auto"}, []),
        ({"type": "none"}, []),
        ({"type": "any"}, ["add"]),
        ({"type": "tool", "name": "get_weather"}, ["get_weather"]),
    ],
)
def test_tool_choice_applies_if_no_tool_is_named(ask: Asker, choice: dict[str, str], expected: list[str]) -> None:
    message = ask.message("Hello", tools=[ADD, WEATHER], tool_choice=choice)
    assert [name for name, _ in calls(message)] == expected


def test_tool_choice_none_and_no_parallel_calls_override_named_tools(ask: Asker) -> None:
    prompt = "add and get_weather"
    assert calls(ask.message(prompt, tools=[ADD, WEATHER], tool_choice={"type": "none"})) == []
    single = {"type": "auto", "disable_parallel_tool_use": True}
    assert len(calls(ask.message(prompt, tools=[ADD, WEATHER], tool_choice=single))) == 1


def turn(ask: Asker, prompt: str, result: Any, rounds: int = 1, **result_fields: Any) -> list[dict[str, Any]]:
    """The responses of one turn, every call answered with `result`."""
    messages: list[Any] = [{"role": "user", "content": prompt}]
    responses = []
    for _ in range(rounds + 1):
        message = ask.message(messages, tools=[ADD])
        responses.append(message)
        uses = [block["id"] for block in message["content"] if block["type"] == "tool_use"]
        results = [{"type": "tool_result", "tool_use_id": id_, "content": result, **result_fields} for id_ in uses]
        messages += [{"role": "assistant", "content": message["content"]}, {"role": "user", "content": results}]
    return responses


def test_after_tool_results_the_answer_thinks_again_and_quotes_them(ask: Asker) -> None:
    first, last = turn(ask, "add 2 and 40", [{"type": "text", "text": "forty-two ``` indeed"}])
    assert last["stop_reason"] == "end_turn"
    assert last["content"][0]["type"] == "thinking"
    assert last["content"][0] != first["content"][0]
    assert "The tool `add` answered:\n\n````\nforty-two ``` indeed\n````" in text(last)
    assert all(report.unchanged for record in ask.endpoint.log for report in record.replayed)


def test_a_failed_result_is_reported_as_failed(ask: Asker) -> None:
    assert "The tool `add` failed:" in text(turn(ask, "add 1 and 2", "no such number", is_error=True)[-1])


def test_rounds_makes_a_longer_tool_loop(ask: Asker) -> None:
    responses = turn(ask, "add 1 and 2 [[simulator: rounds=3]]", "3", rounds=3)
    assert [bool(calls(response)) for response in responses] == [True, True, True, False]
    ids = [block["id"] for response in responses for block in response["content"] if block["type"] == "tool_use"]
    assert len(set(ids)) == 3


def test_then_separates_the_steps_of_a_prompt_and_their_values(ask: Asker) -> None:
    responses = turn(ask, "First add 1 and 2, then think, then add 3 and 4.", "3", rounds=2)
    assert [calls(response) for response in responses] == [
        [("add", {"a": 1, "b": 2})],
        [("add", {"a": 3, "b": 4})],
        [],
    ]


def test_the_final_answer_is_made_from_the_tool_results(ask: Asker) -> None:
    final = {"name": "final_answer", "input_schema": {"type": "object", "properties": {"sum": {"type": "integer"}}}}
    first = ask.message("add 2 and 40", tools=[ADD, final])
    assert [name for name, _ in calls(first)] == ["add"]
    results = [
        {"type": "tool_result", "tool_use_id": block["id"], "content": "42"}
        for block in first["content"]
        if block["type"] == "tool_use"
    ]
    messages = [
        {"role": "user", "content": "add 2 and 40"},
        {"role": "assistant", "content": first["content"]},
        {"role": "user", "content": results},
    ]
    assert calls(ask.message(messages, tools=[ADD, final])) == [("final_answer", {"sum": 42})]


def test_round_moves_a_directive_to_a_later_response_of_the_turn(ask: Asker) -> None:
    first, last = turn(ask, 'add 1 and 2 [[simulator: say="Done." round=2]]', "3")
    assert calls(first)
    assert text(last) == "Done."


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"properties": {"n": {"type": "number"}}}, {"n": 7}),
        ({"properties": {"n": {"type": "integer", "maximum": 5}}}, {"n": 5}),
        ({"properties": {"n": {"type": "array", "items": {"type": "integer"}}}}, {"n": [7, 8]}),
        ({"properties": {"s": {"type": "string"}, "t": {"type": "string"}}}, {"s": "red sky", "t": "sample t"}),
        ({"properties": {"d": {"type": "string", "format": "date"}}}, {"d": "2026-01-01"}),
        ({"properties": {"b": {"type": "boolean"}, "z": {"type": "null"}}}, {"b": True, "z": None}),
        ({"properties": {"c": {"const": 1}, "d": {"default": 2}, "e": {"examples": [3]}}}, {"c": 1, "d": 2, "e": 3}),
        ({"properties": {"a": {"anyOf": [{"type": "null"}, {"type": "integer"}]}}}, {"a": 7}),
        ({"properties": {"a": {"type": ["null", "integer"]}}}, {"a": 7}),
        ({"properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"enum": ["x", "y"]}}}, {"a": "x"}),
        ({"properties": {"a": {"$ref": "#/$defs/No"}}}, {"a": "red sky"}),
        ({"properties": {"a": {"type": "object", "properties": {"b": {"type": "integer"}}}}}, {"a": {"b": 7}}),
        ({"properties": {"a": {}, "b": {}}, "required": ["b"]}, {"b": "red sky"}),
        ({"properties": {"s": {"type": "string", "minLength": 9}}}, {"s": "red sky.."}),
        ({}, {}),
        ({"properties": [1]}, {}),
    ],
)
def test_a_sample_fits_its_schema(schema: dict[str, Any], expected: dict[str, Any]) -> None:
    assert sample({"type": "object", **schema}, 'take 7 and 8 of "red sky"') == expected


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("the mean density by kind", {"value": "density", "by": "kind"}),
        ("by kind: density", {"value": "density", "by": "kind"}),
        ("compare mass with density", {"value": "mass", "by": "kind"}),
        ("densities, bulk-density, density_2", {"value": "mass", "by": "kind"}),
    ],
)
def test_the_enum_member_that_the_prompt_names_is_used(prompt: str, expected: dict[str, str]) -> None:
    properties = {"value": {"enum": ["mass", "density"]}, "by": {"enum": ["kind", "name"]}}
    assert sample({"type": "object", "properties": properties}, prompt) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "A metallic element of group 2. Isolated in 1828.",
            {"year": 1828, "summary": "A metallic element of group 2."},
        ),
        ("Known to all.", {"year": None, "summary": "Known to all."}),
        ("Made\nin 1901", {"year": 1901, "summary": "Made in 1901"}),
    ],
)
def test_labels_years_and_sentences_are_extracted_by_rule(text: str, expected: dict[str, Any]) -> None:
    year = {"anyOf": [{"type": "integer", "minimum": 1200, "maximum": 2000}, {"type": "null"}]}
    kind = {"enum": ["unclear", "metallic"]}
    schema = {"type": "object", "properties": {"kind": kind, "year": year, "summary": {"type": "string"}}}
    label = "metallic" if "metallic" in text else "unclear"
    assert sample(schema, f"What is element 4? See 2 lines.\n\n{text}") == {"kind": label, **expected}


def test_a_value_of_the_prompt_is_used_once() -> None:
    column, text = {"enum": ["density", "mass"]}, {"type": "string"}
    schema = {"type": "object", "properties": {"column": column, "to": text, "beside": column}}
    assert sample(schema, "rename `mass` to `weight`, beside density") == {
        "column": "mass",
        "to": "weight",
        "beside": "density",
    }


def test_a_recursive_schema_ends() -> None:
    assert sample({"type": "object", "properties": {"me": {"$ref": "#"}}}, "") != {}


# Directives


def test_say_and_thinking_are_sent_verbatim(ask: Asker) -> None:
    prompt = r'[[simulator: say="a \"b\" ]] c\n2" thinking="hm"]]'
    thinking, answer = ask.message(prompt)["content"]
    assert (thinking["thinking"], answer["text"]) == ("hm", 'a "b" ]] c\n2')
    assert [block["type"] for block in ask.message('[[simulator: say="x" thinking=""]]')["content"]] == ["text"]


def test_deltas_size_and_tokens_measure_the_text(ask: Asker) -> None:
    assert len(text(ask.message("[[simulator: deltas=10 size=8]]"))) == 80
    assert ask.message('[[simulator: tokens=300 thinking=""]]')["usage"]["output_tokens"] == 300


def test_directives_are_removed_from_the_prompt(ask: Asker) -> None:
    answer = text(ask.message("Tell me of oysters [[simulator: size=2]] please"))
    assert "simulator:" not in answer
    assert "4 words" not in answer.split("prompt: ")[0]
    assert "*oysters*" in answer


@pytest.mark.parametrize(
    ("directive", "named"),
    [
        ("speed=9", ", ".join(KEYS)),
        ("fault=gremlins", ", ".join(NAMES)),
        ("deltas=many", "an answer of this many text deltas"),
        ("size=0", "characters per delta"),
        ("wait=-1", "seconds before the first byte"),
        ("part=middle at=ping", "before, during or after"),
        ("deltas=100000000", "at most 50,000,000 characters"),
        ("rate", "key=value"),
        ('say="unclosed', "not a value for the directive say"),
    ],
)
def test_an_invalid_directive_is_refused_with_the_valid_ones(ask: Asker, directive: str, named: str) -> None:
    response = ask.post(f"[[simulator: {directive}]]")
    assert response.status_code == 400
    assert named in response.json()["error"]["message"]


def test_only_directives_in_the_last_user_text_apply(ask: Asker) -> None:
    answer = text(conversation(ask, '[[simulator: say="One"]]', "Tell me of oysters"))
    assert "*oysters*" in answer
    assert "[[" not in answer


@settings(max_examples=50, deadline=None)
@pytest.mark.fuzz
@given(st.text(alphabet=st.sampled_from('ab= "\\\\[]\n:')))
def test_parsing_any_prompt_gives_directives_or_a_directive_error(prompt: str) -> None:
    for candidate in (prompt, f"[[simulator:{prompt}", f'[[simulator: say="{prompt}"]]'):
        try:
            parse(candidate)
        except DirectiveError:
            continue
        assert len(strip_directives(candidate)) <= len(candidate)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 5_000))
def test_filler_text_has_exactly_the_requested_length(length: int) -> None:
    assert len(filler_text(length)) == length


def test_an_invalid_script_is_refused_at_once() -> None:
    with pytest.raises(UsageError, match="unknown fault 'gremlins'"):
        Simulator(answers=[ScriptedAnswer(fault="gremlins")])
    with pytest.raises(UsageError, match="not int"):
        Simulator(answers=[7])  # type: ignore[list-item]
