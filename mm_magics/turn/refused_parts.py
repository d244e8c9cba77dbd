"""What to leave out of a request that an endpoint refused because of blocks of another endpoint.

A conversation is sent as it was received. Some endpoints refuse thinking that they did not sign, or fields that they do
not know; the same request is then sent once more without them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from mm_magics.api.messages import Message, blocks
from mm_magics.api.sendable import without_thinking, without_unknown_fields
from mm_magics.errors import StatusError
from mm_magics.history.turn import Turn
from mm_magics.wording import counted

Part = Literal["thinking", "fields"]

_THINKING = re.compile(r"\bsignature\b|thinking`? blocks?\b", re.IGNORECASE)
_FIELDS = re.compile(
    r"extra (?:inputs|fields) (?:are )?not permitted|(?:unknown|unexpected|unrecognized) (?:field|property|key)"
    r"|additional propert",
    re.IGNORECASE,
)


def refused_part(error: StatusError) -> Part | None:
    """Return what the endpoint refused, if it is something that another endpoint's blocks can contain."""
    if error.status != 400:
        return None
    return "thinking" if _THINKING.search(error.message) else "fields" if _FIELDS.search(error.message) else None


def context_without(
    part: Part, context: Sequence[Sequence[Message]], turns: Sequence[Turn], endpoint: str
) -> list[Sequence[Message]]:
    """Return the context without what the endpoint refused.

    Thinking is left out if it has no signature, or if another endpoint signed it. If all of it seems to be from
    this endpoint, the endpoint knows better, and all of it is left out.

    Args:
        part: What the endpoint refused.
        context: The messages of each earlier turn, as they were sent.
        turns: These turns.
        endpoint: The endpoint, as `Turn.endpoint` names it.
    """
    if part == "fields":
        return [without_unknown_fields(each) for each in context]
    own: list[Sequence[Message]] = [
        without_thinking(each, unsigned_only=turn.endpoint == endpoint)
        for each, turn in zip(context, turns, strict=True)
    ]
    return [without_thinking(each, unsigned_only=False) for each in context] if is_same(context, own) else own


def is_same(before: Sequence[Sequence[Message]], after: Sequence[Sequence[Message]]) -> bool:
    """Return whether nothing was left out."""
    pairs = (pair for one, other in zip(before, after, strict=True) for pair in zip(one, other, strict=True))
    return all(new is old for old, new in pairs)


def own_without(part: Part, turn: Sequence[Message]) -> list[Message]:
    """Return the messages of the running turn without what the endpoint refused. What it signed itself is kept."""
    return without_unknown_fields(turn) if part == "fields" else without_thinking(turn, unsigned_only=True)


def refusal_note(part: Part, before: Sequence[Sequence[Message]], after: Sequence[Sequence[Message]]) -> str:
    """Return what the user must know about the second request."""
    if part == "fields":
        return "The endpoint refused fields that it does not know, so they were left out of the context."
    left_out = max(1, _blocks(before) - _blocks(after))
    return (
        f"{counted(left_out, 'block')} of thinking {'was' if left_out == 1 else 'were'} left out of the context: the "
        "endpoint refused thinking that it did not sign."
    )


def _blocks(turns: Sequence[Sequence[Message]]) -> int:
    return sum(len(blocks(message)) for turn in turns for message in turn)
