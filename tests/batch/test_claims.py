"""Processes that share a store: each answer is paid for once, also if a process dies or stands still."""

from __future__ import annotations

import hashlib
import random
import time
from pathlib import Path
from typing import Any

import pytest

from mm_magics import Session, StoreError, map_prompts
from mm_magics.batch import claims
from mm_magics.batch.run_store import RunStore
from mm_magics.batch.store import COMMIT_ROWS, Reply, Store
from mm_magics.simulator import Simulator
from tests.batch.map_process import Forks, outcome_of, start_run
from tests.batch.simulated import OK_TEMPLATE, sent_texts

FILE = Path("answers.sqlite")
A, B, C = (hashlib.sha256(name).digest() for name in (b"a", b"b", b"c"))
REPLY = Reply([{"role": "assistant", "content": "x"}], [])


def beat(store: Store) -> None:
    """Renew the lease of a store now."""
    store._claims._renewed_at = time.monotonic() - claims.RENEW_S
    store.flush()


def test_a_request_is_claimed_by_one_store_until_its_answer_is_written() -> None:
    with Store(FILE) as first, Store(FILE) as second:
        assert first.claim([A, B]) == ({}, set())
        assert first.claim([A, B]) == ({}, set())
        assert second.claim([A, C]) == ({}, {A})
        first.put(A, "m", REPLY)
        assert second.claim([A]) == ({}, {A})
        first.flush()
        assert second.claim([A, B]) == ({A: REPLY}, {B})
        first.give_up([B])
        assert second.claim([B]) == ({}, set())
        assert first.claim([B, C]) == ({}, {B, C})
    with Store(FILE) as third:
        assert third.claim([B, C]) == ({}, set())


def test_a_lease_that_is_not_renewed_is_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "EXPIRY_S", 3.0)
    with Store(FILE) as first, Store(FILE) as second:
        first.claim([A, B])
        assert second.claim([A]) == ({}, {A})
        time.sleep(3.1)
        assert second.claim([A]) == ({}, set())
        assert first.claim([A, B]) == ({}, {A}), "its other claims are gone as well"
        first.put(A, "m", REPLY)
        first.flush()
        assert second.claim([A]) == ({A: REPLY}, set())


def test_a_lease_that_is_renewed_is_not_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "EXPIRY_S", 3.0)
    with Store(FILE) as first, Store(FILE) as second:
        first.claim([A])
        for _ in range(6):
            assert second.claim([A]) == ({}, {A})
            time.sleep(0.7)
            beat(first)


@pytest.mark.parametrize("jump", [-1e9, 1e9])
def test_a_clock_that_jumps_ends_no_lease(monkeypatch: pytest.MonkeyPatch, jump: float) -> None:
    with Store(FILE) as first, Store(FILE) as second:
        first.claim([A])
        assert second.claim([A]) == ({}, {A})
        wall = time.time
        monkeypatch.setattr(time, "time", lambda: wall() + jump)
        assert second.claim([A]) == ({}, {A})


def test_the_claims_of_a_failed_row_are_given_up(session: Session, endpoint: Simulator) -> None:
    template = "{{ row }} [[simulator: fault=unknown-error]]"
    session.settings.assign("max_retries", 0)
    with Store(FILE) as other:
        result: Any = map_prompts(template, ["a"], session=session, store=FILE)
        assert len(result.errors) == 1
        again: Any = map_prompts(template, ["a"], session=session, store=FILE)
        assert len(again.errors) == 1
        assert other._connection.execute("SELECT count(*) FROM claims").fetchone() == (0,)


def test_a_run_waits_for_the_answers_that_another_one_requests(session: Session, endpoint: Simulator) -> None:
    digest = bytes.fromhex(session.prepare(OK_TEMPLATE.replace("{{ row }}", "a"), context="none").request.sha256)
    other = Store(FILE)
    other.claim([digest])

    def prompt_for(row: str) -> str:
        if row == "z":  # the other process stores its answer while this run is on its last row
            other.put(digest, "m", Reply([{"role": "assistant", "content": [{"type": "text", "text": "theirs"}]}], []))
            other.flush()
        return OK_TEMPLATE.replace("{{ row }}", row)

    rows = ["a", "a", *(f"b{n}" for n in range(200)), "z"]
    result: Any = map_prompts(prompt_for, rows, session=session, store=FILE)
    other.close()
    assert result.values == ["theirs", "theirs", *["ok"] * 201]
    assert (result.asked, result.stored) == (201, 2)


@pytest.mark.slow
@pytest.mark.traced
@pytest.mark.parametrize("count", [2, 4])
def test_processes_with_one_store_pay_once(endpoint: Simulator, tmp_path: Path, count: int) -> None:
    store, rows, untraced = tmp_path / "answers.sqlite", 600, {"COVERAGE_PROCESS_CONFIG": ""}
    directives = 'say="ok" thinking="" wait=0.02'
    processes = [start_run(endpoint, store, rows, directives, env=untraced) for _ in range(count)]
    found = [outcome_of(each) for each in processes]
    assert [each["values"] for each in found] == [["ok"] * rows] * count
    assert sum(each["asked"] for each in found) == len(endpoint.log) <= 1.02 * rows
    assert len(set(sent_texts(endpoint))) == rows


@pytest.mark.slow
@pytest.mark.traced
def test_a_kill_costs_what_was_in_flight_and_not_written(endpoint: Simulator, tmp_path: Path) -> None:
    store, rows, at_once = tmp_path / "answers.sqlite", 1_500, 8
    lost = []
    with Forks(endpoint, store, rows, 'say="ok" thinking="" wait=0.01') as forks:
        for number in range(50):
            with Store(store) as left:
                before = len(endpoint.log) - len(left)
            until = len(endpoint.log) + random.Random(number).randrange(1, 40)
            child = forks.start()
            while len(endpoint.log) < until:
                time.sleep(0.001)
            forks.kill(child)
            while endpoint.in_progress:
                time.sleep(0.001)
            with Store(store) as left:
                lost.append(len(endpoint.log) - len(left) - before)
    assert max(lost) <= 2 * at_once + COMMIT_ROWS
    done = outcome_of(start_run(endpoint, store, rows, 'say="ok" thinking="" wait=0.01'))
    assert done["values"] == ["ok"] * rows
    assert len(endpoint.log) == rows + sum(lost)


def test_an_equal_row_whose_request_was_claimed_again_before_the_answer_finds_the_answer() -> None:
    problems: list[StoreError] = []
    with Store(FILE) as store:
        run_store = RunStore(store, problems.append)
        assert run_store.claim(A, [B, C]) == (None, False)
        for digest in (B, C):
            run_store.claim(digest, [A])  # an equal row is upcoming
        run_store.put(A, "m", REPLY)
        assert run_store.claim(A, ()) == (REPLY, False)
    assert problems == []
