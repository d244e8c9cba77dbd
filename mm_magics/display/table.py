"""What a command says: a title, a table, some lines; as Markdown in notebooks and as aligned text elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mm_magics.display.sanitize import visible


@dataclass(frozen=True)
class Table:
    """`rows` are strings, one for each of the `columns`; `lines` stand below the table."""

    title: str = ""
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    lines: Sequence[str] = ()

    def _repr_markdown_(self) -> str:
        parts = [f"**{_escaped(self.title)}**"] if self.title else []
        if self.rows:
            table = [self.columns, ["---"] * len(self.columns), *self.rows]
            parts.append("\n".join("| " + " | ".join(map(_escaped, row)) + " |" for row in table))
        return "\n\n".join([*parts, *map(_escaped, self.lines)])

    def __repr__(self) -> str:
        table = [[_one_line(cell) for cell in row] for row in (self.columns, *self.rows)] if self.rows else []
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        rows = [
            "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in table
        ]
        return "\n".join([*([_one_line(self.title)] if self.title else []), *rows, *map(visible, self.lines)])


def _one_line(text: str) -> str:
    return " ".join(visible(text).split())


def _escaped(text: str) -> str:
    """The text as inert Markdown on one line."""
    out = _one_line(text)
    for character in "\\`*_[]<>|$#~!":
        out = out.replace(character, f"\\{character}" if character not in "<>" else f"&{'lg'[character == '>']}t;")
    return out
