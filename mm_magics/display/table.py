"""A command's output (title, table, lines of text): Markdown in notebooks, aligned text elsewhere."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from itertools import zip_longest
from typing import TYPE_CHECKING

from mm_magics.text import MARKDOWN_ESCAPES, escape_controls

if TYPE_CHECKING:
    from rich.console import Console

WIDTH = 80
"""Columns of text that a table takes at most."""

UNLIMITED = sys.maxsize

LONGEST_WORD = 26
"""Columns of text. Longer words are broken where a table would be too wide."""

SHORT_CELL = 11
"""Columns of text. Shorter cells, such as prices, are not broken."""

_GAP = 2
_WORD = re.compile(r"[^\s\u2e80-\u9fff\uff00-\uffef]+|[^\s]")
"""What is not broken: Chinese and Japanese text can be broken anywhere."""

# MathJax reads the text that the Markdown makes, but not across elements.
_ESCAPES = MARKDOWN_ESCAPES | str.maketrans({mark: f"<span>\\{mark}</span>" for mark in "\\$"})


@dataclass(frozen=True)
class Table:
    """A command's output. Each of the `rows` has one string for each of the `columns`; `lines` follow the table."""

    title: str = ""
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    lines: Sequence[str] = ()

    def _repr_markdown_(self) -> str:
        parts = [f"**{_escape_markdown(self.title)}**"] if self.title else []
        if self.rows:
            table = [self.columns, ["---"] * len(self.columns), *self.rows]
            parts.append("\n".join("| " + " | ".join(map(_escape_markdown, row)) + " |" for row in table))
        return "\n\n".join([*parts, *map(_escape_markdown, self.lines)])

    def __repr__(self) -> str:
        return self.as_text(WIDTH)

    def as_text(self, width: int) -> str:
        """Return it as text whose table has at most this many columns of text."""
        title = [_one_line(self.title)] if self.title else []
        table = [[_one_line(cell) for cell in row] for row in (self.columns, *self.rows)]
        rows = _aligned(table, width) if self.rows else []
        return "\n".join([*title, *rows, *map(escape_controls, self.lines)])


class Tables(tuple[Table, ...]):
    """Several tables, one below the other."""

    def _repr_markdown_(self) -> str:
        return "\n\n".join(each._repr_markdown_() for each in self)

    def __repr__(self) -> str:
        return "\n\n".join(map(repr, self))


def _aligned(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """Return the rows, the first of which has the titles of the columns, as lines of at most this width.

    Cells that are too long continue on the next line. If there are too many columns, each row becomes a list.
    """
    widths = _widths(rows, width)
    if widths is not None:
        from rich.console import Console

        console = Console(file=StringIO())
        return [line for row in rows for line in _wrapped(row, widths, console)]
    titles, *others = rows
    lines: list[str] = []
    for row in others:
        pairs = [pair for pair in zip(titles, row, strict=True) if any(pair)]
        lines += [*([""] if lines else []), *_aligned(pairs, width)]
    return lines


def _widths(rows: Sequence[Sequence[str]], width: int) -> list[int] | None:
    """Return the width of each column; None if there are too many columns to show them side by side."""
    from rich.cells import cell_len

    columns = list(zip(*rows, strict=True))
    full = [max(map(cell_len, column)) for column in columns]
    words = [max(max(map(_longest_word, column)), max(map(_short_cell, column[1:]))) for column in columns]
    widths = [min(word, LONGEST_WORD) for word in words]
    spare = width - _GAP * (len(columns) - 1) - sum(widths)
    if spare < 0:
        return None
    missing = sorted((full[number] - least, number) for number, least in enumerate(widths))
    for done, (more, number) in enumerate(missing):
        added = min(more, spare // (len(missing) - done))
        widths[number] += added
        spare -= added
    return widths


def _longest_word(text: str) -> int:
    from rich.cells import cell_len

    return max((cell_len(word) for word in _WORD.findall(text)), default=0)


def _short_cell(text: str) -> int:
    from rich.cells import cell_len

    return width if (width := cell_len(text)) <= SHORT_CELL else 0


def _wrapped(row: Sequence[str], widths: Sequence[int], console: Console) -> list[str]:
    """Return the lines of one row of a table."""
    from rich.cells import set_cell_size
    from rich.text import Text

    cells = [
        [line.plain.rstrip() for line in Text(cell).wrap(console, max(width, 1))]
        for cell, width in zip(row, widths, strict=True)
    ]
    return [
        (" " * _GAP).join(set_cell_size(part, width) for part, width in zip(line, widths, strict=True)).rstrip()
        for line in zip_longest(*cells, fillvalue="")
    ]


def _one_line(text: str) -> str:
    return " ".join(escape_controls(text).split())


def _escape_markdown(text: str) -> str:
    """Return the text on one line, with all Markdown and HTML escaped."""
    return _one_line(text).translate(_ESCAPES)
