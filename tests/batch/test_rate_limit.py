"""How fast a map run sends: concurrency, requests and tokens per minute, shared pauses, and what ends a run."""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest
from traitlets import TraitError

from mm_magics import Session, map_prompts
from mm_magics.batch.result import MapResult
from mm_magics.errors import UsageError
from mm_magics.simulator import Simulator
from tests.batch.simulated import OK_TEMPLATE, Watched, ok_template, sent_rows, sent_texts
from tests.pace import PATIENCE

pytestmark = [pytest.mark.slow, pytest.mark.traced]

GRACE_S = 0.3
"""On a busy machine, a request may arrive this much after it was sent."""
BRIEFLY_WAITING = ok_template("{{ row }}", wait=0.02)


def rows(count: int) -> list[str]:
    return [f"row {number}" for number in range(count)]


def with_fault(number: int, count: int, directives: str) -> list[str]:
    """Return texts, one of which makes the simulator fail."""
    return [f"{each} [[simulator: {directives}]]" if n == number else each for n, each in enumerate(rows(count))]


def not_sent(result: MapResult) -> list[str]:
    return [why for _, why in result.errors if why.startswith("Not sent: ")]


# Limits ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bound", [1, 5, 40])
def test_concurrent_calls_never_exceed_the_concurrency(session: Session, endpoint: Simulator, bound: int) -> None:
    session.config.concurrency = bound
    with Watched(endpoint) as watched:
        result = map_prompts(
            ok_template("{{ row }}", wait=0.6 if bound > 5 else 0.02), rows(2 * bound), session=session
        )
    assert result.values == ["ok"] * 2 * bound
    assert bound // 2 < watched.peak <= bound


def test_requests_are_spread_evenly_over_the_minute(session: Session, endpoint: Simulator) -> None:
    session.config.requests_per_minute = 240.0
    with Watched(endpoint) as watched:
        map_prompts(OK_TEMPLATE, rows(16), session=session)
    assert watched.times[-1] - watched.times[0] > 14 * 0.25 - 2 * GRACE_S
    assert all(watched.times[n + 8] - watched.times[n] > 8 * 0.25 - 3 * GRACE_S for n in range(8))


def test_tokens_are_spread_evenly_over_the_minute(session: Session, endpoint: Simulator) -> None:
    session.config.tokens_per_minute = 2_400_000.0
    long = [f"{each} {'x' * 40_000}" for each in rows(8)]  # 10,000 tokens each, so 0.25 s
    with Watched(endpoint) as watched:
        map_prompts(OK_TEMPLATE, long, session=session)
    assert watched.times[-1] - watched.times[0] > 6 * 0.25 - 2 * GRACE_S
    assert max(later - earlier for earlier, later in itertools.pairwise(watched.times)) < 0.6 * PATIENCE


@pytest.mark.parametrize("wrong", [0, -1, 5_000])
def test_an_invalid_concurrency_is_an_error(session: Session, endpoint: Simulator, wrong: int) -> None:
    def run() -> None:
        session.config.concurrency = wrong
        map_prompts(OK_TEMPLATE, ["a"], session=session)

    with pytest.raises((TraitError, UsageError), match="concurrency"):
        run()
    assert endpoint.log == []


@pytest.mark.parametrize("name", ["requests_per_minute", "tokens_per_minute"])
@pytest.mark.parametrize("wrong", [0.0, -1.0, float("nan"), float("inf")])
def test_an_invalid_rate_is_an_error(session: Session, endpoint: Simulator, name: str, wrong: float) -> None:
    setattr(session.config, name, wrong)
    with pytest.raises(UsageError, match=f"{name} must be a number above 0"):
        map_prompts(OK_TEMPLATE, ["a"], session=session)
    assert endpoint.log == []


# Shared pauses --------------------------------------------------------------------------------------------------


def longest_pause(watched: Watched, began: float) -> float:
    """The longest time without a request, in seconds, from `began` on."""
    times = sorted(when for when in watched.times if when >= began)
    return max(later - earlier for earlier, later in itertools.pairwise(times))


@pytest.mark.parametrize(
    ("fault", "metered"), [("rate-limit", None), ("overloaded", 6_000.0), ("rate-limit", 6_000.0), ("overloaded", None)]
)
def test_a_requested_pause_is_a_pause_of_all_calls_and_no_row_is_lost(
    session: Session, endpoint: Simulator, capsys: Any, fault: str, metered: float | None
) -> None:
    session.config.requests_per_minute = metered
    given = with_fault(10, 60, f"fault={fault} times=1 retry_after=1")
    with Watched(endpoint) as watched:
        result = map_prompts(BRIEFLY_WAITING, given, session=session)
    assert result.values == ["ok"] * 60
    (throttled,) = [number for number, record in enumerate(endpoint.log) if record.fault == fault]
    began = watched.times[throttled]
    assert longest_pause(watched, began) > 0.95 - GRACE_S
    assert watched.times[-1] - began > 0.95
    assert "all calls wait 1 s" in capsys.readouterr().err


