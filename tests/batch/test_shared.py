"""The engine that the tasks of a Dask worker share, and what the client leases to it, without a cluster."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from queue import Empty, SimpleQueue
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import anyio
import pytest

from mm_magics.api.models import Price
from mm_magics.batch import leases
from mm_magics.batch.engines import shared
from mm_magics.batch.engines.base import Answered, Failed, Request
from mm_magics.batch.engines.shared import MAX_SEATS, receive, take_seat
from mm_magics.batch.leases import LeasedBudget, LeasedLimiter, Leases, Lessee
from mm_magics.batch.rate_limit import RateLimits
from mm_magics.batch.store import Reply
from tests.pace import PATIENCE

PRICE = Price(0.3, 1.2, 0.06, 0.375)
WORKER = SimpleNamespace(address="tcp://one")
REPLY = Reply([{"role": "assistant", "content": []}], [{"id": "1"}])


class Engine:
    """Stands for a `LocalEngine`: `events` are what it reports, an exception ends it."""

    def __init__(self) -> None:
        self.note, self.room = "", 4
        self.sent: list[bytes] = []
        self.events: SimpleQueue[Any] = SimpleQueue()

    def put(self, request: Request) -> None:
        self.sent.append(request.digest)

    def next(self, timeout: float) -> Any:
        try:
            event = self.events.get(timeout=timeout) if timeout > 0 else self.events.get_nowait()
        except Empty:
            return None
        if isinstance(event, Exception):
            self.events.put(event)
            raise event
        return event

    def close(self) -> None:
        pass


class Asked:
    """Records what a worker asks for."""

    def __init__(self) -> None:
        self.questions: list[tuple[str, float]] = []

    def __call__(self, kind: str, amount: float) -> None:
        self.questions.append((kind, amount))


@pytest.fixture
def run() -> str:
    return str(uuid4())


@pytest.fixture
def engines(run: str) -> Iterator[list[Engine]]:
    yield []
    assert not any(name[0] == run for name in shared._engines)


def seat_at(run: str, engines: list[Engine], ask: Any = None) -> shared.Seat:
    def start() -> tuple[Any, Lessee]:
        engines.append(Engine())
        return engines[-1], Lessee(RateLimits(), 1, ask or Asked(), PRICE)

    return take_seat(run, WORKER, start)


def events_of(seat: shared.Seat, count: int = 1) -> list[Any]:
    until, found = time.monotonic() + 60, []
    while len(found) < count and time.monotonic() < until:
        if (event := seat.next(0.1)) is not None:
            found.append(event)
    return found


def test_an_equal_request_of_two_tasks_is_sent_once_and_answered_for_both(run: str, engines: list[Engine]) -> None:
    with seat_at(run, engines) as first, seat_at(run, engines) as second:
        for seat in (first, second):
            seat.put(Request(b"a", b""))
            seat.put(Request(b"b", b""))
        assert engines[0].sent == [b"a", b"b"]
        engines[0].events.put(Answered(b"a", REPLY))
        engines[0].events.put(Failed(b"b", "no", True, ({},), lost=True))
        assert events_of(first, 2) == [Answered(b"a", REPLY), Failed(b"b", "no", True, ({},), lost=True)]
        assert events_of(second, 2) == [Answered(b"a", REPLY, fresh=False), Failed(b"b", "no", True)]


def test_a_request_whose_first_task_ended_is_counted_by_the_second(run: str, engines: list[Engine]) -> None:
    first, second = seat_at(run, engines), seat_at(run, engines)
    for seat in (first, second):
        seat.put(Request(b"a", b""))
    first.close()
    engines[0].events.put(Answered(b"a", REPLY))
    assert events_of(second) == [Answered(b"a", REPLY)]
    second.close()


def test_a_task_that_begins_after_the_engine_ended_gets_the_error(run: str, engines: list[Engine]) -> None:
    with seat_at(run, engines) as first:
        engines[0].events.put(ValueError("broken"))
        with pytest.raises(ValueError, match="broken"):
            events_of(first)
        with seat_at(run, engines) as second, pytest.raises(ValueError, match="broken"):
            events_of(second)


def test_the_tasks_of_a_worker_share_the_room_of_their_engine(run: str, engines: list[Engine]) -> None:
    seats = [seat_at(run, engines) for _ in range(MAX_SEATS)]
    for number in range(3):
        seats[0].put(Request(bytes([number]), b""))
    assert (seats[0].room, seats[1].room) == (4, 1)
    engines[0].events.put(Answered(bytes([0]), REPLY))
    assert events_of(seats[0]) == [Answered(bytes([0]), REPLY)]
    assert (seats[0].room, seats[1].room) == (4, 2)
    assert not seats[1].may_release
    seats.pop().close()
    assert seats[1].may_release
    for seat in seats:
        seat.close()


def test_the_budget_of_a_worker_outlives_its_engine(run: str, engines: list[Engine]) -> None:
    with seat_at(run, engines) as seat:
        receive(run, "budget", 1.0, WORKER)
        budget = seat.shared.lessee.budget
        budget.reserve(b"a", b"")
        budget.settle(b"a", 0.25, answered=True)
    receive(run, "budget", 0.5, WORKER)  # asked for before the engine was closed
    asked = Asked()
    with seat_at(run, engines, asked) as seat:
        assert len(engines) == 2
        assert seat.shared.lessee.budget is budget
        budget.reserve(b"b", b"")
        budget.settle(b"b", 1.0, answered=True)
        assert asked.questions == []
        assert not budget.is_spent


# Leases -----------------------------------------------------------------------------------------------------------


def test_tasks_that_wait_for_the_budget_ask_for_one_lease() -> None:
    asked, fitting = Asked(), list[bool]()
    budget = LeasedBudget(PRICE, asked, 1)
    threads = [threading.Thread(target=lambda: fitting.append(budget.fits(b""))) for _ in range(3)]
    for thread in threads:
        thread.start()
    while not asked.questions:
        time.sleep(0.01)
    budget.grant(1.0)
    for thread in threads:
        thread.join(60)
    assert fitting == [True] * 3
    assert len(asked.questions) == 1


def test_a_reservation_of_two_tasks_for_one_request_counts_once() -> None:
    budget = LeasedBudget(PRICE, Asked(), 1)
    budget.grant(1.0)
    for _ in range(2):
        budget.reserve(b"a", b"x" * 4_000)
    budget.settle(b"a", 0.1, answered=True)
    assert not budget.has_reserved
    budget.reserve(b"b", b"")
    assert budget._input == 0.0


def test_a_call_that_fits_only_later_is_not_refused() -> None:
    budget = LeasedBudget(PRICE, Asked(), 8)
    budget.grant(1.0)
    budget.reserve(b"a", b"")  # by another task
    assert not budget.fits(b"")
    assert not budget.refuses(b"")
    budget.grant(0.0)
    assert not budget.refuses(b"")
    budget.settle(b"a", 1.0, answered=True)
    assert budget.refuses(b"")


def test_a_rate_is_asked_for_again_if_no_lease_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "ANSWER_S", 0.05)
    questions: list[str] = []

    async def acquire() -> None:
        def ask(kind: str, amount: float) -> None:
            questions.append(kind)
            if len(questions) == 2:
                limiter.grant(amount)

        limiter = LeasedLimiter("requests", ask, 1.0)
        with anyio.fail_after(20 * PATIENCE):
            await limiter.acquire(1.0)

    anyio.run(acquire)
    assert questions == ["requests"] * 2


class Client:
    """Stands for a `distributed.Client` whose workers at `dead` do not answer."""

    def __init__(self, *dead: str) -> None:
        self.sent: SimpleQueue[tuple[str, str]] = SimpleQueue()
        self.over = threading.Event()
        self._dead = dead

    def run(self, _receive: Any, _run: str, kind: str, _amount: float, workers: list[str] | None, **_: Any) -> None:
        (worker,) = workers or ["all"]
        if worker in self._dead:
            self.over.wait(60)
        self.sent.put((worker, kind))


def test_a_worker_that_asks_again_gets_one_lease_of_a_rate() -> None:
    client = Client()
    given = Leases(client, "run", receive, RateLimits(requests_per_minute=1), None, 2)
    given.answer("one", "requests", 1.0)
    for _ in range(3):
        given.answer("two", "requests", 1.0)  # due in a minute
    assert len(given._due) == 1
    given.close()
    assert client.sent.get(timeout=60) == ("one", "requests")


def test_dead_workers_delay_no_lease_of_the_others() -> None:
    client = Client("one", "two", "three", "four", "five")
    given = Leases(client, "run", receive, RateLimits(), 1.0, 6)
    for worker in ("one", "two", "three", "four", "five", "six"):
        given.answer(worker, "budget", 0.0)
    try:
        assert client.sent.get(timeout=60) == ("six", "budget")
    finally:
        client.over.set()
        given.close()


def test_a_question_after_the_end_of_a_run_does_nothing() -> None:
    given = Leases(Client(), "run", receive, RateLimits(), 1.0, 1)
    given.close()
    given.answer("one", "budget", 0.0)
    given.pause(1.0)
