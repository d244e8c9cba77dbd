"""Map runs on the workers of a real Dask cluster of processes, and Dask data frames as data."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import dask.dataframe as dd
import pandas as pd
import pytest

from mm_magics import Session, map_prompts
from mm_magics.batch.dask_rows import empty_frame
from mm_magics.batch.engines.dask import is_worker_death, workers_of
from mm_magics.batch.job import MapOptions, build_job
from mm_magics.batch.map_run import MapRun
from mm_magics.errors import UsageError
from mm_magics.simulator import Simulator
from tests.batch.cluster import cluster_of
from tests.batch.simulated import OK_TEMPLATE, Watched, ok_template, sent_texts
from tests.canary import CANARY, places
from tests.pace import PATIENCE

pytestmark = [pytest.mark.slow, pytest.mark.traced, pytest.mark.xdist_group("dask")]


@dataclass
class Label:
    word: str
    score: int


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
    with Session(base_url=simulator.base_url, max_retries=0, concurrency=4) as session:
        yield session


def rows(count: int, name: str = "row") -> list[str]:
    return [f"{name} {number}" for number in range(count)]


def test_the_workers_send_and_only_they_have_the_key(
    session: Session, simulator: Simulator, client: Any, capfd: Any
) -> None:
    before = len(simulator.log)
    result = map_prompts(OK_TEMPLATE, [*rows(30), "row 3"], session=session, engine=client)
    assert result.errors == []
    assert result.values == ["ok"] * 31
    assert (len(simulator.log) - before, result.asked) == (30, 30)
    assert {each.auth_headers for each in simulator.log} == {("authorization",)}
    assert map_prompts(OK_TEMPLATE, rows(30), session=session, engine=client).asked == 0

    def scheduler_state(dask_scheduler: Any) -> str:
        graph = [(task.key, task.run_spec, task.state) for task in dask_scheduler.tasks.values()]
        return repr((graph, dask_scheduler.get_events()))

    assert "mm_magics-" in client.run_on_scheduler(scheduler_state)
    assert places(client.run_on_scheduler(scheduler_state)) == []
    assert places(repr((client.get_scheduler_logs(), client.get_worker_logs(), result, vars(result)))) == []
    assert places("".join(capfd.readouterr())) == []


def test_all_workers_together_respect_the_concurrency(session: Session, simulator: Simulator, client: Any) -> None:
    for bound in (1, 4):
        session.config.concurrency = bound
        with Watched(simulator) as watched:
            map_prompts(ok_template("{{ row }}", wait=0.05), rows(12, f"bound {bound}"), session=session, engine=client)
        assert (bound + 1) // 2 <= watched.peak <= bound


def test_the_workers_check_the_schema(session: Session, simulator: Simulator, client: Any) -> None:
    result = map_prompts("Label '{{ row }}' 7.", ["a", "b"], schema=Label, session=session, engine=client)
    assert result.values == [Label("a", 7), Label("b", 7)]


def test_a_failed_row_is_an_error_and_an_empty_account_ends_the_run(
    session: Session, simulator: Simulator, client: Any
) -> None:
    given = ["a", "b [[simulator: fault=input-sensitive]]", "c"]
    result = map_prompts(ok_template("{{ row }}"), given, session=session, engine=client)
    assert dict(result.errors) == {1: "input new_sensitive (1026) (HTTP 422, unprocessable_entity_error)"}
    before = len(simulator.log)
    simulator.fault = "insufficient-balance"
    rejected = map_prompts(ok_template("{{ row }}"), rows(400), session=session, engine=client)
    simulator.fault = None
    assert len(rejected.errors) == 400
    unsent = [why for _, why in rejected.errors if why.startswith("Not sent: insufficient balance")]
    assert len(unsent) > 300
    assert len(simulator.log) - before < 100


def test_a_pause_of_the_workers_is_shown(session: Session, simulator: Simulator, client: Any, capsys: Any) -> None:
    template = ok_template("{{ row }}", fault="rate-limit", retry_after=1, times=1)
    assert map_prompts(template, ["busy"], session=session, engine=client).values == ["ok"]
    assert "all calls wait 1 s" in capsys.readouterr().err


def test_only_unfinished_rows_of_a_killed_worker_are_sent_again(
    session: Session, simulator: Simulator, client: Any
) -> None:
    before, count = len(simulator.log), 80
    pids = client.run(os.getpid)

    def kill() -> None:
        while len(simulator.log) - before < count // 2:
            time.sleep(0.005)
        os.kill(next(iter(pids.values())), signal.SIGKILL)

    threading.Thread(target=kill).start()
    result = map_prompts(ok_template("{{ row }}", wait=0.1), rows(count, "killed"), session=session, engine=client)
    assert result.errors == []
    assert result.values == ["ok"] * count
    assert count <= len(simulator.log) - before <= count + 4
    client.wait_for_workers(2, timeout=30)


def test_stop_ends_the_calls_of_the_workers_and_keeps_the_answers(
    session: Session, simulator: Simulator, client: Any
) -> None:
    before = len(simulator.log)
    template, options = ok_template("{{ row }}", wait=1), MapOptions(engine=client)
    job = build_job(session, template, rows(200), options)
    stop, pressed = threading.Event(), list[float]()

    def press() -> None:
        while len(simulator.log) - before < 12:
            time.sleep(0.005)
        pressed.append(time.monotonic())
        stop.set()

    threading.Thread(target=press).start()
    with MapRun(job, session.history, stop) as run:
        list(run.events(lambda: None))
    assert time.monotonic() - pressed[0] < 1.5 * PATIENCE
    assert run.result is not None
    assert 4 <= run.result.values.count("ok") < 20
    time.sleep(3)
    sent = len(simulator.log)
    time.sleep(0.5)
    assert len(simulator.log) == sent < before + 60


# Data frames ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("on_workers", [True, False], ids=["on its workers", "in this process"])
def test_a_dask_frame_is_returned_lazily_with_its_divisions(
    simulator: Simulator, client: Any, on_workers: bool
) -> None:
    frame = dd.from_pandas(pd.DataFrame({"text": rows(9, f"dask {on_workers}")}, index=range(10, 19)), npartitions=3)
    with Session(base_url=simulator.base_url, api_key=CANARY, concurrency=2) as session:
        result = map_prompts(ok_template(), frame, session=session, engine=client if on_workers else None)
    assert isinstance(result.frame, dd.DataFrame)
    assert result.frame.divisions == frame.divisions
    assert list(result.frame.columns) == ["text", "answer", "answer_error"]
    whole = result.frame.compute()
    assert whole["answer"].tolist() == ["ok"] * 9
    assert whole["text"].tolist() == frame.compute()["text"].tolist()
    assert whole.index.tolist() == list(range(10, 19))
    assert list(frame.columns) == ["text"]


# Errors ---------------------------------------------------------------------------------------------------------


def test_an_engine_that_is_not_a_client_is_an_error(session: Session) -> None:
    with pytest.raises(UsageError, match=r"--engine needs a distributed\.Client, not a value of type str\."):
        map_prompts(OK_TEMPLATE, ["a"], session=session, engine="cluster")


def test_workers_without_a_key_make_one_error_of_one_line(client: Any) -> None:
    with Simulator() as other, Session(base_url=other.base_url, concurrency=4) as session:
        result = map_prompts(OK_TEMPLATE, rows(200), session=session, engine=client)
        assert other.log == []
    (reason,) = {error.why for error in result.errors}
    assert reason.startswith("Not sent: The Dask worker tcp://")
    assert "failed: No API key found for 127.0.0.1" in reason
    assert "\n" not in reason


def test_rows_of_a_worker_without_a_key_are_sent_by_another_worker(
    session: Session, simulator: Simulator, client: Any
) -> None:
    has = client.run(lambda: "ANTHROPIC_API_KEY" in os.environ)
    if all(has.values()):  # a worker that replaced a killed one has no key
        client.run(lambda: os.environ.pop("ANTHROPIC_API_KEY"), workers=list(has)[:1])
    result = map_prompts(OK_TEMPLATE, rows(100, "one key"), session=session, engine=client)
    assert result.values == ["ok"] * 100


def test_dask_knows_the_columns_and_types_of_a_frame_that_it_has_not_computed() -> None:
    frame = pd.DataFrame({"text": ["x"], "size": [0.5]}, index=pd.Index([7], name="id"))
    empty = empty_frame(dd.from_pandas(frame, npartitions=1))
    assert isinstance(empty, pd.DataFrame)
    assert (len(empty), list(empty.columns), empty.index.name) == (0, ["text", "size"], "id")
    assert empty["size"].dtype == frame["size"].dtype


def test_the_death_of_a_worker_is_not_taken_for_an_exception_of_its_task() -> None:
    import dask
    from distributed import Client, LocalCluster

    def fail() -> None:
        raise RuntimeError("a task that fails")

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        failure = client.submit(fail, retries=0)
        assert not is_worker_death(failure.exception(timeout=30))
        death = client.submit(os._exit, 1, retries=0)  # not before: it would take the other task with it
        assert is_worker_death(death.exception(timeout=30))


def test_all_workers_are_known_while_the_client_updates_what_it_knows() -> None:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=8, threads_per_worker=1, processes=False, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        client.wait_for_workers(8, timeout=60)
        client.sync(client._update_scheduler_info, n_workers=0)  # as the client does every few seconds
        assert len(workers_of(client)) == 8


def test_a_cluster_without_workers_is_an_error(session: Session) -> None:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address=":0") as cluster,
        Client(cluster) as none,
        pytest.raises(UsageError, match=r"The Dask cluster has no workers\."),
    ):
        map_prompts(OK_TEMPLATE, ["a"], session=session, engine=none)


def test_a_dask_frame_is_checked_before_its_rows_are_sent(simulator: Simulator, client: Any) -> None:
    frame = dd.from_pandas(pd.DataFrame({"text": ["x", None]}), npartitions=2)
    with Session(base_url=simulator.base_url, api_key=CANARY) as session:
        with pytest.raises(UsageError, match="there is no column nope"):
            map_prompts("{{ row.nope }}", frame, session=session)
        before = len(sent_texts(simulator))
        assert [error.row for error in map_prompts(ok_template(), frame, session=session).errors] == [1]
        assert sent_texts(simulator)[before:] == ["x"]
