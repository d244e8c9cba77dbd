"""The parts of a map run that need no endpoint: rows, and the text of a row."""

from __future__ import annotations

from base64 import b64encode
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mm_magics.batch import frames
from mm_magics.batch.row import MissingColumnError, Row, is_missing
from mm_magics.batch.row_template import RowTemplate, RowText, row_message
from mm_magics.batch.rows import Rows, column_values
from mm_magics.errors import PromptError, UsageError
from tests.batch.simulated import FRAMES, column_names, column_of
from tests.prompt.test_images import saved

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


NAMES = ["items", "values", "keys", "get", "_values", "__len", "_part", "name", "index", "columns"]


@pytest.mark.parametrize("kind", FRAMES)
def test_a_column_has_precedence_over_every_method(kind: str) -> None:
    columns = {name: [f"the {name}"] for name in [*NAMES, "other"]}
    (row,) = Rows(FRAMES[kind](columns))
    for name in NAMES:
        assert getattr(row, name) == row[name] == f"the {name}"
        assert RowTemplate(f"{{{{ row.{name} }}}}", {}, 0)(row) == f"the {name}"
    assert {name: row[name] for name in row} == {name: value for name, (value,) in columns.items()}
    assert "'items': 'the items'" in repr(row)


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize("method", ["items", "values", "keys", "get"])
def test_a_method_is_never_sent_in_place_of_a_column(kind: str, method: str) -> None:
    (row,) = Rows(FRAMES[kind]({"secret": ["4711"], "text": ["a"]}))
    with pytest.raises(PromptError, match=f"there is no column {method}") as caught:
        RowTemplate(f"{{{{ row.{method} }}}}", {}, 0)(row)
    assert "4711" not in str(caught.value)
    assert dict(row.items())["text"] == "a"


ANY_NAMES: list[tuple[pd.DataFrame, str, str]] = [
    (pd.DataFrame([["a", "b"]]), "row[1]", "b"),
    (pd.DataFrame([["a", "b"]], columns=[None, "x"]), "row[None]", "a"),
    (pd.DataFrame([["a", "b"]], columns=pd.MultiIndex.from_tuples([("t", "de"), ("t", "en")])), 'row["t", "en"]', "b"),
    (pd.DataFrame([["a", "b", "c"]], columns=["x", "x", "y"]), "row.y", "c"),
    (pd.DataFrame([["a", "b"]], columns=pd.to_datetime(["2026-01-01", "2026-01-02"])), "[*row.values()][1]", "b"),
    (pd.DataFrame([["a", "b"]], columns=[1.5, True]), "row[1.5]", "a"),
]


@pytest.mark.parametrize(("frame", "expression", "expected"), ANY_NAMES, ids=[each[1] for each in ANY_NAMES])
def test_columns_of_pandas_may_have_any_names(frame: pd.DataFrame, expression: str, expected: str) -> None:
    rows = Rows(frame)
    (row,) = rows
    template = RowTemplate(f"{{{{ {expression} }}}}", {}, 0)
    assert (template.missing_columns(rows.columns), template(row)) == ([], expected)
    made = rows.with_columns({"answer": ["yes"], "answer_error": [None]})
    assert list(made.columns[:-2]) == list(frame.columns)
    assert made.iloc[0, -2] == "yes"


def test_columns_of_the_same_name_are_an_error_only_where_they_are_used() -> None:
    (row,) = Rows(pd.DataFrame([["a", "b", "c"]], columns=["x", "x", "y"]))
    with pytest.raises(MissingColumnError, match="2 columns are called x; rename them"):
        _ = row.x
    (row,) = Rows(pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["x", "x"]))
    with pytest.raises(MissingColumnError, match="2 columns are called x; rename them"):
        _ = row["x"]


GAPS: list[tuple[Any, list[str]]] = [
    (pd.DataFrame({"n": [1, None, 3]}), ["1", "", "3"]),
    (pd.DataFrame({"n": [1.0, 2.0]}), ["1.0", "2.0"]),
    (pd.DataFrame({"n": [1.5, None]}), ["1.5", ""]),
    (pd.DataFrame({"n": [1e300, None]}), ["1e+300", ""]),
    (pd.DataFrame({"n": [float("inf"), None]}), ["inf", ""]),
    (pd.DataFrame({"n": pd.array([1, None], dtype="Int64")}), ["1", ""]),
    (pd.DataFrame({"n": pd.array([1, None], dtype="float32")}), ["1", ""]),
    (pd.DataFrame({"n": [None, None]}, dtype="float64"), ["", ""]),
    (pl.DataFrame({"n": [1, None]}), ["1", ""]),
    (pl.DataFrame({"n": [1.0, None]}), ["1.0", ""]),
    (pa.table({"n": [1, None]}), ["1", ""]),
]


