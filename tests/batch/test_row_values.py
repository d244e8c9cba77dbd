"""The parts of a map run that need no endpoint: rows, the text of a row, and the results row by row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from mm_magics.api import models
from mm_magics.batch.row_results import RowResults, RowUsage, columns_of, fields_of
from mm_magics.batch.row_template import RowTemplate
from mm_magics.batch.rows import MissingColumnError, Row, Rows, column_values, is_missing
from mm_magics.batch.store import Reply
from mm_magics.errors import PromptError, UsageError
from mm_magics.tools.schema.output_schema import output_schema_of
from tests.batch.simulated import FRAMES, column_names, column_of

MODEL = "MiniMax-M2.7"

# Rows -----------------------------------------------------------------------------------------------------------


def test_a_row_has_its_columns_as_items_and_attributes() -> None:
    row = Row({"text": "one", "n": float("nan"), 5: "five"})  # type: ignore[dict-item]
    assert (row.text, row["text"], row["n"], len(row), list(row)) == ("one", "one", None, 3, ["text", "n", 5])
    assert dict(row) == {"text": "one", "n": None, 5: "five"}
    assert repr(row) == "Row({'text': 'one', 'n': None, 5: 'five'})"
    for read in (lambda: row.txet, lambda: row["txet"]):
        with pytest.raises(MissingColumnError) as caught:
            read()
        assert str(caught.value) == "there is no column txet; the columns are text, n, 5"
    assert row.get("txet", "else") == "else"
    assert not hasattr(row, "txet")


@pytest.mark.parametrize("value", [None, float("nan"), np.float64("nan"), pd.NA, pd.NaT])
def test_missing_values_are_recognized(value: Any) -> None:
    assert is_missing(value)
    assert Row({"x": value}).x is None


@pytest.mark.parametrize("value", [0, "", "nan", 0.0, float("inf"), [], False])
def test_other_values_are_not_missing(value: Any) -> None:
    assert not is_missing(value)


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5])
def test_frames_are_read_in_parts(monkeypatch: pytest.MonkeyPatch, kind: str, count: int) -> None:
    monkeypatch.setattr("mm_magics.batch.rows.READ_ROWS", 2)
    columns = {"text": [f"t{n}" for n in range(count)], "n": list(range(count))}
    rows = Rows(FRAMES[kind](columns))
    assert len(rows) == count
    assert rows.is_frame is (kind != "dicts")
    assert rows.columns == ([] if kind == "dicts" and not count else ["text", "n"])
    assert [dict(row) for row in rows] == FRAMES["dicts"](columns)
    assert all(isinstance(row, Row) for row in rows)


@pytest.mark.parametrize("data", [["a", "b"], ("a", "b"), {"a": 1, "b": 2}.keys(), iter(["a", "b"])])
def test_any_iterable_has_rows_and_can_be_read_again(data: Any) -> None:
    rows = Rows(data)
    assert (len(rows), list(rows), list(rows), rows.columns, rows.is_frame) == (2, ["a", "b"], ["a", "b"], [], False)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("text", "A value of type str has no rows."),
        (b"text", "A value of type bytes has no rows."),
        (7, "A value of type int has no rows."),
        ({"text": ["a"]}, "A value of type dict has no rows."),
        (pa.scalar(5), "A value of type Int64Scalar has no rows."),
    ],
)
def test_data_without_rows_is_an_error(data: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Rows(data)
    assert str(caught.value) == f"{message}\nPass a data frame, a list, or another iterable of rows."


def test_a_frame_with_two_columns_of_the_same_name_is_an_error_that_names_it() -> None:
    with pytest.raises(UsageError) as caught:
        Rows(pd.DataFrame([["a", "b", 1]], columns=["text", "text", "n"]))
    message = str(caught.value)
    assert message.startswith("Cannot read the rows of this data frame: ")
    assert "text" in message
    assert "  " not in message
    assert "\n" not in message


def test_a_lazy_frame_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(UsageError) as caught:
        Rows(pl.LazyFrame({"text": ["a"]}))
    assert str(caught.value) == "A lazy data frame has no rows yet.\nCall its collect() method first."


def test_a_series_has_its_items_as_rows() -> None:
    assert list(Rows(pd.Series(["a", "b"]))) == list(Rows(pl.Series(["a", "b"]))) == ["a", "b"]


@pytest.mark.parametrize("kind", FRAMES)
def test_columns_are_added_at_the_end_and_replace_others_of_their_name(kind: str) -> None:
    data = FRAMES[kind]({"text": ["a", "b"], "x": [1, 2]})
    made = Rows(data).with_columns({"x": ["one", None], "new": [1, 2.5]})
    assert type(made) is type(data)
    assert column_names(made) == ["text", "x", "new"]
    assert column_of(made, "x") == ["one", None]
    assert column_of(made, "new") == [1.0, 2.5]
    assert column_of(data, "x") == [1, 2]
    assert column_names(data) == ["text", "x"]


def test_columns_of_other_items_are_a_list() -> None:
    assert Rows(["a", "b"]).with_columns({"x": [1, None]}) == [1, None]
    assert Rows([{"t": "a"}]).with_columns({"x": [1]}) == [{"t": "a", "x": 1}]
    assert Rows(["a", {"t": "b"}]).with_columns({"x": [1, 2], "y": [3, 4]}) == [
        {"row": "a", "x": 1, "y": 3},
        {"t": "b", "x": 2, "y": 4},
    ]


@pytest.mark.parametrize(
    ("values", "column"),
    [
        ([], []),
        ([1, None, 2.5], [1.0, None, 2.5]),
        ([1, 2], [1, 2]),
        ([2**63 - 1, -(2**63)], [2**63 - 1, -(2**63)]),
        ([2**63], [str(2**63)]),
        ([-(2**63) - 1], [str(-(2**63) - 1)]),
        ([2**63, 1.5], [str(2**63), "1.5"]),
        ([True, "ü"], ["true", "ü"]),
        ([[1], [2]], [[1], [2]]),
        ([[1], None], [[1], None]),
        ([["a", "\ud83e"], []], [["a", "\ufffd"], []]),
        ([[1], ["ü"]], ["[1]", '["ü"]']),
        ([[2**63]], [f"[{2**63}]"]),
        ([{"a": "ü"}], ['{"a": "ü"}']),
        ([[{"a": 1}]], ['[{"a": 1}]']),
        ([[[1]]], ["[[1]]"]),
        (["\ud83e", 1], ["\ufffd", "1"]),
    ],
)
def test_values_are_converted_to_one_type_of_column(values: list[Any], column: list[Any]) -> None:
    made = column_values(values)
    assert made == column
    assert [type(each) for each in made] == [type(each) for each in column]


# The text of a row ----------------------------------------------------------------------------------------------


def test_the_text_of_a_row_is_made_by_a_template_or_a_function() -> None:
    template = RowTemplate("{{ row.text }} of {{ name }}", {"name": "a list"}, 0)
    assert template.source == "{{ row.text }} of {{ name }}"
    assert [template(Row({"text": each})) for each in ("one", "two")] == ["one of a list", "two of a list"]

    def prompt(row: Any) -> str:
        return f"The {row}."

    made = RowTemplate(prompt, {}, 0)
    assert (made.source, made("text")) == ("prompt(row)", "The text.")


def test_values_are_cut_at_the_limit_and_missing_ones_are_errors() -> None:
    template = RowTemplate("{{ row.text }}", {}, 3)
    assert template(Row({"text": "abcdef"})).startswith("abc\n… [cut here: 3 more characters")
    for missing in (None, pd.NA):
        with pytest.raises(PromptError, match=r"MissingValueError: it has no value in this row"):
            template(Row({"text": missing}))


def test_the_namespace_of_the_caller_is_not_changed() -> None:
    namespace: dict[str, Any] = {}
    RowTemplate("{{ row }}", namespace, 0)("a")
    assert namespace == {}


class Nameless:
    def __init__(self, result: Any) -> None:
        self.result = result

    def __call__(self, _row: Any) -> Any:
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (5, "a function(row) returned a value of type int, not a string."),
        (None, "a function(row) returned a value of type NoneType, not a string."),
        (ValueError("two\n  lines."), "a function(row) failed with ValueError: two lines."),
        (KeyError(), "a function(row) failed with KeyError."),
    ],
)
def test_a_function_that_fails_is_an_error_of_one_line(result: Any, message: str) -> None:
    with pytest.raises(PromptError) as caught:
        RowTemplate(Nameless(result), {}, 0)("a")
    assert str(caught.value) == message
    assert caught.value.__cause__ is (result if isinstance(result, Exception) else None)


# Results --------------------------------------------------------------------------------------------------------


def reply(text: str = "ok", reason: str | None = "end_turn", *, calls: int = 1, model_usage: Any = None) -> Reply:
    usage = model_usage or {"input_tokens": 10, "cache_read_input_tokens": 5, "output_tokens": 2}
    message: Any = {"role": "assistant", "content": [{"type": "text", "text": text}] if text else []}
    return Reply(
        [message] * calls,
        [{"stop_reason": "tool_use", "usage": usage}] * (calls - 1) + [{"stop_reason": reason, "usage": usage}],
    )


def test_a_reply_is_the_value_of_all_its_rows_and_is_counted_once() -> None:
    results = RowResults(4, MODEL, with_usage=True)
    assert results.add([0, 2], reply(calls=2), fresh=True)
    assert (results.values, results.errors) == (["ok", None, "ok", None], {})
    assert (results.calls, results.stored, results.done) == (2, 0, 2)
    assert results.usage == {
        "input_tokens": 20,
        "output_tokens": 4,
        "cache_read_input_tokens": 10,
        "cache_creation_input_tokens": 0,
    }
    cost = models.cost(MODEL, {"input_tokens": 20, "cache_read_input_tokens": 10, "output_tokens": 4})
    assert results.cost == pytest.approx(cost)
    assert results.row_usage is not None
    assert results.row_usage[1] is None
    assert results.row_usage[0] == results.row_usage[2] == RowUsage(30, 4, pytest.approx(cost))  # type: ignore[arg-type]
    results.add([1], reply(), fresh=True)
    assert (results.calls, results.done, results.usage["input_tokens"]) == (3, 3, 30)
    assert results.cost == pytest.approx(1.5 * (cost or 0))


def test_a_stored_reply_is_not_counted_but_its_rows_have_their_usage() -> None:
    results = RowResults(3, MODEL, with_usage=True)
    assert results.add([0, 1], reply(), fresh=False)
    assert (results.calls, results.stored, results.done, results.cost) == (0, 2, 2, 0.0)
    assert set(results.usage.values()) == {0}
    assert results.row_usage is not None
    assert results.row_usage[1] is not None
    assert results.row_usage[1][:2] == (15, 2)
    plain = RowResults(1, MODEL)
    plain.add([0], reply(), fresh=False)
    assert (plain.row_usage, plain.stored) == (None, 1)


def test_a_model_without_a_price_has_no_cost() -> None:
    results = RowResults(1, "unknown", with_usage=True)
    results.add([0], reply(), fresh=True)
    assert results.cost == 0.0
    assert results.row_usage == [RowUsage(15, 2, None)]


TRUNCATED = "The answer was cut off by max_tokens or by the model's context window."


@pytest.mark.parametrize(
    ("made", "value", "error", "storable"),
    [
        (reply(), "ok", "", True),
        (reply(reason=None), "ok", "", True),
        (reply(""), None, "The answer is empty.", False),
        (reply("par", "max_tokens"), "par", TRUNCATED, True),
        (reply("par", "model_context_window_exceeded"), "par", TRUNCATED, True),
        (reply("", "max_tokens"), None, TRUNCATED, True),
        (reply("par", "error"), None, "The endpoint ended the answer with an error.", False),
        (reply("no", "refusal"), "no", "The model refused to answer.", True),
        (Reply([], []), None, "The answer is empty.", False),
    ],
)
def test_an_answer_has_a_value_or_a_reason(made: Reply, value: Any, error: str, storable: bool) -> None:
    results = RowResults(1, MODEL)
    assert results.add([0], made, fresh=True) is storable
    assert (results.values, results.errors.get(0, ""), results.last_error) == ([value], error, error)
    assert results.done == 1


@pytest.mark.parametrize(
    ("made", "value", "error", "storable"),
    [
        (reply('{"n": 5}'), {"n": 5}, "", True),
        (reply('{"n": 5', "max_tokens"), None, TRUNCATED, True),
        (reply("no", "refusal"), None, "The model refused to answer.", True),
    ],
)
def test_an_answer_for_a_schema_is_its_value(made: Reply, value: Any, error: str, storable: bool) -> None:
    schema = output_schema_of({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})
    results = RowResults(1, MODEL, schema)
    assert results.add([0], made, fresh=True) is storable
    assert (results.values, results.last_error) == ([value], error)
    wrong = RowResults(1, MODEL, schema)
    assert not wrong.add([0], reply("nothing"), fresh=True)
    assert wrong.values == [None]
    assert wrong.errors[0]


def test_rows_without_an_answer_have_the_reason() -> None:
    results = RowResults(4, MODEL)
    results.add([1], reply(), fresh=True)
    results.fail(2, "It failed.")
    results.fail(2, "It failed again.")
    assert results.done == 2
    results.finish("The run ended.")
    assert results.errors == {0: "The run ended.", 2: "It failed again.", 3: "The run ended."}
    results.finish("Later.")
    assert len(results.errors) == 3
    assert 1 not in results.errors


def test_the_columns_are_the_answers_the_errors_and_the_usage() -> None:
    results = RowResults(2, MODEL, with_usage=True)
    results.add([0], reply(), fresh=True)
    results.fail(1, "It failed.")
    columns = results.columns("label")
    assert columns.pop("label_cost") == [pytest.approx(results.cost), None]
    assert columns == {
        "label": ["ok", None],
        "label_error": [None, "It failed."],
        "label_tokens_in": [15, None],
        "label_tokens_out": [2, None],
    }
    assert columns_of("label", None, with_usage=True) == [*columns, "label_cost"]
    assert columns_of("x", None, with_usage=False) == ["x", "x_error"]


@dataclass
class Day:
    day: date
    n: int


def test_the_fields_of_a_schema_are_the_columns() -> None:
    schema = output_schema_of(Day)
    assert fields_of(schema) == ["day", "n"]
    assert columns_of("x", schema, with_usage=False) == ["day", "n", "x_error"]
    assert fields_of(None) == fields_of(output_schema_of(int)) == []
    assert columns_of("x", output_schema_of(int), with_usage=False) == ["x", "x_error"]
    results = RowResults(3, MODEL, schema)
    results.add([0], reply('{"day": "2026-11-27", "n": 5}'), fresh=True)
    results.values[1] = {"n": 7}
    assert results.columns("x") == {"day": ["2026-11-27", None, None], "n": [5, 7, None], "x_error": [None] * 3}


def test_values_that_no_column_can_hold_become_texts() -> None:
    results = RowResults(5, MODEL)
    results.values = [date(2026, 11, 27), {"day": date(2026, 1, 1)}, 5, object, np.float64(1.5)]
    made = results.columns("x")["x"]
    assert made[:3] == ["2026-11-27", {"day": "2026-01-01"}, 5]
    assert made[3] == str(object)
    assert made[4] in (1.5, "1.5")
