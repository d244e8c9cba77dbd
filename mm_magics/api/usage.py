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


def response_cost(model: str, response: Mapping[str, Any]) -> float | None:
    """Return the cost of a response, an entry of `Turn.responses`, in US dollars; None if it is unknown.

    It is recorded if the user set the price; else it follows from the catalogue.

    >>> response_cost("mine", {"usage": {}, "cost": 0.5}), response_cost("mine", {"usage": {}})
    (0.5, None)
    """
    recorded = response.get("cost")
    return models.plausible_number(recorded) if recorded is not None else models.cost(model, reported(response))


def total_cost(model: str, responses: Iterable[Mapping[str, Any]]) -> float | None:
    """Add up the cost of responses of one model in US dollars; None if one is unknown."""
    costs = [response_cost(model, response) for response in responses]
    return None if None in costs else sum((each for each in costs if each is not None), 0.0)
