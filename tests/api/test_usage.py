"""Sums of token usage and cost over several calls."""

from __future__ import annotations

from typing import Any

import pytest

from mm_magics.api.usage import input_tokens, reported, total_cost, total_tokens

USAGE = {"input_tokens": 1, "output_tokens": 20, "cache_read_input_tokens": 300, "cache_creation_input_tokens": 4000}


@pytest.mark.parametrize("response", [{}, {"usage": None}, {"usage": [1]}, {"usage": 7}])
def test_a_response_without_usage_reports_none(response: Any) -> None:
    assert reported(response) == {}


def test_the_reported_usage_keeps_all_its_fields() -> None:
    assert reported({"usage": {**USAGE, "x": 1}}) == {**USAGE, "x": 1}


def test_each_counter_is_added_up_and_other_fields_are_left_out() -> None:
    zero = dict.fromkeys(USAGE, 0)
    assert total_tokens([]) == zero
    assert total_tokens([USAGE, {"output_tokens": 5, "x": 9}, {"input_tokens": None}]) == {**USAGE, "output_tokens": 25}


def test_input_tokens_are_new_cached_and_newly_cached_ones() -> None:
    assert input_tokens(USAGE) == 4301
    assert input_tokens({}) == 0


def test_the_total_cost_is_the_cost_of_all_calls() -> None:
    million = {"usage": {"output_tokens": 1_000_000}}
    assert total_cost("MiniMax-M2", [million, {"usage": {"input_tokens": 1_000_000}}, million]) == pytest.approx(2.70)
    assert total_cost("MiniMax-M2", [million, {**million, "cost": 5.0}]) == pytest.approx(6.20)
    assert total_cost("MiniMax-M2", []) == 0.0
    assert total_cost("MiniMax-M9", [million]) is None
