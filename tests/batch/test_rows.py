"""Data in and out: every type of data frame and iterable is returned as its own type, in order, with answers."""

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
from tests.batch.simulated import FRAMES, OK_TEMPLATE, column_names, column_of, ok_template, sent_texts

ECHO = '{{ row.text }} [[simulator: thinking="" say="{{ row.text }}!"]]'


@pytest.fixture(params=FRAMES)
def make(request: pytest.FixtureRequest) -> Any:
    return FRAMES[request.param]


# Data in and out ------------------------------------------------------------------------------------------------


def test_a_frame_is_returned_as_its_own_type_with_answers_in_order(session: Session, make: Any) -> None:
    given = make({"text": [f"t{n}" for n in range(20)], "n": list(range(20))})
    before = copy.deepcopy(given)
    result = map_prompts(ECHO, given, session=session)
    assert type(result.frame) is type(given)
    assert column_names(result.frame) == ["text", "n", "answer", "answer_error"]
    assert column_of(result.frame, "answer") == [f"t{n}!" for n in range(20)]
    assert column_of(result.frame, "answer_error") == [None] * 20
    assert column_of(result.frame, "n") == list(range(20))
    assert before.equals(given) if hasattr(before, "equals") else before == given
    assert (result.asked, result.stored, result.errors) == (20, 0, [])


def test_figures_adds_columns_of_usage(session: Session, make: Any) -> None:
    result = map_prompts(ok_template(), make({"text": ["a", None]}), into="label", figures=True, session=session)
    assert column_names(result.frame)[1:] == [
        "label",
        "label_error",
        "label_tokens_in",
        "label_tokens_out",
        "label_cost",
    ]
    assert column_of(result.frame, "label_tokens_out") == [1, None]
    assert column_of(result.frame, "label_tokens_in")[0] > 5
    assert column_of(result.frame, "label_cost")[0] == pytest.approx(result.cost)
    assert 0 < result.cost < 0.01


def test_a_multi_index_with_duplicates_is_kept(session: Session) -> None:
    index = pd.MultiIndex.from_tuples([("b", 9), ("a", 9), ("b", 9)], names=["k", "j"])
    frame = pd.DataFrame({"text": ["one", "two", "three"]}, index=index)
    result = map_prompts(ECHO, frame, session=session).frame
    assert result.index.equals(index)
    assert list(result["answer"]) == ["one!", "two!", "three!"]
    assert list(frame.columns) == ["text"]


def test_rows_of_a_frame_that_is_read_in_parts_keep_their_order(session: Session, monkeypatch: Any) -> None:
    monkeypatch.setattr("mm_magics.batch.rows.READ_ROWS", 3)
    frame = pl.DataFrame({"text": [f"t{n}" for n in range(10)]})
    assert map_prompts(ECHO, frame, session=session).frame["answer"].to_list() == [f"t{n}!" for n in range(10)]


def test_texts_return_a_list_of_dicts_and_a_generator_is_read_once(session: Session, endpoint: Simulator) -> None:
    result = map_prompts(OK_TEMPLATE, ["a", "b"], session=session)
    assert result.values == ["ok", "ok"]
    assert result.frame == [{"row": each, "answer": "ok", "answer_error": None} for each in "ab"]
    made = map_prompts(OK_TEMPLATE, (each for each in "cd"), session=session)
    assert made.values == ["ok", "ok"]
    assert made.retry_failed().values == ["ok", "ok"]
    assert sorted(sent_texts(endpoint)) == ["a", "b", "c", "d"]


def test_items_of_any_type_can_be_used_in_a_template(session: Session, endpoint: Simulator) -> None:
    map_prompts("{{ row[0] + 1 }} {{ row[1] }}", [(1, "x"), (2, "y")], session=session)
    assert sorted(sent_texts(endpoint)) == ["2 x", "3 y"]


def test_an_empty_frame_gets_its_columns_and_nothing_is_sent(session: Session, endpoint: Simulator, make: Any) -> None:
    given = make({"text": []})
    result = map_prompts(ok_template(), given, session=session)
    assert type(result.frame) is type(given)
    assert len(result.frame) == 0
    if not isinstance(given, list):
        assert column_names(result.frame) == ["text", "answer", "answer_error"]
    assert endpoint.log == []


def test_a_subclass_of_a_data_frame_is_a_data_frame(session: Session) -> None:
    class Mine(pd.DataFrame):
        pass

    assert list(map_prompts(ECHO, Mine({"text": ["a"]}), session=session).frame["answer"]) == ["a!"]


