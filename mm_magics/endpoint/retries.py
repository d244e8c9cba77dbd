"""Decide whether and when a failed attempt is retried.

Only an attempt that failed before its response began is retried, so that no tokens are paid for twice.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite

MAX_WAIT_S = 60.0
"""An endpoint that asks for a longer wait is not retried; the error says how long it asks for."""

_DURATION = re.compile(r"(?=\d)(?:([\d.]+)h)?(?:([\d.]+)m)?(?:([\d.]+)s)?(?:([\d.]+)ms)?")
_UNITS_S = (3600.0, 60.0, 1.0, 0.001)

FIRST_BACKOFF_S = 0.5
MAX_BACKOFF_S = 8.0


def is_transient(status: int) -> bool:
    """Return whether an error with this HTTP status may be gone at the next attempt."""
    return status in (408, 409, 429) or status >= 500


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that the endpoint asks to wait; None if it does not.

    They are the value of `Retry-After` (a number or a date), or else the time until a used limit is reset, at most
    `MAX_WAIT_S`. Dates are compared with the endpoint's clock if it sends one.
    """
    value = headers.get("retry-after", "").strip()
    seconds = _seconds_until(value, headers)
    return seconds if value else _reset(headers)


def _reset(headers: Mapping[str, str]) -> float | None:
    """Return the seconds until all limits are reset that are used up by the headers of rate limits."""
    found = []
    for name, remaining in headers.items():
        used = name.lower()
        if "ratelimit" in used and "remaining" in used and remaining.strip() in ("0", "0.0"):
            found.append(_seconds_until(headers.get(used.replace("remaining", "reset"), "").strip(), headers))
    waits = [seconds for seconds in found if seconds is not None]
    return min(max(waits), MAX_WAIT_S) if waits else None


def _seconds_until(value: str, headers: Mapping[str, str]) -> float | None:
    """Read seconds, a duration such as `6m0s`, or a date."""
    try:
        seconds = float(value)
    except ValueError:
        if parts := _DURATION.fullmatch(value):
            seconds = sum(float(part) * unit for part, unit in zip(parts.groups("0"), _UNITS_S, strict=True))
        elif (when := _date(value)) is not None:
            seconds = (when - (_date(headers.get("date", "")) or datetime.now(UTC))).total_seconds()
        else:
            return None
    return seconds if isfinite(seconds) and seconds >= 0 else None


def _date(value: str) -> datetime | None:
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            when = read(value)
        except (ValueError, OverflowError, TypeError):
            continue
        return when if when.tzinfo else when.replace(tzinfo=UTC)
    return None


def wait_before(attempt: int, requested: float | None) -> float:
    """Return the seconds to wait before retry number `attempt`: those that the endpoint asks for, or the backoff."""
    return backoff(attempt) if requested is None else requested


def backoff(attempt: int) -> float:
    """Return the seconds to wait before retry number `attempt`, from 1: doubled each time, with some jitter."""
    return min(FIRST_BACKOFF_S * 2.0 ** (attempt - 1), MAX_BACKOFF_S) * random.uniform(0.75, 1.0)


def format_duration(seconds: float) -> str:
    """Write a duration in hours or seconds.

    >>> format_duration(86_400), format_duration(5_400), format_duration(90), format_duration(0.5)
    ('24 h', '1.5 h', '90 s', '0.5 s')
    """
    return f"{round(seconds / 3600, 1):g} h" if seconds >= 3600 else f"{round(seconds, 1):g} s"
