"""Usage of turns: totals, speed and cost, compared with values calculated by hand."""

from __future__ import annotations

from typing import Any

import pytest

from mm_magics.api.usage import TOKEN_COUNTERS
from mm_magics.display import usage_line
from mm_magics.session import Session
from mm_magics.simulator import Simulator
from tests.turns import RESPONSE, turn


def call(**fields: Any) -> dict[str, Any]:
    return {**RESPONSE, **fields}


def usage(read: int, out: int, cached: int = 0, written: int = 0) -> dict[str, Any]:
    return {
        "input_tokens": read,
        "output_tokens": out,
        "cache_read_input_tokens": cached,
        "cache_creation_input_tokens": written,
    }


def test_the_summary_line_of_a_turn() -> None:
    made = turn(
        responses=[call(usage=usage(1_000, 300, 2_000, 500), first_token_s=0.5, seconds=3.5)], model="MiniMax-M2.7"
    )
    # 300 tokens in 3.0 s; (1000 * 0.30 + 300 * 1.20 + 2000 * 0.06 + 500 * 0.375) / 1e6 = $0.0009675
    assert usage_line.summary_line(made) == (
        "MiniMax-M2.7 · 3.5 s · 3,500 tokens in (2,000 cached, ≈ $0.0005 saved), 300 out · 100 tokens/s · "
        "2 % of the window · ≈ $0.0010"
    )


@pytest.mark.parametrize(
    ("model", "response", "saved"),
    [
        ("MiniMax-M2.7", {"usage": usage(1_000, 300, 1_000_000)}, "≈ $0.2400"),
        ("MiniMax-M3", {"usage": usage(1_000, 300, 1_000_000)}, "≈ $0.4800"),
        ("MiniMax-M2.7", {"usage": usage(1_000, 300, 100)}, ""),
        ("MiniMax-M2.7", {"usage": usage(1_000, 300, 1_000_000), "cost": 1.0}, ""),
        ("mine", {"usage": usage(1_000, 300, 1_000_000)}, ""),
    ],
)
def test_what_the_cache_saved(model: str, response: dict[str, Any], saved: str) -> None:
    assert usage_line.saved_text(turn(model=model, responses=[call(**response)])) == saved


@pytest.mark.parametrize(
    ("model", "responses", "shown"),
    [
        ("MiniMax-M2.7", [call(usage=usage(100_000, 2_400))], "50 %"),
        ("MiniMax-M2.7", [call(usage=usage(100_000, 0)), call(usage=usage(40_000, 960))], "20 %"),
        ("MiniMax-M2.7", [call(usage=usage(1_000, 0))], ""),
        ("MiniMax-M2.7", [call(usage=usage(100_000, 0), calls=9)], ""),
        ("MiniMax-M2.7", [], ""),
        ("mine", [call(usage=usage(100_000, 0))], ""),
    ],
)
def test_the_part_of_the_window_in_use(model: str, responses: list[dict[str, Any]], shown: str) -> None:
    assert usage_line.window_text(turn(model=model, responses=responses)) == shown


def test_usage_is_added_up_over_calls_and_turns() -> None:
    one = turn(responses=[call(usage=usage(10, 100), first_token_s=1.0, seconds=2.0), call(usage=usage(20, 50))])
    two = turn(model="MiniMax-M2.5-highspeed", responses=[call(usage=usage(1_000_000, 1_000_000), seconds=1.0)])
    total = usage_line.usage_of([one, two])
    assert total.calls == 3
    assert total.tokens == usage(1_000_030, 1_000_150)
    assert total.seconds == pytest.approx(2.0 + 0.5 + 1.0)
    assert total.cost == pytest.approx((30 * 0.30 + 150 * 1.20) / 1e6 + 0.60 + 2.40)
    assert total.tokens_per_s == pytest.approx(1_000_150 / (1.0 + 0.4 + 0.9))


