"""The folder of a run's Parquet files: a path or a URL that fsspec knows."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mm_magics.batch.row_results import answer_fields
from mm_magics.errors import MiniMaxError, StoreError, UsageError
from mm_magics.packages import require
from mm_magics.tools.schema.output_schema import OutputSchema

METADATA = b"mm_magics"
BEFORE, AFTER = ("row", "request_sha256"), ("error", "tokens_in", "tokens_out", "cost", "checksum")
"""The columns before and after those of the answer."""
ANSWERS, ERRORS, DAMAGED = "part", "failed", "damaged"
"""How the names of the files begin."""
TYPES = {"string": "string", "integer": "int64", "number": "double", "boolean": "bool"}
"""Types of columns in Parquet, by the types of JSON schemas. All others are JSON texts."""


class PartFolder:
    """The folder, and the columns of its files.

    Args:
        target: The folder; it is created if it does not exist.
        into: The column of the answers, if they have no fields.
        schema: The schema of the answers; None for text.
        prompt: A hash of what all requests have in common.

    Attributes:
        fields: The columns of the answer, and their types.
        schema: The columns of a file.

    Raises:
        UsageError: The folder cannot be used. Each method that reads raises it as well.
    """

    def __init__(self, target: str | Path, into: str, schema: OutputSchema | None, prompt: str) -> None:
        if not isinstance(target, str | Path) or not str(target).strip():
            raise UsageError(f"to must be a folder or a URL, not {target!r}.")
        require("pyarrow", "Parquet files")
        require("fsspec", "Folders of Parquet files")
        import pyarrow
        from fsspec.core import url_to_fs

        self.target = _without_user(str(target))
        self.fields = {name: TYPES.get(type_, "string") for name, type_ in answer_fields(schema, into).items()}
        if clash := [name for name in self.fields if name in (*BEFORE, *AFTER)]:
            raise UsageError(f"{clash[0]} is a column of each file already.", "Give the column or field another name.")
        columns = {"row": "int64", "request_sha256": "binary", **self.fields, "error": "string"}
        columns |= {"tokens_in": "int64", "tokens_out": "int64", "cost": "double", "checksum": "int64"}
        types = [(name, pyarrow.type_for_alias(type_)) for name, type_ in columns.items()]
        self.schema = pyarrow.schema(types).with_metadata({METADATA: json.dumps({"prompt": prompt})})
        with self.translated_errors():
            self._files, self._root = url_to_fs(str(target))
            self._files.makedirs(self._root, exist_ok=True)

    def check_writable(self) -> None:
        """Write a file and remove it."""
        path = f"{self._root}/.mm-magics-{secrets.token_hex(4)}"
        with self.translated_errors():
            self._files.pipe_file(path, b"")
            self._files.rm_file(path)

    def names(self, beginning: str) -> list[str]:
        """Return the names of the files that begin so, in order."""
        with self.translated_errors():
            self._files.invalidate_cache()
            found = self._files.glob(f"{self._root}/{beginning}-*.parquet")
        return sorted(path.rsplit("/", 1)[-1] for path in found)

    def remove(self, beginning: str) -> None:
        """Remove the files whose names begin so."""
        for name in self.names(beginning):
            with self.translated_errors():
                self._files.rm_file(f"{self._root}/{name}")

    def set_aside(self, name: str) -> str:
        """Rename a damaged file, and return its new name."""
        renamed = f"{DAMAGED}-{name}"
        with suppress(FileNotFoundError), self.translated_errors(passed=(FileNotFoundError,)):  # another worker did it
            self._files.mv(f"{self._root}/{name}", f"{self._root}/{renamed}")
        return renamed

    @contextmanager
    def open(self, name: str) -> Iterator[Any]:
        """Open a file to read it, and check its columns.

        Raises:
            FileNotFoundError: It does not exist.
            ArrowException, ValueError, EOFError: It is damaged.
        """
        from pyarrow import ArrowException, parquet

        with (
            self.translated_errors(passed=(ArrowException, ValueError, EOFError, FileNotFoundError)),
            self._files.open(f"{self._root}/{name}", "rb") as file,
            parquet.ParquetFile(file) as part,
        ):
            self._check_schema(name, part.schema_arrow)
            yield part

    def rows_of(self, name: str) -> tuple[int, int] | None:
        """Return the first and last row of a file, as its metadata says; None if they are unknown."""
        from pyarrow import ArrowException

        try:
            with self.open(name) as part:
                groups = [part.metadata.row_group(each).column(0) for each in range(part.num_row_groups)]
                found = [group.statistics for group in groups if group.statistics and group.statistics.has_min_max]
        except (ArrowException, ValueError, EOFError):  # reading its rows sets it aside
            return None
        if not found or len(found) < len(groups):
            return None
        return min(each.min for each in found), max(each.max for each in found)

    def write(self, name: str, content: bytes) -> None:
        """Write a file. An object store shows it when it is complete; on a disk, it is renamed then.

        Raises:
            StoreError: It cannot be written.
        """
        path, hidden = f"{self._root}/{name}", f"{self._root}/.{name}"
        with self.translated_errors(StoreError, "Stored answers are not lost."):
            if not self._is_local:
                self._files.pipe_file(path, content)
                return
            self._files.pipe_file(hidden, content)
            self._files.mv(hidden, path)

    @property
    def _is_local(self) -> bool:
        protocol = self._files.protocol
        return "file" in ([protocol] if isinstance(protocol, str) else protocol)

    def _check_schema(self, name: str, found: Any) -> None:
        if not found.equals(self.schema):
            raise UsageError(
                f"{self.target} has other columns: {name} has {', '.join(found.names)}.", "Write to another folder."
            )
        if (found.metadata or {}).get(METADATA) != self.schema.metadata[METADATA]:
            raise UsageError(
                f"{self.target} has the answers of another prompt, model or setting.",
                "Write to another folder. Stored answers are not paid for again.",
            )

    @contextmanager
    def translated_errors(
        self,
        kind: type[MiniMaxError] = UsageError,
        hint: str = "Nothing was sent.",
        passed: tuple[type[Exception], ...] = (),
    ) -> Iterator[None]:
        """Raise an error of this kind for those of the file system, except for `passed`."""
        try:
            yield
        except passed:
            raise
        except MiniMaxError:
            raise
        except ImportError as error:
            reason = _without_user(" ".join(str(error).split()))
            raise UsageError(f"Cannot write to {self.target}: {reason}", hint) from None
        except Exception as error:  # each file system of fsspec has errors of its own
            reason = _without_user(" ".join(f"{type(error).__name__}: {error}".split()).rstrip(":."))
            raise kind(f"Cannot write to {self.target}: {reason}.", hint) from None


def _without_user(text: str) -> str:
    """Return a text without the user and the password of its URLs."""
    return re.sub(r"(?<=://)[^/@\s]+@", "", text)
