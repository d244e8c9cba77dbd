"""Answers that must match a schema: its fields become columns, in every type of data frame."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from typing import Any, TypedDict

import pandas as pd
import pytest
from pydantic import BaseModel

from mm_magics import Session, map_prompts
from mm_magics.errors import UsageError
from mm_magics.simulator import ScriptedAnswer, Simulator, text, tool_use
from tests.batch.simulated import FRAMES, column_names, column_of, ok_template
from tests.recorder import Recorder, http

TEMPLATE = "Label {{ row.text }}."
ANY: dict[str, Any] = {"type": "object", "properties": {"x": {}, "y": {}}}


@dataclass
class Data:
    label: str
    score: int


class Model(BaseModel):
    label: str
    score: int


class Typed(TypedDict):
    label: str
    score: int


SCHEMA = {"type": "object", "properties": {"label": {"type": "string"}, "score": {"type": "integer"}}}
SCHEMA["required"] = ["label", "score"]


@pytest.fixture(params=FRAMES)
def make(request: pytest.FixtureRequest) -> Any:
    return FRAMES[request.param]


@pytest.fixture
def one_by_one(session: Session) -> Session:
    """A session that sends one row after the other, so that scripted answers go to the rows in order."""
    session.config.concurrency = 1
    return session


def final_answers(*values: Any) -> list[ScriptedAnswer | str]:
    return [ScriptedAnswer([tool_use("final_answer", value)]) for value in values]


@pytest.mark.parametrize("schema", [Data, Model, Typed, SCHEMA, json.dumps(SCHEMA)], ids=str)
def test_the_fields_of_a_schema_are_columns(one_by_one: Session, endpoint: Simulator, make: Any, schema: Any) -> None:
    endpoint.answers.extend(final_answers({"label": "a", "score": 1}, {"label": "b", "score": 2}))
    result = map_prompts(TEMPLATE, make({"text": ["one", "two"]}), schema=schema, session=one_by_one)
    assert column_names(result.frame) == ["text", "label", "score", "answer_error"]
    assert column_of(result.frame, "label") == ["a", "b"]
    assert column_of(result.frame, "score") == [1, 2]
    assert endpoint.log[0].body["tool_choice"] == {"type": "tool", "name": "final_answer"}
    if isinstance(schema, type):
        assert result.values[0] == schema(label="a", score=1)
    else:
        assert result.values[0] == {"label": "a", "score": 1}


def test_a_schema_that_is_not_an_object_is_one_column(one_by_one: Session, endpoint: Simulator, make: Any) -> None:
    endpoint.answers.extend(final_answers({"value": ["x", "y"]}, {"value": []}))
    result = map_prompts(TEMPLATE, make({"text": ["one", "two"]}), schema=list[str], session=one_by_one)
    assert column_names(result.frame) == ["text", "answer", "answer_error"]
    assert [list(each) for each in column_of(result.frame, "answer")] == [["x", "y"], []]


def test_an_invalid_schema_is_an_error_before_anything_is_sent(session: Session, endpoint: Simulator) -> None:
    with pytest.raises(UsageError, match="cannot be a schema"):
        map_prompts(TEMPLATE, [{"text": "a"}], schema=len, session=session)
    assert endpoint.log == []


# Answers that do not match --------------------------------------------------------------------------------------


def test_an_answer_that_does_not_match_is_corrected_twice_and_then_an_error(
    one_by_one: Session, endpoint: Simulator
) -> None:
    bad, good = {"label": "a"}, {"label": "a", "score": 1}
    endpoint.answers.extend(
        [*final_answers(bad, bad), *final_answers(good), *final_answers(bad, bad, bad), *final_answers(good)]
    )
    rows = [{"text": "late"}, {"text": "never"}, {"text": "at once"}]
    result = map_prompts(TEMPLATE, rows, schema=Data, session=one_by_one)
    assert result.values == [Data("a", 1), None, Data("a", 1)]
    (error,) = result.errors
    assert error.row == 1
    assert error.why.startswith("The answer does not match the schema: ")
    assert "score" in error.why
    assert "\n" not in error.why
    assert [len(record.body["messages"]) for record in endpoint.log] == [1, 3, 5, 1, 3, 5, 1]
    returned = endpoint.log[1].body["messages"][2]["content"][0]
    assert (returned["type"], returned["is_error"]) == ("tool_result", True)
    assert all(each.unchanged for record in endpoint.log for each in record.replayed)
    assert result.asked == 7
    assert result.usage["output_tokens"] == sum(record.usage["output_tokens"] for record in endpoint.log)  # type: ignore[index]


def test_json_in_a_text_answer_is_read_and_an_answer_without_json_is_corrected(
    one_by_one: Session, endpoint: Simulator
) -> None:
    fenced = 'Here:\n```json\n{"label": "a", "score": 3}\n```'
    endpoint.answers.extend(["No idea.", ScriptedAnswer([text(fenced)])])
    result = map_prompts(TEMPLATE, [{"text": "a"}], schema=Data, session=one_by_one)
    assert result.values == [Data("a", 3)]
    assert "matches this JSON schema" in endpoint.log[1].body["messages"][2]["content"][0]["text"]


def test_a_corrected_answer_is_stored_with_all_its_messages(one_by_one: Session, endpoint: Simulator) -> None:
    endpoint.answers.extend(final_answers({"label": "a"}, {"label": "a", "score": 1}))
    for _ in range(2):
        result = map_prompts(TEMPLATE, [{"text": "a"}], schema=Data, figures=True, session=one_by_one)
        assert result.values == [Data("a", 1)]
        assert result.frame[0]["answer_tokens_out"] == sum(each.usage["output_tokens"] for each in endpoint.log)  # type: ignore[index]
    assert len(endpoint.log) == 2


# Values of every type -------------------------------------------------------------------------------------------

MIXED = [
    ([1, 2.5], [1.0, 2.5]),
    ([1, "one"], ["1", "one"]),
    ([True, 1], ["true", "1"]),
    ([{"a": [1]}, None], ['{"a": [1]}', None]),
    ([[1, 2], [3]], [[1, 2], [3]]),
    ([[1], ["a"]], ["[1]", '["a"]']),
    ([[1, 2.5], [3]], ["[1, 2.5]", "[3]"]),
    ([[[1]], [[2]]], ["[[1]]", "[[2]]"]),
    ([[None], [1]], ["[null]", "[1]"]),
    ([10**30, 1], [str(10**30), "1"]),
    ([10**400, 1.5], [str(10**400), "1.5"]),
    ([[10**30], [1]], [f"[{10**30}]", "[1]"]),
    ([None, None], [None, None]),
    pytest.param(["a\u0000b", "ü🦪"], ["a\u0000b", "ü🦪"], id="any character"),
]


@pytest.mark.parametrize(("values", "expected"), MIXED, ids=lambda each: repr(each)[:30])
def test_values_of_any_type_make_a_column(
    one_by_one: Session, endpoint: Simulator, make: Any, values: list[Any], expected: list[Any]
) -> None:
    endpoint.answers.extend(final_answers(*({"x": value, "y": 0} for value in values)))
    result = map_prompts(TEMPLATE, make({"text": ["one", "two"]}), schema=ANY, session=one_by_one)
    assert [value["x"] for value in result.values] == values
    found = column_of(result.frame, "x")
    if isinstance(result.frame, list):
        assert found == values
    else:
        assert [
            list(each) if hasattr(each, "__len__") and not isinstance(each, str) else each for each in found
        ] == expected


@pytest.mark.parametrize("kind", FRAMES)
def test_a_lone_surrogate_in_an_answer_becomes_a_replacement_character(kind: str) -> None:
    message = {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "half \ud83e!"}]}
    with Recorder(http(json.dumps({**message, "stop_reason": "end_turn"}))) as recorder:
        session = Session(base_url=recorder.base_url, api_key="sk-x")
        result = map_prompts(TEMPLATE, FRAMES[kind]({"text": ["one"]}), session=session)
    assert result.values == ["half \ufffd!"]
    if kind != "dicts":
        assert column_of(result.frame, "answer") == ["half \ufffd!"]


def test_dates_and_nested_models_are_columns_of_texts(one_by_one: Session, endpoint: Simulator) -> None:
    class Inner(BaseModel):
        day: date

    class Outer(BaseModel):
        day: date
        inner: Inner

    day = {"day": "2026-11-24"}
    endpoint.answers.extend(final_answers({**day, "inner": day}))
    frame = map_prompts(TEMPLATE, pd.DataFrame({"text": ["a"]}), schema=Outer, session=one_by_one).frame
    assert frame.iloc[0].to_dict() == {
        "text": "a",
        "day": "2026-11-24",
        "inner": '{"day": "2026-11-24"}',
        "answer_error": None,
    }


def test_a_template_can_contain_directives_of_the_simulator(session: Session) -> None:
    assert map_prompts(ok_template(), [{"text": "a"}], session=session).values == ["ok"]
