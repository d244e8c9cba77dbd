"""The text that a model reads about a value or an error of a tool."""

from __future__ import annotations

import datetime
import decimal
import enum
import json
import math
import time
from collections import Counter, namedtuple
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pydantic
import pytest
from hypothesis import given

from mm_magics.errors import ToolError, ToolInputError
from mm_magics.tools.runtime.results import failure_of, output_of
from mm_magics.tools.tool import ToolOutput
from tests.pace import PATIENCE
from tests.test_layers import loaded
from tests.tools.schema.test_arguments import JSON


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


class Word(str, enum.Enum):  # noqa: UP042  the form before Python 3.11
    A = "a"


@dataclass
class Point:
    x: int
    parts: list[Any] = field(default_factory=list)


class Model(pydantic.BaseModel):
    when: datetime.date
    secret: pydantic.SecretStr = pydantic.SecretStr("hush")


class Speaks:
    def _repr_markdown_(self) -> str:
        return "**md**"


class Broken:
    def __repr__(self) -> str:
        raise ValueError("no text")


class Leaves:
    def __str__(self) -> str:
        raise SystemExit(3)


Pair = namedtuple("Pair", "a b")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is", "as it is"),
        ("", "(empty text)"),
        (" \n", "(empty text)"),
        (None, "(nothing)"),
        (True, "true"),
        (3, "3"),
        (0.1, "0.1"),
        (math.nan, "NaN"),
        ([], "[]"),
        ({"a": [1, None], "ü": "é"}, '{"a": [1, null], "ü": "é"}'),
        ({(1, 2): 3, np.int64(4): 5, None: 6, Colour.RED: 7}, '{"(1, 2)": 3, "4": 5, "None": 6, "red": 7}'),
        ((1, "a"), '[1, "a"]'),
        ({1}, "[1]"),
        (range(3), "[0, 1, 2]"),
        ({"a": 1}.values(), "[1]"),
        (Counter("aab"), '{"a": 2, "b": 1}'),
        (Pair(1, 2), '{"a": 1, "b": 2}'),
        (Colour.RED, "red"),
        (Level.LOW, "1"),
        ([Word.A, Level.LOW], '["a", 1]'),
        (Point(1, [Point(2)]), '{"x": 1, "parts": [{"x": 2, "parts": []}]}'),
        (Model(when="2026-01-02"), '{"when": "2026-01-02", "secret": "**********"}'),
        (datetime.datetime(2026, 1, 2, 3, 4), "2026-01-02T03:04:00"),
        ([datetime.date(2026, 1, 2), decimal.Decimal("1.50")], '["2026-01-02", "1.50"]'),
        (b"\x00" * 5_000, "[5,000 bytes]"),
        ([bytearray(3)], '["[3 bytes]"]'),
        (Speaks(), "**md**"),
        ({"a": Speaks()}, '{"a": "**md**"}'),
        (np.float64(1.5), "1.5"),
        (np.int32(3), "3"),
        (np.bool_(True), "true"),
        (np.datetime64("2026-01-02"), "2026-01-02"),
        (np.array([[1, 2], [3, 4]]), "[[1, 2], [3, 4]]"),
        (np.array(["2026-01-02"], dtype="datetime64[D]"), '["2026-01-02"]'),
        ({"a": np.arange(2)}, '{"a": [0, 1]}'),
        (ToolOutput("said", is_error=True), "said"),
    ],
)
def test_a_value_becomes_text_or_json(value: Any, text: str) -> None:
    assert output_of(value) == ToolOutput(text, isinstance(value, ToolOutput))


@pytest.mark.parametrize("frame", [pd.DataFrame({"a": range(30)}), pl.DataFrame({"a": range(30)})])
def test_a_data_frame_is_described_by_its_shape_and_head(frame: Any) -> None:
    text = output_of(frame).text
    assert text.startswith("30 rows × 1 column")
    assert "… 20 more rows" in text


def test_a_large_array_is_shown_by_its_shape_and_corners() -> None:
    text = output_of(np.zeros((1000, 1000))).text
    assert text.startswith("array of shape (1000, 1000), float64:\n[[0. 0. 0. ... 0.")
    assert len(text) < 500


@pytest.mark.parametrize(
    "value",
    [
        "x" * 5_000_000,
        list(range(1_000_000)),
        {n: n for n in range(300_000)},
        ["y" * 5_000_000],
        ToolOutput("x" * 5_000_000),
    ],
    ids=["text", "list", "dict", "long text in a list", "output"],
)
def test_a_huge_value_is_cut_visibly_and_costs_little(value: Any) -> None:
    started = time.perf_counter()
    text = output_of(value, 1_000).text
    assert time.perf_counter() - started < 0.5 * PATIENCE
    assert "\n… [cut here: " in text
    assert len(text) < 1_100


def test_a_cut_list_says_how_many_items_it_has() -> None:
    assert output_of(list(range(1_000_000)), 10).text == "[0, 1, 2, \n… [cut here: 1,000,000 items in all]"
    assert output_of([1, 2, 3], 9) == ToolOutput("[1, 2, 3]")


