"""The rows of a Dask data frame: read one partition at a time, and returned as a lazy frame with the answers added.

The returned frame has the partitions and divisions of the original one. No cluster is started.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, groupby
from typing import Any

from mm_magics.batch.row import Row
from mm_magics.batch.rows import Rows, column_values
from mm_magics.packages import require


class DaskRows:
    """The rows of `data`, a `dask.dataframe.DataFrame`. Each partition is computed when its rows are read."""

    is_frame = True

    def __init__(self, data: Any) -> None:
        self._data = data
        self._lengths = [int(length) for length in data.map_partitions(len).compute()]

    def __len__(self) -> int:
        return sum(self._lengths)

    def __iter__(self) -> Iterator[Row]:
        for number in range(self._data.npartitions):
            yield from Rows(self._data.get_partition(number).compute())

    def at(self, numbers: Iterable[int]) -> Iterator[Row]:
        """Yield the rows with these numbers, which are in order."""
        for part, chosen in self._parts_with(numbers):
            yield from Rows(part).at(chosen)

    def partitions(self) -> Iterator[tuple[int, int, Any]]:
        """Yield each partition that has rows: the number of its first row, how many it has, and the delayed frame."""
        firsts = accumulate(self._lengths, initial=0)
        for first, length, part in zip(firsts, self._lengths, self._data.to_delayed(), strict=False):
            if length:
                yield first, length, part

    def take(self, numbers: Sequence[int]) -> Any:
        """Return a pandas data frame that has only the rows with these numbers."""
        import pandas

        parts = [Rows(part).take(chosen) for part, chosen in self._parts_with(numbers)]
        return pandas.concat(parts) if parts else empty_frame(self._data)

    def _parts_with(self, numbers: Iterable[int]) -> Iterator[tuple[Any, list[int]]]:
        """Yield each computed partition that has some of these rows, and their numbers in it."""
        bounds = list(accumulate(self._lengths, initial=0))
        for part, chosen in groupby(numbers, lambda number: bisect(bounds, number) - 1):
            yield self._data.get_partition(part).compute(), [number - bounds[part] for number in chosen]

    @property
    def columns(self) -> list[str]:
        return list(self._data.columns)

    def with_columns(self, columns: Mapping[str, Sequence[Any]]) -> Any:
        """Return the frame with these columns at its end, replacing any of the same name."""
        import dask.dataframe
        import pandas
        from dask.delayed import delayed

        added = pandas.DataFrame({name: pandas.Series(column_values(values)) for name, values in columns.items()})
        bounds = list(accumulate(self._lengths, initial=0))
        parts = [
            delayed(_assign)(part, added.iloc[start:end])
            for part, start, end in zip(self._data.to_delayed(), bounds, bounds[1:], strict=False)
        ]
        meta = _assign(empty_frame(self._data), added.iloc[:0])
        return dask.dataframe.from_delayed(parts, meta=meta, divisions=self._data.divisions, verify_meta=False)


def empty_frame(data: Any) -> Any:
    """Return a pandas frame without rows, with the columns and types of a Dask data frame.

    Dask has it only under a private name. A test fails when that changes.
    """
    return data._meta


def _assign(part: Any, columns: Any) -> Any:
    return part.assign(**columns.set_index(part.index))


def rows_of(data: Any) -> Rows | DaskRows:
    """Return the rows of a data frame or an iterable.

    Raises:
        UsageError: The data has no rows, or is a Dask data frame of a version that is not supported.
    """
    if hasattr(data, "npartitions") and hasattr(data, "get_partition"):
        require("dask", "Dask data frames")
        return DaskRows(data)
    return Rows(data)
