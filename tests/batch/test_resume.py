"""Map runs that a signal ends halfway and that are run again, and two runs at the same time."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from mm_magics.simulator import Simulator
from tests.batch.map_process import outcome_of, start_run
from tests.batch.simulated import sent_texts

pytestmark = pytest.mark.slow
ROWS, AT_ONCE = 60, 8
SLOW = 'say="ok" thinking="" wait=0.05'


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "answers.sqlite"


def wait_for(endpoint: Simulator, count: int, process: subprocess.Popen[str]) -> None:
    while len(endpoint.log) < count:
        assert process.poll() is None
        time.sleep(0.005)


def stored(store: Path) -> int:
    base = sqlite3.connect(store)
    assert base.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    (count,) = base.execute("SELECT count(*) FROM answers").fetchone()
    base.close()
    return int(count)


def test_a_killed_run_and_its_second_run_send_each_row_once(endpoint: Simulator, store: Path) -> None:
    process = start_run(endpoint, store, ROWS, SLOW)
    wait_for(endpoint, ROWS // 2, process)
    process.kill()
    process.communicate()
    stored_first = stored(store)
    unwritten = 4 * AT_ONCE  # in flight, and answered in the last 0.1 s
    assert stored_first >= ROWS // 2 - unwritten
    again = outcome_of(start_run(endpoint, store, ROWS, SLOW))
    assert again["values"] == ["ok"] * ROWS
    assert again["stored"] == stored_first
    assert len(endpoint.log) <= ROWS + unwritten
    assert stored(store) == len(set(sent_texts(endpoint))) == ROWS


@pytest.mark.parametrize("times", [1, 3], ids=["once", "three times"])
def test_an_interrupt_keeps_every_finished_row(endpoint: Simulator, store: Path, times: int) -> None:
    process = start_run(endpoint, store, ROWS, SLOW)
    wait_for(endpoint, ROWS // 2, process)
    for _ in range(times):
        process.send_signal(signal.SIGINT)
    found = outcome_of(process)
    finished = [record for record in endpoint.log if record.ended == "complete"]
    assert found["error"].startswith("TurnInterruptedError: Interrupted.\nReceived answers are in the store")
    if times == 1:
        assert found["values"].count("ok") == stored(store)
        assert len(finished) - AT_ONCE <= stored(store) <= len(finished)
        assert set(found["reasons"]) == {"Not sent: the run was ended."}
        assert len(found["reasons"]) == ROWS - found["values"].count("ok")
    assert [record.ended for record in endpoint.log if record.ended != "complete"] == ["left"] * (
        len(endpoint.log) - len(finished)
    )
    assert outcome_of(start_run(endpoint, store, ROWS, SLOW))["values"] == ["ok"] * ROWS
    assert len(endpoint.log) <= ROWS + 2 * AT_ONCE


def test_two_runs_can_share_one_store_at_the_same_time(endpoint: Simulator, store: Path) -> None:
    both = [start_run(endpoint, store, ROWS, SLOW) for _ in range(2)]
    ends: list[dict[str, Any]] = [outcome_of(each) for each in both]
    assert [end["values"] for end in ends] == [["ok"] * ROWS] * 2
    assert stored(store) == ROWS
    assert sum(end["asked"] for end in ends) == len(endpoint.log)
    assert all(end["asked"] + end["stored"] == ROWS for end in ends)
    assert outcome_of(start_run(endpoint, store, ROWS, SLOW))["asked"] == 0


def test_a_second_run_does_not_send_what_was_stored_before_it_started(endpoint: Simulator, store: Path) -> None:
    first = start_run(endpoint, store, ROWS, SLOW)
    wait_for(endpoint, ROWS // 2, first)
    stored_first = stored(store)
    second = start_run(endpoint, store, ROWS, SLOW)
    assert outcome_of(first)["values"] == outcome_of(second)["values"] == ["ok"] * ROWS
    assert len(endpoint.log) <= ROWS + (ROWS - stored_first)
