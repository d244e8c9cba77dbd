"""The cells that a cell depends on: those that bind what it reads."""

from __future__ import annotations

import pytest

from mm_magics.history.cell_dependencies import MAX_CELLS, cells_needed, names_bound, names_read
from mm_magics.history.notebook_context import CellRun


def cells(*sources: str) -> list[CellRun]:
    return [CellRun(str(number), source) for number, source in enumerate(sources)]


CASES: dict[str, tuple[list[str], list[str]]] = {
    "a variable": (["x = 1", "y = 2", "x + 1"], ["0"]),
    "in two steps": (["x = 1", "y = x", "z = 3", "y + 1"], ["0", "1"]),
    "the last cell that binds it": (["x = 1", "x = 2", "x"], ["1"]),
    "an import": (["import numpy as np", "from a.b import c as d, e", "np.zeros(3), d"], ["0", "1"]),
    "a function and what it reads": (["k = 2", "def f(x):\n    return x * k", "f(1)"], ["0", "1"]),
    "a class": (["class A: pass", "A()"], ["0"]),
    "a loop": (["for i in range(3): pass", "i"], ["0"]),
    "with": (["with open('a') as file: text = file.read()", "text"], ["0"]),
    "a walrus": (["print(x := 1)", "x"], ["0"]),
    "IPython lines": (["%time\n!ls\nx = 1", "%matplotlib inline\nx"], ["0"]),
    "invalid code": (["x = 1", "print(x"], ["0"]),
    "a circle": (["x = y", "y = x", "x"], ["0", "1"]),
    "nothing": (["x = 1", "print('x')"], []),
    "our own cells": (["%%minimax\nx = 1", "%minimax usage", "x"], []),
}


@pytest.mark.parametrize(("sources", "needed"), CASES.values(), ids=CASES)
def test_the_cells_that_bind_what_it_reads_are_needed(sources: list[str], needed: list[str]) -> None:
    *others, cell = cells(*sources)
    assert [each.id for each in cells_needed(cell, others)] == needed
    assert [each.id for each in cells_needed(cell, [*others, cell])] == needed


def test_at_most_some_cells_are_needed() -> None:
    *others, cell = cells("x0 = 1", *(f"x{number} = x{number - 1}" for number in range(1, 50)), "x49")
    assert [each.id for each in cells_needed(cell, others)] == [str(each) for each in range(50 - MAX_CELLS, 50)]


@pytest.mark.parametrize("source", ["", "\0", "(" * 5000, "x = \ud800", "if True:\n\tx\n        y"])
def test_odd_code_raises_nothing(source: str) -> None:
    names_read(source)
    names_bound(source)
