"""Retries, redirects and unknown errors, in one real kernel and over real sockets."""

from __future__ import annotations

import itertools
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from mm_magics.simulator.contract import REFUSALS
from tests.kernel.faults import lines_of, met
from tests.recorder import Recorder, http

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("same_kernel")]


def retries_of(run: Any) -> list[tuple[str, Any]]:
    """Return the note of each retry, and what its countdown shows."""
    note, found = "", []
    for change in (op[1] for op in run.ops if op[0] == "state"):
        note = (change.get("notes") or [note])[0]
        if "retry" in change:
            found.append((note, change["retry"]))
    return found


def test_retries_are_shown_before_they_are_sent(kernel, simulator):
    kernel.run("%minimax set max_retries 2")
    seen: list[int] = []
    before = len(simulator.log)

    def trying(kind: str, content: dict[str, Any]) -> bool:
        return "'retry'" in str(content)

    run = met(
        kernel,
        simulator,
        "fault=overloaded times=2 retry_after=0.4",
        when=trying,
        then=lambda: seen.append(len(simulator.log) - before),
    )
    assert run.turn["status"] == "complete"
    assert seen == [1]
    message = "High traffic detected. The service is busy at the moment, please try again later."
    assert [(note, wait["attempt"], wait["of"]) for note, wait in retries_of(run)] == [
        (f"{message} (HTTP 529, overloaded_error)", n, 2) for n in (1, 2)
    ]
    assert all(0.35 < wait["seconds"] < 0.5 for _, wait in retries_of(run))
    assert [record.status for record in simulator.log[before:]] == [529, 529, 200, 200]


def test_retries_are_limited(kernel, simulator):
    kernel.run("%minimax set max_retries 2")
    for name in ("rate-limit", "html-502"):
        before = len(simulator.log)
        run = met(kernel, simulator, f"fault={name} retry_after=0.01")
        assert len(retries_of(run)) == 2, name
        assert len(simulator.log) - before == 3 + 1, name
    kernel.run("%minimax set max_retries 1")
    for name in ("close-before-headers", "reset-before-headers", "not-http"):
        before = len(simulator.log)
        assert len(retries_of(met(kernel, simulator, f"fault={name}"))) == 1, name
        assert len(simulator.log) - before == 2 + 1, name


def test_the_list_of_models_is_requested_once_and_its_error_is_reported(kernel, simulator):
    kernel.run("%minimax set max_retries 2")
    busy = http('{"error": {"type": "overloaded_error", "message": "busy"}}', status="529 X")
    with Recorder(busy) as recorder:
        kernel.send_to(recorder.base_url)
        wait = kernel.run("%minimax models").text
        assert "busy (HTTP 529, overloaded_error) Wait a moment, then run the cell again." in wait
        assert "busy (HTTP 529, overloaded_error)" in kernel.run("%minimax doctor").text
        assert len(recorder.requests) == 2


def test_a_refused_connection_is_retried_and_then_reported(kernel):
    kernel.run("%minimax set max_retries 1")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    kernel.send_to(f"http://127.0.0.1:{port}/anthropic")
    run = kernel.run("%%minimax\nHello.", "a")
    assert len(retries_of(run)) == 1
    assert f"Cannot connect to 127.0.0.1:{port}" in lines_of(run)
    assert "%minimax doctor" in lines_of(run)


def test_a_response_that_has_started_is_not_retried(kernel, simulator):
    kernel.run("%minimax set max_retries 2")
    for name in ("reset", "reset-after-headers", "silence", "silence-before-headers", "overloaded after=2", "html"):
        before = len(simulator.log)
        assert retries_of(met(kernel, simulator, f"fault={name}")) == []
        assert len(simulator.log) - before == 1 + 1, name


def test_a_retry_after_of_a_day_is_reported_instead_of_waited_for(kernel, simulator):
    kernel.run("%minimax set max_retries 2")
    tomorrow = format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True)
    for name, (request, wait) in itertools.product(
        ("usage-limit", "rate-limit", "unknown-error", "overloaded"), (("86400", "24 h"), (f'"{tomorrow}"', "24 h"))
    ):
        before, began = len(simulator.log), time.monotonic()
        run = met(kernel, simulator, f"fault={name} retry_after={request}")
        assert time.monotonic() - began < 60
        assert (
            run.error["evalue"].splitlines()[1]
            == f"The endpoint says to retry in {wait}. Run the cell again after that."
        )
        assert len(simulator.log) - before == 1 + 1


def test_an_invalid_retry_after_is_ignored(kernel, simulator):
    kernel.run("%minimax set max_retries 1")
    for request in ("soon", "-5", "nan", "inf", "1e999", '""'):
        assert len(retries_of(met(kernel, simulator, f"fault=overloaded retry_after={request} times=1"))) == 1, request


def test_a_permanent_error_is_not_retried_even_with_retry_after(kernel, simulator):
    kernel.run("%minimax set max_retries 2")
    kernel.run("%minimax model MiniMax-M2.7")  # a model that was chosen is not replaced by another one
    for name, refusal in REFUSALS.items():
        if refusal.status < 429:
            before = len(simulator.log)
            run = met(kernel, simulator, f"fault={name} retry_after=0.01")
            assert retries_of(run) == []
            assert "wait" not in run.error["evalue"].splitlines()[1]
            assert [record.method for record in simulator.log[before:]].count("POST") == 1 + 1


# Redirects ------------------------------------------------------------------------------------------------------


def test_a_redirect_is_reported_and_never_followed(kernel, simulator):
    with Recorder() as other:
        before = len(simulator.log)
        run = met(kernel, simulator, f"fault=redirect to={other.base_url}/v1/messages")
        assert "redirects to another URL (HTTP 307)" in lines_of(run)
        assert other.connections == 0
        assert len(simulator.log) - before == 1 + 1
    before = len(simulator.log)
    met(kernel, simulator, "fault=redirect-loop")
    assert len(simulator.log) - before == 1 + 1


# Unknown errors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["403 X", "405 X", "413 X", "418 X", "451 X", "501 X", "599 X"])
def test_every_other_status_also_has_a_hint(kernel, status):
    bodies: list[Callable[[], bytes]] = [
        lambda: http('{"error": {"message": "no"}}', status=status),
        lambda: http("", status=status),
        lambda: http('{"base_resp": {"status_code": 7, "status_msg": "no"}}', status=status),
    ]
    for body in bodies:
        with Recorder(body()) as recorder:
            kernel.send_to(recorder.base_url)
            lines = kernel.run("%%minimax\nHello.", "a").error["evalue"].splitlines()
        assert len(lines) == 2
        assert status[:3] in lines[0]
