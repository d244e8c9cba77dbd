"""Which attempts are retried, and how long a retry waits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from mm_magics.endpoint import retries


@pytest.mark.parametrize(("status", "transient"), [(408, True), (409, True), (429, True), (500, True), (529, True)])
def test_a_busy_or_failing_endpoint_is_transient(status: int, transient: bool) -> None:
    assert retries.is_transient(status) is transient


@pytest.mark.parametrize("status", [307, 400, 401, 402, 407, 410, 422, 428, 430, 499])
def test_a_refusal_is_not_transient(status: int) -> None:
    assert not retries.is_transient(status)


@pytest.mark.parametrize(
    ("attempt", "longest"), [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (5, 8.0), (6, 8.0), (50, 8.0)]
)
def test_the_backoff_doubles_up_to_eight_seconds(attempt: int, longest: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries.random, "uniform", lambda low, high: high)
    assert retries.backoff(attempt) == longest
    monkeypatch.setattr(retries.random, "uniform", lambda low, high: low)
    assert retries.backoff(attempt) == 0.75 * longest


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("3", 3.0), (" 0.5 ", 0.5), ("0", 0.0), ("-1", None), ("nan", None), ("inf", None), ("soon", None), ("", None)],
)
def test_retry_after_is_a_number_of_seconds(value: str, seconds: float | None) -> None:
    assert retries.retry_after({"retry-after": value}) == seconds


def test_without_the_header_retry_after_is_none() -> None:
    assert retries.retry_after({}) is None
    assert retries.retry_after({"date": "5"}) is None


@pytest.mark.parametrize("zone", ["GMT", "-0000"])
def test_retry_after_is_a_date_in_utc_unless_it_names_a_zone(zone: str) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=100)).replace("+0000", zone)
    assert retries.retry_after({"retry-after": date}) == pytest.approx(100, abs=5)


def test_retry_after_is_a_date_in_another_zone() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(hours=1, seconds=100)).replace("+0000", "+0100")
    assert retries.retry_after({"retry-after": date}) == pytest.approx(100, abs=5)


def test_a_date_in_the_past_is_ignored() -> None:
    date = format_datetime(datetime.now(UTC) - timedelta(seconds=100))
    assert retries.retry_after({"retry-after": date}) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0 s"),
        (0.25, "0.2 s"),
        (60, "60 s"),
        (3_599, "3599 s"),
        (3_600, "1 h"),
        (3_930, "1.1 h"),
        (3_600_000, "1000 h"),
    ],
)
def test_a_duration_is_written_in_seconds_or_hours(seconds: float, text: str) -> None:
    assert retries.format_duration(seconds) == text


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        (
            {
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": "2026-11-28T10:00:07Z",
            },
            7,
        ),
        (
            {
                "anthropic-ratelimit-requests-remaining": "3",
                "anthropic-ratelimit-requests-reset": "2026-11-28T10:00:07Z",
            },
            None,
        ),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}, retries.MAX_WAIT_S),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1.5s"}, 1.5),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "250ms"}, 0.25),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "12"}, 12),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "soon"}, None),
        ({"ratelimit-remaining": "0"}, None),
        ({"ratelimit-remaining": "0", "ratelimit-reset": "12", "retry-after": "3"}, 3),
        ({"retry-after": "Sat, 28 Nov 2026 10:00:30 GMT"}, 30),
        ({"retry-after": "nonsense", "ratelimit-remaining": "0", "ratelimit-reset": "12"}, None),
    ],
    ids=str,
)
def test_a_used_limit_is_waited_for_by_the_clock_of_the_endpoint(headers, seconds):
    assert retries.retry_after({"date": "Sat, 28 Nov 2026 10:00:00 GMT", **headers}) == seconds
