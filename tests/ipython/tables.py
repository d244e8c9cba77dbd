"""What commands return, as text for tests."""

from __future__ import annotations

from typing import Any

from rich.cells import cell_len

from mm_magics.display.table import UNLIMITED, Table, Tables


def as_text(shown: Any) -> str:
    """Return a command's tables with each row on one line, after a check that they fit and have Markdown."""
    tables = shown if isinstance(shown, Tables) else [shown]
    assert all(isinstance(each, Table) for each in tables)
    for each in tables:
        rows = [line for line in repr(each).splitlines() if line not in map(str, (*each.lines, each.title))]
        assert not each.rows or each.lines or max(map(cell_len, rows), default=0) <= 80
        assert each._repr_markdown_().strip()
    return "\n\n".join(each.as_text(UNLIMITED) for each in tables)
