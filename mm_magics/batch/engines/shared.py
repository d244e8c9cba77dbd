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
from mm_magics.batch.leases import LeasedBudget, Lessee

HAND_OUT_S = 0.1
"""How long to wait for an event before looking whether the engine is closed."""

MAX_SEATS = 32
"""At most this many tasks share an engine before the last one must end: each has a thread and open files."""
RUNS = 64
"""Of so many runs a worker remembers the budget."""

_engines: dict[tuple[str, str], SharedEngine] = {}
_budgets: dict[tuple[str, str], LeasedBudget] = {}
"""What was leased to this worker, by run: a run may close its engine and start another one."""
_lock = threading.Lock()


class SharedEngine:
    """An engine with seats. It is closed with the last seat.

    Attributes:
        lessee: What the client leases to this worker.
        is_draining: Whether the run was interrupted: nothing more is sent.
        owners: The seats that wait for each request. The first one has sent it, and counts its calls.
        problem: What ended the engine.
    """

    def __init__(self, engine: LocalEngine, lessee: Lessee) -> None:
        self.engine, self.lessee = engine, lessee
        self.is_draining = False
        self.lock = threading.Lock()
        self.seats: list[Seat] = []
        self.owners: dict[bytes, list[Seat]] = {}
        self.problem: Exception | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._hand_out, name="mm_magics-events", daemon=True)
        self._thread.start()

    def receive(self, kind: str, amount: float) -> None:
        """Take what the client sent: a lease, or an order to all workers."""
        if kind == "pause":
            self.engine.pause(amount)
        elif kind == "drain":
            self.is_draining = True
        else:
            self.engine.call(self.lessee.limiters[kind].grant, amount)

    def close(self) -> None:
        """Cancel what is in flight, and hand out the events that are there."""
        self._closed.set()
        self._thread.join()
        self.engine.close()
        with suppress(Exception):  # its seats have raised what ended the engine
            self._hand_out_waiting(0.0)

    def _hand_out(self) -> None:
        try:
            while not self._closed.is_set():
                self._hand_out_waiting(HAND_OUT_S)
        except Exception as error:  # what ended the engine ends every task
            self.problem = error

    def _hand_out_waiting(self, timeout: float) -> None:
        """Hand out the events of one turn of the event loop together: waking a thread takes long."""
        batches: dict[Seat, list[SenderEvent]] = {}
        try:
            while (event := self.engine.next(timeout)) is not None:
                timeout = 0.0
                for seat, each in self._owned(event):
                    batches.setdefault(seat, []).append(each)
        finally:
            for seat, events in batches.items():
                seat.batches.put(events)

    def _owned(self, event: SenderEvent) -> list[tuple[Seat, SenderEvent]]:
        """Return who gets an event, and in which form: its calls are counted once."""
        with self.lock:
            if not isinstance(event, Answered | Failed):
                return [(seat, event) for seat in self.seats[:1]]
            owners = self.owners.pop(event.digest, [])
            for seat in owners:
                seat.waiting -= 1
        again = event._replace(fresh=False) if isinstance(event, Answered) else event._replace(responses=(), lost=False)
        return [(seat, again if number else event) for number, seat in enumerate(owners)]


class Seat:
    """The part of a shared engine that one task uses, itself an engine. `waiting` is how many answers it waits for."""

    def __init__(self, name: tuple[str, str], shared: SharedEngine) -> None:
        self.shared, self.note = shared, shared.engine.note
        self.batches: SimpleQueue[list[SenderEvent]] = SimpleQueue()
        self.waiting = 0
        self._name = name
        self._events: deque[SenderEvent] = deque()
        self._is_taken = True

    @property
    def room(self) -> int:
        with self.shared.lock:
            return max(1, self.shared.engine.room - (len(self.shared.owners) - self.waiting))

    @property
    def may_release(self) -> bool:
        """Whether the worker may begin another task while this one waits for its last answers."""
        return len(self.shared.seats) < MAX_SEATS

    def put(self, request: Request) -> None:
        with self.shared.lock:
            owners = self.shared.owners.setdefault(request.digest, [])
            owners.append(self)
            self.waiting += 1
            if len(owners) == 1:
                self.shared.engine.put(request)

    def next(self, timeout: float) -> SenderEvent | None:
        if not self._events:
            with suppress(Empty):
                self._events += self.batches.get(timeout=timeout) if timeout > 0 else self.batches.get_nowait()
        if self._events:
            return self._events.popleft()
        if self.shared.problem is not None:
            raise self.shared.problem
        return None

    def stop(self) -> bool:
        return self.shared.engine.stop()

    def close(self) -> None:
        with _lock:
            if not self._is_taken:
                return
            self._is_taken = False
            with self.shared.lock:
                for digest in [each for each, owners in self.shared.owners.items() if self in owners]:
                    self.shared.owners[digest].remove(self)
                    if not self.shared.owners[digest]:
                        del self.shared.owners[digest]
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
            engine, lessee = start()
            lessee.budget = _budgets.setdefault(name, lessee.budget)
            while len(_budgets) > RUNS:
                del _budgets[next(iter(_budgets))]
            _engines[name] = SharedEngine(engine, lessee)
        shared = _engines[name]
        shared.seats.append(seat := Seat(name, shared))
    return seat


def receive(run: str, kind: str, amount: float, dask_worker: Any) -> None:
    """Take what the client sent. Runs in the event loop of a worker."""
    name = (run, str(dask_worker.address))
    if kind == "budget":
        if (budget := _budgets.get(name)) is not None:
            budget.grant(amount)
    elif (shared := _engines.get(name)) is not None:
        shared.receive(kind, amount)