@pytest.mark.parametrize(("data", "texts"), GAPS)
def test_an_integer_column_with_gaps_has_integers(monkeypatch: pytest.MonkeyPatch, data: Any, texts: list[str]) -> None:
    monkeypatch.setattr("mm_magics.batch.rows.READ_ROWS", 1)
    assert ["" if row.n is None else str(row.n) for row in Rows(data)] == texts


class Shapes(pd.DataFrame):
    """A subclass with metadata, as GeoDataFrame is."""

    _metadata = ("crs",)

    @property
    def _constructor(self) -> type[Shapes]:
        return Shapes


def test_a_subclass_its_metadata_and_attrs_survive() -> None:
    frame = Shapes({"text": ["a", "b"]}, index=pd.Index([5, 5], name="id"))
    frame.crs, frame.attrs["source"] = "EPSG:4326", "survey"
    made = Rows(frame).with_columns({"answer": ["x", None]})
    assert (type(made), made.crs, made.attrs) == (Shapes, "EPSG:4326", {"source": "survey"})
    assert (made.index.name, list(made.index), made.answer.iloc[0]) == ("id", [5, 5], "x")
    assert list(frame.columns) == ["text"]


def test_a_series_becomes_a_frame_with_its_index() -> None:
    rows = Rows(pd.Series(["a", "b"], index=["x", "y"], name="review"))
    assert list(rows) == ["a", "b"]
    made = rows.with_columns({"answer": ["1", "2"], "answer_error": [None, None]})
    assert (list(made.columns), list(made.index)) == (["review", "answer", "answer_error"], ["x", "y"])
    answers = rows.answers("answer", ["1", "2"])
    assert (answers["y"], answers.name) == ("2", "answer")
    made = Rows(pl.Series(["a"])).with_columns({"answer": ["1"]})
    assert made.to_dicts() == [{"row": "a", "answer": "1"}]


