"""A command's output (title, table, lines of text): Markdown in notebooks, aligned text elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mm_magics.text import escape_controls

_HTML_ESCAPES = {"<": "&lt;", ">": "&gt;"}
_MARKDOWN_ESCAPES = str.maketrans({mark: _HTML_ESCAPES.get(mark, f"\\{mark}") for mark in "\\`*_[]<>|$#~!"})


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
        table = [[_one_line(cell) for cell in row] for row in (self.columns, *self.rows)] if self.rows else []
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        rows = [
            "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in table
        ]
        title = [_one_line(self.title)] if self.title else []
        return "\n".join([*title, *rows, *map(escape_controls, self.lines)])


def _one_line(text: str) -> str:
    return " ".join(escape_controls(text).split())


def _escape_markdown(text: str) -> str:
    """Return the text on one line, with all Markdown and HTML escaped."""
    return _one_line(text).translate(_MARKDOWN_ESCAPES)
