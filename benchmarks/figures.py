"""A figure: what was measured, what is asked of it, and the table of all of them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One line of the table. Holds if `measured` is at most `asked`; None: nothing is asked, it is only told.

    NaN is what could not be measured; it does not hold. `form` is how the two numbers are written (`{:.2f} ms`),
    `note` what else was seen.
    """

    name: str
    measured: float
    asked: float | None = None
    form: str = "{:.2f}"
    note: str = ""

    @property
    def holds(self) -> bool:
        return self.asked is None or self.measured <= self.asked

    def cells(self) -> tuple[str, str, str, str, str]:
        measured = "not measured" if math.isnan(self.measured) else self.form.format(self.measured)
        if self.asked is None:
            return self.name, measured, "", "", self.note
        asked = f"≤ {self.form.format(self.asked)}"
        return self.name, measured, asked, "yes" if self.holds else "NO", self.note


HEAD = ("figure", "measured", "asked", "holds", "seen with it")


def table(figures: Iterable[Figure]) -> str:
    """The figures as a Markdown table, its columns aligned."""
    rows = [HEAD, *(figure.cells() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = [_row(row, widths) for row in rows]
    lines.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
    return "\n".join(lines)


def _row(row: tuple[str, ...], widths: list[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
