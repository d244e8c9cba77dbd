"""The checks of `%minimax doctor` and `mm-magics doctor`."""

from __future__ import annotations

from typing import Any

import pytest

from mm_magics import doctor
from mm_magics.ipython.commands.doctor import findings_table
from mm_magics.session import Session
from mm_magics.simulator import Simulator
from tests.turns import turn

INSTALLED = {"mm-magics", "widget"}
"""Findings that depend on how the package was installed: from a wheel, or as a checkout."""


def findings_of(session: Session) -> dict[str, doctor.Finding]:
    return {finding.subject: finding for finding in doctor.examine(session, "a test")}


def test_without_problems_the_doctor_says_so(session: Session, endpoint: Simulator) -> None:
    session.ask("hi")
    findings = findings_of(session)
    findings = {subject: each for subject, each in findings.items() if subject not in INSTALLED}
    assert [each for each in findings.values() if each.ok is False] == []
    assert findings["endpoint"].detail == "reachable, offers 11 models"
    assert findings["model"].detail == "MiniMax-M2.7 (default)"
    assert findings["key"].detail == "from api_key, for " + endpoint.base_url.split("/")[2]
    assert findings["thread main"].detail == "1 turn, valid; < 1 % of the window of MiniMax-M2.7"
    assert findings["front end"].detail == "a test"
    assert [findings[name].ok for name in ("Python", "anthropic", "anywidget", "ipython")] == [True] * 4
    assert repr(findings_table(list(findings.values()))).splitlines()[-1] == "No problems found."


def test_the_only_request_is_for_the_list_of_models(session: Session, endpoint: Simulator) -> None:
    findings_of(session)
    assert [(record.method, record.path) for record in endpoint.log] == [("GET", "/anthropic/v1/models")]


@pytest.mark.parametrize(
    ("settings", "subject", "detail", "hint"),
    [
        ({"api_key": "wrong"}, "endpoint", "invalid api key", "The key from api_key was refused"),
        ({"api_key": None}, "endpoint", "No API key found for 127.0.0.1", "%minimax login"),
        ({"model": "minimax-m2.7"}, "model", "minimax-m2.7 is not offered", "Did you mean MiniMax-M2.7?"),
        ({"model": "gpt"}, "model", "gpt is not offered", "%minimax models"),
        ({"base_url": "http://127.0.0.1:9/anthropic"}, "endpoint", "Cannot connect to 127.0.0.1:9", "base URL"),
    ],
)
def test_a_problem_is_shown_with_its_fix(
    endpoint: Simulator, settings: dict[str, Any], subject: str, detail: str, hint: str
) -> None:
    with Session(**{"base_url": endpoint.base_url, "api_key": endpoint.key, "max_retries": 0, **settings}) as session:
        findings = findings_of(session)
    assert (findings[subject].ok, findings[subject].mark) == (False, "error")
    assert findings[subject].detail.startswith(detail)
    assert hint in findings[subject].hint
    table = repr(findings_table(list(findings.values())))
    assert f"{subject}: {findings[subject].detail.removesuffix('.')}. {findings[subject].hint}" in table
    assert "No problems found." not in table


def test_each_problem_is_a_sentence_followed_by_its_fix() -> None:
    findings = [
        doctor.Finding("anthropic", False, "not installed", "Run: pip install anthropic"),
        doctor.Finding("model", False, "X is not offered.", "Did you mean Y?"),
        doctor.Finding("thread main", False, "a message is empty"),
    ]
    assert findings_table(findings).lines == [
        "anthropic: not installed. Run: pip install anthropic",
        "model: X is not offered. Did you mean Y?",
        "thread main: a message is empty.",
    ]


def test_an_invalid_base_url_in_the_environment_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://api.minimax.io")
    assert "must not be sent unencrypted" in findings_of(Session())["endpoint"].detail


def test_an_endpoint_without_a_list_of_models_is_a_problem(endpoint: Simulator) -> None:
    with Session(base_url=endpoint.base_url.removesuffix("/anthropic"), api_key=endpoint.key) as session:
        finding = findings_of(session)["endpoint"]
    assert finding.ok is False
    assert "404" in finding.detail


def test_turns_that_are_not_sent_as_recorded_are_listed(session: Session) -> None:
    session.history.put(turn("cut", [{"type": "thinking", "thinking": "hm"}], responses=[{"unfinished": 0}]))
    session.history.put(turn("call", [{"type": "tool_use", "id": "a", "name": "f", "input": {}}], status="stopped"))
    detail = findings_of(session)["thread main"].detail
    assert "turn 1 is not sent" in detail
    assert "turn 2 is sent without" in detail


@pytest.mark.parametrize(
    ("missing", "ok", "detail"),
    [
        ("widget_source", False, "its JavaScript is missing"),
        ("typesetting_source", None, "pages without our JupyterLab extension show formulas as LaTeX"),
    ],
)
def test_missing_javascript_is_reported(
    session: Session, monkeypatch: pytest.MonkeyPatch, missing: str, ok: bool | None, detail: str
) -> None:
    monkeypatch.setattr(doctor, "widget_source", lambda _name: "code")
    monkeypatch.setattr(doctor, "typesetting_source", lambda: "code")
    assert findings_of(session)["widget"].ok
    monkeypatch.setattr(doctor, missing, lambda *_name: "")
    finding = findings_of(session)["widget"]
    assert finding.ok is ok
    assert finding.detail.startswith(detail)


def test_no_finding_contains_the_key(session: Session, endpoint: Simulator) -> None:
    assert endpoint.key not in repr(list(findings_of(session).values()))
