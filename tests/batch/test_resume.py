"""A run that ends in the middle, by a signal or a kill, and is run again; and two runs at the same time."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from mm_magics.simulator import Simulator
from tests.batch.asked import texts
from tests.batch.other import begun, told

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


def test_a_run_that_was_killed_at_half_costs_one_pass_in_all(endpoint: Simulator, store: Path) -> None:
    process = begun(endpoint, store, ROWS, SLOW)
    wait_for(endpoint, ROWS // 2, process)
    process.kill()
    process.communicate()
    kept = stored(store)
    assert kept >= ROWS // 2 - 2 * AT_ONCE
    again = told(begun(endpoint, store, ROWS, SLOW))
    assert again["values"] == ["ok"] * ROWS
    assert again["stored"] == kept
    assert len(endpoint.log) <= ROWS + 2 * AT_ONCE
    assert stored(store) == len(set(texts(endpoint))) == ROWS


@pytest.mark.parametrize("times", [1, 3], ids=["once", "again and again"])
def test_an_interrupt_keeps_every_finished_row(endpoint: Simulator, store: Path, times: int) -> None:
    process = begun(endpoint, store, ROWS, SLOW)
    wait_for(endpoint, ROWS // 2, process)
    for _ in range(times):
        process.send_signal(signal.SIGINT)
    found = told(process)
    finished = [record for record in endpoint.log if record.ended == "complete"]
    assert found["error"].startswith("TurnInterruptedError: Interrupted.\nWhat came is in the store")
    if times == 1:
        assert found["values"].count("ok") == stored(store)
        assert len(finished) - AT_ONCE <= stored(store) <= len(finished)
        assert set(found["whys"]) == {"Not asked: the run was ended."}
        assert len(found["whys"]) == ROWS - found["values"].count("ok")
    assert [record.ended for record in endpoint.log if record.ended != "complete"] == ["left"] * (
        len(endpoint.log) - len(finished)
    )
    assert told(begun(endpoint, store, ROWS, SLOW))["values"] == ["ok"] * ROWS
    assert len(endpoint.log) <= ROWS + 2 * AT_ONCE


def test_two_runs_on_one_store_at_the_same_time_spoil_nothing(endpoint: Simulator, store: Path) -> None:
    both = [begun(endpoint, store, ROWS, SLOW) for _ in range(2)]
    ends: list[dict[str, Any]] = [told(each) for each in both]
    assert [end["values"] for end in ends] == [["ok"] * ROWS] * 2
    assert stored(store) == ROWS
    assert sum(end["asked"] for end in ends) == len(endpoint.log)
    assert all(end["asked"] + end["stored"] == ROWS for end in ends)
    assert told(begun(endpoint, store, ROWS, SLOW))["asked"] == 0


def test_a_second_run_pays_for_nothing_that_was_stored_when_it_began(endpoint: Simulator, store: Path) -> None:
    first = begun(endpoint, store, ROWS, SLOW)
    wait_for(endpoint, ROWS // 2, first)
    kept = stored(store)
    second = begun(endpoint, store, ROWS, SLOW)
    assert told(first)["values"] == told(second)["values"] == ["ok"] * ROWS
    assert len(endpoint.log) <= ROWS + (ROWS - kept)
