"""The size of a conversation beside its model's window: the input of a request plus `max_tokens` must fit.

Input that the endpoint has counted is taken from the usage it reported. The rest is estimated from its bytes, with the
bytes per token that the counted turns of the conversation had.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mm_magics.api import models
from mm_magics.api.models import Price
from mm_magics.api.request import json_of
from mm_magics.api.size import BYTES_PER_TOKEN, IMAGE_TOKENS, SentSize, sent_size
from mm_magics.api.usage import input_tokens, reported
from mm_magics.endpoint.error_hints import http_status
from mm_magics.errors import MiniMaxError, StatusError
from mm_magics.history.compacted_context import SentContext
from mm_magics.history.turn import Turn
from mm_magics.wording import counted, dollars

MIN_ANSWER = 4_096
"""`max_tokens` is not lowered below this: the estimate may be too high, and a shorter answer is of no use."""

MEASURED_TURNS = 50
"""The turns at the end of a conversation from which the bytes per token are measured."""
MIN_MEASURED = 500
"""Fewer tokens say too little about the bytes per token."""
BYTES_RANGE = (1.0, 16.0)
"""Bytes per token that are plausible, whatever an endpoint reports."""

MAYBE_FULL = 0.5
"""The part of the window from which an estimate may be wrong enough for the endpoint to refuse the request."""
FULL = 0.9
"""The part of the window from which a conversation counts as full."""


class Size(NamedTuple):
    """The input of a request: about how many tokens, of which window, from how many earlier turns, at which price."""

    tokens: int
    window: int | None
    turns: int
    price: Price | None = None

    @property
    def share(self) -> float | None:
        """The part of the window that is used; None if the window is unknown."""
        return self.tokens / self.window if self.window else None

    @property
    def percent(self) -> str:
        """The part of the window that is used, as text; "" if the window is unknown."""
        return "" if self.share is None else percent(self.share)

    def __str__(self) -> str:
        """Return the size in one line.

        >>> print(Size(41_200, 204_800, 12, Price(0.3, 1.2, 0.06, 0.375)))
        ≈ 41,200 tokens, 20 % of the window, ≈ $0.0124; 12 turns
        """
        parts = [f"≈ {counted(self.tokens, 'token')}", *([f"{self.percent} of the window"] if self.percent else [])]
        parts += [dollars(self.tokens * self.price.input / 1_000_000)] if self.price else []
        return f"{', '.join(parts)}; {counted(self.turns, 'turn')}"


def percent(share: float) -> str:
    """Return a part of a window as text.

    >>> percent(0.384), percent(0.001), percent(0.0)
    ('38 %', '< 1 %', '0 %')
    """
    return "< 1 %" if 0 < share < 0.01 else f"{share * 100:.0f} %"


def response_tokens(response: Mapping[str, Any]) -> int:
    """Return the size of a response and everything before it, as the endpoint counted it; 0 if it did not."""
    usage = reported(response)
    before = 0 if "calls" in response else input_tokens(usage)  # a map run adds up the input of many requests
    return before and before + models.tokens(usage, "output_tokens")


def turn_tokens(turn: Turn) -> int:
    """Return the size of a turn and of everything above it, as the endpoint counted it; 0 if it did not."""
    return response_tokens(turn.responses[-1]) if turn.responses and turn.context == "above" else 0


def window_share(turn: Turn) -> float | None:
    """Return which part of its model's window a turn and its context use, as counted; None if it is unknown."""
    window = models.model(turn.model).window
    used = response_tokens(turn.responses[-1]) if turn.responses else 0
    return used / window if window and used else None


def bytes_per_token(turns: Sequence[Turn]) -> float:
    """Return how many bytes of JSON a token of this conversation has, measured on the turns that were counted last."""
    size = tokens = before = 0
    measured = turns[-MEASURED_TURNS - 1 :]
    for number, turn in enumerate(measured):
        after = turn_tokens(turn)
        if after > before and (before or (number == 0 and len(measured) == len(turns))):
            fixed = 0 if before else sent_size(_fixed_json(turn.system, turn.params.get("tools"))).text
            size += turn.size.text + fixed
            tokens += after - before - turn.size.images * IMAGE_TOKENS
        before = after
    if tokens < MIN_MEASURED:
        return BYTES_PER_TOKEN
    low, high = BYTES_RANGE
    return min(max(size / tokens, low), high)


