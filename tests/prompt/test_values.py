"""How Python values become prompt text: frames, objects with a representation of their own, and cut values."""

from __future__ import annotations

import datetime
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from mm_magics.prompt.template import render
from mm_magics.prompt.values import VALUE_LIMIT, as_text


class Markdown:
    def _repr_markdown_(self) -> str:
        return "**md**"

    def __str__(self) -> str:
        return "plain"


class Named:
    def __init__(self, name: str) -> None:
        self.name = name

    def _ai_repr_(self) -> str:
        return f"named {self.name}"


class ForModels(Markdown):
    def _ai_repr_(self) -> str:
        return "for models"


class Nothing(Markdown):
    def _ai_repr_(self) -> None:
        return None


class WithMetadata:
    def _repr_markdown_(self) -> tuple[str, dict[str, Any]]:
        return "with metadata", {"a": 1}


class Anything:
    """Has every attribute, as proxies and mocks do."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: "anything"

    def __str__(self) -> str:
        return "an object"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (ForModels(), "for models"),
        (Named("Ada"), "named Ada"),
        (Markdown(), "**md**"),
        (Nothing(), "**md**"),
        (WithMetadata(), "with metadata"),
        (Anything(), "an object"),
        (Markdown, "Markdown"),
        ("{{ x }}", "{{ x }}"),
        (1.5, "1.5"),
        (None, "None"),
        ([1, "a"], "[1, 'a']"),
        (b"x", "b'x'"),
    ],
)
def test_a_value_uses_the_first_of_its_ai_repr_markdown_and_str(value: Any, expected: str) -> None:
    assert as_text(value).endswith(expected) or expected in as_text(value)
    if not isinstance(value, type):
        assert as_text(value) == expected


# Frames ---------------------------------------------------------------------------------------------------------

COLUMNS = {"city": ["Oslo", "Rome|Roma"], "n": [1, 2]}
BODY = "| city | n |\n| --- | --- |\n| Oslo | 1 |\n| Rome\\|Roma | 2 |"


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_a_frame_is_a_markdown_table_with_shape_and_dtypes(make: Any) -> None:
    text = as_text(make(COLUMNS))
    head, _, table = text.partition("\n\n")
    assert head == "2 rows × 2 columns (city: String, n: Int64)"
    assert table == BODY


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_a_long_frame_shows_its_first_rows_and_how_many_more_it_has(make: Any) -> None:
    text = as_text(make({"n": list(range(12_345))}))
    assert text.startswith("12,345 rows × 1 column")
    assert text.endswith("| 9 |\n… 12,335 more rows")
    assert "| 10 |" not in text


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table])
def test_a_frame_of_ten_rows_is_complete(make: Any) -> None:
    assert as_text(make({"n": list(range(10))})).endswith("| 8 |\n| 9 |")
    assert as_text(make({"n": list(range(12))})).endswith("| 9 |\n… 2 more rows")


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_a_frame_without_rows_or_columns_is_shown(make: Any) -> None:
    assert as_text(make({"a": []})).startswith("0 rows × 1 column")
    assert as_text(make()).startswith("0 rows × 0 columns")


@pytest.mark.parametrize("value", [pd.Series([1, 2], name="n"), pl.Series("n", [1, 2]), pd.Series([1, 2])])
def test_a_series_is_a_table_of_one_column(value: Any) -> None:
    assert as_text(value).startswith("2 rows × 1 column")
    assert as_text(value).endswith("| 1 |\n| 2 |")


def test_a_meaningful_index_becomes_a_column() -> None:
    frame = pd.DataFrame({"n": [1, 2]}, index=pd.Index(["a", "b"], name="key"))
    assert as_text(frame).endswith("| key | n |\n| --- | --- |\n| a | 1 |\n| b | 2 |")
    assert "| index | n |" in as_text(frame.rename_axis(None))
    assert "| city | year | n |" in as_text(pd.DataFrame(COLUMNS | {"year": [1, 2]}).set_index(["city", "year"]))
    assert "| a | 1 |" in as_text(frame["n"])


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"n": [1, 2]}, index=pd.Index([5, 6], name="n")),
        pd.DataFrame([[1, 2], [3, 4]], columns=["n", "n"]),
        pd.DataFrame([[1, 2], [3, 4]]),
        pd.DataFrame([[1, 2], [3, 4]], columns=[1, "a"]),
        pd.DataFrame({"g": ["a", "b"], "n": [1, 2]}).groupby("g").agg({"n": ["min", "max"]}),
        pd.DataFrame({"n": [1, 2]}, index=pd.to_datetime(["2026-01-01", "2026-01-02"])),
        pd.DataFrame({"n": pd.Categorical(["a", "b"]), "d": pd.to_timedelta([1, 2], unit="s")}),
        pd.DataFrame({"n": [None, float("nan")], "o": [{"a": 1}, [2]]}),
        pd.DataFrame({"n": [1 + 2j, 3]}),
        pd.DataFrame({"p": pd.period_range("2026-01", periods=2, freq="M")}),
        pd.DataFrame({"i": pd.interval_range(0, 2)}),
        pl.DataFrame({"n": [[1], [2, 3]], "s": [{"a": 1}, {"a": 2}], "d": [datetime.date(2026, 1, 1)] * 2}),
    ],
)
def test_every_kind_of_frame_shows_its_shape(frame: Any) -> None:
    assert as_text(frame).startswith("2 rows × ")
    assert as_text(frame).count("\n| ") >= 3


@pytest.mark.parametrize(
    "value",
    [
        pd.Timestamp("2026-01-01"),
        pd.NA,
        pd.NaT,
        pd.Index([1, 2]),
        pd.DataFrame({"a": [1]}).groupby("a"),
        pd.Categorical(["a"]),
        pl.LazyFrame({"a": [1]}),
        pl.col("a"),
        pl.Int64,
    ],
)
def test_other_values_are_written_with_str(value: Any) -> None:
    assert as_text(value) == str(value)


def test_a_cell_with_newlines_and_bars_stays_in_its_row() -> None:
    assert as_text(pd.DataFrame({"a": ["x\ny|z\r\nw"]})).splitlines()[-1].count(" |") == 1
    assert as_text(pd.DataFrame({"a": ["x\ny|z"]})).splitlines()[-1] == "| x y\\|z |"


def test_repeated_column_names_are_numbered() -> None:
    frame = pd.DataFrame([[1, 2, 3, 4]], columns=["n", "m", "n", "n"])
    assert "| n | m | n (2) | n (3) |" in as_text(frame)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (
            pd.DataFrame([[1, 2, 3, 4]], columns=["n", "m", "n", "n"]),
            "1 row × 4 columns (n: Int64, m: Int64, n (2): Int64, n (3): Int64)\n\n"
            "| n | m | n (2) | n (3) |\n| --- | --- | --- | --- |\n| 1 | 2 | 3 | 4 |",
        ),
        (
            pd.DataFrame({"n": [1, 2]}, index=pd.Index([5, 6], name="n")),
            "2 rows × 2 columns (n: Int64, n (2): Int64)\n\n| n | n (2) |\n| --- | --- |\n| 5 | 1 |\n| 6 | 2 |",
        ),
        (
            pd.Series([7], index=pd.Index(["a"], name="k"), name="n"),
            "1 row × 2 columns (k: String, n: Int64)\n\n| k | n |\n| --- | --- |\n| a | 7 |",
        ),
        (pl.Series("n", [1, 2]), "2 rows × 1 column (n: Int64)\n\n| n |\n| --- |\n| 1 |\n| 2 |"),
        (pa.table({"n": [1]}), "1 row × 1 column (n: Int64)\n\n| n |\n| --- |\n| 1 |"),
        (
            pl.DataFrame({"n": range(11)}),
            "11 rows × 1 column (n: Int64)\n\n| n |\n| --- |\n"
            + "".join(f"| {n} |\n" for n in range(10))
            + "… 1 more row",
        ),
    ],
)
def test_the_whole_text_of_a_frame(value: Any, text: str) -> None:
    assert as_text(value) == text


# Cutting --------------------------------------------------------------------------------------------------------


def test_a_long_value_is_cut_and_says_so() -> None:
    text = as_text("x" * (VALUE_LIMIT + 1_234))
    assert text == "x" * VALUE_LIMIT + "\n… [cut here: 1,234 more characters]"
    assert as_text("x" * VALUE_LIMIT) == "x" * VALUE_LIMIT
    assert as_text("abcdef", 3).startswith("abc\n… [cut here: 3 more")
    assert as_text("x" * 300_000, 0) == "x" * 300_000


def test_only_the_value_is_cut() -> None:
    assert render("{{ v }}" + "y" * 50, {"v": "x" * 9}, limit=4) == "xxxx\n… [cut here: 5 more characters]" + "y" * 50
