"""Rows of a pyarrow table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class ArrowFrame:
    """A PyArrow table."""

    def __init__(self, native: Any) -> None:
        self._native, self.columns = native, list(native.column_names)

    def __len__(self) -> int:
        return int(self._native.num_rows)

    def read(self, position: int, start: int, end: int) -> list[Any]:
        values: list[Any] = self._native.column(position).slice(start, end - start).to_pylist()
        return values

    def take(self, numbers: Sequence[int]) -> Any:
        return self._native.take(list(numbers))

    def with_columns(self, columns: Mapping[str, list[Any]]) -> Any:
        import pyarrow

        table = self._native
        for name, values in columns.items():
            if name in table.column_names:
                table = table.set_column(table.column_names.index(name), name, pyarrow.array(values))
            else:
                table = table.append_column(name, pyarrow.array(values))
        return table
