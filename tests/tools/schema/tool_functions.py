"""Functions as people write them for models: every kind of function, signature, type hint and docstring.

Each function returns what it received, so that a test sees it.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import typing
import uuid
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NewType, Optional, Union

import numpy as np
import pydantic
from pydantic import Field
from typing_extensions import Doc, TypedDict


class Unit(enum.Enum):
    CELSIUS = "celsius"
    FAHRENHEIT = "fahrenheit"


class Priority(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Address(pydantic.BaseModel):
    street: str
    city: str = Field("Berlin", description="where it is")


class Customer(pydantic.BaseModel):
    name: str
    addresses: list[Address] = []


@dataclasses.dataclass
class Window:
    start: dt.date
    days: int = 7


class Filter(TypedDict, total=False):
    column: typing.Required[str]
    equals: str | int


class LatLon(NamedTuple):
    lat: float
    lon: float = 0.0


UserId = NewType("UserId", int)
Text = typing.TypeVar("Text", bound=str)
Positive = Annotated[int, Field(gt=0, description="more than zero")]


# Fields ---------------------------------------------------------------------------------------------------------


def weather(city: str = Field(description="the city")):
    """Get the weather."""
    return city


def weather_in(city: str = Field(description="the city"), unit: Unit = Field(default=Unit.CELSIUS)):  # noqa: B008
    return city, unit


def tag(words: list[str] = Field(default_factory=list, description="the words")):  # noqa: B008
    return words


def note(text: str = Field(...), title: str | None = Field(None, description="its title")):
    return text, title


def limit(n: int = Field(10, ge=1, le=100)):
    return n


def annotated_field(query: Annotated[str, Field(description="what to find", min_length=1)], top: Positive = 3):
    return query, top


def annotated_default(n: Annotated[int, Field(default=4)], words: Annotated[list[str], Field(default_factory=list)]):
    return n, words


def optional_field(city: Optional[Annotated[str, Field(description="the city")]] = None):  # noqa: UP045
    return city


def field_of_optional(city: Optional[str] = Field(default=None, description="the city")):  # noqa: UP045
    return city


def field_without_hint(city=Field(description="the city")):  # noqa: B008
    return city


def default_wins(n: Annotated[int, Field(default=1, description="how many")] = 2):
    return n


async def fetch(url: str = Field(description="the page"), timeout: float = Field(default=5.0)):
    return url, timeout


def positional_field(city: str = Field(description="the city"), /, days: int = Field(default=1)):
    return city, days


# Text as description --------------------------------------------------------------------------------------------


def plus(a: Annotated[int, "the first"], b: Annotated[int, "the second"] = 1):
    return a + b


def documented(a: Annotated[int, Doc("the first")]):
    return a


def maybe_text(a: Annotated[int, "how many"] | None = None):
    return a


def bounded_text(a: Annotated[int, "how many", Field(ge=0)]):
    return a


def items(ids: list[Annotated[int, "an id"]]):
    return ids


# Numbers and NumPy ----------------------------------------------------------------------------------------------


def scale(factor: np.float64, by: np.int64 = np.int64(2)):  # noqa: B008
    return type(factor).__name__, type(by).__name__, float(factor * by)


def narrow(level: np.int8):
    return type(level).__name__, int(level)


def any_number(x: np.floating, n: np.integer):
    return type(x).__name__, type(n).__name__


def flags(on: np.bool_, name: np.str_):
    return type(name).__name__, bool(on), str(name)


def moment(when: np.datetime64):
    return type(when).__name__, str(when)[:10]


def numbers(values: list[np.float32], best: Optional[np.int64] = None):  # noqa: UP045
    return [type(each).__name__ for each in values], best


# Types of the standard library ----------------------------------------------------------------------------------


def read(path: Path, encoding: str = "utf-8"):
    return path, encoding


def between(start: dt.date, end: dt.datetime, at: dt.time | None = None, step: dt.timedelta = dt.timedelta(days=1)):
    return start, end.isoformat(), at, step


def pay(amount: Decimal, account: uuid.UUID):
    return amount, account


def set_unit(unit: Unit, priority: Priority = Priority.LOW):
    return unit, priority


def choose(mode: Literal["fast", "exact"], level: Literal[1, 2, None] = None):
    return mode, level


def union(value: int | str | list[int]):
    return value


def old_union(value: Union[bool, float, None]):  # noqa: UP007
    return value


def by_name(scores: dict[str, float], weights: Mapping[str, int] | None = None):
    return scores, weights


def sequences(a: Sequence[int], b: tuple[int, str], c: set[str], d: tuple[int, ...] = ()):
    return list(a), b, c, d


def loop(values: Iterable[int]):
    return list(values)


def raw(data: bytes, flag: bool = False):
    return data, flag


def user(id: UserId, name: Text):
    return id, name


def anything(value: Any, other: object = None, thing=1):
    return value, other, thing


# Nested types ---------------------------------------------------------------------------------------------------


def save_customer(customer: Customer):
    return customer


def save_all(customers: list[Customer], by_id: dict[str, Address] | None = None):
    return len(customers), by_id


def plan(window: Window):
    return window


def rows(where: list[Filter]):
    return where


def locate(place: LatLon):
    return place


def either(target: Customer | Window):
    return type(target).__name__
