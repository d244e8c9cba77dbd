"""How messages write quantities and money, and which name they suggest for a misspelled one."""

from __future__ import annotations

from collections.abc import Iterable

LEAST_COST = 0.0001
"""US dollars. A smaller cost is written as `< $0.0001`."""


def counted(number: int, noun: str, plural: str = "") -> str:
    """Write a number with its noun.

    >>> counted(1, "row"), counted(2_000, "row"), counted(0, "reply", "replies")
    ('1 row', '2,000 rows', '0 replies')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def dollars(cost: float) -> str:
    """Write an approximate cost in US dollars.

    >>> dollars(0.00123), dollars(0.00004), dollars(1234.5), dollars(0.0)
    ('≈ $0.0012', '< $0.0001', '≈ $1,234.50', '$0')
    """
    if cost < LEAST_COST:
        return f"< ${LEAST_COST:.4f}" if cost else "$0"
    return f"≈ ${cost:.4f}" if cost < 1 else f"≈ ${cost:,.2f}"


def similar_name(name: str, names: Iterable[str], cutoff: float = 0.5) -> str | None:
    """Return the most similar of the names; None if none has at least this similarity.

    >>> similar_name("hstory", ["status", "history"]), similar_name("zoo", ["status", "history"])
    ('history', None)
    """
    from difflib import get_close_matches

    return next(iter(get_close_matches(name, list(names), 1, cutoff)), None)
