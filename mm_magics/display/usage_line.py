"""The figures of a turn, and how they are said: seconds, tokens, speed, cost.

Always true: a figure that the endpoint did not give is left out, never guessed; cost is marked as approximate.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any, NamedTuple

from mm_magics.api import models
from mm_magics.history.turn import Turn

COUNTERS = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


class Usage(NamedTuple):
    """Sums over a turn's calls. `cost` in US dollars; `tokens_per_s` of output, from the first token on."""

    calls: int
    tokens: dict[str, int]
    seconds: float
    tokens_per_s: float | None
    cost: float | None


def usage_of(turns: Iterable[Turn]) -> Usage:
    tokens = dict.fromkeys(COUNTERS, 0)
    calls, seconds, streaming, cost = 0, 0.0, 0.0, 0.0
    priced = True
    for turn in turns:
        for response in turn.responses:
            calls += int(_number(response.get("calls", 1)))  # a run over rows has one response for all its calls
            took = _number(response.get("seconds"))
            seconds += took
            reported = response.get("usage")
            if not isinstance(reported, dict) or not reported:
                continue
            for name in COUNTERS:
                tokens[name] += int(_number(reported.get(name)))
            if response.get("first_token_s") is not None:
                streaming += took - _number(response["first_token_s"])
            one = models.cost(turn.model, reported)
            priced, cost = priced and one is not None, cost + (one or 0.0)
    speed = tokens["output_tokens"] / streaming if streaming > 0.05 and tokens["output_tokens"] else None
    return Usage(calls, tokens, round(seconds, 3), speed, cost if priced and any(tokens.values()) else None)


def _number(value: Any) -> float:
    counts = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < models.COUNTABLE
    return float(value) if counts else 0.0


def dollars(cost: float | None) -> str:
    """`≈ $0.0012`, or "" where the price is not known."""
    return "" if cost is None else f"≈ ${cost:.4f}" if cost < 1 else f"≈ ${cost:,.2f}"


def thought(turn: Turn, number: int) -> str:
    """What the thinking of this response took: `Thought for 3.2 s`, or `Thinking` where that was not measured."""
    measured = turn.responses[number].get("thinking_s") if number < len(turn.responses) else None
    return "Thinking" if measured is None else f"Thought for {_number(measured):.1f} s"


def called(turn: Turn, id_: object) -> str:
    """How a call ended: `done in 0.3 s`, `denied`; "" where the turn does not say."""
    tools = [response["tools"] for response in turn.responses if isinstance(response.get("tools"), list)]
    found = next((each for each in chain.from_iterable(tools) if isinstance(each, dict) and each.get("id") == id_), {})
    outcome = str(found.get("outcome") or "")
    return f"{outcome} in {_number(found.get('seconds')):.1f} s" if outcome == "done" else outcome


def line(turn: Turn) -> str:
    """The turn in one line: model, seconds, tokens, speed, cost, and how it ended if that was not plainly."""
    usage = usage_of([turn])
    parts = [turn.model]
    if usage.seconds:
        parts.append(f"{usage.seconds:.1f} s")
    if any(usage.tokens.values()):
        tokens = usage.tokens
        cached = tokens["cache_read_input_tokens"]
        total = tokens["input_tokens"] + cached + tokens["cache_creation_input_tokens"]
        parts.append(f"{total:,} tokens in{f' ({cached:,} cached)' if cached else ''}, {tokens['output_tokens']:,} out")
    if usage.tokens_per_s:
        parts.append(f"{usage.tokens_per_s:.0f} tokens/s")
    if usage.cost is not None:
        parts.append(dollars(usage.cost))
    return " · ".join([*parts, *ending(turn)])


def ending(turn: Turn) -> list[str]:
    """What is to be said of the turn's end: nothing if it simply ended."""
    if turn.status == "truncated":
        return ["cut at max_tokens: --max-tokens N allows more"]
    if turn.status == "stopped":
        return ["stopped: what came is kept"]
    if turn.status == "failed":
        return ["failed: what came is kept"]
    reason = turn.responses[-1].get("stop_reason") if turn.responses else None
    if reason == "refusal":
        return ["refused by the model"]
    return [] if reason in ("end_turn", "tool_use", None) else [f"stop reason: {reason or 'none given'}"]
