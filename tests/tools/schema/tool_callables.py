"""Methods, partials, wrapped functions and docstrings of each style, as people write them for models.

Each function returns what it received, so that a test sees it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from tests.tools.schema.tool_functions import Customer

# Kinds of functions ---------------------------------------------------------------------------------------------


class Shop:
    """Sells things."""

    def __init__(self, name: str = "shop") -> None:
        self.name = name

    def sell(self, item: str, count: int = 1):
        return self.name, item, count

    @classmethod
    def open(cls, name: str):
        return cls.__name__, name

    @staticmethod
    def price(item: str, *, currency: str = "EUR"):
        return item, currency

    async def order(self, item: str):
        return self.name, item

    def __call__(self, question: Annotated[str, "what to ask"]):
        return question

    sell_two = functools.partialmethod(sell, count=2)

    @functools.singledispatchmethod
    def show(self, value: object):
        return "object"

    @show.register
    def _(self, value: int):
        return "int"

    @show.register
    def _(self, value: str):
        return "str"


def only_keywords(*, query: str, limit: int = 5):
    return query, limit


def only_positions(a: int, b: int = 2, /):
    return a, b


def mixed(a: int, /, b: int, *, c: int = 3):
    return a, b, c


def joined(separator: str, *parts: str):
    return separator.join(parts)


def many(*values: int, scale: int = 1, **labels: str):
    return values, scale, labels


def options(name: str, **settings: int):
    return name, settings


def nothing():
    """Do nothing."""
    return "done"


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


@logged
def wrapped(city: str = Field(description="the city"), days: int = 3):
    """Forecast the weather."""
    return city, days


@functools.lru_cache
def cached(n: int):
    return n


@functools.singledispatch
def describe(value):
    """Describe a value."""
    return "object"


@describe.register
def _(value: int):
    return "int"


@describe.register
def _(value: list):
    return "list"


@functools.singledispatch
def export(value: object, indent: int = 2):
    return "object", indent


@export.register
def _(value: Customer, indent: int = 2):
    return value.name, indent


@export.register(str)
def _(value, indent=2):
    return value.upper(), indent


# Docstrings -----------------------------------------------------------------------------------------------------


def google(city: str, *tags: str, days: int = 1, **more: str):
    """Forecast the weather.

    Args:
        city (str): the city
        days: how many days,
            at most ten
        *tags: some tags
        **more: more settings

    Returns:
        The weather.
    """
    return city, days


def numpy_style(city: str, days: int = 1):
    """Forecast the weather.

    Parameters
    ----------
    city : str
        the city
    days : int, optional
        how many days, (default: 1)

    Returns
    -------
    str
        The weather.
    """
    return city, days


def rest(city: str, days: int = 1):
    """Forecast the weather.

    :param city: the city
    :param int days: how many days
    :returns: the weather
    """
    return city, days


def epydoc(city: str):
    """Forecast the weather.

    @param city: the city
    """
    return city


def field_and_docstring(city: str = Field(description="the city"), days: int = 1):
    """Forecast the weather.

    Args:
        city: not this one
        days: how many days
    """
    return city, days
