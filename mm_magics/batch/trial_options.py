"""The options of a trial: how many rows, which column has the labels, and how much the answers must agree with them."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from statistics import NormalDist
from typing import Any, NamedTuple

from mm_magics.batch.row import missing_column
from mm_magics.errors import UsageError

CONFIDENCE = 0.95
Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)


class Label(NamedTuple):
    """The column with the labels, and the field of the answer that they are compared with; "" for the whole answer."""

    column: Any
    field: str


def check_trial(trial: Any, label: Any, require: Any, rows: int) -> None:
    """Raise `UsageError` if the options do not fit each other, or no answers could satisfy them."""
    if trial is None:
        if label is not None or require is not None:
            given = "require" if label is None else "label"
            raise UsageError(
                f"{given} needs trial.", "Say how many rows to ask: --trial 150, or trial=150 in a script."
            )
        return
    if not isinstance(trial, int) or isinstance(trial, bool) or trial < 1:
        raise UsageError(f"trial must be a number of rows, at least 1, not {trial!r}.")
    if require is None:
        return
    if label is None:
        raise UsageError("require needs label.", "Name the column with the right answers: --label truth.")
    if isinstance(require, bool) or not isinstance(require, int | float) or not 0 < require < 1:
        raise UsageError(f"require must be a share above 0 and below 1, such as 0.85, not {require!r}.")
    n = min(trial, rows)
    if n / (n + Z * Z) < require:
        needed = ceil(Z * Z * require / (1 - require))
        raise UsageError(
            f"With {n:,} rows the lower bound of the agreement is below {require:g} even if all answers agree.",
            f"It takes a trial of at least {needed:,} rows with labels.",
        )


def label_of(label: Any, columns: Sequence[Any], fields: Sequence[str]) -> Label | None:
    """Return which column and field the option `label` names: `truth`, or `truth=field` for an answer with fields.

    Raises:
        UsageError: The column or the field does not exist, or the field is not named.
    """
    if label is None:
        return None
    names: dict[Any, Any] = {str(each): each for each in columns} | {each: each for each in columns}
    column, field = label, ""
    if label not in names and isinstance(label, str) and "=" in label:
        column, _, field = label.rpartition("=")
    if column not in names:
        raise UsageError(f"label: {missing_column(column, dict.fromkeys(columns))}.", "Nothing was sent.")
    if field not in fields and (field or len(fields) > 1):
        found = f"The schema has no field {field}." if field else "label must name a field of the schema."
        choice = ", ".join(f"{column}={each}" for each in fields) or str(column)
        raise UsageError(found, f"Write one of these: {choice}")
    return Label(names[column], field)
