"""The answers of a map run as Parquet files in a folder, on this machine or in an object store.

Each file is complete as soon as it has its name. A row is in at most one of them: a run that continues leaves out the
rows whose answers are there. Errors that a later run may not meet are in files of their own, which it replaces.
"""

from __future__ import annotations

import json
import secrets
import zlib
from array import array
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from typing import Any

from mm_magics.batch.part_folder import ANSWERS, ERRORS, PartFolder
from mm_magics.batch.row_results import Outcome, RowUsage
from mm_magics.errors import StoreError

PART_ROWS = 20_000
PART_BYTES = 32_000_000
"""How many rows, and about how many bytes of answers, a file has at most."""
READ_ROWS = 4_096


class Parts:
    """The Parquet files of some consecutive rows: of a run, or of a partition that a worker writes.

    Args:
        folder: The folder.
        count: How many rows there are.
        first: The number of the first of them in the data.
        partition: The number of the partition; None for a whole run. It is in the names of its files.
        files: Files of other partitions or earlier runs that may have some of the rows.

    Attributes:
        notes: What the user must know about the files that were there.

    Raises:
        UsageError: The folder cannot be read or written, or has the answers of another prompt.
    """

    def __init__(
        self, folder: PartFolder, count: int, first: int = 0, partition: int | None = None, files: Iterable[str] = ()
    ) -> None:
        self.notes: list[str] = []
        self._folder, self._first, self._partition = folder, first, partition
        self._buffers: dict[str, list[tuple[Any, ...]]] = {ANSWERS: [], ERRORS: []}
        self._bytes = 0
        self._hashes, self._written = array("Q", bytes(8 * count)), bytearray(count)
        of_partition = "" if partition is None else f"-{partition:06d}"
        names = folder.names(f"{ANSWERS}{of_partition}")
        for name in sorted({*names, *files}):
            self._read(name)
        folder.remove(f"{ERRORS}{of_partition}")  # only now, because the folder is the right one
        numbers = [name.split("-")[1] for name in names if len(name.split("-")) == 3]
        self._next = max((int(each) for each in numbers if each.isdigit()), default=-1) + 1

    def has(self, row: int, digest: bytes) -> bool:
        """Return whether the answer of this row to the request with this hash is written. The first row is 0.

        Raises:
            StoreError: The answer of the row to another request is written.
        """
        if not self._written[row]:
            return False
        if self._hashes[row] != _prefix(digest):
            raise StoreError(
                f"{self._folder.target} has the answer to another request for row {self._first + row:,}: the data or "
                "the model changed.",
                "Write to another folder. Stored answers are not paid for again.",
            )
        return True

    def add(self, row: int, digest: bytes, outcome: Outcome, values: Mapping[str, Any], usage: RowUsage | None) -> None:
        """Add the outcome of a row, unless it is written already. `values` are those of the columns of the answer."""
        name = ANSWERS if outcome.storable else ERRORS
        if name == ANSWERS:
            if self.has(row, digest):
                return
            self._hashes[row], self._written[row] = _prefix(digest), 1
        cells = [_cell(values.get(field), type_) for field, type_ in self._folder.fields.items()]
        counted = usage or (None, None, None)
        record = (self._first + row, digest or None, *cells, outcome.error or None, *counted)
        self._buffers[name].append((*record, _checksum(record)))
        self._bytes += sum(len(cell) for cell in cells if isinstance(cell, str))
        if len(self._buffers[name]) >= PART_ROWS or self._bytes >= PART_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write all rows that were added.

        Raises:
            StoreError: They cannot be written.
        """
        import pyarrow
        from pyarrow import parquet

        self._bytes = 0
        schema = self._folder.schema
        for name, rows in self._buffers.items():
            if not rows:
                continue
            columns = [
                pyarrow.array(column, field.type) for column, field in zip(zip(*rows, strict=True), schema, strict=True)
            ]
            content = BytesIO()
            parquet.write_table(pyarrow.Table.from_arrays(columns, schema=schema), content)
            number = self._next if self._partition is None else self._partition
            self._folder.write(f"{name}-{number:06d}-{secrets.token_hex(4)}.parquet", content.getvalue())
            self._next += 1
            self._buffers[name] = []

    def _read(self, name: str) -> None:
        from pyarrow import ArrowException

        rows: list[tuple[int, bytes]] = []
        try:
            with self._folder.open(name) as part:
                for batch in part.iter_batches(READ_ROWS):
                    for *record, checksum in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                        if checksum != _checksum(record):
                            raise ValueError("a checksum is wrong")
                        rows.append((record[0] - self._first, record[1]))
        except FileNotFoundError:  # the worker with another partition in it has just set it aside
            return
        except (ArrowException, ValueError, EOFError):
            renamed = self._folder.set_aside(name)
            self.notes.append(f"{name} is damaged; its rows are written again, and it is now {renamed}.")
            return
        for row, digest in rows:
            if 0 <= row < len(self._written):
                self._hashes[row], self._written[row] = _prefix(digest), 1


def _cell(value: Any, type_: str) -> Any:
    """Return what a column of this type can hold; JSON for all other values of a text column."""
    if value is None or (type_ != "string" and isinstance(value, bool) != (type_ == "bool")):
        return None
    if type_ == "int64":
        return int(value) if isinstance(value, int | float) and -(2**63) <= value < 2**63 else None
    if type_ == "double":
        return float(value)
    if type_ == "bool" or isinstance(value, str):
        return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
    return json.dumps(value, ensure_ascii=False)


def _prefix(digest: bytes) -> int:
    return int.from_bytes(digest[:8], "big")


def _checksum(record: Sequence[Any]) -> int:
    texts = [each.hex() if isinstance(each, bytes) else each for each in record]
    return zlib.crc32(json.dumps(texts, ensure_ascii=False).encode())