def test_the_longest_requested_pause_applies(session: Session, endpoint: Simulator) -> None:
    faults = [f"{row} [[simulator: fault=rate-limit times=1 retry_after={s}]]" for row, s in (("a", 1), ("b", 2))]
    session.config.concurrency = 2
    with Watched(endpoint) as watched:
        assert map_prompts(BRIEFLY_WAITING, [*faults, *rows(4)], session=session).errors == []
    assert longest_pause(watched, watched.times[1]) > 1.9 - GRACE_S


def test_pauses_grow_until_the_run_gives_up(session: Session, endpoint: Simulator, monkeypatch: Any) -> None:
    monkeypatch.setattr("mm_magics.batch.rate_limit.FIRST_PAUSE_S", 0.1)
    monkeypatch.setattr("mm_magics.batch.rate_limit.PATIENCE_S", 0.5)
    began = time.monotonic()
    result = map_prompts(ok_template("{{ row }}", fault="overloaded"), rows(40), session=session)
    assert 0.5 < time.monotonic() - began < 30
    assert len(result.errors) == 40
    assert len(not_sent(result)) >= 30
    assert len(endpoint.log) < 8 * 6


# Failures -------------------------------------------------------------------------------------------------------------


def test_fifty_failures_without_an_answer_end_the_run(session: Session, endpoint: Simulator) -> None:
    result = map_prompts(ok_template("{{ row }}", fault="unknown-error"), rows(120), session=session)
    sent = len(set(sent_texts(endpoint)))
    assert 50 <= sent <= 50 + 8
    assert 120 - sent <= len(not_sent(result)) <= 120 - 50, "a row that waits for its next attempt is not sent again"


def test_failures_do_not_end_a_run_that_has_answers(session: Session, endpoint: Simulator) -> None:
    session.config.concurrency = 1
    result = map_prompts(
        lambda row: ok_template(row, **({} if row == "row 0" else {"fault": "unknown-error"})),
        rows(61),
        session=session,
    )
    assert len(sent_rows(endpoint)) == 61
    assert (len(result.errors), not_sent(result)) == (60, [])


@pytest.mark.parametrize("fault", ["unknown-error", "reset-before-headers"])
def test_a_failed_call_is_retried_and_the_retry_is_shown(
    session: Session, endpoint: Simulator, capsys: Any, fault: str
) -> None:
    session.config.max_retries = 2
    assert map_prompts(ok_template("{{ row }}", fault=fault, times=1), ["a"], session=session).values == ["ok"]
    assert len(endpoint.log) == 2
    assert "retrying in" in capsys.readouterr().err


@pytest.mark.parametrize("fault", ["reset", "close"])
def test_an_answer_that_breaks_off_is_not_requested_again(session: Session, endpoint: Simulator, fault: str) -> None:
    session.config.max_retries = 2
    result = map_prompts(ok_template("{{ row }}", fault=fault, times=1), ["a"], session=session)
    assert (len(result.errors), len(sent_rows(endpoint))) == (1, 1), "its tokens would be paid for twice"


def test_a_call_is_retried_at_most_max_retries_times(session: Session, endpoint: Simulator) -> None:
    session.config.max_retries = 1
    assert len(map_prompts(ok_template("{{ row }}", fault="unknown-error"), ["a"], session=session).errors) == 1
    assert len(sent_rows(endpoint)) == 2


# Budget ---------------------------------------------------------------------------------------------------------


def test_with_a_budget_of_zero_only_stored_answers_are_used(session: Session, endpoint: Simulator) -> None:
    map_prompts(OK_TEMPLATE, ["a"], session=session)
    result = map_prompts(OK_TEMPLATE, ["a", "b"], session=session, budget=0)
    assert (result.values, result.asked) == (["ok", None], 0)
    assert not_sent(result) == ["Not sent: the budget of $0 is spent."]
    assert len(endpoint.log) == 1


def test_nothing_is_sent_once_the_budget_is_spent(session: Session, endpoint: Simulator) -> None:
    session.config.concurrency = 1
    each = map_prompts(OK_TEMPLATE, ["row x"], session=session).cost
    result = map_prompts(OK_TEMPLATE, [*rows(30), "row 0"], session=session, budget=5.5 * each)
    assert 4 <= len(endpoint.log) - 1 <= 8
    assert result.values[30] == "ok"
    assert len(not_sent(result)) == 30 - result.asked
    assert map_prompts(OK_TEMPLATE, rows(30), session=session).errors == []
    assert len(endpoint.log) == 31


@pytest.mark.parametrize("budget", [-1, float("nan"), float("inf")])
def test_an_invalid_budget_is_an_error(session: Session, endpoint: Simulator, budget: float) -> None:
    with pytest.raises(UsageError, match="budget must be an amount of US dollars"):
        map_prompts(OK_TEMPLATE, ["a"], session=session, budget=budget)
    assert endpoint.log == []


def test_a_budget_for_a_model_without_a_known_price_is_an_error(session: Session, endpoint: Simulator) -> None:
    with pytest.raises(UsageError, match="The price of unheard-of is unknown"):
        map_prompts(OK_TEMPLATE, ["a"], session=session, budget=1, model="unheard-of")
    assert endpoint.log == []
