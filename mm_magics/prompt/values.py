"""Write Python values as prompt text.

Text that is cut says so at the cut.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from mm_magics.packages import require
from mm_magics.wording import counted

_FRAME_LIBRARIES = {"pandas", "polars", "pyarrow"}
HEAD_ROWS = 10
HEAD_COLUMNS = 20
"""Columns of a data frame that are written; the others are counted."""

VALUE_LIMIT = 100_000
"""Characters of one value that are sent, unless a setting says otherwise."""


def as_text(value: Any, limit: int = VALUE_LIMIT) -> str:
    """Write a value as prompt text, of at most `limit` characters (0: no limit).

    A string is used unchanged. Then the first of these that a value has: `_ai_repr_`, `_repr_markdown_`, the first rows
    and columns of a data frame (pandas and its subclasses, Styler, Polars, PyArrow) as a Markdown table with its shape
    and dtypes, the shape and dtype of an array (NumPy, PyTorch, xarray and others) before its `str`, `str`.
    """
    return cut(_text(value), limit)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    for name in ("_ai_repr_", "_repr_markdown_"):
        method = getattr(type(value), name, None)
        if method is not None:
            text = method(value)
            text = text[0] if isinstance(text, tuple) else text
            if text is not None:
                return str(text)
    is_frame = bool(_FRAME_LIBRARIES & {each.__module__.partition(".")[0] for each in type(value).__mro__})
    return (_frame_text(value) if is_frame else _array_text(value)) or str(value)


def cut(text: str, limit: int) -> str:
    """Return at most `limit` characters of the text (0: no limit), followed by how many were cut."""
    if not limit or len(text) <= limit:
        return text
    return f"{text[:limit]}\n… [cut here: {counted(len(text) - limit, 'more character')}]"


def _frame_text(value: Any) -> str | None:
    """Return a data frame's shape, dtypes and first rows as Markdown; None for another value of its library."""
    require("narwhals", "Data frames")
    import narwhals

    value = _indexed(value.data if type(value).__name__ == "Styler" else value)
    frame = narwhals.from_native(value, eager_only=True, allow_series=True, pass_through=True)
    if isinstance(frame, narwhals.Series):
        frame = frame.to_frame()
    if not isinstance(frame, narwhals.DataFrame):
        return None
    rows, columns = frame.shape
    frame = frame[:, :HEAD_COLUMNS]
    more_columns = f", … {counted(columns - HEAD_COLUMNS, 'more column')}" if columns > HEAD_COLUMNS else ""
    more_rows = f"\n… {counted(rows - HEAD_ROWS, 'more row')}" if rows > HEAD_ROWS else ""
    dtypes = ", ".join(f"{name}: {dtype}" for name, dtype in frame.schema.items())
    lines = [
        table_row(frame.columns),
        table_row("---" for _ in frame.columns),
        *map(table_row, frame.head(HEAD_ROWS).iter_rows()),
    ]
    size = f"{counted(rows, 'row')} × {counted(columns, 'column')}"
    return f"{size} ({dtypes}{more_columns})\n\n" + "\n".join(lines) + more_rows


def _array_text(value: Any) -> str | None:
    """Return an array's shape and dtype, and its values as far as it prints them; None for any other value."""
    with suppress(Exception):  # properties of the user's object
        shape, dtype = value.shape, value.dtype
        if isinstance(shape, tuple) and shape:
            return f"{type(value).__name__} of shape {tuple(shape)}, dtype {dtype}\n\n{value}"
    return None


def _indexed(value: Any) -> Any:
    """Return a pandas object with a meaningful index as columns, and with unique column names."""
    if not hasattr(value, "set_axis"):
        return value
    if type(getattr(value, "index", None)).__name__ != "RangeIndex" and hasattr(value, "reset_index"):
        value = value.reset_index(allow_duplicates=True)
    names = list(getattr(value, "columns", ()))
    if len(set(names)) == len(names):
        return value
    seen = [names[:n].count(each) for n, each in enumerate(names)]
    new = [f"{each} ({before + 1})" if before else each for each, before in zip(names, seen, strict=True)]
    return value.set_axis(new, axis="columns")


def table_row(cells: Iterable[Any]) -> str:
    """Return a row of a Markdown table."""
    return "| " + " | ".join(str(cell).replace("|", r"\|").replace("\n", " ") for cell in cells) + " |"
