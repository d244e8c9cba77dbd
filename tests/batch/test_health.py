"""Which failures end a run: those of one row never do, those of the key, the account and the endpoint do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from mm_magics import Session, map_prompts
from mm_magics.batch.engines.sender import MAX_THROTTLES
from mm_magics.batch.result import MapResult
from mm_magics.simulator import Fault, Simulator
from tests.batch.simulated import ok_template, probes, sent_rows

pytestmark = [pytest.mark.slow, pytest.mark.traced]

BRIEFLY_WAITING = ok_template("{{ row }}", wait=0.02)


def rows(count: int) -> list[str]:
    return [f"row {number}" for number in range(count)]


def not_sent(result: MapResult) -> list[str]:
    return [why for _, why in result.errors if why.startswith("Not sent: ")]


def when(endpoint: Simulator, count: int, action: Callable[[], Any]) -> threading.Thread:
    """Call `action`, from a thread, once the simulator has received this many requests."""

    def wait() -> None:
        while len(endpoint.log) < count:
            time.sleep(0.002)
        action()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mm_magics.batch.engines.health.FIRST_PROBE_S", 0.05)
    monkeypatch.setattr("mm_magics.batch.engines.health.FIRST_PATIENCE_S", 0.4)
    monkeypatch.setattr("mm_magics.batch.rate_limit.PATIENCE_S", 1.5)
    monkeypatch.setattr("mm_magics.batch.rate_limit.FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr("mm_magics.endpoint.retries.FIRST_BACKOFF_S", 0.02)
    monkeypatch.setattr("mm_magics.endpoint.retries.MAX_BACKOFF_S", 0.1)


# One row ----------------------------------------------------------------------------------------------------------

OF_ONE_ROW = [
    "moderated",
    "missing-file",
    "too-large",
    "empty-chat",
    "input-sensitive",
    "rate-limit",
    "overloaded",
    "unknown-error",
    "insufficient-balance",
    "invalid-key",
    "quota",
    "html",
    "base-resp",
    "reset",
    "reset-before-headers",
    "cut-gzip",
]


@pytest.mark.parametrize("place", [0, 20, 39], ids=["first", "in the middle", "last"])
@pytest.mark.parametrize("fault", OF_ONE_ROW)
def test_a_row_that_always_fails_fails_alone(session: Session, endpoint: Simulator, fault: str, place: int) -> None:
    session.config.max_retries = 2
    given = rows(40)
    given[place] += f" [[simulator: fault={fault}]]"
    result = map_prompts(BRIEFLY_WAITING, given, session=session)
    assert [row for row, _ in result.errors] == [place]
    assert result.values.count("ok") == 39
    assert not_sent(result) == []
    attempts = len(sent_rows(endpoint)) - 39
    most = {"rate-limit": 3 * MAX_THROTTLES, "overloaded": 3 * MAX_THROTTLES, "reset-before-headers": 6}
    assert attempts <= most.get(fault, 3)
    assert probes(endpoint) <= 2


@pytest.mark.parametrize("fault", ["moderated", "unknown-error"])
def test_a_run_with_many_rows_that_fail_alone_sends_few_probes(
    session: Session, endpoint: Simulator, fault: str
) -> None:
    given = [f"{row} [[simulator: fault={fault}]]" if n % 5 == 0 else row for n, row in enumerate(rows(200))]
    result = map_prompts(BRIEFLY_WAITING, given, session=session)
    assert [row for row, _ in result.errors] == list(range(0, 200, 5))
    assert probes(endpoint) <= 4
    assert result.asked == 160 + probes(endpoint)


# The whole run ----------------------------------------------------------------------------------------------------

OF_THE_RUN = {
    "invalid-key": "invalid api key (2049)",
    "login-fail": "login fail: ",
    "insufficient-balance": "insufficient balance (1008)",
    "quota": "usage limit exceeded, resets at ",
    "plan": "your current token plan not support model",
    "missing-file": "file not found",
    "unknown-error": "unknown error, 798 (1000)",
    "overloaded": "High traffic detected",
    "rate-limit": "rate limit exceeded(RPM) (1002)",
    "reset-before-headers": "The connection to ",
    "html": "responded with text/html",
    "base-resp": "login fail: ",
}


@pytest.mark.parametrize("after", [0, 100], ids=["from the beginning", "in the middle"])
@pytest.mark.parametrize("fault", OF_THE_RUN)
def test_an_endpoint_that_refuses_everything_ends_the_run_with_one_line(
    session: Session, endpoint: Simulator, fault: str, after: int
) -> None:
    if after:
        when(endpoint, after, lambda: setattr(endpoint, "fault", Fault(fault)))
    else:
        endpoint.fault = Fault(fault)
    result = map_prompts(BRIEFLY_WAITING, rows(400), session=session)
    assert max(0, after - 16) <= result.values.count("ok") <= after + 16
    unsent = not_sent(result)
    assert len(unsent) >= 400 - after - 32
    assert len(set(unsent)) == 1
    assert OF_THE_RUN[fault] in unsent[0]
    assert probes(endpoint) >= 1 or fault in ("overloaded", "rate-limit")
    endpoint.fault = None
    again = result.retry_failed()
    assert (again.errors, again.values) == ([], ["ok"] * 400)
    (note,) = result.notes
    assert note == f"The run ended early. {len(unsent)} rows not sent: {unsent[0].removeprefix('Not sent: ')}"


def test_a_quota_that_is_used_up_for_a_day_ends_the_run(session: Session, endpoint: Simulator) -> None:
    endpoint.fault = Fault("rate-limit", retry_after="86400")
    result = map_prompts(BRIEFLY_WAITING, rows(100), session=session)
    assert len(sent_rows(endpoint)) <= 8
    assert len(not_sent(result)) == 100 - len(sent_rows(endpoint))
    assert "The endpoint says to retry in 24 h." in not_sent(result)[0]


def test_a_rejected_key_ends_the_run_after_the_calls_in_flight(endpoint: Simulator) -> None:
    with Session(base_url=endpoint.base_url, api_key="wrong", concurrency=8) as session:
        result = map_prompts(BRIEFLY_WAITING, rows(100), session=session)
    assert len(endpoint.log) <= 9
    assert len(result.errors) == 100
    assert "invalid api key (2049)" in not_sent(result)[0]
    assert "wrong" not in str(result.errors)


@pytest.mark.parametrize("fault", ["unknown-error", "overloaded", "reset-before-headers", "html"])
def test_after_an_outage_the_run_continues_and_no_row_is_lost(
    session: Session, endpoint: Simulator, fault: str, capsys: Any
) -> None:
    def outage() -> None:
        endpoint.fault, until = Fault(fault), time.monotonic() + (0.3 if fault == "overloaded" else 5.0)
        while probes(endpoint) < 2 and time.monotonic() < until:
            time.sleep(0.002)
        endpoint.fault = None

    session.config.concurrency = 32
    thread = when(endpoint, 100, outage)
    result = map_prompts(BRIEFLY_WAITING, rows(400), session=session)
    thread.join()
    assert result.errors == []
    assert len(sent_rows(endpoint)) < 400 + 32 * 12
    assert "all calls wait" in capsys.readouterr().err or fault == "overloaded"


def test_a_server_that_is_not_there_ends_the_run(session: Session) -> None:
    with Simulator() as gone:
        url = gone.base_url
    with Session(base_url=url, api_key="k", concurrency=8) as session:
        result = map_prompts(BRIEFLY_WAITING, rows(200), session=session)
    assert len(not_sent(result)) >= 192
    assert "Cannot connect to" in not_sent(result)[0]
