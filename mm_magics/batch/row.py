"""One row of a map run, and what counts as a missing value."""

from __future__ import annotations

import json
import keyword
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

MAX_NAMED = 20
"""Columns that a message lists."""


class MissingColumnError(AttributeError, KeyError):
    """A column that does not exist, or that several columns are called."""

    def __str__(self) -> str:
        return str(self.args[0])


class MissingValueError(ValueError):
    """A missing value of a row: None, NaN, NaT or NA."""


class Row(Mapping[Any, Any]):
    """One row: `row.text` or `row["text"]`. A missing value (NaN, NaT, NA) is None; a missing column raises an error.

    A column has precedence over the methods of a mapping: if there is a column `items`, `row.items` is its value.

    >>> row = Row({"text": "one", "n": float("nan"), "Review Text": "Warm."})
    >>> row.text, row["n"], row["Review Text"]
    ('one', None, 'Warm.')
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[Any, Any]) -> None:
        object.__setattr__(self, "_values", values)

    def __getitem__(self, name: Any) -> Any:
        values = _values_of(self)
        try:
            value = values[name]
        except MissingColumnError:
            raise
        except (KeyError, TypeError):  # a list is not a name
            raise MissingColumnError(missing_column(name, values)) from None
        return None if is_missing(value) else value

    def __getattribute__(self, name: str) -> Any:
        is_special = name.startswith("__") and name.endswith("__")
        if not is_special and name in _values_of(self):
            return self[name]
        return object.__getattribute__(self, name)

    def __getattr__(self, name: str) -> Any:
        return self[name]

    def __iter__(self) -> Iterator[Any]:
        return iter(_values_of(self))

    def __len__(self) -> int:
        return len(_values_of(self))

    def __repr__(self) -> str:
        return f"Row({ {name: self[name] for name in self}!r})"


def _values_of(row: Row) -> Mapping[Any, Any]:
    values: Mapping[Any, Any] = object.__getattribute__(row, "_values")
    return values


def is_missing(value: Any) -> bool:
    """Return whether the value is missing: None, NaN (also of Decimal and NumPy), NaT or NA."""
    if value is None or isinstance(value, str):
        return value is None
    kind = type(value)
    if isinstance(value, Decimal):
        return value.is_nan()
    if isinstance(value, float) or (kind.__module__ == "numpy" and getattr(value, "shape", None) == ()):
        return bool(value != value)
    return kind.__name__ in ("NAType", "NaTType")


def missing_column(name: Any, columns: Mapping[Any, Any]) -> str:
    """Return what is wrong with the name of a column, and which columns there are."""
    named = ", ".join(map(str, [*columns][:MAX_NAMED]))
    more = f" and {len(columns) - MAX_NAMED:,} more" if len(columns) > MAX_NAMED else ""
    alike = next((f"; write {written(each)}" for each in columns if _letters(each) == _letters(name)), "")
    return f"there is no column {name}; the columns are {named}{more}{alike}"


def written(name: Any) -> str:
    """Return how a template names a column.

    >>> written("text"), written("Review Text"), written(5)
    ('row.text', 'row["Review Text"]', 'row[5]')
    """
    if isinstance(name, str):
        return f"row.{name}" if name.isidentifier() and not keyword.iskeyword(name) else f"row[{json.dumps(name)}]"
    return f"row[{name!r}]"


def _letters(name: Any) -> str:
    """Return the letters and digits of a name, without which names are often written in code."""
    return "".join(each for each in str(name).casefold() if each.isalnum())
