"""The rows of a map run: those of a data frame or of any iterable, and the same data with columns of answers added.

Rows keep their number and order. The data that was passed in is never changed; the returned data has the same type.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mm_magics.batch.frames import FILES, Frame, FramePart, frame_of, is_series, read_file
from mm_magics.batch.row import Row
from mm_magics.errors import UsageError
from mm_magics.text import replace_surrogates

READ_ROWS = 4_096
"""Rows of a data frame that are converted to Python values at a time."""

ITEM_COLUMN = "row"
"""The column of the items in a result, if they have no names."""


class Rows:
    """The rows of `data`: a data frame, a file of rows, or any iterable, which is read once.

    Raises:
        UsageError: The data is none of these, or cannot be read.
    """

    def __init__(self, data: Any) -> None:
        if isinstance(data, Path) or (isinstance(data, str) and data.endswith(FILES)):
            data = read_file(Path(data))
        self._series = data if is_series(data) else None
        self._frame: Frame | None = None if self._series is not None else frame_of(data)
        self._items: Sequence[Any] = ()
        if self._frame is None:
            if isinstance(data, str | bytes | Mapping) or not isinstance(data, Iterable):
                raise UsageError(
                    f"A value of type {type(data).__name__} has no rows.",
                    "Pass a data frame, a list, or another iterable of rows.",
                )
            self._items = list(data)
        self._positions: dict[Any, list[int]] = {}
        for position, name in enumerate(self._frame.columns if self._frame is not None else ()):
            self._positions.setdefault(name, []).append(position)

    def __len__(self) -> int:
        return len(self._items) if self._frame is None else len(self._frame)

    def __iter__(self) -> Iterator[Any]:
        """Yield each row as a `Row`; items of an iterable that are not mappings are yielded unchanged."""
        if self._frame is None:
            yield from (Row(item) if isinstance(item, Mapping) else item for item in self._items)
            return
        for start in range(0, len(self), READ_ROWS):
            yield from map(Row, FramePart(self._frame, self._positions, start, min(start + READ_ROWS, len(self))))

    def at(self, numbers: Iterable[int]) -> Iterator[Any]:
        """Yield the rows with these numbers."""
        for number in numbers:
            if self._frame is None:
                item = self._items[number]
                yield Row(item) if isinstance(item, Mapping) else item
            else:
                yield from map(Row, FramePart(self._frame, self._positions, number, number + 1))

    def take(self, numbers: Sequence[int]) -> Any:
        """Return data of the same type that has only the rows with these numbers."""
        if self._series is not None:
            return self._series.iloc[numbers] if hasattr(self._series, "iloc") else self._series[numbers]
        return [self._items[number] for number in numbers] if self._frame is None else self._frame.take(numbers)

    @property
    def is_frame(self) -> bool:
        return self._frame is not None

    @property
    def columns(self) -> list[Any]:
        """The column names: those of the frame, or of the first item if it is a mapping."""
        if self._frame is not None:
            return list(self._frame.columns)
        first = self._items[0] if self._items else None
        return list(first) if isinstance(first, Mapping) else []

    def with_columns(self, columns: Mapping[str, Sequence[Any]]) -> Any:
        """Return the data with these columns at its end, replacing any of the same name.

        A series becomes a data frame with the same index. For an iterable, that is a list: of the column's values if
        its items are not mappings and there is one column, else of dicts.
        """
        frame = self._frame
        if self._series is not None:
            frame = frame_of(self._series.to_frame(self._series.name or ITEM_COLUMN))
        if frame is not None:
            return frame.with_columns({name: column_values(values) for name, values in columns.items()})
        if not self.columns and len(columns) == 1:
            return list(*columns.values())
        items = [dict(item) if isinstance(item, Mapping) else {ITEM_COLUMN: item} for item in self._items]
        return [
            {**item, **dict(zip(columns, values, strict=True))}
            for item, values in zip(items, zip(*columns.values(), strict=True), strict=True)
        ]

    def answers(self, name: str, values: Sequence[Any]) -> Any:
        """Return one answer for each item of an iterable: a list, or a series with the index of the given one."""
        if self._series is None:
            return list(values)
        return self.with_columns({name: values})[name]


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
