"""What to do about an error of the endpoint: one line for every row of the error table, and for those not in it.

Always true: there is a line for every error. Source: the error table of `minimax-api.md`.
"""

from __future__ import annotations

import re

from mm_magics.api import models
from mm_magics.endpoint.keys import MINIMAX_HOSTS, Key

CODES = {1000: 500, 1002: 429, 1004: 401, 1008: 402, 1026: 422, 1027: 422, 2013: 400, 2049: 401, 2056: 429}
"""The HTTP status that goes with a code of MiniMax's, which stands in brackets at a message's end."""

TYPES = {
    "authentication_error": 401,
    "authorized_error": 401,
    "invalid_request_error": 400,
    "insufficient_balance_error": 402,
    "unprocessable_entity_error": 422,
    "rate_limit_error": 429,
    "api_error": 500,
    "overloaded_error": 529,
}


def status_of(type: str | None, message: str) -> int:
    """The HTTP status of an error that came in a body with status 200 or as an event; 500 where nothing tells.

    >>> status_of(None, "login fail (1004)"), status_of("overloaded_error", "High traffic"), status_of(None, "?")
    (401, 529, 500)
    """
    code = re.search(r"\((\d{4})\)\s*$", message)
    return CODES.get(int(code[1]) if code else 0) or TYPES.get(type or "", 500)


def status_hint(status: int, message: str, base_url: str, key: Key) -> str:
    """What to do about an error status."""
    if status == 401:
        if "2049" in message and key.host in MINIMAX_HOSTS:
            (other,) = MINIMAX_HOSTS - {key.host}
            return f"The key from {key.source} is wrong, or for the other region ({other})."
        return f"The key from {key.source} was refused; %minimax login takes another."
    if status == 400 and "unknown model" in message:
        name = message.partition("'")[2].rpartition("'")[0]
        like = models.nearest(name)
        return f"Did you mean {like}?" if like and like != name else "%minimax models lists what there is."
    if status == 400 and "context window" in message:
        return "Use --context N or a new --thread to send less."
    if status == 402:
        return "Top up the account, then run the cell again."
    if status == 422:
        return "The endpoint's content filter refused this; word it differently."
    if status == 404:
        return f"Is {base_url} the right base URL?"
    if status in (408, 409, 429) or status >= 500:
        return "Wait a little, then run the cell again."
    return "Run the cell with --dry-run to see what is sent, and change what the endpoint refuses."
