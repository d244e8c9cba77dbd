"""The catalogue of models and parameters, similar names, and costs."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from mm_magics.api.models import (
    CATALOGUE,
    IGNORED_PARAMETERS,
    LONG_INPUT,
    Price,
    cost,
    marks,
    model,
    nearest,
    own_price,
    substitute,
    takes_images,
    tokens,
)

FRONT_END = Path(__file__).parents[2] / "labextension" / "src" / "renderer"


def test_the_catalogue_matches_the_compatibility_page() -> None:
    rows = [(entry.name, entry.window, entry.speed) for entry in CATALOGUE.values() if "M3" not in entry.name]
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


def test_the_catalogue_has_what_is_known_of_the_models_since() -> None:
    rows = [
        (each.name, each.window, each.max_output, each.thinking, sorted(each.media), each.retired)
        for each in CATALOGUE.values()
        if "M3" in each.name
    ]
    assert rows == [
        ("MiniMax-M3.1-Flash", 1_000_000, 524_288, "effort", ["image", "video"], ""),
        ("MiniMax-M3", 1_000_000, 524_288, "adaptive", ["image", "video"], ""),
        ("MiniMax-M3.1-Flash-Preview", 1_000_000, 524_288, "effort", ["image", "video"], ""),
    ]
    retired = {each.name: each.retired for each in CATALOGUE.values() if each.retired}
    assert retired == dict.fromkeys(
        ("MiniMax-M2.7", "MiniMax-M2.7-highspeed", "MiniMax-M2.5", "MiniMax-M2.5-highspeed"), "2026-11-18"
    )
    assert all(each.thinking == "always" and not each.media for each in CATALOGUE.values() if "M2" in each.name)
    assert model("MiniMax-M9").thinking == "unknown"


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
        ("M2", None),
        ("gpt", None),
        ("", None),
    ],
)
def test_the_nearest_name_is_found_ignoring_case(typed: str, meant: str | None) -> None:
    assert nearest(typed) == meant


def test_the_nearest_name_is_one_of_the_given_names() -> None:
    assert nearest("MiniMax-M2.7", ["MiniMax-M3", "MiniMax-M2.1"]) == "MiniMax-M2.1"
    assert nearest("MiniMax-M2.7", []) is None


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ({"MiniMax-M2": "", "MiniMax-M2.1": "", "MiniMax-M3": "", "MiniMax-M3.1-Flash": ""}, "MiniMax-M3.1-Flash"),
        ({"MiniMax-M2": "", "MiniMax-M2.1": "", "MiniMax-M3": ""}, "MiniMax-M3"),
        ({"MiniMax-M2": "", "MiniMax-M2.5-highspeed": ""}, "MiniMax-M2.5-highspeed"),
        ({"MiniMax-M3.1-Flash-Preview": "", "MiniMax-M2": ""}, "MiniMax-M2"),
        ({"MiniMax-M4": "2027-01-01", "MiniMax-M3.1-Flash-Preview": ""}, "MiniMax-M3.1-Flash-Preview"),
        ({"gpt": "2028-01-01", "minimax/minimax-m2.1": "", "minimax/minimax-m3": ""}, "minimax/minimax-m3"),
        ({"MiniMax-M4": "2027-01-01", "MiniMax-M5": "2028-01-01", "speech": "2029-01-01"}, "MiniMax-M5"),
        ({"llama": "2027-01-01", "qwen": "2028-01-01"}, "qwen"),
        ({"first": "", "second": ""}, "first"),
        ({}, None),
    ],
)
def test_the_substitute_for_the_default_model_is_the_first_of_the_catalogue(
    offered: dict[str, str], chosen: str | None
) -> None:
    assert substitute(offered) == chosen


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
        ("MiniMax-M3", 0.60 + 2 * 2.40 + 3 * 0.12 + 4 * 0.60),
        ("MiniMax-M3.1-Flash", 0.15 + 2 * 0.60 + 3 * 0.015 + 4 * 0.15),
        ("MiniMax-M3.1-Flash-Preview", 0.15 + 2 * 0.60 + 3 * 0.015 + 4 * 0.15),
    ],
)
def test_cost_is_tokens_times_price(name: str, dollars: float) -> None:
    assert cost(name, USAGE) == pytest.approx(dollars, rel=1e-9)


@pytest.mark.parametrize(
    ("usage", "dollars"),
    [
        ({"input_tokens": 512_000}, 0.512 * 0.30),
        ({"input_tokens": 512_001}, 0.512001 * 0.60),
        ({"input_tokens": 1, "cache_read_input_tokens": 512_000}, (0.60 + 512_000 * 0.12) / 1e6),
        ({"input_tokens": 1, "cache_creation_input_tokens": 512_000}, (0.60 + 512_000 * 0.60) / 1e6),
        ({"input_tokens": 10, "output_tokens": 600_000}, (10 * 0.30 + 600_000 * 1.20) / 1e6),
    ],
)
def test_all_input_of_a_call_decides_on_the_price_of_long_input(usage: dict[str, int], dollars: float) -> None:
    assert cost("MiniMax-M3", usage) == pytest.approx(dollars, rel=1e-9)


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
    fields = ("name", "window", "speed", "price", "long_price", "thinking", "retired")
    assert table == [{field: asdict(entry)[field] for field in fields} for entry in CATALOGUE.values()]
    assert f"LONG_INPUT = {LONG_INPUT:_};" in (FRONT_END / "model-catalogue.ts").read_text()


def test_a_price_that_the_user_set_counts_cached_input_as_input() -> None:
    assert own_price({"mine": [0.1, 0.4], "other": (1, 2)}, "mine") == Price(0.1, 0.4, 0.1, 0.1)
    assert own_price({"other": (1, 2)}, "mine") is None


@pytest.mark.parametrize(
    ("name", "offered", "shown"),
    [
        ("MiniMax-M2.7", None, ["announced as retired on 2026-11-18"]),
        ("MiniMax-M2.7", ["MiniMax-M2.7"], ["announced as retired on 2026-11-18"]),
        ("MiniMax-M2.7", ["MiniMax-M3"], ["announced as retired on 2026-11-18", "not offered here"]),
        ("MiniMax-M3", None, []),
        ("MiniMax-M3", [], []),
        ("MiniMax-M3", ["MiniMax-M3"], []),
        ("MiniMax-M3", ["mine"], ["not offered here"]),
        ("mine", None, []),
        ("mine", ["mine"], ["new: listed only by the endpoint"]),
        ("mine", ["MiniMax-M3"], ["not offered here"]),
    ],
)
def test_a_model_is_marked_as_retired_unavailable_or_new(
    name: str, offered: list[str] | None, shown: list[str]
) -> None:
    assert marks(name, offered) == shown


@pytest.mark.parametrize(("name", "takes"), [("MiniMax-M2.7", False), ("MiniMax-M3", True), ("mine", True)])
def test_models_that_take_images_and_unknown_ones_may_receive_them(name: str, takes: bool) -> None:
    assert takes_images(name) is takes
