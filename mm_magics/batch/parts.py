"""The answers of a map run as Parquet files in a folder, on this machine or in an object store.

Each file is complete as soon as it has its name. A row is in at most one of them: a run that continues leaves out the
rows whose answers are there. Errors that a later run may not meet are in files of their own, which it replaces.
"""

from __future__ import annotations

import json
import secrets
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from mm_magics.batch.row_results import Outcome, RowUsage, answer_fields
from mm_magics.errors import MiniMaxError, StoreError, UsageError
from mm_magics.packages import require
from mm_magics.tools.schema.output_schema import OutputSchema

PART_ROWS = 20_000
PART_BYTES = 32_000_000
"""How many rows, and about how many bytes of answers, a file has at most."""
READ_ROWS = 4_096
METADATA = b"mm_magics"
BEFORE, AFTER = ("row", "request_sha256"), ("error", "tokens_in", "tokens_out", "cost", "checksum")
"""The columns before and after those of the answer."""
ANSWERS, ERRORS, DAMAGED = "part", "failed", "damaged"
"""How the names of the files begin."""
TYPES = {"string": "string", "integer": "int64", "number": "double", "boolean": "bool"}
"""Types of columns in Parquet, by the types of JSON schemas. All others are JSON texts."""


class Parts:
    """The Parquet files of a run.

    Args:
        target: The folder: a path, or a URL that fsspec knows.
        into: The column of the answers, if they have no fields.
        schema: The schema of the answers; None for text.
        prompt: A hash of what all requests have in common.
        count: How many rows the data has.

    Attributes:
        notes: What the user must know about the files that were there.

    Raises:
        UsageError: The folder cannot be written, or has the answers of another prompt.
    """

    def __init__(self, target: str | Path, into: str, schema: OutputSchema | None, prompt: str, count: int) -> None:
        if not isinstance(target, str | Path) or not str(target).strip():
            raise UsageError(f"to must be a folder or a URL, not {target!r}.")
        require("pyarrow", "Parquet files")
        require("fsspec", "Folders of Parquet files")
        import pyarrow
        from fsspec.core import url_to_fs

        self.notes: list[str] = []
        self._target = str(target)
        self._fields = {name: TYPES.get(type_, "string") for name, type_ in answer_fields(schema, into).items()}
        if clash := [name for name in self._fields if name in (*BEFORE, *AFTER)]:
            raise UsageError(f"{clash[0]} is a column of each file already.", "Give the column or field another name.")
        columns = {"row": "int64", "request_sha256": "binary", **self._fields, "error": "string"}
        columns |= {"tokens_in": "int64", "tokens_out": "int64", "cost": "double", "checksum": "int64"}
        types = [(name, pyarrow.type_for_alias(type_)) for name, type_ in columns.items()]
        self._schema = pyarrow.schema(types).with_metadata({METADATA: json.dumps({"prompt": prompt})})
        self._buffers: dict[str, list[tuple[Any, ...]]] = {ANSWERS: [], ERRORS: []}
        self._bytes = 0
        self._run = f"{secrets.randbits(32):08x}"
        self._hashes, self._written = array("Q", bytes(8 * count)), bytearray(count)
        with self._translated_errors():
            self._files, self._root = url_to_fs(self._target)
            self._files.makedirs(self._root, exist_ok=True)
            self._check_writable()
        self._next = self._read_all()

    def has(self, row: int, digest: bytes) -> bool:
        """Return whether the answer of this row to the request with this hash is written.

        Raises:
            StoreError: The answer of the row to another request is written.
        """
        if not self._written[row]:
            return False
        if self._hashes[row] != _prefix(digest):
            raise StoreError(
                f"{self._target} has the answer to another request for row {row:,}: the data or the model changed.",
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
        cells = [_cell(values.get(field), type_) for field, type_ in self._fields.items()]
        counted = usage or (None, None, None)
        record = (row, digest or None, *cells, outcome.error or None, *counted)
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
        for name, rows in self._buffers.items():
            if not rows:
                continue
            columns = [
                pyarrow.array(column, field.type)
                for column, field in zip(zip(*rows, strict=True), self._schema, strict=True)
            ]
            content = BytesIO()
            parquet.write_table(pyarrow.Table.from_arrays(columns, schema=self._schema), content)
            with self._translated_errors(StoreError, "Stored answers are not lost."):
                self._write(f"{name}-{self._next:06d}-{self._run}.parquet", content.getvalue())
            self._next += 1
            self._buffers[name] = []

    def _write(self, name: str, content: bytes) -> None:
        """Write a file. An object store shows it when it is complete; on a disk, it is renamed then."""
        path = f"{self._root}/{name}"
        if not self._is_local:
            self._files.pipe_file(path, content)
            return
        hidden = f"{self._root}/.{name}"
        self._files.pipe_file(hidden, content)
        self._files.mv(hidden, path)

    @property
    def _is_local(self) -> bool:
        protocol = self._files.protocol
        return "file" in ([protocol] if isinstance(protocol, str) else protocol)

    def _check_writable(self) -> None:
        path = f"{self._root}/.mm-magics-{self._run}"
        self._files.pipe_file(path, b"")
        self._files.rm_file(path)

    def _read_all(self) -> int:
        """Read which rows are written, and return the number of the next file."""
        with self._translated_errors():
            self._files.invalidate_cache()
            names = sorted(path.rsplit("/", 1)[-1] for path in self._files.glob(f"{self._root}/*.parquet"))
            for name in names:
                if name.startswith(f"{ANSWERS}-"):
                    self._read(name)
            for name in names:  # only now, because the folder is the right one
                if name.startswith(f"{ERRORS}-"):
                    self._files.rm_file(f"{self._root}/{name}")
        numbers = [
            int(name.split("-")[1]) for name in names if len(name.split("-")) == 3 and name.split("-")[1].isdigit()
        ]
        return max(numbers, default=-1) + 1

    def _read(self, name: str) -> None:
        from pyarrow import ArrowException, parquet

        path = f"{self._root}/{name}"
        rows: list[tuple[int, bytes]] = []
        try:
            with self._files.open(path, "rb") as file, parquet.ParquetFile(file) as part:
                self._check_schema(name, part.schema_arrow)
                for batch in part.iter_batches(READ_ROWS):
                    for *record, checksum in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                        if checksum != _checksum(record):
                            raise ValueError("a checksum is wrong")
                        rows.append((record[0], record[1]))
        except (ArrowException, ValueError, EOFError):
            self._files.mv(path, f"{self._root}/{DAMAGED}-{name}")
            self.notes.append(f"{name} is damaged; its rows are written again, and it is now {DAMAGED}-{name}.")
            return
        for row, digest in rows:
            if row < len(self._written):
                self._hashes[row], self._written[row] = _prefix(digest), 1

    def _check_schema(self, name: str, found: Any) -> None:
        if not found.equals(self._schema):
            raise UsageError(
                f"{self._target} has other columns: {name} has {', '.join(found.names)}.", "Write to another folder."
            )
        if (found.metadata or {}).get(METADATA) != self._schema.metadata[METADATA]:
            raise UsageError(
                f"{self._target} has the answers of another prompt, model or setting.",
                "Write to another folder. Stored answers are not paid for again.",
            )

    @contextmanager
    def _translated_errors(
        self, kind: type[MiniMaxError] = UsageError, hint: str = "Nothing was sent."
    ) -> Iterator[None]:
        try:
            yield
        except MiniMaxError:
            raise
        except ImportError as error:
            reason = " ".join(str(error).split())
            raise UsageError(f"Cannot write to {self._target}: {reason}", hint) from None
        except Exception as error:  # each file system of fsspec has errors of its own
            reason = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(":.")
            raise kind(f"Cannot write to {self._target}: {reason}.", hint) from None


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
