"""Rows of Parquet files that are read a few thousand at a time, and only the columns that are used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from mm_magics.batch.arrow_frame import ArrowFrame
from mm_magics.errors import UsageError

BATCH_ROWS = 4_096


class ParquetFrame:
    """The frame in a Parquet file, or in a folder of them. It is in memory only where a frame is returned.

    Raises:
        Exception: pyarrow cannot read it.
    """

    def __init__(self, path: Path) -> None:
        from pyarrow import dataset

        self._path, self._data = path, dataset.dataset(path, format="parquet", partitioning="hive")
        self.columns = list(self._data.schema.names)
        self._rows = int(self._data.count_rows())
        self._readers: dict[int, tuple[int, Iterator[Any]]] = {}

    def __len__(self) -> int:
        return self._rows

    def read(self, position: int, start: int, end: int) -> list[Any]:
        """Return some values of a column. It is read from the beginning unless they follow those read last."""
        at, values = self._readers.get(position, (-1, iter(())))
        if at != start:
            values = islice(self._values(self.columns[position]), start, None)
        try:
            found = list(islice(values, end - start))
        except Exception as error:
            reason = " ".join(str(error).split())
            raise UsageError(f"{self._path} cannot be read: {reason}") from None
        self._readers[position] = (end, values)
        return found

    def _values(self, name: str) -> Iterator[Any]:
        from pyarrow import dataset

        options = dataset.ParquetFragmentScanOptions(pre_buffer=False)
        for batch in self._data.to_batches(
            columns=[name],
            batch_size=BATCH_ROWS,
            batch_readahead=1,
            fragment_readahead=1,
            fragment_scan_options=options,
            use_threads=False,
        ):
            yield from batch.column(0).to_pylist()

    def take(self, numbers: Sequence[int]) -> Any:
        return self._table().take(list(numbers))

    def with_columns(self, columns: Mapping[str, list[Any]]) -> Any:
        return ArrowFrame(self._table()).with_columns(columns)

    def _table(self) -> Any:
        from pyarrow import parquet

        return parquet.read_table(self._path)
