"""Data frames of different libraries: their columns by position, and the same frame with columns of answers added.

pandas and PyArrow frames are read by position, because their columns may have equal names, and pandas' any names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from mm_magics.batch.arrow_frame import ArrowFrame, ParquetFrame
from mm_magics.batch.row import MissingColumnError, is_missing
from mm_magics.errors import UsageError
from mm_magics.packages import require

FRAMES = ("pandas", "polars", "pyarrow", "modin", "cudf")
"""Packages whose data frames and series are recognized, subclasses of other packages included."""

FILES = (".parquet", ".jsonl", ".ndjson")

LARGEST_EXACT = 2**53
"""Above it, a float does not hold each integer."""


class Frame(Protocol):
    """A data frame of some library."""

    @property
    def columns(self) -> Sequence[Any]:
        """The names of its columns, which may be equal or no text."""
        ...

    def __len__(self) -> int: ...

    def read(self, position: int, start: int, end: int) -> list[Any]:
        """Return some values of the column at this position."""
        ...

    def take(self, numbers: Sequence[int]) -> Any:
        """Return a frame of the same library that has only these rows."""
        ...

    def with_columns(self, columns: Mapping[str, list[Any]]) -> Any:
        """Return the frame with these columns at its end, replacing any of the same name."""
        ...


class PandasFrame:
    """A pandas data frame, or a subclass: its index, `attrs` and class stay."""

    def __init__(self, native: Any) -> None:
        self._native = native
        self.columns = [None if is_missing(name) else name for name in native.columns]
        self._has_gaps: dict[int, bool] = {}

    def __len__(self) -> int:
        return len(self._native)

    def read(self, position: int, start: int, end: int) -> list[Any]:
        column = self._native.iloc[:, position]
        if position not in self._has_gaps:
            self._has_gaps[position] = _is_integers_with_gaps(column)
        values: list[Any] = column.iloc[start:end].tolist()
        return [int(each) if each == each else None for each in values] if self._has_gaps[position] else values

    def take(self, numbers: Sequence[int]) -> Any:
        return self._native.iloc[list(numbers)]

    def with_columns(self, columns: Mapping[str, list[Any]]) -> Any:
        import pandas

        added = self._native.copy(deep=False)
        levels = added.columns.nlevels
        for name, values in columns.items():
            added[name if levels == 1 else (name, *[""] * (levels - 1))] = pandas.Series(values).array
        return added


def _is_integers_with_gaps(column: Any) -> bool:
    """Return whether pandas stores integers as floats in this column, because some values are missing."""
    if getattr(column.dtype, "kind", "") != "f" or not column.isna().any():
        return False
    values = column.dropna()
    return bool(len(values) and (abs(values) < LARGEST_EXACT).all() and (values % 1 == 0).all())


class NarwhalsFrame:
    """A data frame of Polars, Modin or cuDF, read through narwhals."""

    def __init__(self, native: Any) -> None:
        require("narwhals", "Data frames")
        import narwhals

        self._frame = narwhals.from_native(native, eager_only=True)
        self.columns = list(self._frame.columns)

    def __len__(self) -> int:
        return len(self._frame)

    def read(self, position: int, start: int, end: int) -> list[Any]:
        values: list[Any] = self._frame[self.columns[position]][start:end].to_list()
        return values

    def take(self, numbers: Sequence[int]) -> Any:
        return self._frame[list(numbers)].to_native()

    def with_columns(self, columns: Mapping[str, list[Any]]) -> Any:
        import narwhals

        backend = self._frame.implementation
        series = [narwhals.new_series(name, values, backend=backend) for name, values in columns.items()]
        return self._frame.with_columns(*series).to_native()


class FrameValues(Mapping[Any, Any]):
    """The values of one row of a part of a frame. A column of the part is read when the first of its values is."""

    __slots__ = ("_part", "_row")

    def __init__(self, part: FramePart, row: int) -> None:
        self._part, self._row = part, row

    def __getitem__(self, name: Any) -> Any:
        return self._part.column(name)[self._row]

    def __contains__(self, name: object) -> bool:
        try:
            return name in self._part.positions
        except TypeError:
            return False

    def __iter__(self) -> Iterator[Any]:
        return iter(self._part.positions)

    def __len__(self) -> int:
        return len(self._part.positions)


class FramePart:
    """Some consecutive rows of a frame.

    Args:
        frame: The frame.
        positions: The places of each name among its columns.
        start: The first of the rows.
        end: The row after the last.
    """

    def __init__(self, frame: Frame, positions: Mapping[Any, list[int]], start: int, end: int) -> None:
        self.positions = positions
        self._frame, self._start, self._end = frame, start, end
        self._read: dict[Any, list[Any]] = {}

    def column(self, name: Any) -> list[Any]:
        """Return the values of the column. Raises `MissingColumnError` if several columns have this name."""
        if name not in self._read:
            places = self.positions[name]
            if len(places) > 1:
                raise MissingColumnError(f"{len(places)} columns are called {name}; rename them")
            self._read[name] = self._frame.read(places[0], self._start, self._end)
        return self._read[name]

    def __iter__(self) -> Iterator[FrameValues]:
        return (FrameValues(self, row) for row in range(self._end - self._start))


def frame_of(data: Any) -> Frame | None:
    """Return the data as a data frame; None if it is not one.

    A lazy Polars frame is collected; whatever offers its data as an Arrow stream becomes a PyArrow table.

    Raises:
        UsageError: The frame cannot be read, or a package that is needed is missing.
    """
    if isinstance(data, ParquetFrame):
        return data
    library = _library(data)
    try:
        if library == "pandas":
            return PandasFrame(data) if hasattr(data, "columns") else None
        if library == "polars" and hasattr(data, "collect"):
            data = data.collect()
        if library in ("polars", "modin", "cudf"):
            return NarwhalsFrame(data) if hasattr(data, "columns") else None
        if library == "pyarrow" or hasattr(data, "__arrow_c_stream__"):
            return _arrow_frame(data)
    except UsageError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"Cannot read the rows of this data frame: {reason}") from None
    return None


def is_series(data: Any) -> bool:
    """Return whether the data is one column of pandas or Polars."""
    return _library(data) in ("pandas", "polars") and hasattr(data, "to_frame") and not hasattr(data, "columns")


def _library(data: Any) -> str:
    """Return which of `FRAMES` the class of the data, or one that it inherits from, belongs to; "" if none does."""
    modules = [kind.__module__.partition(".")[0] for kind in type(data).__mro__]
    return next((each for each in modules if each in FRAMES), "")


def _arrow_frame(data: Any) -> Frame | None:
    import pyarrow

    if isinstance(data, pyarrow.Table):
        return ArrowFrame(data)
    if isinstance(data, pyarrow.RecordBatch):
        return ArrowFrame(pyarrow.Table.from_batches([data]))
    if isinstance(data, pyarrow.RecordBatchReader):
        return ArrowFrame(data.read_all())
    if isinstance(data, pyarrow.Array | pyarrow.ChunkedArray) or not hasattr(data, "__arrow_c_stream__"):
        return None
    return ArrowFrame(pyarrow.table(data))


def read_file(path: Path) -> Any:
    """Return the rows of a file: a frame for Parquet (a file or a folder of them), dicts for JSON lines.

    Raises:
        UsageError: The file is missing, of another kind, or damaged.
    """
    if not path.exists():
        raise UsageError(f"{path} does not exist.")
    if path.suffix not in FILES and not path.is_dir():
        raise UsageError(f"{path} is not a file of rows.", f"Pass data, or a file that ends with {', '.join(FILES)}.")
    try:
        if path.suffix in (".jsonl", ".ndjson"):
            return _json_lines(path)
        return ParquetFrame(path)
    except ImportError:
        raise UsageError("Reading Parquet needs the package pyarrow.", "Run: pip install pyarrow") from None
    except Exception as error:
        reason = " ".join(str(error).split())
        raise UsageError(f"{path} cannot be read: {reason}") from None


def _json_lines(path: Path) -> list[Any]:
    import json

    with path.open(encoding="utf-8-sig") as file:
        rows = []
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                rows.append(json.loads(line))
            except ValueError as error:
                raise ValueError(f"line {number} is not JSON ({error})") from None
    return rows
