"""Whether a call that failed is tried again, and after how long.

Always true: no wait is longer than LONGEST_S; an endpoint that asks for a longer one is not asked again, and how long
it asks for is said. Only what failed before an answer began is tried again, so that nothing is paid for twice.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite

LONGEST_S = 60.0
FIRST_S = 0.5
MOST_S = 8.0


def passes(status: int) -> bool:
    """Whether an error with this HTTP status may be gone at the next try."""
    return status in (408, 409, 429) or status >= 500


def asked(headers: Mapping[str, str]) -> float | None:
    """The seconds that the endpoint asks to wait (`Retry-After`, as a number or a date); None if it asks for none."""
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


def pause(attempt: int) -> float:
    """Seconds before the n-th new try (from 1) where the endpoint asks for none: doubled each time, a little spread."""
    return min(FIRST_S * 2.0 ** (attempt - 1), MOST_S) * random.uniform(0.75, 1.0)


def spoken(seconds: float) -> str:
    """A length of time as it is said.

    >>> spoken(86_400), spoken(5_400), spoken(90), spoken(0.5)
    ('24 h', '1.5 h', '90 s', '0.5 s')
    """
    return f"{round(seconds / 3600, 1):g} h" if seconds >= 3600 else f"{round(seconds, 1):g} s"
