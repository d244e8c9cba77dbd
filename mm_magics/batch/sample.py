"""A random sample of rows: the same rows each time, and those of a smaller sample among them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mm_magics.batch.dask_rows import DaskRows
from mm_magics.batch.rows import Rows

SEED = 20


def sample(count: int, size: int, seed: int = SEED) -> list[int]:
    """Return `size` different numbers below `count` in order, or all of them if there are not so many.

    >>> sample(1_000, 3) == sample(1_000, 3), set(sample(1_000, 3)) < set(sample(1_000, 400)), sample(2, 9)
    (True, True, [0, 1])
    """
    source = random.Random(seed)
    moved: dict[int, int] = {}
    chosen = []
    for position in range(min(size, count)):
        other = source.randrange(position, count)
        chosen.append(moved.get(other, other))
        moved[other] = moved.get(position, position)
    return sorted(chosen)


class SampledRows:
    """Some rows of the data. They are read as in a run over all rows, so that their requests are the same.

    Attributes:
        whole: The rows of the data.
        numbers: The numbers of these rows in the data.
    """

    def __init__(self, rows: Rows | DaskRows, numbers: Sequence[int]) -> None:
        self.whole, self.numbers = rows, numbers
        self.is_frame, self.columns = rows.is_frame, rows.columns

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[Any]:
        return self.whole.at(self.numbers)

    def with_columns(self, columns: Mapping[str, Sequence[Any]]) -> Any:
        """Return these rows of the data, with these columns at their end."""
        return Rows(self.whole.take(self.numbers)).with_columns(columns)
