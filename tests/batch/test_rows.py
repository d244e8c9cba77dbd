"""Rows in, rows out: every kind of frame and iterable comes back as it is, in order, with its answers."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from mm_magics import Session, map_prompts
from mm_magics.errors import UsageError
from mm_magics.simulator import Simulator
from tests.batch.asked import FRAMES, SAY, column, names, say, texts

ECHO = '{{ row.text }} [[simulator: thinking="" say="{{ row.text }}!"]]'


@pytest.fixture(params=FRAMES)
def make(request: pytest.FixtureRequest) -> Any:
    return FRAMES[request.param]


# In and out -----------------------------------------------------------------------------------------------------


def test_a_frame_comes_back_as_its_own_type_with_its_answers_in_order(session: Session, make: Any) -> None:
    given = make({"text": [f"t{n}" for n in range(20)], "n": list(range(20))})
    before = copy.deepcopy(given)
    result = map_prompts(ECHO, given, session=session)
    assert type(result.frame) is type(given)
    assert names(result.frame) == ["text", "n", "answer", "answer_error"]
    assert column(result.frame, "answer") == [f"t{n}!" for n in range(20)]
    assert column(result.frame, "answer_error") == [None] * 20
    assert column(result.frame, "n") == list(range(20))
    assert before.equals(given) if hasattr(before, "equals") else before == given
    assert (result.asked, result.stored, result.errors) == (20, 0, [])


def test_figures_are_columns_where_they_are_wanted(session: Session, make: Any) -> None:
    result = map_prompts(say(), make({"text": ["a", None]}), into="said", figures=True, session=session)
    assert names(result.frame)[1:] == ["said", "said_error", "said_tokens_in", "said_tokens_out", "said_cost"]
    assert column(result.frame, "said_tokens_out") == [1, None]
    assert column(result.frame, "said_tokens_in")[0] > 5
    assert column(result.frame, "said_cost")[0] == pytest.approx(result.cost)
    assert 0 < result.cost < 0.01


def test_an_odd_index_stays(session: Session) -> None:
    index = pd.MultiIndex.from_tuples([("b", 9), ("a", 9), ("b", 9)], names=["k", "j"])
    frame = pd.DataFrame({"text": ["one", "two", "three"]}, index=index)
    result = map_prompts(ECHO, frame, session=session).frame
    assert result.index.equals(index)
    assert list(result["answer"]) == ["one!", "two!", "three!"]
    assert list(frame.columns) == ["text"]


def test_rows_beyond_what_is_read_at_a_time_keep_their_order(session: Session, monkeypatch: Any) -> None:
    monkeypatch.setattr("mm_magics.batch.rows.READ_ROWS", 3)
    frame = pl.DataFrame({"text": [f"t{n}" for n in range(10)]})
    assert map_prompts(ECHO, frame, session=session).frame["answer"].to_list() == [f"t{n}!" for n in range(10)]


def test_texts_give_a_list_of_dicts_and_a_generator_is_read_once(session: Session, endpoint: Simulator) -> None:
    result = map_prompts(SAY, ["a", "b"], session=session)
    assert result.values == ["ok", "ok"]
    assert result.frame == [{"row": each, "answer": "ok", "answer_error": None} for each in "ab"]
    made = map_prompts(SAY, (each for each in "cd"), session=session)
    assert made.values == ["ok", "ok"]
    assert made.retry_failed().values == ["ok", "ok"]
    assert sorted(texts(endpoint)) == ["a", "b", "c", "d"]


def test_items_of_any_kind_are_said_as_values_are(session: Session, endpoint: Simulator) -> None:
    map_prompts("{{ row[0] + 1 }} {{ row[1] }}", [(1, "x"), (2, "y")], session=session)
    assert sorted(texts(endpoint)) == ["2 x", "3 y"]


def test_an_empty_frame_gets_its_columns_and_nothing_is_sent(session: Session, endpoint: Simulator, make: Any) -> None:
    given = make({"text": []})
    result = map_prompts(say(), given, session=session)
    assert type(result.frame) is type(given)
    assert len(result.frame) == 0
    if not isinstance(given, list):
        assert names(result.frame) == ["text", "answer", "answer_error"]
    assert endpoint.log == []


def test_a_subclass_of_a_frame_is_one(session: Session) -> None:
    class Mine(pd.DataFrame):
        pass

    assert list(map_prompts(ECHO, Mine({"text": ["a"]}), session=session).frame["answer"]) == ["a!"]


# What is missing ------------------------------------------------------------------------------------------------

MISSING = {
    "pandas NaN": pd.DataFrame({"x": [1.5, float("nan")]}),
    "pandas NaT": pd.DataFrame({"x": pd.to_datetime(["2026-01-01", None])}),
    "pandas NA": pd.DataFrame({"x": pd.array([1, None], dtype="Int64")}),
    "pandas None": pd.DataFrame({"x": ["a", None]}),
    "polars null": pl.DataFrame({"x": [1, None]}),
    "polars NaN": pl.DataFrame({"x": [1.0, float("nan")]}),
    "pyarrow null": pa.table({"x": ["a", None]}),
    "dicts": [{"x": "a"}, {"x": None}],
}


@pytest.mark.parametrize("kind", MISSING)
def test_a_value_that_is_missing_makes_an_error_of_its_row_alone(
    session: Session, endpoint: Simulator, kind: str
) -> None:
    result = map_prompts(say("{{ row.x }}"), MISSING[kind], session=session)
    assert [(error.row, error.why) for error in result.errors] == [
        (1, "{{ row.x }} failed with NoValue: it has no value in this row.")
    ]
    assert result.values == ["ok", None]
    assert column(result.frame, "answer_error")[1] == result.errors[0].why
    assert len(endpoint.log) == 1


@pytest.mark.parametrize("kind", MISSING)
def test_a_template_may_say_what_stands_for_a_missing_value(session: Session, endpoint: Simulator, kind: str) -> None:
    assert map_prompts(say('{{ row.x or "none" }}'), MISSING[kind], session=session).errors == []
    assert "none" in texts(endpoint)


def test_items_that_are_missing_are_errors_too(session: Session, endpoint: Simulator) -> None:
    result = map_prompts(SAY, ["a", None, float("nan"), pd.NaT], session=session)
    assert [error.row for error in result.errors] == [1, 2, 3]
    assert texts(endpoint) == ["a"]


# Said before anything is sent -----------------------------------------------------------------------------------


def refused(session: Session, endpoint: Simulator, template: Any, data: Any, **options: Any) -> str:
    with pytest.raises(UsageError) as caught:
        map_prompts(template, data, session=session, **options)
    assert endpoint.log == []
    return str(caught.value)


def test_a_missing_column_is_said(session: Session, endpoint: Simulator, make: Any) -> None:
    said = refused(session, endpoint, "{{ row.txet }}", make({"text": ["a"], "n": [1]}))
    assert said.startswith("{{ row.txet }} failed with NoColumn: there is no column txet; there are text, n.")
    assert said.endswith("Nothing was sent.")
    assert "no column nope" in refused(session, endpoint, lambda row: row["nope"], make({"text": ["a"]}))


def test_a_column_that_exists_is_said(session: Session, endpoint: Simulator, make: Any) -> None:
    given = make({"text": ["a"], "answer": ["mine"]})
    said = refused(session, endpoint, say(), given)
    assert said == "There is a column answer already.\nGive --into another name, or drop the column."
    assert "column text already" in refused(session, endpoint, say(), given, into="x", schema=Labels)


@dataclass
class Labels:
    text: str


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (pl.LazyFrame({"text": ["a"]}), "A lazy frame has no rows yet.\nCall its collect() first."),
        ("text", "A str has no rows."),
        ({"text": "a"}, "A dict has no rows."),
        (7, "A int has no rows."),
        (pd.DataFrame([["a", "b"]], columns=["text", "text"]), "The rows of this data frame cannot be read: "),
    ],
)
def test_what_has_no_rows_to_read_is_said_in_a_line(
    session: Session, endpoint: Simulator, data: Any, said: str
) -> None:
    found = refused(session, endpoint, say(), data)
    assert found.startswith(said)
    assert found.count("\n") <= 1


def test_a_column_with_no_name_is_said(session: Session, endpoint: Simulator) -> None:
    assert "has no name" in refused(session, endpoint, SAY, ["a"], into=" ")
