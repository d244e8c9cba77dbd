"""Whether all is well, and what to do if not."""

from __future__ import annotations

from typing import Any

import pytest

from mm_magics import doctor
from mm_magics.ipython.commands import doctor_report
from mm_magics.session import Session
from mm_magics.simulator import Simulator
from tests.turns import turn

INSTALLED = {"mm-magics", "widget"}
"""Findings that depend on how the package came here: from a wheel, or as a bare checkout."""


def found(session: Session) -> dict[str, doctor.Finding]:
    return {finding.what: finding for finding in doctor.examine(session, "a test")}


def test_where_all_is_well_it_says_so(session: Session, endpoint: Simulator) -> None:
    session.ask("hi")
    findings = found(session)
    findings = {what: each for what, each in findings.items() if what not in INSTALLED}
    assert [each for each in findings.values() if each.well is False] == []
    assert findings["endpoint"].detail == "answers, and offers 8 models"
    assert findings["model"].detail == "MiniMax-M2.7"
    assert findings["key"].detail == "from api_key, for " + endpoint.base_url.split("/")[2]
    assert findings["thread main"].detail == "1 turns, valid"
    assert findings["front end"].detail == "a test"
    assert [findings[name].well for name in ("Python", "anthropic", "anywidget", "ipython")] == [True] * 4
    assert repr(doctor_report(list(findings.values()))).splitlines()[-1] == "All is well."


def test_only_a_list_of_models_is_asked_for(session: Session, endpoint: Simulator) -> None:
    found(session)
    assert [(record.method, record.path) for record in endpoint.log] == [("GET", "/anthropic/v1/models")]


@pytest.mark.parametrize(
    ("settings", "what", "detail", "hint"),
    [
        ({"api_key": "wrong"}, "endpoint", "invalid api key", "The key from api_key was refused"),
        ({"api_key": None}, "endpoint", "No API key found for 127.0.0.1", "%minimax login"),
        ({"model": "minimax-m2.7"}, "model", "minimax-m2.7 is not offered", "Did you mean MiniMax-M2.7?"),
        ({"model": "gpt"}, "model", "gpt is not offered", "%minimax models"),
        ({"base_url": "http://127.0.0.1:9/anthropic"}, "endpoint", "Cannot connect to 127.0.0.1:9", "base URL"),
    ],
)
def test_what_is_not_well_is_named_with_what_to_do(
    endpoint: Simulator, settings: dict[str, Any], what: str, detail: str, hint: str
) -> None:
    with Session(**{"base_url": endpoint.base_url, "api_key": endpoint.key, "max_retries": 0, **settings}) as session:
        findings = found(session)
    assert (findings[what].well, findings[what].mark) == (False, "no")
    assert findings[what].detail.startswith(detail)
    assert hint in findings[what].hint
    report = repr(doctor_report(list(findings.values())))
    assert f"{what}: {findings[what].detail} {findings[what].hint}" in report
    assert "All is well." not in report


def test_a_bad_base_url_in_the_environment_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://api.minimax.io")
    assert "must not be sent unencrypted" in found(Session())["endpoint"].detail


def test_an_endpoint_that_cannot_be_right_is_found(endpoint: Simulator) -> None:
    with Session(base_url=endpoint.base_url.removesuffix("/anthropic"), api_key=endpoint.key) as session:
        finding = found(session)["endpoint"]
    assert finding.well is False
    assert "404" in finding.detail


def test_turns_that_are_not_sent_as_they_were_recorded_are_named(session: Session) -> None:
    session.history.put(turn("cut", [{"type": "thinking", "thinking": "hm"}], responses=[{"unfinished": 0}]))
    session.history.put(turn("call", [{"type": "tool_use", "id": "a", "name": "f", "input": {}}], status="stopped"))
    detail = found(session)["thread main"].detail
    assert "turn 1 is not sent" in detail
    assert "turn 2 is sent without" in detail


def test_the_key_is_in_no_finding(session: Session, endpoint: Simulator) -> None:
    assert endpoint.key not in repr(list(found(session).values()))
