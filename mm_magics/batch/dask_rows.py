"""The rows of a Dask data frame: one partition at a time, and the same frame with answers.

Always true: what comes back is lazy, with the partitions and divisions of what was given; no cluster is started.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

from mm_magics.batch.rows import Row, Rows, even


class DaskRows:
    """The rows of `data`, a `dask.dataframe.DataFrame`. Each partition is computed when its rows are wanted."""

    is_frame = True

    def __init__(self, data: Any) -> None:
        self._data = data
        self._lengths = [int(each) for each in data.map_partitions(len).compute()]

    def __len__(self) -> int:
        return sum(self._lengths)

    def __iter__(self) -> Iterator[Row]:
        for number in range(self._data.npartitions):
            yield from Rows(self._data.get_partition(number).compute())

    @property
    def columns(self) -> list[str]:
        return list(self._data.columns)

    def with_columns(self, columns: Mapping[str, Sequence[Any]]) -> Any:
        """The frame with these columns at its end (those of their names before it replaced)."""
        import dask.dataframe
        import pandas
        from dask.delayed import delayed

        whole = pandas.DataFrame({name: pandas.Series(even(values)) for name, values in columns.items()})
        ends = list(accumulate(self._lengths, initial=0))
        parts = [
            delayed(_joined)(part, whole.iloc[start:end])
            for part, start, end in zip(self._data.to_delayed(), ends, ends[1:], strict=False)
        ]
        meta = _joined(self._data._meta, whole.iloc[:0])
        return dask.dataframe.from_delayed(parts, meta=meta, divisions=self._data.divisions, verify_meta=False)


def _joined(part: Any, columns: Any) -> Any:
    return part.assign(**columns.set_index(part.index))


def rows_of(data: Any) -> Rows | DaskRows:
    """The rows of a data frame or an iterable. Raises `UsageError` for what has none."""
    return DaskRows(data) if hasattr(data, "npartitions") and hasattr(data, "get_partition") else Rows(data)