def test_the_cost_is_unknown_if_one_price_is_unknown() -> None:
    known, unknown = turn(), turn(model="MiniMax-M9")
    assert usage_line.usage_of([known]).cost is not None
    assert usage_line.usage_of([unknown]).cost is None
    assert usage_line.usage_of([known, unknown]).cost is None
    assert "$" not in usage_line.summary_line(unknown)


@pytest.mark.parametrize(
    "response",
    [
        {},
        {"usage": None},
        {"usage": {}},
        {"usage": "many"},
        {"usage": {"input_tokens": None, "output_tokens": "3", "x": 5}},
        {"usage": {"input_tokens": True}, "seconds": "1", "first_token_s": []},
    ],
)
def test_missing_or_invalid_usage_is_left_out(response: Any) -> None:
    made = turn(responses=[response])
    assert usage_line.summary_line(made) == "MiniMax-M2.7"
    assert usage_line.usage_of([made]).tokens_per_s is None


def test_no_turns_have_no_usage() -> None:
    assert usage_line.usage_of([]) == usage_line.Usage(0, dict.fromkeys(TOKEN_COUNTERS, 0), 0.0, None, None)


@pytest.mark.parametrize(
    ("cost", "text"),
    [(None, ""), (0.0, "$0"), (0.00005, "< $0.0001"), (0.5, "≈ $0.5000"), (1234.5, "≈ $1,234.50")],
)
def test_a_cost_is_approximate_and_left_out_if_unknown(cost: float | None, text: str) -> None:
    assert usage_line.cost_text(usage_line.Usage(1, {}, 0.0, None, cost)) == text


@pytest.mark.parametrize(
    ("responses", "text"),
    [
        ([call(thinking_s=3.21)], "Thought for 3.2 s"),
        ([call(thinking_s=1.0), call(thinking_s=2.5)], "Thought for 1.0 s"),
        ([{}], "Thinking"),
        ([], "Thinking"),
    ],
)
def test_the_thinking_label_shows_the_duration(responses: Any, text: str) -> None:
    assert usage_line.thinking_label(turn(responses=responses), 0) == text


@pytest.mark.parametrize(
    ("status", "reason", "text"),
    [
        ("complete", "end_turn", ""),
        ("complete", "tool_use", ""),
        ("complete", None, ""),
        ("complete", "", "stop reason: none given"),
        ("complete", "moon_phase", "stop reason: moon_phase"),
        ("complete", "refusal", "refused by the model"),
        ("truncated", "max_tokens", "cut off by max_tokens: raise it with --max-tokens N"),
        ("truncated", "model_context_window_exceeded", "cut off by the context window"),
        ("stopped", None, "stopped: the partial response is kept"),
        ("failed", "error", "failed: the partial response is kept"),
    ],
)
def test_the_summary_line_shows_an_unusual_ending(status: Any, reason: Any, text: str) -> None:
    line = usage_line.summary_line(turn(status=status, responses=[call(stop_reason=reason)]))
    assert line.rpartition(" · ")[2].startswith(text) if text else line.endswith("< $0.0001")


def test_the_cost_of_a_cached_conversation_matches_the_endpoints_counters(endpoint: Simulator) -> None:
    with Session(base_url=endpoint.base_url, api_key=endpoint.key, model="MiniMax-M2.7") as session:
        for _ in range(3):
            session.ask("Remember this. " * 400)
        turns = session.history.turns("main")
    counted = [record.usage or {} for record in endpoint.log]
    assert counted[2]["cache_read_input_tokens"] > 1_000
    total = usage_line.usage_of(turns)
    assert total.tokens == {name: sum(each[name] for each in counted) for name in TOKEN_COUNTERS}
    assert total.cost == pytest.approx(
        sum(
            each["input_tokens"] * 0.30e-6 + each["output_tokens"] * 1.20e-6 + each["cache_read_input_tokens"] * 0.06e-6
            for each in counted
        )
    )
