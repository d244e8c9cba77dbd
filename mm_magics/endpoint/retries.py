"""Decide whether and when a failed attempt is retried.

Only an attempt that failed before its response began is retried, so that no tokens are paid for twice.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite

MAX_WAIT_S = 60.0
"""An endpoint that asks for a longer wait is not retried; the error says how long it asks for."""

FIRST_BACKOFF_S = 0.5
MAX_BACKOFF_S = 8.0


def is_transient(status: int) -> bool:
    """Return whether an error with this HTTP status may be gone at the next attempt."""
    return status in (408, 409, 429) or status >= 500


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that `Retry-After` (a number or a date) asks to wait; None without a usable value."""
    value = headers.get("retry-after", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        try:
            when = parsedate_to_datetime(value)
        except (ValueError, OverflowError):
            return None
        seconds = ((when if when.tzinfo else when.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds()
    return seconds if isfinite(seconds) and seconds >= 0 else None


def backoff(attempt: int) -> float:
    """Return the seconds to wait before retry number `attempt`, from 1: doubled each time, with some jitter."""
    return min(FIRST_BACKOFF_S * 2.0 ** (attempt - 1), MAX_BACKOFF_S) * random.uniform(0.75, 1.0)


def format_duration(seconds: float) -> str:
    """Write a duration in hours or seconds.

    >>> format_duration(86_400), format_duration(5_400), format_duration(90), format_duration(0.5)
    ('24 h', '1.5 h', '90 s', '0.5 s')
    """
    return f"{round(seconds / 3600, 1):g} h" if seconds >= 3600 else f"{round(seconds, 1):g} s"
