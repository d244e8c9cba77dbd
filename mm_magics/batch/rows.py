"""The rows of a map run: those of a data frame or of any iterable, and the same data with columns of answers added.

Rows keep their number and order. The data that was passed in is never changed; the returned data has the same type.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import narwhals

from mm_magics.errors import UsageError
from mm_magics.packages import require
from mm_magics.text import replace_surrogates

FRAMES = ("pandas", "polars", "pyarrow", "modin", "cudf")
"""Packages whose eager data frames are read as data frames."""
READ_ROWS = 4_096
"""Rows of a data frame that are converted to Python values at a time."""


class MissingColumnError(AttributeError, KeyError):
    """A column that does not exist."""

    def __str__(self) -> str:
        return str(self.args[0])


class MissingValueError(ValueError):
    """A missing value of a row: None, NaN, NaT or NA."""


class Row(Mapping[str, Any]):
    """One row: `row.text` or `row["text"]`. A missing value (NaN, NaT, NA) is None; a missing column raises an error.

    >>> row = Row({"text": "one", "n": float("nan")})
    >>> row.text, row["n"]
    ('one', None)
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def __getitem__(self, name: str) -> Any:
        try:
            value = self._values[name]
        except KeyError:
            raise MissingColumnError(
                f"there is no column {name}; the columns are {', '.join(map(str, self._values))}"
            ) from None
        return None if is_missing(value) else value

    def __getattr__(self, name: str) -> Any:
        return self[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Row({dict(self)!r})"


def is_missing(value: Any) -> bool:
    """Return whether the value is missing: None, NaN, NaT or NA."""
    kind = type(value).__name__
    return value is None or (isinstance(value, float) and value != value) or kind in ("NAType", "NaTType")


class Rows:
    """The rows of `data`: a pandas, Polars or PyArrow frame, or any iterable, which is read once.

    Raises:
        UsageError: The data is neither.
    """

    def __init__(self, data: Any) -> None:
        self._frame = _frame(data)
        self._items: Sequence[Any] = ()
        if self._frame is None:
            if isinstance(data, str | bytes | Mapping) or not isinstance(data, Iterable):
                raise UsageError(
                    f"A value of type {type(data).__name__} has no rows.",
                    "Pass a data frame, a list, or another iterable of rows.",
                )
            self._items = list(data)

    def __len__(self) -> int:
        return len(self._items) if self._frame is None else len(self._frame)

    def __iter__(self) -> Iterator[Any]:
        """Yield each row as a `Row`; items of an iterable that are not mappings are yielded unchanged."""
        if self._frame is not None:
            names = self._frame.columns
            for start in range(0, len(self), READ_ROWS):
                part = self._frame[start : start + READ_ROWS]
                tuples = zip(*(part[name].to_list() for name in names), strict=True)
                yield from (Row(dict(zip(names, values, strict=True))) for values in tuples)
        else:
            yield from (Row(item) if isinstance(item, Mapping) else item for item in self._items)

    @property
    def is_frame(self) -> bool:
        return self._frame is not None

    @property
    def columns(self) -> list[str]:
        """The column names: those of the frame, or of the first item if it is a mapping."""
        if self._frame is not None:
            return list(self._frame.columns)
        first = self._items[0] if self._items else None
        return list(first) if isinstance(first, Mapping) else []

    def with_columns(self, columns: Mapping[str, Sequence[Any]]) -> Any:
        """Return the data with these columns at its end, replacing any of the same name.

        For an iterable, that is a list: of the column's values if its items are not mappings and there is one column,
        else of dicts.
        """
        if self._frame is None:
            if not self.columns and len(columns) == 1:
                return list(*columns.values())
            items = [dict(item) if isinstance(item, Mapping) else {"row": item} for item in self._items]
            return [
                {**item, **dict(zip(columns, values, strict=True))}
                for item, values in zip(items, zip(*columns.values(), strict=True), strict=True)
            ]
        backend = self._frame.implementation
        series = [narwhals.new_series(name, column_values(values), backend=backend) for name, values in columns.items()]
        return self._frame.with_columns(*series).to_native()


def _frame(data: Any) -> narwhals.DataFrame[Any] | None:
    if not any(kind.__module__.partition(".")[0] in FRAMES for kind in type(data).__mro__):
        return None
    require("narwhals", "Data frames")
    try:
        frame = narwhals.from_native(data, pass_through=True)
    except Exception as error:  # for example two columns with the same name
        reason = " ".join(str(error).split())
        raise UsageError(f"Cannot read the rows of this data frame: {reason}") from None
    if isinstance(frame, narwhals.DataFrame):
        return frame
    if hasattr(data, "collect"):
        raise UsageError("A lazy data frame has no rows yet.", "Call its collect() method first.")
    return None


def column_values(values: Sequence[Any]) -> list[Any]:
    """Convert values so that one column of any data frame library can hold them.

    A mixture of integers and floats becomes floats; any other mixture, and deeply nested values, become JSON texts.
    """
    types = {type(value) for value in values} - {type(None)}
    item_types = {type(item) for value in values if isinstance(value, list) for item in value}
    fits = all(_fits_int64(item) for value in values for item in (value if isinstance(value, list) else [value]))
    if types == {int, float} and fits:
        return [None if value is None else float(value) for value in values]
    if len(types) < 2 and len(item_types) < 2 and not {dict, list} & item_types and types != {dict} and fits:
        return [_valid_text(value) for value in values]
    return [_valid_text(value if value is None or isinstance(value, str) else _json(value)) for value in values]


def _fits_int64(value: Any) -> bool:
    """Return whether the value, if it is an integer, fits a column of 64-bit integers."""
    return not isinstance(value, int) or -(2**63) <= value < 2**63


def _valid_text(value: Any) -> Any:
    """Replace lone surrogates in a text or in a list of texts."""
    if isinstance(value, list):
        return [_valid_text(item) for item in value]
    return replace_surrogates(value) if isinstance(value, str) else value


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
