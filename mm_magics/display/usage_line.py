"""Usage of turns (calls, tokens, seconds, speed, cost) and the summary line that shows it below an answer.

A number that the endpoint did not report is left out, never estimated. Cost is always approximate.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import NamedTuple

from mm_magics.api import models
from mm_magics.api.models import plausible_number
from mm_magics.api.usage import input_tokens, reported
from mm_magics.history.turn import Turn
from mm_magics.history.versions import has_content
from mm_magics.turn.ledger import Account, calls_of
from mm_magics.turn.window import percent, window_share
from mm_magics.wording import LEAST_COST, dollars

MIN_STREAMING_S = 0.05
"""Seconds of streaming below which no speed is shown."""
MIN_SHARE = 0.01
"""Part of the window below which it is not shown."""


class Usage(NamedTuple):
    """Sums over the model calls of some turns.

    `tokens` has one count per token counter. `tokens_per_s` counts output tokens after the first one. `cost` is in US
    dollars. Both are None if unknown.
    """

    calls: int
    tokens: dict[str, int]
    seconds: float
    tokens_per_s: float | None
    cost: float | None


def usage_of(turns: Iterable[Turn]) -> Usage:
    """Add up the usage of the turns."""
    account = Account()
    for turn in turns:
        for model, response in calls_of(turn):
            account.add(model, response)
    output = account.tokens["output_tokens"]
    speed = output / account.streaming if account.streaming > MIN_STREAMING_S and output else None
    cost = account.cost if any(account.tokens.values()) and not account.unpriced else None
    return Usage(account.calls, account.tokens, round(account.seconds, 3), speed, cost)


def thinking_label(turn: Turn, call_number: int) -> str:
    """Return the title of this call's thinking: `Thought for 3.2 s`, or `Thinking` without a measured time."""
    response = turn.responses[call_number] if call_number < len(turn.responses) else {}
    seconds = response.get("thinking_s")
    return "Thinking" if seconds is None else f"Thought for {plausible_number(seconds):.1f} s"


def tool_outcome(turn: Turn, call_id: object) -> str:
    """Return how a tool call ended: `done in 0.3 s`, `denied`, or "" if the turn does not record it."""
    recorded = [response["tools"] for response in turn.responses if isinstance(response.get("tools"), list)]
    calls = (call for call in chain.from_iterable(recorded) if isinstance(call, dict))
    call = next((call for call in calls if call.get("id") == call_id), {})
    outcome = str(call.get("outcome") or "")
    return f"{outcome} in {plausible_number(call.get('seconds')):.1f} s" if outcome == "done" else outcome


def cost_text(usage: Usage) -> str:
    """Return the cost as text, "" if it is unknown."""
    return "" if usage.cost is None else dollars(usage.cost)


def effort_of(turn: Turn) -> str:
    """Return the effort that the request asked for, "" if it did not."""
    config = turn.params.get("output_config")
    effort = config.get("effort") if isinstance(config, dict) else None
    return effort if isinstance(effort, str) else ""


def account_cost(account: Account) -> str:
    """Return the cost of some calls as text: what is known of it, and whether there is more."""
    if not account.unknown:
        return dollars(account.cost)
    return f"{dollars(account.cost)} + unknown" if account.cost else "unknown"


def summary_line(turn: Turn) -> str:
    """Return the turn in one line: model, effort, seconds, tokens, speed, cost, and its end if that is not normal."""
    usage = usage_of([turn])
    parts = [turn.model, *([f"effort {effort}"] if (effort := effort_of(turn)) else [])]
    if usage.seconds:
        parts.append(f"{usage.seconds:.1f} s")
    if any(usage.tokens.values()):
        cached = usage.tokens["cache_read_input_tokens"]
        parts.append(
            f"{input_tokens(usage.tokens):,} tokens in{f' ({_cached(turn, cached)})' if cached else ''}, "
            f"{usage.tokens['output_tokens']:,} out"
        )
    if usage.tokens_per_s:
        parts.append(f"{usage.tokens_per_s:.0f} tokens/s")
    if used := window_text(turn):
        parts.append(f"{used} of the window")
    parts += filter(None, [cost_text(usage), _ending(turn)])
    return " · ".join(parts)


def window_text(turn: Turn) -> str:
    """Return which part of the model's window the turn and its context use; "" if it is unknown or small."""
    share = window_share(turn)
    return percent(share) if share is not None and share >= MIN_SHARE else ""


def saved(turn: Turn) -> float:
    """Return how many US dollars the cache of the endpoint saved; 0 if it is unknown."""
    return sum(
        models.tokens(usage, "cache_read_input_tokens") * (price.input - price.cache_read) / 1_000_000
        for model, response in calls_of(turn)
        if "cost" not in response
        and (usage := reported(response))
        and (price := models.model(model).price_of(input_tokens(usage)))
    )


def saved_text(turn: Turn) -> str:
    """Return what the cache of the endpoint saved as text; "" if that is next to nothing."""
    amount = saved(turn)
    return dollars(amount) if amount >= LEAST_COST else ""


def _cached(turn: Turn, tokens: int) -> str:
    amount = saved_text(turn)
    return f"{tokens:,} cached{f', {amount} saved' if amount else ''}"


def _ending(turn: Turn) -> str:
    """Describe how the turn ended; "" if it ended normally."""
    reason = turn.responses[-1].get("stop_reason") if turn.responses else None
    match turn.status:
        case "truncated" if reason == "model_context_window_exceeded":
            return "cut off by the context window"
        case "truncated":
            return "cut off by max_tokens: raise it with --max-tokens N"
        case "stopped":
            return "stopped: the partial response is kept"
        case "failed":
            return "failed: the partial response is kept" if has_content(turn) else "failed"
    if reason == "refusal":
        return "refused by the model"
    return "" if reason in ("end_turn", "tool_use", None) else f"stop reason: {reason or 'none given'}"