# Missing values -------------------------------------------------------------------------------------------------

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
def test_a_missing_value_is_an_error_of_its_row_only(session: Session, endpoint: Simulator, kind: str) -> None:
    result = map_prompts(ok_template("{{ row.x }}"), MISSING[kind], session=session)
    assert [(error.row, error.why) for error in result.errors] == [
        (1, "{{ row.x }} failed with MissingValueError: it has no value in this row.")
    ]
    assert result.values == ["ok", None]
    assert column_of(result.frame, "answer_error")[1] == result.errors[0].why
    assert len(endpoint.log) == 1


@pytest.mark.parametrize("kind", MISSING)
def test_a_template_can_replace_a_missing_value(session: Session, endpoint: Simulator, kind: str) -> None:
    assert map_prompts(ok_template('{{ row.x or "none" }}'), MISSING[kind], session=session).errors == []
    assert "none" in sent_texts(endpoint)


def test_missing_items_are_errors_too(session: Session, endpoint: Simulator) -> None:
    result = map_prompts(OK_TEMPLATE, ["a", None, float("nan"), pd.NaT], session=session)
    assert [error.row for error in result.errors] == [1, 2, 3]
    assert sent_texts(endpoint) == ["a"]


# Errors before anything is sent ---------------------------------------------------------------------------------


def error_of(session: Session, endpoint: Simulator, template: Any, data: Any, **options: Any) -> str:
    with pytest.raises(UsageError) as caught:
        map_prompts(template, data, session=session, **options)
    assert endpoint.log == []
    return str(caught.value)


def test_a_missing_column_is_an_error_before_anything_is_sent(session: Session, endpoint: Simulator, make: Any) -> None:
    error = error_of(session, endpoint, "{{ row.txet }}", make({"text": ["a"], "n": [1]}))
    assert error.startswith(
        "{{ row.txet }} failed with MissingColumnError: there is no column txet; the columns are text, n."
    )
    assert error.endswith("Nothing was sent.")
    assert "no column nope" in error_of(session, endpoint, lambda row: row["nope"], make({"text": ["a"]}))


@pytest.mark.parametrize(
    "template",
    ["{{ row.txet }}", '{{ row["txet"] }}', "{{ row.txet.upper() }}", "{{ (row.text, row.txet) }}", "{{ row.items }}"],
)
def test_a_missing_column_is_an_error_without_rows_too(
    session: Session, endpoint: Simulator, make: Any, template: str
) -> None:
    for texts in (["a"], []):
        if make is FRAMES["dicts"] and not texts:
            continue  # without a first item, its names are unknown
        name = "items" if "items" in template else "txet"
        assert f"there is no column {name}; the columns are text" in error_of(
            session, endpoint, template, make({"text": texts})
        )


@pytest.mark.parametrize(
    ("template", "hint"),
    [
        ("{{ row.Review Text }}", 'Write {{ row["Review Text"] }}.'),
        ("{{ row.5 }}", 'Write {{ row["5"] }}.'),
        ("{{ row.review_text }}", 'write row["Review Text"]'),
        ("{{ row.ReviewText.upper() }}", 'write row["Review Text"]'),
    ],
)
def test_a_name_that_is_not_an_identifier_has_a_hint(
    session: Session, endpoint: Simulator, make: Any, template: str, hint: str
) -> None:
    assert hint in error_of(session, endpoint, template, make({"Review Text": ["a"], "n": [1]}))


def test_an_existing_column_is_an_error_before_anything_is_sent(
    session: Session, endpoint: Simulator, make: Any
) -> None:
    given = make({"text": ["a"], "answer": ["mine"]})
    error = error_of(session, endpoint, ok_template(), given)
    assert error == (
        "The data already has a column named answer.\nChoose another name with --into, or drop the column."
    )
    assert "already has a column named text" in error_of(
        session, endpoint, ok_template(), given, into="x", schema=Labels
    )


@dataclass
class Labels:
    text: str


@pytest.mark.parametrize(
    ("data", "start"),
    [
        (pl.LazyFrame({"text": ["a"]}).select("n"), "Cannot read the rows of this data frame: "),
        ("missing.parquet", "missing.parquet does not exist."),
        ("text", "A value of type str has no rows."),
        ({"text": "a"}, "A value of type dict has no rows."),
        (7, "A value of type int has no rows."),
        (
            pd.DataFrame([["a", "b"]], columns=["text", "text"]),
            "{{ row.text }} failed with MissingColumnError: 2 columns are called text; rename them.",
        ),
    ],
)
def test_data_without_rows_is_an_error_of_one_line(
    session: Session, endpoint: Simulator, data: Any, start: str
) -> None:
    error = error_of(session, endpoint, ok_template(), data)
    assert error.startswith(start)
    assert error.count("\n") <= 1


def test_an_empty_column_name_is_an_error(session: Session, endpoint: Simulator) -> None:
    assert "has no name" in error_of(session, endpoint, OK_TEMPLATE, ["a"], into=" ")
