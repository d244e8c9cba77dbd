"""The advice of an error follows MiniMax's code, then the status, and last the kind of body."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mm_magics import map_prompts
from mm_magics.endpoint.error_hints import QUOTA_CODES, base_url_hint, status_hint
from mm_magics.endpoint.keys import MINIMAX_HOSTS, Key, Keys
from mm_magics.errors import StatusError
from mm_magics.session import Session
from mm_magics.simulator import ScriptedAnswer, Simulator, text
from mm_magics.simulator.contract import REFUSALS, RESET_TIME
from tests.recorder import Recorder, http

KEY = Key("sk-4711-secret", "here", "127.0.0.1")


def ended(base_url: str, **settings: Any) -> StatusError:
    with (
        Session(base_url=base_url, api_key="sk-4711-secret", **{"max_retries": 0, **settings}) as session,
        pytest.raises(StatusError) as caught,
    ):
        session.ask("hi")
    return caught.value


BODIES = {
    "text": ("{text}", "text/plain"),
    "html": ("<html><body>{text}</body></html>", "text/html"),
    "detail": ('{{"detail": "{text}"}}', "application/json"),
    "error": ('{{"type": "error", "error": {{"message": "{text}"}}}}', "application/json"),
    "base_resp": ('{{"base_resp": {{"status_code": 9999, "status_msg": "{text}"}}}}', "application/json"),
    "empty": ("", "text/plain"),
}

ADVICE = {
    401: "was refused. Enter another with %minimax login.",
    402: "Top up the account",
    403: "has no access, or a proxy of your network refused the request.",
    404: "the right base URL?",
    405: "the right base URL?",
    407: "HTTPS_PROXY=",
    408: "Wait a moment",
    413: "To send less, use --context N",
    422: "A content filter or a check of the request refused it.",
    429: "Wait a moment",
    500: "Wait a moment",
    502: "Wait a moment",
    503: "Wait a moment",
    504: "Wait a moment",
    529: "Wait a moment",
}


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("status", ADVICE)
def test_the_advice_for_a_status_does_not_depend_on_the_body(status: int, kind: str) -> None:
    body, content_type = BODIES[kind]
    with Recorder(http(body.format(text="no"), status=f"{status} X", content_type=content_type)) as recorder:
        error = ended(recorder.base_url)
    assert error.status == status
    assert ADVICE[status] in error.hint


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("status", [400, 401, 403, 429, 500])
def test_a_code_of_minimax_has_precedence_over_status_and_body(status: int, kind: str) -> None:
    body, content_type = BODIES[kind]
    if kind in ("base_resp", "empty"):
        body = '{{"base_resp": {{"status_code": 2056, "status_msg": "usage limit exceeded"}}}}'
    body = body.format(text="usage limit exceeded (2056)")
    with Recorder(http(body, status=f"{status} X", content_type=content_type)) as recorder:
        error = ended(recorder.base_url, max_retries=2)
        assert len(recorder.requests) == 1
    assert error.hint.startswith("The quota of the key's plan is used up")


def test_only_other_statuses_with_another_body_ask_about_the_base_url() -> None:
    with Recorder(http("teapot", status="418 X", content_type="text/plain")) as recorder:
        assert "the right base URL?" in ended(recorder.base_url).hint
    with Recorder(http('{"error": {"message": "teapot"}}', status="418 X")) as recorder:
        assert "--dry-run" in ended(recorder.base_url).hint


# Quotas and plans -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "when"),
    [
        ("usage limit exceeded, resets at 2026-11-28 05:00:00 UTC (2056)", "at 2026-11-28 05:00:00 UTC"),
        ("Usage limit exceeded. It resets at 2026-11-28T05:00:00Z. (2056)", "at 2026-11-28T05:00:00Z"),
        ("quota used up; reset time: 2026-11-28 05:00:00 (1028)", "at 2026-11-28 05:00:00"),
        ("quota used up (resets in 3 h 20 min) (1030)", "in 3 h 20 min"),
        ("5-hour limit reached, will reset after 2 hours, see your plan (2056)", "after 2 hours"),
        ("resets on 1 December (1028)", "on 1 December"),
    ],
)
def test_the_time_at_which_a_quota_is_reset_is_shown(message: str, when: str) -> None:
    hint = status_hint(429, message, "https://example.org", KEY)
    assert hint == f"The quota is used up and resets {when}. Run the cell again after that."


@pytest.mark.parametrize("message", ["usage limit exceeded (2056)", "reset your password, it is weak (2056)"])
def test_without_a_time_the_hint_says_that_trying_again_does_not_help(message: str) -> None:
    assert "trying again does not help" in status_hint(429, message, "https://example.org", KEY)


QUOTAS = ("usage-limit", "quota", "quota-tokens", "quota-requests", "plan")


@pytest.mark.parametrize("fault", QUOTAS)
def test_a_used_quota_is_not_retried(endpoint: Simulator, session: Session, fault: str) -> None:
    session.config.max_retries = 2
    endpoint.answers.append(ScriptedAnswer(fault=fault))
    with pytest.raises(StatusError) as caught:
        session.ask("hi")
    assert len(endpoint.log) == 1
    assert "Wait a moment" not in caught.value.hint
    if RESET_TIME in REFUSALS[fault].message:
        assert f"resets at {RESET_TIME}" in caught.value.hint


def test_each_code_of_a_quota_has_a_fault() -> None:
    texts = " ".join(REFUSALS[fault].message for fault in QUOTAS)
    assert all(f"({code})" in texts for code in (*QUOTA_CODES, 2061))


@pytest.mark.parametrize("fault", QUOTAS)
def test_a_used_quota_ends_a_map_run_that_can_be_resumed(
    endpoint: Simulator, session: Session, fault: str, tmp_path: Path
) -> None:
    session.config.store = str(tmp_path / "answers.sqlite")
    rows = [f"{fault} {number}" for number in range(30)]
    endpoint.answers += [ScriptedAnswer([text("ok")])] * 5 + [ScriptedAnswer(fault=fault)] * 8
    session.config.concurrency = 1
    result = map_prompts("{{ row }}", rows, session=session)
    assert len(endpoint.log) == 6 + 1  # a probe
    assert len(result.errors) == 25
    assert all(each.why.startswith("Not sent: ") for each in result.errors[1:])
    endpoint.answers.clear()
    resumed = map_prompts("{{ row }}", rows, session=session)
    assert not resumed.errors
    assert len(endpoint.log) == 6 + 1 + 25


@pytest.mark.parametrize(
    ("key", "plan"), [("sk-cp-4711", "Token Plan"), ("sk-api-4711", "pay-as-you-go plan"), ("sk-4711", "plan")]
)
def test_a_model_that_the_plan_lacks_names_the_plan(key: str, plan: str) -> None:
    hint = status_hint(500, "your current token plan not support model, X (2061)", "", Key(key, "here", "h"))
    assert hint.startswith(f"The {plan} of the key from here does not include this model.")
    assert key not in hint


# Base URLs and hosts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base_url", "expected"),
    [
        ("https://api.minimax.io/v1", "Remove /v1 from the base URL: https://api.minimax.io/anthropic."),
        ("https://api.minimax.cn/anthropic/v1", "Remove /v1 from the base URL: https://api.minimax.cn/anthropic."),
        ("http://localhost:8080/v1", "Remove /v1 from the base URL: http://localhost:8080."),
        *(
            (f"http://localhost:8080/a{path}", "Remove /v1 from the base URL: http://localhost:8080/a.")
            for path in (
                *("/V1", "/v1/", "/v1//", "/v1/v1", "/v1?beta=true", "/v1/messages", "/V1/Messages/", "/v1/models"),
                *("/v1/chat/completions", "/v1/messages?beta=true", "/v1/text/chatcompletion_v2"),
            )
        ),
        ("https://API.MINIMAX.IO/V1", "Remove /v1 from the base URL: https://api.minimax.io/anthropic."),
        ("https://gateway.example/v1/team/anthropic", "Is https://gateway.example/v1/team/anthropic the right base"),
        ("https://api.minimax.cn", "MiniMax's is https://api.minimax.cn/anthropic."),
        ("https://example.org/v10", "Is https://example.org/v10 the right base URL?"),
    ],
)
def test_the_hint_about_the_base_url(base_url: str, expected: str) -> None:
    assert expected in base_url_hint(base_url)


@pytest.mark.parametrize("path", ["/v1", "/V1", "/v1/", "/v1/messages"])
def test_the_error_of_a_base_url_that_ends_in_v1_says_to_remove_it(endpoint: Simulator, path: str) -> None:
    base_url = f"{endpoint.base_url}{path}"
    assert ended(base_url).hint == f"Remove /v1 from the base URL: {endpoint.base_url}."


@pytest.mark.parametrize("host", sorted(MINIMAX_HOSTS))
def test_each_host_of_minimax_gets_the_key_and_the_hint_about_its_region(host: str) -> None:
    key = Keys({"MINIMAX_API_KEY": "sk-4711"}).find(f"https://{host}/anthropic")
    assert key.host == host
    hint = status_hint(401, "invalid api key (2049)", f"https://{host}/anthropic", key)
    other = "api.minimax.cn or api.minimaxi.com" if host == "api.minimax.io" else "api.minimax.io"
    assert hint.endswith(f"or for the other region ({other}).")


def test_an_error_body_without_text_still_has_advice() -> None:
    with Recorder(http(json.dumps({"error": {}}), status="503 X")) as recorder:
        assert "Wait a moment" in ended(recorder.base_url).hint
