"""One engine for all tasks of a run in a Dask worker: they share its connections, its pace and its calls in flight.

A task that waits for a slow answer leaves the others the rest of the calls. Each task has a seat, through which it
sends requests and gets its own answers. What the client sends to the worker (leases, pauses) goes to the engine.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Self

from mm_magics.batch.engines.base import Answered, Failed, Request, SenderEvent
from mm_magics.batch.engines.local import LocalEngine
from mm_magics.batch.leases import Lessee

HAND_OUT_S = 0.1
"""How long to wait for an event before looking whether the engine is closed."""

_engines: dict[tuple[str, str], SharedEngine] = {}
_lock = threading.Lock()


class SharedEngine:
    """An engine with seats. It is closed with the last seat.

    Attributes:
        lessee: What the client leases to this worker.
        is_draining: Whether the run was interrupted: nothing more is sent.
    """

    def __init__(self, engine: LocalEngine, lessee: Lessee) -> None:
        self.engine, self.lessee = engine, lessee
        self.is_draining = False
        self.lock = threading.Lock()
        self.seats: list[Seat] = []
        self.owners: dict[bytes, Seat] = {}
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._hand_out, name="mm_magics-events", daemon=True)
        self._thread.start()

    def receive(self, kind: str, amount: float) -> None:
        """Take what the client sent: a lease, or an order to all workers."""
        if kind == "pause":
            self.engine.pause(amount)
        elif kind == "drain":
            self.is_draining = True
        elif kind == "budget":
            self.lessee.budget.grant(amount)
        else:
            self.engine.call(self.lessee.limiters[kind].grant, amount)

    def close(self) -> None:
        """Cancel what is in flight, and hand out the events that are there."""
        self._closed.set()
        self._thread.join()
        self.engine.close()
        self._hand_out_waiting(0.0)

    def _hand_out(self) -> None:
        try:
            while not self._closed.is_set():
                self._hand_out_waiting(HAND_OUT_S)
        except Exception as error:  # what ended the engine ends every task
            for seat in list(self.seats):
                seat.problem = error

    def _hand_out_waiting(self, timeout: float) -> None:
        """Hand out the events of one turn of the event loop together: waking a thread takes long."""
        batches: dict[Seat, list[SenderEvent]] = {}
        while (event := self.engine.next(timeout)) is not None:
            timeout = 0.0
            with self.lock:
                owner = self.owners.pop(event.digest, None) if isinstance(event, Answered | Failed) else None
                if owner is None and not isinstance(event, Answered | Failed):
                    owner = self.seats[0] if self.seats else None
            if owner is not None:
                batches.setdefault(owner, []).append(event)
        for seat, events in batches.items():
            seat.batches.put(events)


class Seat:
    """The part of a shared engine that one task uses, itself an engine."""

    def __init__(self, name: tuple[str, str], shared: SharedEngine) -> None:
        self.shared, self.note, self.room = shared, shared.engine.note, shared.engine.room
        self.batches: SimpleQueue[list[SenderEvent]] = SimpleQueue()
        self.problem: Exception | None = None
        self._name = name
        self._events: deque[SenderEvent] = deque()
        self._is_taken = True

    def put(self, request: Request) -> None:
        with self.shared.lock:
            self.shared.owners[request.digest] = self
            self.shared.engine.put(request)

    def next(self, timeout: float) -> SenderEvent | None:
        if not self._events:
            with suppress(Empty):
                self._events += self.batches.get(timeout=timeout) if timeout > 0 else self.batches.get_nowait()
        if self._events:
            return self._events.popleft()
        if self.problem is not None:
            raise self.problem
        return None

    def stop(self) -> bool:
        return self.shared.engine.stop()

    def close(self) -> None:
        with _lock:
            if not self._is_taken:
                return
            self._is_taken = False
            if len(self.shared.seats) > 1:
                self.shared.seats.remove(self)
                return
            del _engines[self._name]
        self.shared.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()


def take_seat(run: str, worker: Any, start: Callable[[], tuple[LocalEngine, Lessee]]) -> Seat:
    """Return a seat at the engine of a run in this worker, which `start` starts for the first one."""
    name = (run, str(worker.address))
    with _lock:
        if name not in _engines:
            _engines[name] = SharedEngine(*start())
        shared = _engines[name]
        shared.seats.append(seat := Seat(name, shared))
    return seat


def receive(run: str, kind: str, amount: float, dask_worker: Any) -> None:
    """Take what the client sent. Runs in the event loop of a worker."""
    if (shared := _engines.get((run, str(dask_worker.address)))) is not None:
        shared.receive(kind, amount)
