"""What a run sends to the simulator, and what it makes of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Self

import pandas as pd
import polars as pl
import pyarrow as pa

from mm_magics.simulator import Simulator

FRAMES: dict[str, Callable[[dict[str, list[Any]]], Any]] = {
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "pyarrow": pa.table,
    "dicts": lambda columns: [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)],
}

SAY = '{{ row }} [[simulator: thinking="" say="ok"]]'
"""A template whose answer is `ok`, for rows that are texts."""


def say(text: str = "{{ row.text }}", **directives: Any) -> str:
    """A template for rows with a `text`, whose answer is `ok` unless told otherwise."""
    told = {"thinking": '""', "say": '"ok"', **directives}
    return f"{text} [[simulator: {' '.join(f'{key}={value}' for key, value in told.items())}]]"


def texts(endpoint: Simulator) -> list[str]:
    """The user's text of each request, in order, directives aside."""
    found = [record.body["messages"][-1]["content"][0]["text"] for record in endpoint.log if record.method == "POST"]
    return [text.partition(" [[simulator:")[0] for text in found]


def column(frame: Any, name: str) -> list[Any]:
    if isinstance(frame, list):
        return [row[name] for row in frame]
    if isinstance(frame, pa.Table):
        return frame[name].to_pylist()
    if isinstance(frame, pd.DataFrame):
        return [None if not isinstance(each, list) and pd.isna(each) else each for each in frame[name]]
    return frame[name].to_list()


def names(frame: Any) -> list[str]:
    if isinstance(frame, list):
        return list(frame[0])
    return list(frame.column_names if isinstance(frame, pa.Table) else frame.columns)


class Watched:
    """Looks at the simulator meanwhile: `most` answers were under way at once, request number n came at `times[n]`."""

    def __init__(self, endpoint: Simulator) -> None:
        self.most, self.times = 0, list[float]()
        self._endpoint, self._over = endpoint, threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.002):
            self.most = max(self.most, self._endpoint.in_progress)
            self.times += [time.monotonic()] * (len(self._endpoint.log) - len(self.times))
