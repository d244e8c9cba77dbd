"""Map runs over the partitions of a Dask data frame, whose answers the workers of a real cluster write."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask.dataframe as dd
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mm_magics import Session, StoreError, TurnInterruptedError, UsageError, map_prompts
from mm_magics.batch.partition_run import PartitionRun, _outcome_of
from mm_magics.batch.partitions import Counts
from mm_magics.batch.stream import RunTotals
from mm_magics.simulator import Simulator
from tests.batch.cluster import WORKERS, cluster_of
from tests.batch.simulated import ok_template, sent_rows, sent_texts
from tests.canary import CANARY
from tests.pace import PATIENCE

pytestmark = [pytest.mark.slow, pytest.mark.traced, pytest.mark.xdist_group("dask")]

ECHO = ok_template(say='"{{ row.text }}!"')


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(key=CANARY) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def client(simulator: Simulator) -> Iterator[Any]:
    with cluster_of(simulator) as client:
        yield client


@pytest.fixture
def session(simulator: Simulator) -> Iterator[Any]:
    """A session without a key."""
    with Session(base_url=simulator.base_url, max_retries=0, concurrency=8) as session:
        yield session


def frame_of(count: int, name: str, partitions: int = 5) -> dd.DataFrame:
    return dd.from_pandas(pd.DataFrame({"text": [f"{name} {n}" for n in range(count)]}), npartitions=partitions)


def write(template: Any, frame: Any, **options: Any) -> RunTotals:
    store = str(Path("answers.sqlite").absolute())
    totals = map_prompts(template, frame, to=str(Path("answers").absolute()), store=store, progress=False, **options)
    assert isinstance(totals, RunTotals)
    return totals


def written(name: str = "part") -> pa.Table:
    """Return what the files have, in the order of the rows."""
    found = [pq.read_table(path) for path in sorted(Path("answers").glob(f"{name}-*.parquet"))]
    return pa.concat_tables(found).sort_by("row") if found else pa.table({"row": []})


def test_the_workers_write_the_answers_and_the_client_has_the_totals(
    session: Session, simulator: Simulator, client: Any
) -> None:
    before, calls = len(simulator.log), session.ledger.total().calls
    frame = frame_of(100, "all")
    totals = write(ECHO, frame, session=session, engine=client)
    assert (totals.rows, totals.asked, totals.failed, totals.written) == (100, 100, 0, 0)
    assert len(simulator.log) - before == session.ledger.total().calls - calls == 100
    assert totals.cost == pytest.approx(session.ledger.total().cost)
    table = written()
    assert table["row"].to_pylist() == list(range(100))
    assert table["answer"].to_pylist() == [f"all {n}!" for n in range(100)]
    assert len(list(Path("answers").glob("part-*"))) == 5
    again = write(ECHO, frame, session=session, engine=client)
    assert (again.written, again.asked, again.failed) == (100, 0, 0)


def test_a_run_continues_what_another_kind_of_run_wrote(session: Session, simulator: Simulator, client: Any) -> None:
    whole = frame_of(60, "mixed", 4)
    with Session(base_url=simulator.base_url, api_key=simulator.key) as local:
        assert write(ECHO, whole.compute()[:25], session=local).asked == 25
    for path in Path().glob("answers.sqlite*"):
        path.unlink()
    totals = write(ECHO, whole.repartition(npartitions=3), session=session, engine=client)
    assert (totals.written, totals.asked) == (25, 35)
    assert written()["row"].to_pylist() == list(range(60))
    with Session(base_url=simulator.base_url, api_key=simulator.key) as local:
        assert write(ECHO, whole.compute(), session=local).written == 60


def test_errors_and_names_of_the_prompt_reach_the_workers(session: Session, simulator: Simulator, client: Any) -> None:
    frame = dd.from_pandas(pd.DataFrame({"text": ["a", None, "c", "d"]}), npartitions=2)
    template = ok_template("{{ greeting }} {{ row.text }}", say='"ok"')
    names = {"greeting": "Hello", "unused": threading.Lock()}
    totals = write(template, frame, session=session, engine=client, namespace=names)
    assert (totals.failed, totals.asked) == (1, 3)
    assert "it has no value" in written("failed")["error"].to_pylist()[0]
    assert {"Hello a", "Hello d"} <= set(sent_texts(simulator))
    with pytest.raises(UsageError, match="The prompt cannot be sent to the workers"):
        write(ok_template("{{ unused }} {{ row.text }}"), frame, session=session, engine=client, namespace=names)


def test_a_function_and_a_schema_reach_the_workers(session: Session, client: Any) -> None:
    frame = frame_of(6, "f", 2)
    totals = write(lambda row: f"Count {row.text} 7", frame, session=session, engine=client, schema=list[int])
    assert (totals.failed, totals.asked) == (0, 6)


def test_workers_that_die_cost_their_calls_in_flight(session: Session, simulator: Simulator) -> None:
    """Workers are killed at random moments; no answer is missing or there twice."""
    with cluster_of(simulator) as client:
        _kill_workers(session, simulator, client)


def _kill_workers(session: Session, simulator: Simulator, client: Any) -> None:
    before, rows, kills = len(sent_rows(simulator)), 400, 0
    frame, source, over = frame_of(rows, "killed", 8), random.Random(5), threading.Event()

    def kill() -> None:
        nonlocal kills
        while kills < 6 and not over.wait(source.uniform(0.2, 1.0)):
            pids = list(client.run(os.getpid, on_error="ignore").values())
            if len(sent_rows(simulator)) > before and len(pids) == WORKERS and not over.is_set():
                os.kill(source.choice(pids), signal.SIGKILL)
                kills += 1

    thread = threading.Thread(target=kill)
    thread.start()
    template = ok_template(say='"{{ row.text }}!"', wait=0.1)
    try:
        totals = write(template, frame, session=session, engine=client)
    finally:
        over.set()
        thread.join()
    for _ in range(3):  # a partition whose workers died often is left to the next run
        if totals.failed:
            totals = write(template, frame, session=session, engine=client)
    assert totals.failed == 0
    table = written()
    assert table["row"].to_pylist() == list(range(rows))
    assert table["answer"].to_pylist() == [f"killed {n}!" for n in range(rows)]
    assert kills
    most = 4 + 100  # its half of the calls in flight, and the answers that it had not stored
    assert len(sent_rows(simulator)) - before <= rows + kills * most


def test_the_workers_together_spend_no_more_than_the_budget(
    session: Session, simulator: Simulator, client: Any
) -> None:
    session.config.concurrency = 64
    price = write(ECHO, frame_of(4, "price", 1), session=session, engine=client).cost
    assert price is not None
    for path in Path("answers").iterdir():
        path.unlink()
    for number, calls in enumerate((3, 60, 200)):
        budget, before = price / 4 * calls, len(sent_rows(simulator))
        frame = frame_of(400, f"budget {number}", 8)
        template = ok_template(say='"{{ row.text }}!"', wait=0.05)
        totals = write(template, frame, session=session, engine=client, budget=budget)
        sent = len(sent_rows(simulator)) - before
        assert 0.7 * calls <= sent <= 1.05 * calls + 8
        assert totals.failed == 400 - sent
        assert any("the budget of" in note for note in totals.notes)
        for path in Path("answers").iterdir():
            path.unlink()


def test_a_budget_is_shared_by_the_tasks_of_a_worker(session: Session, simulator: Simulator) -> None:
    frame, template = frame_of(40, "tasks", 8), ok_template(say='"{{ row.text }}!"', wait=0.3)
    with cluster_of(simulator, threads=2) as client:
        totals = write(template, frame, session=session, engine=client, budget=1.0)
    assert totals.failed == 0, totals.notes
    assert written()["row"].to_pylist() == list(range(40))


def test_the_rates_hold_for_all_workers_together(session: Session, simulator: Simulator, client: Any) -> None:
    session.config.requests_per_minute = 600
    began = time.monotonic()
    totals = write(ECHO, frame_of(60, "rate", 6), session=session, engine=client)
    seconds = time.monotonic() - began
    assert totals.failed == 0
    assert seconds >= 0.9 * 60 / 600 * 60
    assert seconds < 3 * 60 / 600 * 60 * PATIENCE


def test_a_refusal_with_a_pause_lets_all_workers_wait(session: Session, simulator: Simulator, client: Any) -> None:
    frame = frame_of(400, "pause", 8)
    texts = frame.compute()
    texts.loc[200, "text"] += " [[simulator: fault=rate-limit retry_after=4 times=1]]"
    frame = dd.from_pandas(texts, npartitions=8)
    times: list[tuple[float, int]] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            times.append((time.monotonic(), len(sent_rows(simulator))))

    thread = threading.Thread(target=watch)
    thread.start()
    before = len(sent_rows(simulator))
    try:
        totals = write(ok_template(wait=0.1), frame, session=session, engine=client)
    finally:
        over.set()
        thread.join()
    assert totals.failed == 0
    assert len(sent_rows(simulator)) - before == 401
    longest = max(_still(times, before, before + 401))
    assert longest >= 2.5


def _still(times: list[tuple[float, int]], first: int, last: int) -> Iterator[float]:
    """Yield how long no request arrived, each time, while the run sent."""
    since = None
    for (at, count), (_, earlier) in zip(times[1:], times, strict=False):
        if count != earlier or since is None:
            since = at
        elif first < count < last:
            yield at - since


SLOW_ROW_S = 30.0


def test_a_slow_row_delays_no_other(session: Session, simulator: Simulator, client: Any) -> None:
    texts = pd.DataFrame({"text": [f"quick {n}" for n in range(160)]})
    texts.loc[::80, "text"] += f" [[simulator: wait={SLOW_ROW_S}]]"  # fewer than a worker has calls
    before, began = len(sent_rows(simulator)), time.monotonic()
    quick: list[float] = []

    def watch() -> None:
        while len(sent_rows(simulator)) - before < 160:
            time.sleep(0.05)
        quick.append(time.monotonic() - began)

    thread = threading.Thread(target=watch)
    thread.start()
    totals = write(ok_template(), dd.from_pandas(texts, npartitions=8), session=session, engine=client)
    thread.join()
    assert totals.failed == 0
    assert quick[0] < SLOW_ROW_S, "the last row was sent before the first slow one was answered"


def test_an_interrupt_lets_the_workers_finish_their_calls(session: Session, simulator: Simulator, client: Any) -> None:
    before, frame = len(sent_rows(simulator)), frame_of(400, "interrupted", 8)
    template = ok_template(say='"{{ row.text }}!"', wait=0.2)

    def interrupt() -> None:
        while len(sent_rows(simulator)) - before < 40:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(TurnInterruptedError) as caught:
        write(template, frame, session=session, engine=client)
    thread.join()
    totals, sent = caught.value.result, len(sent_rows(simulator)) - before
    assert isinstance(totals, RunTotals)
    assert totals.asked == sent < 400
    assert written().num_rows == 400 - totals.failed == sent
    assert write(template, frame, session=session, engine=client).asked == 400 - sent


def test_a_folder_that_fails_ends_the_run_and_its_calls_are_counted(
    session: Session, simulator: Simulator, client: Any
) -> None:
    texts = pd.DataFrame({"text": [f"lost {n}" for n in range(80)]})
    texts.loc[40, "text"] += " [[simulator: wait=180]]"
    before, calls, folder = len(sent_rows(simulator)), session.ledger.total().calls, Path("answers")

    def replace_folder() -> None:
        while len(sent_rows(simulator)) - before < 8 or "lost 40" not in sent_texts(simulator):
            time.sleep(0.01)
        shutil.rmtree(folder)
        folder.write_text("not a folder")

    thread = threading.Thread(target=replace_folder)
    thread.start()
    began = time.monotonic()
    with pytest.raises(StoreError, match="Cannot write to"):
        write(ok_template(wait=0.5), dd.from_pandas(texts, npartitions=2), session=session, engine=client)
    thread.join()
    assert session.ledger.total().calls - calls >= 40
    assert time.monotonic() - began < 120, "the other partition is not waited for without end"


class Ended:
    """Stands for a future of a partition."""

    def __init__(self, status: str, result: Any) -> None:
        self.status, self._result = status, result

    def result(self) -> Any:
        if isinstance(self._result, BaseException):
            raise self._result
        return self._result

    def exception(self) -> Any:
        return self._result


def test_the_answers_of_a_partition_that_was_given_up_count_as_missing() -> None:
    run: Any = PartitionRun.__new__(PartitionRun)
    run._latest, run._failures = {3: Counts(done=9, complete=8, written=2, stored=4, calls=7)}, {}
    for outcome in ("workers died while they had it", "ValueError: no"):
        error = asyncio.CancelledError() if "died" in outcome else ValueError("no.")
        assert _outcome_of(Ended("error", error)) == outcome
        assert "died" not in outcome or _outcome_of(Ended("finished", error)) == outcome
    run._finish(3, _outcome_of(Ended("cancelled", None)))
    assert list(run._failures) == ["Partition 3 was not finished: workers died while they had it."]
    assert run._latest == {3: Counts(done=2, complete=2, written=2, stored=2, calls=7)}


def test_a_worker_without_a_key_and_a_cluster_with_too_many_workers_are_one_clear_error(
    session: Session, simulator: Simulator, client: Any
) -> None:
    with Simulator() as other, Session(base_url=other.base_url) as keyless:
        with pytest.raises(StoreError, match=r"No API key found for 127\.0\.0\.1"):
            write(ECHO, frame_of(20, "no key", 2), session=keyless, engine=client)
        assert other.log == []
    session.config.concurrency = 1
    with pytest.raises(UsageError, match="2 workers cannot share 1 concurrent calls"):
        write(ECHO, frame_of(20, "few", 2), session=session, engine=client)
