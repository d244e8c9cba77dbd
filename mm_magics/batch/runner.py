"""One run over rows: each is answered from the store, asked, or an error; as an iterator of what happens.

Always true: `results` has what is known of every row at every moment, in the order of the rows; an answer is in the
store before anything else happens; requests that are equal are sent once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from mm_magics import interrupts
from mm_magics.batch.dask_rows import DaskRows
from mm_magics.batch.engines.base import Engine
from mm_magics.batch.engines.sender import Answered, Failed
from mm_magics.batch.progress import Progress, Throttled
from mm_magics.batch.requests import RequestBuilder
from mm_magics.batch.row_results import Results
from mm_magics.batch.rows import Rows
from mm_magics.batch.store import Reply, Store
from mm_magics.endpoint.reader import Retrying
from mm_magics.errors import MiniMaxError, StoreError
from mm_magics.interrupts import StoppedError

POLL_S = 0.1
AT_A_TIME = 128
"""Rows that are made texts, and looked up, at a time."""
NOT_STORED = "There is no stored answer."
ENDED = "Not asked: the run was ended."
SHOWN_S = 0.25
"""How often progress is told."""


RunEvent = Progress | Retrying | Throttled


class Run:
    """Asks the text of each row. `text` makes it of a row, and may raise one of our errors, which is that row's.

    `engine` is None where nothing may be sent; nothing more is sent once `budget` US dollars are spent.
    """

    def __init__(
        self,
        rows: Rows | DaskRows,
        text: Callable[[Any], str],
        asks: RequestBuilder,
        store: Callable[[], Store],
        engine: Callable[[], Engine] | None,
        results: Results,
        *,
        budget: float | None,
        stop: threading.Event,
    ) -> None:
        self.results = results
        self._rows, self._text, self._asks, self._make = rows, text, asks, engine
        self._store = store()
        self._budget, self._stop = budget, stop
        self._engine: Engine | None = None
        self._pending: dict[bytes, list[int]] = {}
        self._failed: dict[bytes, str] = {}
        self._over = False
        self._why_not, self._broken = "" if engine else NOT_STORED, False
        self._began = self._told = time.monotonic()

    def events(self) -> Iterator[RunEvent]:
        """Yield every event to show. Raises `StoppedError`; `results` then has the rows received so far, as always."""
        try:
            rows = enumerate(self._rows)
            while some := list(islice(rows, AT_A_TIME)):
                yield from self._some(some)
            while self._pending:
                yield from self._hear(POLL_S)
            yield self._progress()
        finally:
            self.close()

    def close(self) -> None:
        """End the run, if it is not over: rows that have not been answered are errors."""
        with interrupts.deferred():
            if self._over:
                return
            self._over = True
            if self._engine is not None:
                self._engine.close()
                self._take(0.0)
            self._store.close()
            self.results.seconds = time.monotonic() - self._began
            self.results.finish(ENDED)
            self._pending.clear()

    def _some(self, rows: list[tuple[int, Any]]) -> Iterator[RunEvent]:
        asked: list[tuple[int, str, bytes]] = []
        for number, row in rows:
            try:
                text = self._text(row)
                asked.append((number, text, self._asks.digest(text)))
            except MiniMaxError as error:
                self.results.fail(number, error.message)
        found = self._stored({digest for _, _, digest in asked})
        for number, text, digest in asked:
            if self._stop.is_set():
                raise StoppedError
            if (reply := found.get(digest)) is not None:
                self.results.take([number], reply, fresh=False)
            else:
                yield from self._row(number, text, digest)
            if time.monotonic() - self._told >= SHOWN_S:
                yield self._progress()

    def _row(self, number: int, text: str, digest: bytes) -> Iterator[RunEvent]:
        if digest in self._pending:
            self._pending[digest].append(number)
        elif digest in self._failed:
            self.results.fail(number, self._failed[digest])
        else:
            if not (self._why_not or self._spent()):
                yield from self._ready()
            if (reply := self._stored({digest}).get(digest)) is not None:  # it has come meanwhile, here or elsewhere
                self.results.take([number], reply, fresh=False)
            elif why := self._why_not or self._spent():
                self.results.fail(number, why)
            else:
                assert self._engine is not None
                self._pending[digest] = [number]
                self._engine.put(self._asks.of(text, digest))
                yield from self._hear(0.0)

    def _ready(self) -> Iterator[RunEvent]:
        """Wait until there is room for a request."""
        with interrupts.deferred():
            if self._engine is None and self._make is not None:
                self._engine = self._make()
        assert self._engine is not None
        while len(self._pending) >= self._engine.room:
            yield from self._hear(POLL_S)

    def _hear(self, wait: float) -> Iterator[RunEvent]:
        """Take the news there is."""
        if self._stop.is_set():
            raise StoppedError
        assert self._engine is not None
        with interrupts.deferred():
            told = self._take(wait)
        yield from told
        if time.monotonic() - self._told >= SHOWN_S:
            yield self._progress()

    def _take(self, wait: float) -> list[RunEvent]:
        told: list[RunEvent] = []
        while self._engine and (news := self._engine.next(wait)) is not None:
            wait = 0.0
            match news:
                case Answered(digest, reply):
                    self._keep(digest, reply)
                case Failed(digest, why, _):
                    self._failed[digest] = why
                    for number in self._pending.pop(digest, ()):
                        self.results.fail(number, why)
                case Throttled() | Retrying():
                    told.append(news)
        return told

    def _keep(self, digest: bytes, reply: Reply) -> None:
        """The answer into the store, if it is one, and to its rows."""
        if self.results.take(self._pending.pop(digest, ()), reply, fresh=True):
            try:
                self._store.put(digest, self._asks.model, reply)
            except StoreError as error:
                self._without(error)
        else:
            self._failed[digest] = self.results.last_fault

    def _stored(self, digests: set[bytes]) -> dict[bytes, Reply]:
        """What the store has of these; nothing once it cannot be used. Raises `StoreError` if nothing was sent yet."""
        try:
            return {} if self._broken else self._store.among(digests)
        except StoreError as error:
            if self._engine is None:
                raise
            self._without(error)
            return {}

    def _without(self, error: StoreError) -> None:
        """The store cannot be used: what comes is kept in the results, and nothing more is sent."""
        if not self._broken:
            self._broken, self._why_not = True, f"Not asked: {error.message}"
            self.results.notes.append(str(error).replace("\n", " "))

    def _spent(self) -> str:
        """Why nothing more may be sent, "" if it may: what is in flight counts as what an answer has cost so far."""
        if self._budget is None:
            return ""
        each = self.results.cost / self.results.asked if self.results.asked else 0.0
        if self.results.cost + each * len(self._pending) >= self._budget:
            return f"Not asked: the budget of ${self._budget:g} is spent."
        return ""

    def _progress(self) -> Progress:
        self._told = now = time.monotonic()
        results, seconds = self.results, max(now - self._began, 1e-6)
        here = results.done - results.stored  # rows from the store take no time
        left = seconds / here * (len(self._rows) - results.done) if results.asked and here else None
        speed = results.usage["output_tokens"] / seconds
        return Progress(len(self._rows), results.done, len(results.errors), speed, results.cost or None, left)