def _fixed_json(system: Any, tools: Any) -> str:
    return json_of({"system": system, "tools": tools})


class InputTokens(NamedTuple):
    """How many input tokens a request has: about so many, and at most so many unless it has very short tokens."""

    about: int
    most: int


def input_size(context: SentContext, body: Mapping[str, Any], encoded: bytes, *, sees_all: bool) -> InputTokens:
    """Return how many input tokens a request has.

    Args:
        context: The earlier turns that it contains.
        body: The request.
        encoded: The same as JSON.
        sees_all: Whether the turns are all turns above, so that the usage of the last one covers those before it.
    """
    ratio = bytes_per_token(context.all)
    known, added = _counted(context) if sees_all else (None, SentSize(0, 0))
    if known is None:
        uncounted, before = sent_size(encoded), 0
    else:
        fixed = _fixed_json(body.get("system"), body.get("tools"))
        same = fixed == _fixed_json(known.system, known.params.get("tools"))
        new = sent_size(json_of(body["messages"][-1]) + ("" if same else fixed))
        uncounted = SentSize(added.text + new.text, added.images + new.images)
        before = turn_tokens(known)
    return InputTokens(before + uncounted.tokens(ratio), before + uncounted.tokens(min(ratio, BYTES_PER_TOKEN)))


def _counted(context: SentContext) -> tuple[Turn | None, SentSize]:
    """Return the last turn whose size the endpoint counted, and the size of those after it: of all, without one."""
    text = images = 0
    for turn in reversed(context.counted):
        if turn_tokens(turn):
            return turn, SentSize(text, images)
        text, images = text + turn.size.text, images + turn.size.images
    sizes = [turn.size for turn in context.turns]
    return None, SentSize(sum(size.text for size in sizes), sum(size.images for size in sizes))


def conversation_size(context: SentContext, model: str) -> Size:
    """Return the size of a conversation for its next prompt to this model, without that prompt."""
    known, added = _counted(context)
    tokens = (turn_tokens(known) if known else 0) + added.tokens(bytes_per_token(context.all))
    entry = models.model(model)
    return Size(tokens, entry.window, len(context.all), entry.price_of(tokens))


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


def fullness_note(before: float | None, size: Size, threshold: float, mode: str) -> str:
    """Return what the user must know when the conversation passes a part of the window; "" if it does not.

    Args:
        before: The part of the window that the last turn used; None if it is unknown.
        size: The size of the new request.
        threshold: The part of the window from which the note appears.
        mode: Whether earlier turns are summarized, as `plan_compaction` takes it.
    """
    if size.share is None or not threshold <= size.share < FULL or (before or 0.0) >= threshold:
        return ""
    then = (
        "Send less with --context N, or start a new --thread, before it is full."
        if mode == "never"
        else f"From {percent(FULL)} on, earlier turns are summarized; --compact now does it now."
    )
    return f"The conversation uses {size.percent} of the window of {size.window:,} tokens. {then}"


def is_too_large(error: MiniMaxError) -> bool:
    """Return whether the endpoint refused a request because it does not fit the window."""
    return isinstance(error, StatusError) and (
        http_status(error) == 413 or (error.status in (200, 400) and "context window" in error.message)  # 200: an event
    )


def name_sizes(error: MiniMaxError, size: Size) -> None:
    """Add to an error about the size of a request how large it is and what to do."""
    if is_too_large(error):
        window = f" of the window of {size.window:,}" if size.window else ""
        error.message = f"{error.message}: the request has about {counted(size.tokens, 'token')}{window}"
        others = "Summarize earlier turns with --compact now, send less with --context N, or start a new --thread."
        error.hint = others if size.turns else f"Send a shorter prompt. {error.hint}"
