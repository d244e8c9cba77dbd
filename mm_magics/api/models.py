"""The catalogue of models, and the parameters that the endpoint supports, ignores or refuses.

A model that is not in the catalogue can be used like any other; only its window, price and abilities are unknown.
Source: MiniMax's compatibility page and, where that is silent, MiniMax's later API reference and other clients'
captures.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mm_magics.wording import similar_name

IGNORED_PARAMETERS = frozenset(
    {"top_k", "stop_sequences", "service_tier", "mcp_servers", "context_management", "container"}
)
"""Request fields that the endpoint accepts and ignores."""

TEMPERATURE_RANGE = (0.0, 1.0)
"""Exclusive below, inclusive above."""

MEDIA_BLOCKS = frozenset({"image", "video", "document"})

LONG_INPUT = 512_000
"""Input tokens of one call above which `Model.long_price` applies."""

RETIREMENT_SOURCE = "dev.to/aihubmix, October 2026"
"""Where the retirement dates were announced; MiniMax's own pages do not confirm them."""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens."""

    input: float
    output: float
    cache_read: float
    cache_write: float


Thinking = Literal["always", "adaptive", "effort", "unknown"]
"""How the thinking of a model is controlled.

`always`: not at all; it always thinks. `adaptive`: it thinks if the request says so. `effort`: it always thinks, as
deeply as the field `output_config.effort` says.
"""


@dataclass(frozen=True, slots=True)
class Model:
    """A model, as far as it is known.

    Attributes:
        name: Its name, which is case-sensitive.
        window: Tokens of input and output together.
        speed: Tokens per second.
        price: What a call costs.
        note: What MiniMax says about it, in a few words.
        media: The types of content blocks that it takes besides text.
        max_output: The most tokens of one answer.
        long_price: What a call with more than `LONG_INPUT` input tokens costs; None if that makes no difference.
        thinking: How its thinking is controlled.
        retired: The date that was announced for its retirement, "" if none was.
    """

    name: str
    window: int | None = None
    speed: int | None = None
    price: Price | None = None
    note: str = ""
    media: frozenset[str] = frozenset()
    max_output: int | None = None
    long_price: Price | None = None
    thinking: Thinking = "always"
    retired: str = ""

    def price_of(self, input_tokens: int) -> Price | None:
        """Return the price of a call with this many input tokens."""
        return self.long_price if self.long_price and input_tokens > LONG_INPUT else self.price


_M2_WINDOW, _M3_WINDOW, _M3_OUTPUT = 204_800, 1_000_000, 524_288
_IMAGES = frozenset({"image", "video"})
_FLASH = Price(0.15, 0.60, 0.015, 0.15)  # writing to its cache costs no more than reading the input
_RETIRED = "2026-11-18"

CATALOGUE: Mapping[str, Model] = {
    model.name: model
    for model in (
        Model(
            "MiniMax-M3.1-Flash",
            _M3_WINDOW,
            price=_FLASH,
            note="low price, depth of thinking by effort",
            media=_IMAGES,
            max_output=_M3_OUTPUT,
            thinking="effort",
        ),
        Model(
            "MiniMax-M3",
            _M3_WINDOW,
            price=Price(0.30, 1.20, 0.06, 0.30),
            note="long context, thinks on request",
            media=_IMAGES,
            max_output=_M3_OUTPUT,
            long_price=Price(0.60, 2.40, 0.12, 0.60),
            thinking="adaptive",
        ),
        Model(
            "MiniMax-M2.7",
            _M2_WINDOW,
            60,
            Price(0.30, 1.20, 0.06, 0.375),
            "recursive self-improvement begins",
            retired=_RETIRED,
        ),
        Model(
            "MiniMax-M2.7-highspeed",
            _M2_WINDOW,
            100,
            Price(0.60, 2.40, 0.06, 0.375),
            "M2.7, faster",
            retired=_RETIRED,
        ),
        Model(
            "MiniMax-M2.5",
            _M2_WINDOW,
            60,
            Price(0.30, 1.20, 0.03, 0.375),
            "peak performance, ultimate value",
            retired=_RETIRED,
        ),
        Model(
            "MiniMax-M2.5-highspeed",
            _M2_WINDOW,
            100,
            Price(0.60, 2.40, 0.03, 0.375),
            "M2.5, faster",
            retired=_RETIRED,
        ),
        Model("MiniMax-M2.1", _M2_WINDOW, 60, Price(0.30, 1.20, 0.03, 0.375), "multi-language programming"),
        Model("MiniMax-M2.1-highspeed", _M2_WINDOW, 100, Price(0.60, 2.40, 0.03, 0.375), "M2.1, faster"),
        Model("MiniMax-M2", _M2_WINDOW, None, Price(0.30, 1.20, 0.03, 0.375), "agentic, advanced reasoning"),
        Model(
            "MiniMax-M3.1-Flash-Preview",
            _M3_WINDOW,
            price=_FLASH,
            note="the preview of M3.1-Flash",
            media=_IMAGES,
            max_output=_M3_OUTPUT,
            thinking="effort",
        ),
    )
}
"""The seven models of the compatibility page, and those since, in the order in which a substitute for the default model
is chosen. Sources differ on M2.1-highspeed's input price; this is the higher."""

