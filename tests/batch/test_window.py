"""The number of calls in flight adapts to what the endpoint takes."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from mm_magics import Session, map_prompts
from mm_magics.batch.engines.window import LATENCY_FLOOR, Window
from mm_magics.simulator import Simulator
from tests.batch.simulated import ok_template


async def converse(window: Window, calls: int, limit: int, workers: int, latency: float = 0.002) -> list[int]:
    """Send calls to an endpoint that allows so many in flight, and return how many were admitted at each call."""
    admitted, in_flight, left = list[int](), 0, calls

    async def work() -> None:
        nonlocal in_flight, left
        while left > 0:
            left -= 1
            is_refused = True
            while is_refused:
                await window.enter()
                sent_at = anyio.current_time()
                in_flight += 1
                admitted.append(in_flight)
                is_refused = in_flight > limit
                await anyio.sleep(0 if is_refused else latency)
                in_flight -= 1
                if is_refused:
                    window.refused(sent_at)
                else:
                    window.answered(latency)
                window.leave()
                if is_refused:
                    await anyio.sleep(latency)

    async with anyio.create_task_group() as group:
        for _ in range(workers):
            group.start_soon(work)
    assert window.in_flight == 0
    return admitted


@pytest.mark.parametrize("limit", [1, 7, 32, 200])
def test_the_window_shrinks_to_what_the_endpoint_allows_and_stays_there(limit: int) -> None:
    window = Window(64)
    admitted = anyio.run(converse, window, 1_500, limit, 64)
    assert max(admitted) == 64
    later = admitted[len(admitted) // 3 :]
    assert max(later) <= max(limit + 3, 4) or limit > 64
    assert window.size >= min(limit, 64) - 1
    assert sum(each > limit for each in admitted) <= 64 + 40


def test_the_window_grows_again_when_the_endpoint_allows_more() -> None:
    window = Window(32)
    anyio.run(converse, window, 200, 4, 32)
    assert window.size < 8
    anyio.run(converse, window, 6_000, 64, 32, 0.0)
    assert window.size == 32


def test_slow_answers_shrink_the_window_but_not_a_small_one() -> None:
    window = Window(100)
    for _ in range(200):
        window.answered(0.1)
    for _ in range(100 * 4):
        window.answered(10.0)
    assert LATENCY_FLOOR <= window.size < 100
    small = Window(8)
    for seconds in [0.1] * 50 + [10.0] * 50:
        small.answered(seconds)
    assert small.size == 8


@pytest.mark.slow
@pytest.mark.parametrize("allowed", [1, 6])
def test_a_run_with_more_calls_than_the_endpoint_allows_loses_no_row(
    session: Session, endpoint: Simulator, allowed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mm_magics.batch.rate_limit.FIRST_PAUSE_S", 0.1)
    endpoint.max_in_flight = allowed
    session.config.concurrency = 48
    rows = [f"row {number}" for number in range(150)]
    result: Any = map_prompts(ok_template("{{ row }}", wait=0.03), rows, session=session)
    assert result.errors == []
    assert sum(record.status == 429 for record in endpoint.log) < 150
