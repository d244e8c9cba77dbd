"""Connections that are kept open for the next request, and closed by the server in the meantime."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from mm_magics import Session, map_prompts
from mm_magics.errors import EndpointError
from mm_magics.events import PromptSent
from mm_magics.simulator import Simulator

CLOSED = ["close-before-headers", "reset-before-headers"]


def statuses(endpoint: Simulator) -> list[int | None]:
    return [record.status for record in endpoint.log]


@pytest.mark.parametrize("fault", CLOSED)
def test_a_request_on_a_connection_that_was_closed_is_sent_again_at_once(
    session: Session, endpoint: Simulator, fault: str
) -> None:
    session.ask("Hello.")
    turn = session.ask(f"[[simulator: fault={fault} times=1]]")
    assert (turn.status, turn.notes) == ("complete", [])
    assert statuses(endpoint) == [200, None, 200]
    assert endpoint.log[1].raw == endpoint.log[2].raw


@pytest.mark.parametrize("fault", CLOSED)
def test_a_map_run_sends_it_again_too(session: Session, endpoint: Simulator, fault: str, tmp_path: Path) -> None:
    rows = ["Hello.", f"[[simulator: fault={fault} times=1]]"]
    session.settings.assign("concurrency", 1)
    result = map_prompts("{{ row }}", rows, session=session, store=tmp_path / "answers.sqlite", progress=False)
    assert result.errors == []
    assert statuses(endpoint) == [200, None, 200]


@pytest.mark.parametrize("fault", CLOSED)
def test_it_is_sent_again_once(session: Session, endpoint: Simulator, fault: str) -> None:
    session.ask("Hello.")
    with pytest.raises(EndpointError):
        session.ask(f"[[simulator: fault={fault}]]")
    assert statuses(endpoint) == [200, None, None]


@pytest.mark.parametrize("fault", CLOSED)
def test_a_request_on_a_new_connection_is_not_sent_again(session: Session, endpoint: Simulator, fault: str) -> None:
    with pytest.raises(EndpointError):
        session.ask(f"[[simulator: fault={fault} times=1]]")
    assert statuses(endpoint) == [None]


@pytest.mark.parametrize("fault", ["not-http", "close-after-headers", "overloaded"])
def test_a_request_that_was_answered_is_not_sent_again(session: Session, endpoint: Simulator, fault: str) -> None:
    session.ask("Hello.")
    with pytest.raises(EndpointError):
        session.ask(f"[[simulator: fault={fault} times=1]]")
    assert len(endpoint.log) == 2


def test_a_request_that_was_stopped_is_not_sent_again(session: Session, endpoint: Simulator) -> None:
    session.ask("Hello.")
    with session.stream("[[simulator: fault=silence-before-headers]]") as answer:
        assert isinstance(next(iter(answer)), PromptSent)
        while len(endpoint.log) < 2:
            time.sleep(0.01)
    session.ask("And now?")
    assert statuses(endpoint) == [200, None, 200]
