"""Keep a request within the model's window: its input plus `max_tokens` must fit.

Input that the endpoint has counted is taken from the usage it reported. The rest is estimated from its bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from mm_magics.api import models
from mm_magics.api.request import json_of
from mm_magics.api.usage import input_tokens, reported
from mm_magics.history.turn import Turn

BYTES_PER_TOKEN = 3
IMAGE_TOKENS = 1_600
"""Estimate for one image, whose bytes do not count as text."""

MIN_ANSWER = 4_096
"""`max_tokens` is not lowered below this: the estimate may be too high, and a shorter answer is of no use."""

_BASE64 = re.compile(rb'"data":"[A-Za-z0-9+/=]{1000,}"')


def estimated_tokens(encoded: bytes, bytes_per_token: float = BYTES_PER_TOKEN) -> int:
    """Return about how many tokens a part of a request has, from its JSON."""
    text, images = _BASE64.subn(b"", encoded) if b'"base64"' in encoded else (encoded, 0)
    return int(len(text) // bytes_per_token) + images * IMAGE_TOKENS


def response_tokens(response: Mapping[str, Any]) -> int:
    """Return the size of a response and everything before it, as the endpoint counted it; 0 if it did not."""
    usage = reported(response)
    before = 0 if "calls" in response else input_tokens(usage)  # a map run adds up the input of many requests
    return before and before + models.tokens(usage, "output_tokens")


def context_tokens(turns: Sequence[Turn], body: Mapping[str, Any], encoded: bytes, *, sees_all: bool) -> int:
    """Return about how many input tokens a request has.

    Args:
        turns: The earlier turns that it contains.
        body: The request.
        encoded: The same as JSON.
        sees_all: Whether the turns are all turns above, so that the usage of the last one covers those before it.
    """
    uncounted: list[str] = []
    for turn in reversed(turns) if sees_all else ():
        counted = response_tokens(turn.responses[-1]) if turn.responses and turn.context == "above" else 0
        if counted:
            fixed = {"system": body.get("system"), "tools": body.get("tools")}
            if fixed != {"system": turn.system, "tools": turn.params.get("tools")}:
                uncounted.append(json_of(fixed))
            return counted + estimated_tokens("".join([*uncounted, json_of(body["messages"][-1])]).encode())
        uncounted += [each.json for each in turn.prepared]
    return estimated_tokens(encoded)


def fitting_max_tokens(model: str, requested: int, used: int) -> int:
    """Return `max_tokens` such that the answer fits the window beside the input; the requested value if it does.

    Args:
        model: The name of the model. The window of an unknown one is unknown too.
        requested: The `max_tokens` that the user asked for.
        used: About how many tokens the input has.
    """
    window = models.model(model).window
    if window is None or used + requested <= window:
        return requested
    return min(requested, max(window - used, MIN_ANSWER))


def surely_fits(model: str, requested: int, encoded: bytes) -> bool:
    """Return whether the request fits however the model counts: a token has at least one byte."""
    window = models.model(model).window
    return window is None or len(encoded) + requested <= window


def lowered_note(model: str, requested: int, sent: int) -> str:
    """Return what the user must know about a `max_tokens` that was lowered."""
    return (
        f"max_tokens was lowered from {requested:,} to {sent:,}, because the conversation and the answer together must "
        f"fit the window of {models.model(model).window:,} tokens."
    )
