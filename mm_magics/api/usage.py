"""Token usage as the endpoint reports it, and its sums over several calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mm_magics.api import models

TOKEN_COUNTERS = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
"""The fields of `usage` that count tokens. The three counters of input together count every input token once."""


def reported(response: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the usage of a response; empty if it has none.

    >>> reported({"usage": {"input_tokens": 3}}), reported({"usage": None})
    ({'input_tokens': 3}, {})
    """
    usage = response.get("usage")
    return usage if isinstance(usage, dict) else {}


def total_tokens(usages: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Add up each token counter.

    >>> total_tokens([{"input_tokens": 3}, {"input_tokens": 4, "output_tokens": 1}])["input_tokens"]
    7
    """
    total = dict.fromkeys(TOKEN_COUNTERS, 0)
    for usage in usages:
        for name in TOKEN_COUNTERS:
            total[name] += models.tokens(usage, name)
    return total


def input_tokens(usage: Mapping[str, Any]) -> int:
    """Return all input tokens: new, read from the cache and written to it."""
    return sum(models.tokens(usage, name) for name in TOKEN_COUNTERS if name != "output_tokens")


def total_cost(model: str, usages: Iterable[Mapping[str, Any]]) -> float | None:
    """Add up the cost of calls of one model in US dollars; None if its price is unknown."""
    costs = [models.cost(model, usage) for usage in usages]
    return None if None in costs else sum((each for each in costs if each is not None), 0.0)
