"""Templates and data for map runs against the simulator, and what the simulator received."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Self

import pandas as pd
import polars as pl
import pyarrow as pa

from mm_magics.batch.engines.sender import PROBE
from mm_magics.simulator import Simulator
from mm_magics.simulator.record import RequestRecord

FRAMES: dict[str, Callable[[dict[str, list[Any]]], Any]] = {
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "pyarrow": pa.table,
    "dicts": lambda columns: [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)],
}

OK_TEMPLATE = '{{ row }} [[simulator: thinking="" say="ok"]]'
"""A template that is answered with `ok`, for rows that are texts."""


def ok_template(text: str = "{{ row.text }}", **directives: Any) -> str:
    """Return a template that is answered with `ok`, unless the directives say otherwise."""
    combined = {"thinking": '""', "say": '"ok"', **directives}
    return f"{text} [[simulator: {' '.join(f'{key}={value}' for key, value in combined.items())}]]"


def sent_rows(endpoint: Simulator) -> list[RequestRecord]:
    """Return the requests for rows in order, without probes."""
    return [record for record in endpoint.log if record.method == "POST" and not is_probe(record)]


def probes(endpoint: Simulator) -> int:
    return sum(map(is_probe, endpoint.log))


def is_probe(record: RequestRecord) -> bool:
    return record.body is not None and record.body["messages"] == PROBE["messages"]


def sent_texts(endpoint: Simulator) -> list[str]:
    """Return the user's text of each request for a row in order, without directives."""
    texts = [record.body["messages"][-1]["content"][0]["text"] for record in sent_rows(endpoint)]
    return [text.partition(" [[simulator:")[0] for text in texts]


def column_of(frame: Any, name: str) -> list[Any]:
    if isinstance(frame, list):
        return [row[name] for row in frame]
    if isinstance(frame, pa.Table):
        return frame[name].to_pylist()
    if isinstance(frame, pd.DataFrame):
        return [None if not isinstance(each, list) and pd.isna(each) else each for each in frame[name]]
    return frame[name].to_list()


def column_names(frame: Any) -> list[str]:
    if isinstance(frame, list):
        return list(frame[0])
    return list(frame.column_names if isinstance(frame, pa.Table) else frame.columns)


class Watched:
    """Watches the simulator from a thread: `peak` concurrent answers, and `times[n]` when request n arrived."""

    def __init__(self, endpoint: Simulator) -> None:
        self.peak, self.times = 0, list[float]()
        self._endpoint, self._over = endpoint, threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.002):
            self.peak = max(self.peak, self._endpoint.in_progress)
            self.times += [time.monotonic()] * (len(self._endpoint.log) - len(self.times))