DEFAULT_MODEL = "MiniMax-M2.7"


def model(name: str) -> Model:
    """Return the catalogue's entry; for an unknown name, a `Model` with nothing but the name."""
    return CATALOGUE.get(name) or Model(name, thinking="unknown")


def own_price(prices: Mapping[str, Sequence[float]], name: str) -> Price | None:
    """Return the price of a model from the setting `prices`; None if it has none. Cached input counts as input.

    >>> own_price({"mine": [0.1, 0.4]}, "mine")
    Price(input=0.1, output=0.4, cache_read=0.1, cache_write=0.1)
    """
    if name not in prices:
        return None
    input_, output = prices[name]
    return Price(input_, output, input_, input_)


def marks(name: str, offered: Collection[str] | None = None) -> list[str]:
    """Say whether a model is retired, unavailable or new.

    Args:
        name: The model.
        offered: The models that the endpoint lists; None if it is not known.

    >>> marks("MiniMax-M2.7", ["MiniMax-M3"]), marks("MiniMax-M4", ["MiniMax-M4"])
    (['announced as retired on 2026-11-18', 'not offered here'], ['new: listed only by the endpoint'])
    """
    entry, listed = model(name), name in (offered or ())
    return [
        *([f"announced as retired on {entry.retired}"] if entry.retired else []),
        *(["not offered here"] if offered and not listed else []),
        *(["new: listed only by the endpoint"] if listed and name not in CATALOGUE else []),
    ]


def models_that_take(kind: str) -> list[str]:
    """Return the names of the catalogue's models that take content blocks of this type."""
    return [entry.name for entry in CATALOGUE.values() if kind in entry.media]


def nearest(name: str, names: Collection[str] = CATALOGUE) -> str | None:
    """Return the one of these model names that is most similar to `name`, ignoring case; None if none is similar.

    >>> nearest("minimax-m2.7-higspeed")
    'MiniMax-M2.7-highspeed'
    """
    lower = {each.lower(): each for each in sorted(names)}
    found = similar_name(name.lower(), lower)
    return lower[found] if found else None


def takes_images(name: str) -> bool:
    """Return whether a model takes images; an unknown one may."""
    return name not in CATALOGUE or "image" in CATALOGUE[name].media


def substitute(offered: Mapping[str, str]) -> str | None:
    """Return the model that answers if the default one is not offered; None if nothing is offered.

    It is the first one of the catalogue, whatever prefix and case the endpoint gives its name; else the newest of
    MiniMax's models; else the newest of all.

    Args:
        offered: When each offered model was created, in ISO format, by its name; "" if it is unknown.

    >>> substitute({"MiniMax-M2": "", "MiniMax-M3": ""}), substitute({"minimax/minimax-m3": ""}), substitute({})
    ('MiniMax-M3', 'minimax/minimax-m3', None)
    """
    known = {name: place for place, name in enumerate(map(str.lower, CATALOGUE))}

    def rank(name: str) -> tuple[int, bool]:
        short = name.rpartition("/")[2].lower()
        return known.get(short, len(known)), not short.startswith("minimax-m")

    newest_first = sorted(offered, key=lambda name: offered[name], reverse=True)
    return min(newest_first, key=rank, default=None)


MAX_COUNT = 10**15
"""A number of tokens or seconds from here on cannot be a real count."""


def cost(name: str, usage: Mapping[str, Any]) -> float | None:
    """Return the cost of one call in US dollars, from the `usage` it reported; None if the price is unknown."""
    counters = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    price = model(name).price_of(sum(tokens(usage, counter) for counter in counters))
    return None if price is None else cost_at(price, usage)


def cost_at(price: Price, usage: Mapping[str, Any]) -> float:
    """Return the cost of one call in US dollars at this price.

    The total input is `input_tokens` + `cache_read_input_tokens` + `cache_creation_input_tokens`.
    """
    return (
        tokens(usage, "input_tokens") * price.input
        + tokens(usage, "output_tokens") * price.output
        + tokens(usage, "cache_read_input_tokens") * price.cache_read
        + tokens(usage, "cache_creation_input_tokens") * price.cache_write
    ) / 1_000_000


def tokens(usage: Mapping[str, Any], counter: str) -> int:
    """Return the number of tokens that `usage` reports under this name; 0 if it is not a valid count."""
    value = usage.get(counter, 0)
    return value if type(value) is int and 0 <= value < MAX_COUNT else int(plausible_number(value))


def plausible_number(value: Any) -> float:
    """Return the value if it is a plausible count or time, else 0: usage comes from an endpoint or a stored record."""
    plausible = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < MAX_COUNT
    return float(value) if plausible else 0.0
