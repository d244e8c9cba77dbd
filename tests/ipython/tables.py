"""What commands return, as text for tests."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from rich.cells import cell_len

from mm_magics.display.table import UNLIMITED, Table, Tables
from mm_magics.ipython import commands
from mm_magics.session import Session

SHELL: Any = SimpleNamespace(user_ns={})


def run(session: Session, line: str) -> Any:
    """Run a command without a kernel."""
    return commands.run(commands.Context(session, SHELL), line)


def output(session: Session, line: str) -> str:
    return as_text(run(session, line))


def as_text(shown: Any) -> str:
    """Return a command's tables with each row on one line, after a check that they fit and have Markdown."""
    tables = shown if isinstance(shown, Tables) else [shown]
    assert all(isinstance(each, Table) for each in tables)
    for each in tables:
        rows = [line for line in repr(each).splitlines() if line not in map(str, (*each.lines, each.title))]
        assert not each.rows or each.lines or max(map(cell_len, rows), default=0) <= 80
        assert each._repr_markdown_().strip()
    return "\n\n".join(each.as_text(UNLIMITED) for each in tables)
