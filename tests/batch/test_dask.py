"""Runs sent by the workers of a real Dask cluster of processes, and Dask data frames in and out."""

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
from mm_magics.batch.api import job_of
from mm_magics.batch.result import MapRun
from mm_magics.errors import UsageError
from mm_magics.simulator import Simulator
from tests.batch.asked import SAY, Watched, say, texts
from tests.canary import CANARY, places

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
    from distributed import Client, LocalCluster

    patch = pytest.MonkeyPatch()
    patch.setenv("ANTHROPIC_BASE_URL", simulator.base_url)
    patch.setenv("ANTHROPIC_API_KEY", CANARY)
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        patch.undo()  # the workers alone have the key
        yield client


@pytest.fixture
def session(simulator: Simulator) -> Iterator[Any]:
    """One without a key."""
    with Session(base_url=simulator.base_url, max_retries=0, concurrency=4) as session:
        yield session


def rows(count: int, name: str = "row") -> list[str]:
    return [f"{name} {number}" for number in range(count)]


def test_the_workers_send_and_the_key_is_nowhere_but_with_them(
    session: Session, simulator: Simulator, client: Any, capfd: Any
) -> None:
    before = len(simulator.log)
    result = map_prompts(SAY, [*rows(30), "row 3"], session=session, engine=client)
    assert result.errors == []
    assert result.values == ["ok"] * 31
    assert (len(simulator.log) - before, result.asked) == (30, 30)
    assert {each.auth_headers for each in simulator.log} == {("authorization",)}
    assert map_prompts(SAY, rows(30), session=session, engine=client).asked == 0

    def left(dask_scheduler: Any) -> str:
        graph = [(task.key, task.run_spec, task.state) for task in dask_scheduler.tasks.values()]
        return repr((graph, dask_scheduler.get_events()))

    assert "mm_magics-" in client.run_on_scheduler(left)
    assert places(client.run_on_scheduler(left)) == []
    assert places(repr((client.get_scheduler_logs(), client.get_worker_logs(), result, vars(result)))) == []
    assert places("".join(capfd.readouterr())) == []


def test_the_concurrency_is_that_of_all_workers_together(session: Session, simulator: Simulator, client: Any) -> None:
    for bound in (1, 4):
        session.config.concurrency = bound
        with Watched(simulator) as watched:
            map_prompts(say("{{ row }}", wait=0.05), rows(12, f"bound {bound}"), session=session, engine=client)
        assert (bound + 1) // 2 <= watched.most <= bound


def test_a_schema_is_checked_by_the_workers(session: Session, simulator: Simulator, client: Any) -> None:
    result = map_prompts("Label '{{ row }}' 7.", ["a", "b"], schema=Label, session=session, engine=client)
    assert result.values == [Label("a", 7), Label("b", 7)]


def test_failures_of_rows_are_values_and_a_refusal_for_all_ends_the_run(
    session: Session, simulator: Simulator, client: Any
) -> None:
    given = ["a", "b [[simulator: fault=input-sensitive]]", "c"]
    result = map_prompts(say("{{ row }}"), given, session=session, engine=client)
    assert dict(result.errors) == {1: "input new_sensitive (1026) (HTTP 422, unprocessable_entity_error)"}
    before = len(simulator.log)
    broke = map_prompts(say("{{ row }}", fault="insufficient-balance"), rows(400), session=session, engine=client)
    assert len(broke.errors) == 400
    assert broke.errors[-1].why.startswith("Not asked: insufficient balance")
    assert len(simulator.log) - before < 100


def test_a_busy_endpoint_is_told_of(session: Session, simulator: Simulator, client: Any, capsys: Any) -> None:
    template = say("{{ row }}", fault="rate-limit", retry_after=1, times=1)
    assert map_prompts(template, ["busy"], session=session, engine=client).values == ["ok"]
    assert "all calls wait 1 s" in capsys.readouterr().err


def test_a_killed_worker_costs_its_unfinished_rows_at_most(session: Session, simulator: Simulator, client: Any) -> None:
    before, count = len(simulator.log), 80
    pids = client.run(os.getpid)

    def kill() -> None:
        while len(simulator.log) - before < count // 2:
            time.sleep(0.005)
        os.kill(next(iter(pids.values())), signal.SIGKILL)

    threading.Thread(target=kill).start()
    result = map_prompts(say("{{ row }}", wait=0.1), rows(count, "killed"), session=session, engine=client)
    assert result.errors == []
    assert result.values == ["ok"] * count
    assert count <= len(simulator.log) - before <= count + 4
    client.wait_for_workers(2, timeout=30)


