"""The catalogue of models and parameters, similar names, and costs."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from mm_magics.api.models import CATALOGUE, IGNORED_PARAMETERS, cost, model, nearest, tokens

FRONT_END = Path(__file__).parents[2] / "labextension" / "src" / "renderer"


def test_the_catalogue_matches_the_compatibility_page() -> None:
    rows = [(entry.name, entry.window, entry.speed) for entry in CATALOGUE.values()]
    assert rows == [
        ("MiniMax-M2.7", 204_800, 60),
        ("MiniMax-M2.7-highspeed", 204_800, 100),
        ("MiniMax-M2.5", 204_800, 60),
        ("MiniMax-M2.5-highspeed", 204_800, 100),
        ("MiniMax-M2.1", 204_800, 60),
        ("MiniMax-M2.1-highspeed", 204_800, 100),
        ("MiniMax-M2", 204_800, None),
    ]
    assert set(IGNORED_PARAMETERS) == {
        "top_k",
        "stop_sequences",
        "service_tier",
        "mcp_servers",
        "context_management",
        "container",
    }


def test_an_unknown_model_can_be_used() -> None:
    assert (model("MiniMax-M9").name, model("MiniMax-M9").window, model("MiniMax-M9").price) == (
        "MiniMax-M9",
        None,
        None,
    )


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("minimax-m2.7", "MiniMax-M2.7"),
        ("MiniMax-M2.7-higspeed", "MiniMax-M2.7-highspeed"),
        ("M2.5", "MiniMax-M2.5"),
        ("MiniMax-M3", "MiniMax-M3"),
        ("MINIMAX-M3", "MiniMax-M3"),
        ("MiniM", "MiniMax-M3"),
        ("M2", None),
        ("gpt", None),
        ("", None),
    ],
)
def test_the_nearest_name_is_found_ignoring_case(typed: str, meant: str | None) -> None:
    assert nearest(typed, frozenset({"MiniMax-M3"})) == meant


USAGE = {
    "input_tokens": 1_000_000,
    "output_tokens": 2_000_000,
    "cache_read_input_tokens": 3_000_000,
    "cache_creation_input_tokens": 4_000_000,
}


@pytest.mark.parametrize(
    ("name", "dollars"),
    [
        ("MiniMax-M2.7", 0.30 + 2 * 1.20 + 3 * 0.06 + 4 * 0.375),
        ("MiniMax-M2.7-highspeed", 0.60 + 2 * 2.40 + 3 * 0.06 + 4 * 0.375),
        ("MiniMax-M2.5", 0.30 + 2 * 1.20 + 3 * 0.03 + 4 * 0.375),
        ("MiniMax-M2.5-highspeed", 0.60 + 2 * 2.40 + 3 * 0.03 + 4 * 0.375),
        ("MiniMax-M2.1", 0.30 + 2 * 1.20 + 3 * 0.03 + 4 * 0.375),
        ("MiniMax-M2.1-highspeed", 0.60 + 2 * 2.40 + 3 * 0.03 + 4 * 0.375),
        ("MiniMax-M2", 0.30 + 2 * 1.20 + 3 * 0.03 + 4 * 0.375),
    ],
)
def test_cost_is_tokens_times_price(name: str, dollars: float) -> None:
    assert cost(name, USAGE) == pytest.approx(dollars, rel=1e-9)


def test_cost_is_unknown_without_a_price_and_invalid_counters_count_as_zero() -> None:
    assert cost("MiniMax-M9", USAGE) is None
    assert cost("MiniMax-M2", {"input_tokens": None, "output_tokens": "many", "x": 5}) == 0.0


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (3, 3),
        (2.75, 2),
        (-4, -4),
        (10**15 - 1, 10**15 - 1),
        (10**15, 0),
        (-(10**15), 0),
        (float("inf"), 0),
        (float("nan"), 0),
        (True, 0),
        ("3", 0),
        ([3], 0),
        (None, 0),
    ],
)
def test_only_a_plausible_number_counts_as_tokens(value: object, count: int) -> None:
    assert tokens({"input_tokens": value}, "input_tokens") == count


def test_the_front_end_has_the_same_catalogue() -> None:
    table = json.loads((FRONT_END / "model-catalogue.json").read_text())
    fields = ("name", "window", "speed", "price")
    assert table == [{field: asdict(entry)[field] for field in fields} for entry in CATALOGUE.values()]
