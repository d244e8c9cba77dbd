"""The catalogue of models, and the parameters that the endpoint supports, ignores or refuses.

A model that is not in the catalogue can be used like any other; only its window, speed and price are unknown. Source:
MiniMax's compatibility page and, where that is silent, MiniMax's later API reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mm_magics.wording import similar_name

IGNORED_PARAMETERS = frozenset(
    {"top_k", "stop_sequences", "service_tier", "mcp_servers", "context_management", "container"}
)
"""Request fields that the endpoint accepts and ignores."""

TEMPERATURE_RANGE = (0.0, 1.0)
"""Exclusive below, inclusive above."""

MEDIA_BLOCKS = frozenset({"image", "document"})


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens."""

    input: float
    output: float
    cache_read: float
    cache_write: float


@dataclass(frozen=True, slots=True)
class Model:
    """A model. `window` is in tokens, `speed` in tokens per second; None if unknown."""

    name: str
    window: int | None = None
    speed: int | None = None
    price: Price | None = None
    note: str = ""
    media: frozenset[str] = frozenset()


CATALOGUE: Mapping[str, Model] = {
    model.name: model
    for model in (
        Model("MiniMax-M2.7", 204_800, 60, Price(0.30, 1.20, 0.06, 0.375), "recursive self-improvement begins"),
        Model("MiniMax-M2.7-highspeed", 204_800, 100, Price(0.60, 2.40, 0.06, 0.375), "M2.7, faster"),
        Model("MiniMax-M2.5", 204_800, 60, Price(0.30, 1.20, 0.03, 0.375), "peak performance, ultimate value"),
        Model("MiniMax-M2.5-highspeed", 204_800, 100, Price(0.60, 2.40, 0.03, 0.375), "M2.5, faster"),
        Model("MiniMax-M2.1", 204_800, 60, Price(0.30, 1.20, 0.03, 0.375), "multi-language programming"),
        Model("MiniMax-M2.1-highspeed", 204_800, 100, Price(0.60, 2.40, 0.03, 0.375), "M2.1, faster"),
        Model("MiniMax-M2", 204_800, None, Price(0.30, 1.20, 0.03, 0.375), "agentic, advanced reasoning"),
    )
}
"""The seven models of the compatibility page. Sources differ on M2.1-highspeed's input price; this is the higher."""

DEFAULT_MODEL = "MiniMax-M2.7"


def model(name: str) -> Model:
    """Return the catalogue's entry; for an unknown name, a `Model` with nothing but the name."""
    return CATALOGUE.get(name) or Model(name)


def nearest(name: str, known: frozenset[str] = frozenset()) -> str | None:
    """Return the known model name that is most similar to `name`, ignoring case; None if none is similar.

    >>> nearest("minimax-m2.7-higspeed")
    'MiniMax-M2.7-highspeed'
    """
    names = {each.lower(): each for each in (*CATALOGUE, *sorted(known))}
    found = similar_name(name.lower(), names)
    return names[found] if found else None


MAX_COUNT = 10**15
"""A number of tokens or seconds from here on cannot be a real count."""


def cost(name: str, usage: Mapping[str, Any]) -> float | None:
    """Return the cost of one call in US dollars, from the `usage` it reported; None if the price is unknown.

    The total input is `input_tokens` + `cache_read_input_tokens` + `cache_creation_input_tokens`.
    """
    price = model(name).price
    if price is None:
        return None
    return (
        tokens(usage, "input_tokens") * price.input
        + tokens(usage, "output_tokens") * price.output
        + tokens(usage, "cache_read_input_tokens") * price.cache_read
        + tokens(usage, "cache_creation_input_tokens") * price.cache_write
    ) / 1_000_000


def tokens(usage: Mapping[str, Any], counter: str) -> int:
    """Return the number of tokens that `usage` reports under this name; 0 if it is not a valid count."""
    return int(plausible_number(usage.get(counter)))


def plausible_number(value: Any) -> float:
    """Return the value if it is a plausible count or time, else 0: usage comes from an endpoint or a stored record."""
    plausible = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < MAX_COUNT
    return float(value) if plausible else 0.0