class Stream:
    """A library that offers its data as an Arrow stream, as DuckDB and Ibis do."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return pa.table({"text": ["a", "b"]}).__arrow_c_stream__(requested_schema)


TABLES: dict[str, Any] = {
    "record batch": lambda: pa.RecordBatch.from_pydict({"text": ["a", "b"]}),
    "reader": lambda: pa.table({"text": ["a", "b"]}).to_reader(),
    "stream": Stream,
}


@pytest.mark.parametrize("kind", TABLES)
def test_whatever_offers_arrow_data_becomes_a_table(kind: str) -> None:
    rows = Rows(TABLES[kind]())
    assert [row.text for row in rows] == ["a", "b"]
    made = rows.with_columns({"answer": ["x", None]})
    assert (type(made), made.column_names) == (pa.Table, ["text", "answer"])


def test_a_lazy_frame_is_collected() -> None:
    rows = Rows(pl.LazyFrame({"text": ["a", "b"]}).filter(pl.col("text") == "b"))
    assert [row.text for row in rows] == ["b"]
    assert type(rows.with_columns({"answer": ["x"]})) is pl.DataFrame


@pytest.mark.parametrize("as_text", [True, False])
def test_rows_are_read_from_files(tmp_path: Path, as_text: bool) -> None:
    table = pa.table({"text": ["a", "b"]})
    pq.write_table(table, tmp_path / "rows.parquet")
    (tmp_path / "rows.jsonl").write_text('{"text": "a"}\n\n{"text": "b"}\n')
    (tmp_path / "many.parquet").mkdir()
    for number in range(2):
        pq.write_table(table.slice(number, 1), tmp_path / "many.parquet" / f"{number}.parquet")
    for name in ("rows.parquet", "rows.jsonl", "many.parquet"):
        path = tmp_path / name
        rows = Rows(str(path) if as_text else path)
        assert [row.text for row in rows] == ["a", "b"]
        assert type(rows.with_columns({"x": [1, 2]})) is (list if name == "rows.jsonl" else pa.Table)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", "{", "line 1 is not JSON"),
        ("a.parquet", "text", "cannot be read: "),
        ("a.csv", "a,b", "is not a file of rows.\nPass data, or a file that ends with .parquet, .jsonl, .ndjson."),
    ],
)
def test_a_file_without_rows_is_an_error(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UsageError) as caught:
        Rows(tmp_path / name)
    assert message in str(caught.value)
    assert str(caught.value).count("\n") <= 1


def test_only_the_columns_that_are_used_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, frame in (("pandas", "PandasFrame"), ("pyarrow", "ArrowFrame"), ("polars", "NarwhalsFrame")):
        read: list[int] = []
        original = getattr(frames, frame).read

        def counted(self: Any, position: int, *rest: Any, original: Any = original, read: list[int] = read) -> Any:
            read.append(position)
            return original(self, position, *rest)

        monkeypatch.setattr(f"mm_magics.batch.frames.{frame}.read", counted)
        data = FRAMES[kind]({f"c{number}": [number] * 3 for number in range(50)})
        template = RowTemplate("{{ row.c7 }}", {}, 0)
        assert [template(row) for row in Rows(data)] == ["7"] * 3
        assert read == [7]


MISSING = [
    None,
    float("nan"),
    np.float64("nan"),
    np.float32("nan"),
    np.datetime64("NaT"),
    np.timedelta64("NaT"),
    Decimal("NaN"),
    Decimal("sNaN"),
    pd.NA,
    pd.NaT,
]


@pytest.mark.parametrize("value", MISSING)
@pytest.mark.parametrize("kind", [*FRAMES, "items"])
def test_missing_values_are_recognized_in_every_kind_of_data(kind: str, value: Any) -> None:
    if kind in ("polars", "pyarrow") and value is not None:
        return  # they have one kind of missing value
    (row,) = Rows([value]) if kind == "items" else Rows(FRAMES[kind]({"x": [value]}))
    template = RowTemplate("{{ row }}" if kind == "items" else "{{ row.x }}", {}, 0)
    with pytest.raises(PromptError, match="it has no value in this row"):
        template(row)


@pytest.mark.parametrize("value", MISSING)
def test_missing_values_are_recognized(value: Any) -> None:
    assert is_missing(value)
    assert Row({"x": value}).x is None


@pytest.mark.parametrize(
    "value", [0, "", "nan", 0.0, float("inf"), [], False, Decimal(1), np.float32(1), np.array([1.0])]
)
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


def test_a_polars_frame_needs_a_usable_narwhals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mm_magics.packages._usable", set())
    monkeypatch.setattr("mm_magics.packages.metadata_version", lambda _name: "1.0")
    with pytest.raises(UsageError) as caught:
        Rows(pl.DataFrame({"text": ["a"]}))
    assert str(caught.value).startswith("Data frames cannot be used: narwhals 1.0 is installed, but mm-magics needs ")
    assert list(Rows(["a"])) == ["a"]


def test_a_list_with_a_method_named_collect_is_not_a_lazy_frame() -> None:
    class Items(list[str]):
        def collect(self) -> None: ...

    assert list(Rows(Items(["a"]))) == ["a"]


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


@pytest.mark.parametrize("data", [[{"t": "a"}, {"t": "b"}], ["a", "b"], pd.DataFrame({"t": ["a", "b"]})], ids=str)
@pytest.mark.parametrize(
    "columns", [{"x": [1, 2], "y": [1]}, {"x": [1, 2], "y": [1, 2, 3]}, {"x": [1] * 3, "y": [1] * 3}]
)
def test_columns_of_another_length_are_never_cut(data: Any, columns: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        Rows(data).with_columns(columns)


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


def test_a_row_with_images_has_them_before_its_text() -> None:
    template = RowTemplate("{{ row.a }}, {{ row.b }} and {{ row.a }} of {{ row.n }}", {}, 0)
    one, two = saved("PNG"), saved("GIF")
    text = template(Row({"a": one, "b": two, "n": 5}))
    assert text == "[image 1], [image 2] and [image 1] of 5"
    content = row_message(text)["content"]
    assert [each["text"] if each["type"] == "text" else each["source"]["data"] for each in content] == [  # type: ignore[index]
        "[image 1]:",
        b64encode(one).decode(),
        "[image 2]:",
        b64encode(two).decode(),
        text,
    ]
    assert type(content[-1]["text"]) is str  # type: ignore[index]


def test_a_row_without_images_is_a_message_of_its_text() -> None:
    text = RowTemplate("{{ row.a }}", {}, 0)(Row({"a": "b"}))
    assert type(text) is str
    for each in (text, RowText(text)):
        assert row_message(each) == {"role": "user", "content": [{"type": "text", "text": "b"}]}


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
