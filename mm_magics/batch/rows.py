"""What a prompt runs over: the rows of a data frame, or whatever a Python iterable gives; and the same with answers.

Always true: rows keep their number and their order; what was given is never changed, what comes back is of its type.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import narwhals

from mm_magics.errors import UsageError

FRAMES = ("pandas", "polars", "pyarrow", "modin", "cudf")
"""Packages whose eager data frames are taken as such."""

READ_ROWS = 4_096
"""Rows of a frame that are made Python values at a time."""


class NoColumn(AttributeError, KeyError):
    """A name that no column has."""

    def __str__(self) -> str:
        return str(self.args[0])


class NoValue(ValueError):
    """A value that is missing in a row: None, NaN, NaT or NA."""


class Row(Mapping[str, Any]):
    """One row: `row.text` or `row["text"]`; what is missing (NaN, NaT, NA) is None. Raises `NoColumn`.

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
            raise NoColumn(f"there is no column {name}; there are {', '.join(map(str, self._values))}") from None
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
    """Whether it stands for no value: None, NaN, NaT, NA."""
    kind = type(value).__name__
    return value is None or (isinstance(value, float) and value != value) or kind in ("NAType", "NaTType")


class Rows:
    """The rows of `data`: a pandas, Polars or PyArrow frame, or any iterable, which is read once.

    Raises `UsageError` for what is neither.
    """

    def __init__(self, data: Any) -> None:
        self._frame = _frame(data)
        self._items: Sequence[Any] = ()
        if self._frame is None:
            if isinstance(data, str | bytes | Mapping) or not isinstance(data, Iterable):
                raise UsageError(
                    f"A {type(data).__name__} has no rows.", "Give a data frame, a list, or another iterable of rows."
                )
            self._items = data if isinstance(data, list | tuple) else list(data)

    def __len__(self) -> int:
        return len(self._items) if self._frame is None else len(self._frame)

    def __iter__(self) -> Iterator[Any]:
        """Each as a `Row`; an item of an iterable that is no mapping as it is."""
        if self._frame is not None:
            names = self._frame.columns
            for start in range(0, len(self), READ_ROWS):
                part = self._frame[start : start + READ_ROWS]
                values = zip(*(part[name].to_list() for name in names), strict=True)
                yield from (Row(dict(zip(names, each, strict=True))) for each in values)
        else:
            yield from (Row(item) if isinstance(item, Mapping) else item for item in self._items)

    @property
    def is_frame(self) -> bool:
        return self._frame is not None

    @property
    def columns(self) -> list[str]:
        """The names that are taken: those of a frame, or of the first item where it is a mapping."""
        if self._frame is not None:
            return list(self._frame.columns)
        first = self._items[0] if self._items else None
        return list(first) if isinstance(first, Mapping) else []

    def with_columns(self, columns: Mapping[str, Sequence[Any]]) -> Any:
        """The data with these columns at its end (those of their names before it replaced).

        Of an iterable, a list: of dicts where its items are mappings, or where there is more than one column; else of
        the column's values.
        """
        if self._frame is None:
            if not self.columns and len(columns) == 1:
                return list(*columns.values())
            given = [dict(each) if isinstance(each, Mapping) else {"row": each} for each in self._items]
            return [
                {**item, **dict(zip(columns, values, strict=True))}
                for item, values in zip(given, zip(*columns.values(), strict=True), strict=True)
            ]
        backend = self._frame.implementation
        series = [narwhals.new_series(name, even(values), backend=backend) for name, values in columns.items()]
        return self._frame.with_columns(*series).to_native()


def _frame(data: Any) -> narwhals.DataFrame[Any] | None:
    if not any(kind.__module__.partition(".")[0] in FRAMES for kind in type(data).__mro__):
        return None
    try:
        found = narwhals.from_native(data, eager_only=True, pass_through=True)
    except Exception as error:  # two columns of one name, say
        said = " ".join(str(error).split())
        raise UsageError(f"The rows of this data frame cannot be read: {said}") from None
    if isinstance(found, narwhals.DataFrame):
        return found
    if hasattr(data, "collect"):
        raise UsageError("A lazy frame has no rows yet.", "Call its collect() first.")
    return None


def even(values: Sequence[Any]) -> list[Any]:
    """Values that one column can hold: numbers made alike, a mixture and what is nested in depth as JSON."""
    kinds = {type(value) for value in values} - {type(None)}
    inner = {type(each) for value in values if isinstance(value, list) for each in value}
    fits = all(_fits(each) for value in values for each in (value if isinstance(value, list) else [value]))
    if kinds == {int, float} and fits:
        return [None if value is None else float(value) for value in values]
    if len(kinds) < 2 and len(inner) < 2 and not {dict, list} & inner and kinds != {dict} and fits:
        return [_written(value) for value in values]
    return [_written(value if value is None or isinstance(value, str) else _json(value)) for value in values]


def _fits(value: Any) -> bool:
    """Whether a column of whole numbers may hold it, if it is one."""
    return not isinstance(value, int) or -(2**63) <= value < 2**63


def _written(value: Any) -> Any:
    """A text as UTF-8 can hold it: half a surrogate pair is replaced."""
    if isinstance(value, list):
        return [_written(each) for each in value]
    if not isinstance(value, str) or value.isascii():
        return value
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
