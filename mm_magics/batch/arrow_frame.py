"""PyArrow tables, and Parquet files, of which a few thousand rows of the columns that are used are read at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from mm_magics.errors import UsageError

BATCH_ROWS = 4_096


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
        """Yield the values of a column. A dataset would read whole row groups, which may be whole files."""
        from pyarrow.parquet import ParquetFile

        for fragment in self._data.get_fragments():
            if name not in fragment.physical_schema.names:  # it is in the names of the folders
                table = fragment.to_table(schema=self._data.schema, columns=[name])
                yield from table.column(0).to_pylist()
                continue
            with ParquetFile(fragment.path, pre_buffer=False) as file:
                for batch in file.iter_batches(BATCH_ROWS, columns=[name], use_threads=False):
                    yield from batch.column(0).to_pylist()

    def take(self, numbers: Sequence[int]) -> Any:
        return self._table().take(list(numbers))

    def with_columns(self, columns: Mapping[str, list[Any]]) -> Any:
        return ArrowFrame(self._table()).with_columns(columns)

    def _table(self) -> Any:
        from pyarrow import parquet

        return parquet.read_table(self._path)
