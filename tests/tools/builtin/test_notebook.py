"""The tools of `--tools notebook`: what they return of cells, errors and variables, and what they refuse."""

from __future__ import annotations

import time
from typing import Any

import pytest

from mm_magics.errors import ToolInputError
from mm_magics.history.notebook import Cell, Document
from mm_magics.history.shown_cells import ShownCell, shown_cells
from mm_magics.history.turn import MIME_TYPE
from mm_magics.tools.builtin.bounded_text import LIMIT
from mm_magics.tools.builtin.notebook import notebook_tools
from tests.pace import PATIENCE

ERROR = {
    "output_type": "error",
    "ename": "KeyError",
    "evalue": "'age'",
    "traceback": [*(f"\x1b[31mframe {number}\x1b[0m" for number in range(40)), "KeyError: 'age'"],
}
ANSWER = {"output_type": "display_data", "data": {MIME_TYPE: {}, "text/plain": "an answer"}}
TABLE = {"output_type": "display_data", "data": {"text/html": "<table><tr><th>n</th></tr><tr><td>1</td></tr></table>"}}


def page(*cells: Cell) -> list[ShownCell]:
    return shown_cells(Document("notes.ipynb", 0.0, list(cells)), {})


NOTEBOOK = page(
    Cell("aaaa1111", "markdown", "# Ages\nFrom a survey."),
    Cell("aaaa2222", "code", "import pandas as pd\nframe = pd.read_csv('a.csv')", [TABLE]),
    Cell("bbbb", "code", "frame['age']", [ERROR]),
    Cell("cccc", "code", "%%minimax\nWhy?", [ANSWER]),
    Cell("dddd", "raw", ""),
)


def call(name: str, cells: list[ShownCell] = NOTEBOOK, /, **arguments: Any) -> str:
    namespace = {"ages": [1, 2, 3], "word": "text", "_hidden": 1}
    tools = {tool.name: tool for tool in notebook_tools(namespace, lambda: cells)}
    return str(tools[name].function(**tools[name].check(arguments)))


def test_the_outline_has_one_line_for_each_cell() -> None:
    assert call("read_cells").splitlines() == [
        "5 cells:",
        "[1 #aaaa1, markdown] # Ages … (2 lines)",
        "[2 #aaaa2, code] import pandas as pd … (2 lines)",
        "[3 #bbbb, code] frame['age'] → KeyError",
        "[4 #cccc, code] %%minimax … (2 lines)",
        "[5 #dddd, raw] (empty)",
    ]
    assert call("read_cells", []) == "The notebook has no cells."


@pytest.mark.parametrize("cells", ["2", "#aaaa2", "aaaa2222", " 2 ", "#aaaa2, 2", "2-2", "2,2-2"])
def test_a_cell_is_named_by_number_or_name_and_returned_once(cells: str) -> None:
    expected = "[2 #aaaa2, code]\nimport pandas as pd\nframe = pd.read_csv('a.csv')\n[output]\n| n |\n"
    text = call("read_cells", cells=cells)
    assert text.startswith(expected)
    assert text.count("[2 ") == 1


def test_ranges_and_lists_have_the_order_in_which_they_are_named() -> None:
    text = call("read_cells", cells="4-9, 1")
    assert [line for line in text.splitlines() if line.startswith("[")] == [
        "[4 #cccc, code]",
        "[5 #dddd, raw]",
        "[1 #aaaa1, markdown]",
    ]
    assert "an answer" not in text


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ("0", "There are no cells 0: the notebook has cells 1 to 5."),
        ("6-7", "There are no cells 6-7"),
        ("3-2", "There are no cells 3-2"),
        ("#zzzz", "There is no cell #zzzz."),
        ("aaaa", "aaaa is the beginning of 2 cells: #aaaa1, #aaaa2."),
        ("1,,2", "There is no cell"),
        ("#", "There is no cell"),
    ],
)
def test_a_cell_that_is_not_there_is_an_error_for_the_model(cells: str, message: str) -> None:
    with pytest.raises(ToolInputError, match=message):
        call("read_cells", cells=cells)


def test_what_does_not_fit_is_cut_or_named() -> None:
    long = page(*(Cell(f"{number:08}", "code", f"x{number}" + "y" * (LIMIT // 3)) for number in range(1, 9)))
    text = call("read_cells", long, cells="1-8")
    assert len(text) < 1.1 * LIMIT
    assert text.endswith('[These did not fit: read_cells(cells="3, 4, 5, 6, 7, 8")]')
    (large,) = page(Cell("a", "code", "x" * 5 * LIMIT, [{"output_type": "stream", "text": "y" * 5_000_000}]))
    text = call("read_cells", [large], cells="1")
    assert len(text) < 1.1 * LIMIT
    assert "more characters" in text


def test_the_outline_of_a_large_notebook_lists_headings_and_errors() -> None:
    code = [Cell(f"{number:08}", "code", "x = 1\n" * 9) for number in range(10_000)]
    text = call("read_cells", page(Cell("head", "markdown", "# Title"), *code, Cell("last", "code", "y", [ERROR])))
    assert text.splitlines() == [
        "10,002 cells, of which only headings and errors are listed. Read the others by their numbers:",
        "[1 #head, markdown] # Title",
        "[10002 #last, code] y → KeyError",
    ]


def test_errors_have_the_end_of_their_traceback() -> None:
    lines = call("get_errors").splitlines()
    assert lines[0] == "[3 #bbbb, code]"
    assert lines[-1] == "KeyError: 'age'"
    assert "frame 39" in lines
    assert "frame 5" not in lines
    assert call("get_errors", []) == "No cell shows an error."


def test_a_variable_has_its_kind_and_its_value() -> None:
    assert call("read_variable", name="ages") == "ages: list, 3 items\n[1, 2, 3]"
    assert call("read_variable", name="word") == "word: str, 4 characters\ntext"
    with pytest.raises(ToolInputError, match=r"There is no variable age\. There is ages\."):
        call("read_variable", name="age")


@pytest.mark.parametrize("cells", ["", "1-10000", "names"])
def test_a_notebook_of_ten_thousand_cells_is_read_within_its_limit_and_fast(cells: str) -> None:
    output = {"output_type": "stream", "text": "x" * 500}
    large = [
        Cell(f"{number * 2_654_435_761 % 2**32:08x}-{number}", "code", f"x = {number}\nprint(x)", [output])
        for number in range(10_000)
    ]
    document = Document("notes.ipynb", 0.0, [*large, Cell("failed", "code", "1 / 0", [ERROR])])
    names = ", ".join(f"#{each.name}" for each in shown_cells(document, {})[::10])
    started = time.perf_counter()
    text = call("read_cells", shown_cells(document, {}), cells=names if cells == "names" else cells)
    assert time.perf_counter() - started < PATIENCE
    assert len(text) < LIMIT * 1.1
    assert cells or "[10001 #fail" in text
