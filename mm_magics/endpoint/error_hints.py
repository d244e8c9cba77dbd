"""Say what to do about an error status: one hint for every row of MiniMax's error table, and one for any other."""

from __future__ import annotations

import re

from mm_magics.api.urls import origin_of
from mm_magics.endpoint.keys import CHINA_HOSTS, MINIMAX_HOSTS, WORLD_HOST, Key
from mm_magics.errors import MiniMaxError, StatusError

CODES = {
    1000: 500,
    1002: 429,
    1004: 401,
    1008: 402,
    1026: 422,
    1027: 422,
    1028: 429,
    1030: 429,
    1039: 422,
    2013: 400,
    2049: 401,
    2056: 429,
    2061: 403,
}
"""HTTP statuses by MiniMax's own error code, which stands in parentheses after a message."""

QUOTA_CODES = (1028, 1030, 2056)
"""The quota of the key's plan is used up, for hours."""

FILTER_CODES = (1026, 1027, 1039)
"""The content filter refused the request or the answer."""

PLAN_CODE = 2061
"""The plan of the key does not include the model."""

TYPES = {
    "authentication_error": 401,
    "authorized_error": 401,
    "invalid_request_error": 400,
    "insufficient_balance_error": 402,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "unprocessable_entity_error": 422,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}

FATAL_STATUSES = (401, 402, 403, 404, 405, 407)
"""Statuses that every request may get: a rejected key, insufficient balance, a wrong address."""

OWN_STATUSES = (400, 413, 422)
"""Statuses that only concern the request: it is invalid, too large, or refused by a content filter."""

THROTTLED_STATUSES = (429, 529)
"""Statuses that hold back all requests with this key for a while."""

PLANS = {"sk-cp-": "Token Plan", "sk-api-": "pay-as-you-go plan"}
"""The plan of a key by how the key starts."""

ASK_BASE_URL = "Does the base URL end in /anthropic?"
"""Stands for `base_url_hint` where the base URL is not known."""

_RESET = re.compile(
    r"\breset(?:s|ting)?(?: time)?(?::| is)?\s+"
    r"(at |on |in |after )?([^(),;]*?\d[^(),;]{0,40}?)(?=[.]?\s*(?:[(),;]|[.] |$))",
    re.IGNORECASE,
)
"""When a quota is full again, at the end of a sentence or before the code."""


def code_of(text: str) -> int:
    """Return MiniMax's own error code in an error message, or in the text of an error body; 0 without one.

    >>> code_of("usage limit exceeded (2056) (HTTP 429, rate_limit_error)"), code_of("a summer (2024)")
    (2056, 0)
    """
    found = re.findall(r'\((\d{4})\)|"status_code": *(\d{4})', text)
    codes = [int(one or other) for one, other in found]
    return next((code for code in reversed(codes) if code in CODES), 0)


def status_of(type: str | None, message: str) -> int:
    """Return the HTTP status of an error that was reported with status 200; 500 if neither type nor message tell.

    >>> status_of(None, "login fail (1004)"), status_of("overloaded_error", "High traffic"), status_of(None, "?")
    (401, 529, 500)
    """
    return CODES.get(code_of(message)) or TYPES.get(type or "", 500)


def is_final(text: str) -> bool:
    """Return whether an error stands for hours, whatever its status: a used quota, or a plan without the model."""
    return code_of(text) in (*QUOTA_CODES, PLAN_CODE)


def http_status(error: MiniMaxError) -> int:
    """Return the HTTP status of an error, also of one that was reported with status 200; 0 without one."""
    if not isinstance(error, StatusError):
        return 0
    return status_of(error.type, error.message) if error.status == 200 else error.status


def meets_all(error: MiniMaxError) -> bool:
    """Return whether every request would get this error, and waiting does not help.

    A single request may be refused so as well, for example by moderation with 403.
    """
    status = http_status(error)
    return is_final(error.message) or status in FATAL_STATUSES or 300 <= status < 400


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
    text = f"{error.message} {error.type or ''}"
    if error.status not in (200, 400, 404, 410, 422) or "(2061)" in text or not _UNKNOWN.search(text):
        return False
    if model.lower() in text.lower():
        return True
    return bool(re.search(r"(?<![\w-])model(?!-)", text, re.IGNORECASE)) and "as the Messages API does" not in text


def status_hint(status: int, message: str, base_url: str, key: Key, *, is_api: bool = True) -> str:
    """Return what to do about an error: by MiniMax's code, then by the status, last by the kind of body.

    Args:
        status: The HTTP status.
        message: The text of the endpoint.
        base_url: The endpoint.
        key: The key that was sent.
        is_api: Whether the body is an error of the Messages API.
    """
    code = code_of(message)
    if code in QUOTA_CODES:
        return _quota_hint(message)
    if code == PLAN_CODE:
        plan = next((name for start, name in PLANS.items() if key.reveal().startswith(start)), "plan")
        return (
            f"The {plan} of the key from {key.source} does not include this model. "
            "Choose another: %minimax models lists them."
        )
    if status == 401:
        if code == 2049 and key.host in MINIMAX_HOSTS:
            other = WORLD_HOST if key.host in CHINA_HOSTS else " or ".join(sorted(CHINA_HOSTS))
            return f"The key from {key.source} is wrong, or for the other region ({other})."
        return f"The key from {key.source} was refused. Enter another with %minimax login."
    if status == 400 and "unknown model" in message:
        return "Run %minimax models to list the models."
    if status == 413 or (status == 400 and "context window" in message):
        return "To send less, use --context N or start a new --thread."
    if status == 400 and "signature" in message:
        return "The conversation has thinking that this endpoint did not sign. Use --context none or a new --thread."
    if status == 402:
        return "Top up the account, then run the cell again."
    if status == 403:
        return f"The key from {key.source} has no access, or a proxy of your network refused the request."
    if status == 407:
        return (
            "A proxy of your network requires a user name and a password: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT."
        )
    if status == 422:
        if code in FILTER_CODES:
            return "The endpoint's content filter refused the request. Rephrase it."
        return "A content filter or a check of the request refused it. Rephrase it, or see the request with --dry-run."
    if status in (404, 405):
        return base_url_hint(base_url)
    if status in (408, 409, 429) or status >= 500:
        return "Wait a moment, then run the cell again."
    if not is_api:
        return base_url_hint(base_url)
    return "Run the cell with --dry-run to see the request, and change what the endpoint refuses."


_VERSION = re.compile(
    r"(?:/+v1)+(?:/+(?:messages|models|(?:chat/)?completions|text/chatcompletion_v2))?/*(?:[?#].*)?$", re.IGNORECASE
)
"""What belongs to the path of a request, at the end of a base URL."""


def base_url_hint(base_url: str) -> str:
    """Return what to check if something else than the Messages API seems to be at the base URL.

    >>> base_url_hint("http://localhost:8080/v1")
    'Remove /v1 from the base URL: http://localhost:8080.'
    """
    shorter = _VERSION.sub("", base_url)
    right = f"https://{WORLD_HOST}/anthropic"
    if (host := origin_of(base_url)) in MINIMAX_HOSTS:
        right = f"https://{host}/anthropic"
        shorter = right if shorter != base_url else shorter
    if shorter != base_url:
        return f"Remove /v1 from the base URL: {shorter}."
    return f"Is {base_url} the right base URL? MiniMax's is {right}."


def _quota_hint(message: str) -> str:
    if found := _RESET.search(message):
        return f"The quota is used up and resets {found[1] or 'at '}{found[2]}. Run the cell again after that."
    return "The quota of the key's plan is used up, and trying again does not help until it is reset."
