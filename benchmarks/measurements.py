"""One measurement, the limit that it must meet, and the table of all measurements."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

HEAD = ("metric", "measured", "limit", "met", "details")


@dataclass(frozen=True)
class Measurement:
    """One row of the table.

    Attributes:
        name: What was measured.
        value: The measured value; NaN if it could not be measured, which meets no limit.
        limit: The largest value allowed; None if there is no limit.
        form: The format of the two numbers, for example `{:.2f} ms`.
        note: Further details.
    """

    name: str
    value: float
    limit: float | None = None
    form: str = "{:.2f}"
    note: str = ""

    @property
    def is_met(self) -> bool:
        return self.limit is None or self.value <= self.limit

    def cells(self) -> tuple[str, str, str, str, str]:
        value = "not measured" if math.isnan(self.value) else self.form.format(self.value)
        if self.limit is None:
            return self.name, value, "", "", self.note
        return self.name, value, f"≤ {self.form.format(self.limit)}", "yes" if self.is_met else "NO", self.note


def table(measurements: Iterable[Measurement]) -> str:
    """Format the measurements as a Markdown table with aligned columns."""
    rows = [HEAD, *(measurement.cells() for measurement in measurements)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = [_row(row, widths) for row in rows]
    lines.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
    return "\n".join(lines)


def _row(row: tuple[str, ...], widths: list[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
