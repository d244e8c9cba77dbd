"""Say what to do about an error status: one hint for every row of MiniMax's error table, and one for any other."""

from __future__ import annotations

import re

from mm_magics.endpoint.keys import MINIMAX_HOSTS, Key
from mm_magics.errors import StatusError

CODES = {1000: 500, 1002: 429, 1004: 401, 1008: 402, 1026: 422, 1027: 422, 2013: 400, 2049: 401, 2056: 429}
"""HTTP statuses by MiniMax's own error code, which ends a message in parentheses."""

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
    """Return the HTTP status of an error that was reported with status 200; 500 if neither type nor message tell.

    >>> status_of(None, "login fail (1004)"), status_of("overloaded_error", "High traffic"), status_of(None, "?")
    (401, 529, 500)
    """
    code = re.search(r"\((\d{4})\)\s*$", message)
    return CODES.get(int(code[1]) if code else 0) or TYPES.get(type or "", 500)


_UNKNOWN = re.compile(
    r"unknown model|no such model|(invalid|unsupported|unrecognized|nonexistent) model|model is not supported|"
    r"not a valid model|not[ _]found|(does not|doesn't|not) exist|no longer|retired|deprecated|decommissioned|"
    r"discontinued|shut down|sunset|(is|are) not (available|offered|supported)|unavailable",
    re.IGNORECASE,
)


def refuses_model(error: StatusError, model: str) -> bool:
    """Return whether the endpoint reports that it does not know or no longer offers the model.

    >>> refuses_model(StatusError("model: m (HTTP 404, not_found_error)", status=404), "m")
    True
    """
    text = error.message
    if error.status not in (200, 400, 404, 410, 422) or "(2061)" in text or not _UNKNOWN.search(text):
        return False
    if model.lower() in text.lower():
        return True
    return bool(re.search(r"\bmodel", text, re.IGNORECASE)) and "as the Messages API does" not in text


def status_hint(status: int, message: str, base_url: str, key: Key) -> str:
    """Return what to do about an error status. `message` is the text of the endpoint."""
    if status == 401:
        if "2049" in message and key.host in MINIMAX_HOSTS:
            (other,) = MINIMAX_HOSTS - {key.host}
            return f"The key from {key.source} is wrong, or for the other region ({other})."
        return f"The key from {key.source} was refused. Enter another with %minimax login."
    if status == 400 and "unknown model" in message:
        return "Run %minimax models to list the models."
    if status == 400 and "context window" in message:
        return "To send less, use --context N or start a new --thread."
    if status == 400 and "signature" in message:
        return "The conversation has thinking that this endpoint did not sign. Use --context none or a new --thread."
    if status == 402:
        return "Top up the account, then run the cell again."
    if status == 422:
        return "The endpoint's content filter refused the request. Rephrase it."
    if status == 404:
        return f"Is {base_url} the right base URL?"
    if status in (408, 409, 429) or status >= 500:
        return "Wait a moment, then run the cell again."
    return "Run the cell with --dry-run to see the request, and change what the endpoint refuses."