def test_stop_ends_what_the_workers_send_and_keeps_what_came(
    session: Session, simulator: Simulator, client: Any
) -> None:
    before = len(simulator.log)
    job = job_of(session, say("{{ row }}", wait=0.2), rows(200), into="x", name="rows", namespace={}, engine=client)
    stop, pressed = threading.Event(), list[float]()

    def press() -> None:
        while len(simulator.log) - before < 12:
            time.sleep(0.005)
        pressed.append(time.monotonic())
        stop.set()

    threading.Thread(target=press).start()
    with MapRun(job, session.history, stop) as running:
        list(running.events(lambda: None))
    assert time.monotonic() - pressed[0] < 1.5
    assert running.mapped is not None
    assert 4 <= running.mapped.values.count("ok") < 20
    time.sleep(1.5)
    sent = len(simulator.log)
    time.sleep(0.5)
    assert len(simulator.log) == sent < before + 60


# Data frames ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("on_workers", [True, False], ids=["with its workers", "here"])
def test_a_dask_frame_comes_back_lazy_with_its_divisions(simulator: Simulator, client: Any, on_workers: bool) -> None:
    frame = dd.from_pandas(pd.DataFrame({"text": rows(9, f"dask {on_workers}")}, index=range(10, 19)), npartitions=3)
    with Session(base_url=simulator.base_url, api_key=CANARY, concurrency=2) as session:
        result = map_prompts(say(), frame, session=session, engine=client if on_workers else None)
    assert isinstance(result.frame, dd.DataFrame)
    assert result.frame.divisions == frame.divisions
    assert list(result.frame.columns) == ["text", "answer", "answer_error"]
    whole = result.frame.compute()
    assert whole["answer"].tolist() == ["ok"] * 9
    assert whole["text"].tolist() == frame.compute()["text"].tolist()
    assert whole.index.tolist() == list(range(10, 19))
    assert list(frame.columns) == ["text"]


# What cannot be -------------------------------------------------------------------------------------------------


def test_what_is_no_client_is_said(session: Session) -> None:
    with pytest.raises(UsageError, match=r"A str is no distributed\.Client\."):
        map_prompts(SAY, ["a"], session=session, engine="cluster")


def test_workers_without_a_key_are_one_clear_line(client: Any) -> None:
    with Simulator() as other, Session(base_url=other.base_url, concurrency=4) as session:
        result = map_prompts(SAY, rows(200), session=session, engine=client)
        assert other.log == []
    whys = {why for _, why in result.errors}
    assert len(whys) == 1
    (why,) = whys
    assert why.startswith("Not asked: The Dask worker tcp://")
    assert "failed: There is no key for 127.0.0.1" in why
    assert "\n" not in why


def test_a_worker_without_a_key_leaves_its_rows_to_those_with_one(
    session: Session, simulator: Simulator, client: Any
) -> None:
    has = client.run(lambda: "ANTHROPIC_API_KEY" in os.environ)
    if all(has.values()):  # one that took a killed one's place has none
        client.run(lambda: os.environ.pop("ANTHROPIC_API_KEY"), workers=list(has)[:1])
    result = map_prompts(SAY, rows(100, "one key"), session=session, engine=client)
    assert result.values == ["ok"] * 100


def test_a_cluster_without_workers_is_said(session: Session) -> None:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address=":0") as cluster,
        Client(cluster) as none,
        pytest.raises(UsageError, match=r"The Dask cluster has no workers\."),
    ):
        map_prompts(SAY, ["a"], session=session, engine=none)


def test_rows_of_a_dask_frame_are_read_once_they_are_wanted(simulator: Simulator, client: Any) -> None:
    frame = dd.from_pandas(pd.DataFrame({"text": ["x", None]}), npartitions=2)
    with Session(base_url=simulator.base_url, api_key=CANARY) as session:
        with pytest.raises(UsageError, match="there is no column nope"):
            map_prompts("{{ row.nope }}", frame, session=session)
        before = len(simulator.log)
        assert [error.row for error in map_prompts(say(), frame, session=session).errors] == [1]
        assert texts(simulator)[before:] == ["x"]
