"""The results of a map run, row by row: values, reasons, usage and the new columns."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pytest

from mm_magics.api import models
from mm_magics.batch.row_results import RowResults, RowUsage, columns_of, fields_of
from mm_magics.batch.store import Reply
from mm_magics.tools.schema.output_schema import output_schema_of

MODEL = "MiniMax-M2.7"


def reply(text: str = "ok", reason: str | None = "end_turn", *, calls: int = 1, model_usage: Any = None) -> Reply:
    usage = model_usage or {"input_tokens": 10, "cache_read_input_tokens": 5, "output_tokens": 2}
    message: Any = {"role": "assistant", "content": [{"type": "text", "text": text}] if text else []}
    return Reply(
        [message] * calls,
        [{"stop_reason": "tool_use", "usage": usage}] * (calls - 1) + [{"stop_reason": reason, "usage": usage}],
    )


def test_a_reply_is_the_value_of_all_its_rows_and_is_counted_once() -> None:
    results = RowResults(4, MODEL, with_usage=True)
    assert results.add([0, 2], b"", reply(calls=2), fresh=True)
    assert results.calls == 0
    results.count(reply(calls=2).responses)
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
    results.add([1], b"", reply(), fresh=True)
    assert results.count(reply().responses) == pytest.approx(0.5 * (cost or 0))
    assert (results.calls, results.done, results.usage["input_tokens"]) == (3, 3, 30)
    assert results.cost == pytest.approx(1.5 * (cost or 0))


def test_a_stored_reply_is_not_counted_but_its_rows_have_their_usage() -> None:
    results = RowResults(3, MODEL, with_usage=True)
    assert results.add([0, 1], b"", reply(), fresh=False)
    assert (results.calls, results.stored, results.done, results.cost) == (0, 2, 2, 0.0)
    assert set(results.usage.values()) == {0}
    assert results.row_usage is not None
    assert results.row_usage[1] is not None
    assert results.row_usage[1][:2] == (15, 2)
    plain = RowResults(1, MODEL)
    plain.add([0], b"", reply(), fresh=False)
    assert (plain.row_usage, plain.stored) == (None, 1)


def test_a_model_without_a_price_has_no_cost() -> None:
    results = RowResults(1, "unknown", with_usage=True)
    results.add([0], b"", reply(), fresh=True)
    assert results.count(reply().responses) == results.cost == 0.0
    assert results.row_usage == [RowUsage(15, 2, None)]


def test_a_price_is_known_from_the_model_or_set_by_the_user() -> None:
    results = RowResults(1, MODEL)
    assert results.is_price_known
    results.use_model("unknown")
    assert not results.is_price_known
    results.use_model("unknown", models.Price(1.0, 2.0, 0.1, 1.5))
    assert results.is_price_known


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
    assert results.add([0], b"", made, fresh=True) is storable
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
    assert results.add([0], b"", made, fresh=True) is storable
    assert (results.values, results.last_error) == ([value], error)
    wrong = RowResults(1, MODEL, schema)
    assert wrong.add([0], b"", reply("nothing"), fresh=True) is True
    assert wrong.values == [None]
    assert wrong.errors[0]


def test_rows_without_an_answer_have_the_reason() -> None:
    results = RowResults(4, MODEL)
    results.add([1], b"", reply(), fresh=True)
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
    results.add([0], b"", reply(), fresh=True)
    results.fail(1, "It failed.")
    columns = results.columns("label")
    assert columns.pop("label_cost") == [pytest.approx(results.count(reply().responses)), None]
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
    results.add([0], b"", reply('{"day": "2026-11-27", "n": 5}'), fresh=True)
    results.values[1] = {"n": 7}
    assert results.columns("x") == {"day": ["2026-11-27", None, None], "n": [5, 7, None], "x_error": [None] * 3}


def test_values_that_no_column_can_hold_become_texts() -> None:
    results = RowResults(5, MODEL)
    results.values = [date(2026, 11, 27), {"day": date(2026, 1, 1)}, 5, object, np.float64(1.5)]
    made = results.columns("x")["x"]
    assert made[:3] == ["2026-11-27", {"day": "2026-01-01"}, 5]
    assert made[3] == str(object)
    assert (made[4], type(made[4])) == (1.5, float)