def test_a_limit_of_zero_cuts_nothing() -> None:
    assert len(output_of("x" * 200_000, 0).text) == 200_000
    assert json.loads(output_of(list(range(50_000)), 0).text) == list(range(50_000))


def test_circular_and_deeply_nested_values_are_marked() -> None:
    ring: list[Any] = [1]
    ring.append({"again": ring})
    point = Point(1)
    point.parts.append(point)
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert output_of(ring).text == '[1, {"again": "[circular reference]"}]'
    assert output_of(point).text == '{"x": 1, "parts": ["[circular reference]"]}'
    assert '"[nested too deep]"' in output_of(deep).text


@pytest.mark.parametrize("value", [Broken(), [Broken()], Leaves(), 10**10_000], ids=["repr", "inner", "exit", "int"])
def test_a_value_that_cannot_be_converted_is_an_error_result(value: Any) -> None:
    output = output_of(value)
    assert output.is_error
    assert f"a {type(value).__name__} that cannot be converted to text: " in output.text


@pytest.mark.fuzz
@given(JSON)
def test_json_values_are_unchanged(value: Any) -> None:
    output = output_of([value])
    assert not output.is_error
    assert len(output.text) > 20_000 or repr(json.loads(output.text)) == repr([value])


# Failures -------------------------------------------------------------------------------------------------------


def raised(function: Callable[..., Any]) -> BaseException:
    with pytest.raises(BaseException) as error:  # noqa: PT011  any at all
        function()
    return error.value


def inner(n: int) -> float:
    return 1 / n


def outer() -> float:
    return inner(0)


def test_a_failure_ends_with_the_calls_in_user_code_and_the_message() -> None:
    output = failure_of(raised(outer))
    lines = output.text.splitlines()
    assert output.is_error
    assert lines[-3].endswith(", in inner")
    assert [line for line in lines if line.startswith("    ")][-2:] == ["    return inner(0)", "    return 1 / n"]
    assert lines[-1] == "ZeroDivisionError: division by zero"


def test_calls_inside_libraries_and_this_package_are_left_out() -> None:
    def parse() -> Any:
        return json.loads("{")

    text = failure_of(raised(parse)).text
    assert 'json.loads("{")' in text
    assert "raw_decode" not in text

    def ours() -> Any:
        return output_of(1, "a")  # type: ignore[arg-type]

    text = failure_of(raised(ours)).text
    assert ', in ours\n    return output_of(1, "a")' in text
    assert "in _json" not in text


def test_a_notebook_cell_in_a_traceback_is_named_a_cell() -> None:
    code = compile("def f():\n    return 1 / 0", "ipykernel_123/456.py", "exec")
    namespace: dict[str, Any] = {}
    exec(code, namespace)
    assert "In a cell, line 2, in f\n" in failure_of(raised(namespace["f"])).text


def test_the_file_names_that_ipykernel_gives_cells_are_recognized() -> None:
    name = pytest.importorskip("ipykernel.compiler").get_file_name("def f(): 1 / 0")
    namespace: dict[str, Any] = {}
    exec(compile("def f(): 1 / 0", name, "exec"), namespace)
    assert "In a cell, line 1, in f" in failure_of(raised(namespace["f"])).text


def test_of_a_tool_error_only_the_message_is_shown() -> None:
    assert failure_of(ToolError("No such file.", "List the folder.")).text == "No such file.\nList the folder."
    assert failure_of(ToolInputError("a: required, but missing.")).text == "a: required, but missing."


class MuteError(Exception):
    def __str__(self) -> str:
        raise ValueError("no")


def test_every_error_becomes_text() -> None:
    assert failure_of(SystemExit(2)).text == "SystemExit: 2"
    assert "MuteError" in failure_of(MuteError()).text
    noted = ValueError("bad")
    noted.add_note("try again")
    assert failure_of(noted).text == "ValueError: bad\ntry again"
    assert failure_of(ExceptionGroup("both", [ValueError("a")])).text.startswith("ExceptionGroup: both")


def test_a_long_failure_is_cut_and_keeps_its_message() -> None:
    def fail() -> None:
        raise ValueError("x" * 5_000_000)

    text = failure_of(raised(fail), 1_000).text
    assert text.startswith("ValueError: xxx")
    assert "more characters]" in text
    assert len(text) < 1_100

    def deep(n: int) -> None:
        if n:
            deep(n - 1)
        else:
            raise ValueError("bottom")

    text = failure_of(raised(lambda: deep(500))).text
    assert text.count(", in deep") == 5
    assert text.endswith("ValueError: bottom")
    assert failure_of(raised(lambda: deep(500)), 60).text == "ValueError: bottom"


def test_importing_the_results_is_fast() -> None:
    found = loaded("import mm_magics.tools.runtime.results")
    assert not {name for name in found if name.split(".")[0] in ("pydantic", "numpy", "pandas", "narwhals")}
