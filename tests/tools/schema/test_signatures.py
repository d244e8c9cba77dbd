"""Tools from the functions in `tool_functions` and `tool_callables`: what the model is offered, what they receive."""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import json
import uuid
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import numpy as np
import pytest
from pydantic.fields import FieldInfo

from mm_magics.errors import ToolInputError, UsageError
from mm_magics.tools.schema.functions import tool_of
from tests.tools.schema import tool_callables as c
from tests.tools.schema import tool_functions as f


class Row(NamedTuple):
    """`function(**given)` returns `received`. `required` are its required arguments, `described` its descriptions."""

    function: Callable[..., Any]
    given: Mapping[str, Any]
    received: Any
    required: str = ""
    described: Mapping[str, str] = {}


CITY = {"city": "the city"}
BOTH = {"city": "the city", "days": "how many days"}
ID = "0b1f7d9e-6a53-4b8e-9f0c-1f0f0f0f0f0f"

ROWS = [
    # fields
    Row(f.weather, {"city": "Rome"}, "Rome", "city", CITY),
    Row(f.weather_in, {"city": "Rome"}, ("Rome", f.Unit.CELSIUS), "city", CITY),
    Row(f.weather_in, {"city": "Rome", "unit": "fahrenheit"}, ("Rome", f.Unit.FAHRENHEIT), "city", CITY),
    Row(f.tag, {}, [], "", {"words": "the words"}),
    Row(f.tag, {"words": ["a"]}, ["a"]),
    Row(f.note, {"text": "a"}, ("a", None), "text", {"title": "its title"}),
    Row(f.limit, {}, 10),
    Row(f.annotated_field, {"query": "a"}, ("a", 3), "query", {"query": "what to find", "top": "more than zero"}),
    Row(f.annotated_default, {}, (4, [])),
    Row(f.optional_field, {}, None, "", CITY),
    Row(f.optional_field, {"city": "Rome"}, "Rome"),
    Row(f.field_of_optional, {}, None, "", CITY),
    Row(f.field_without_hint, {"city": "Rome"}, "Rome", "city", CITY),
    Row(f.default_wins, {}, 2, "", {"n": "how many"}),
    Row(f.fetch, {"url": "u"}, ("u", 5.0), "url", {"url": "the page"}),
    Row(f.positional_field, {"city": "Rome"}, ("Rome", 1), "city", CITY),
    # text as description
    Row(f.plus, {"a": 2}, 3, "a", {"a": "the first", "b": "the second"}),
    Row(f.documented, {"a": 2}, 2, "a", {"a": "the first"}),
    Row(f.maybe_text, {}, None, "", {"a": "how many"}),
    Row(f.maybe_text, {"a": 1}, 1),
    Row(f.bounded_text, {"a": 1}, 1, "a", {"a": "how many"}),
    Row(f.items, {"ids": [1]}, [1], "ids"),
    # NumPy
    Row(f.scale, {"factor": 1.5}, ("float64", "int64", 3.0), "factor"),
    Row(f.scale, {"factor": 1, "by": 3}, ("float64", "int64", 3.0), "factor"),
    Row(f.narrow, {"level": 5}, ("int8", 5), "level"),
    Row(f.any_number, {"x": 1, "n": 2}, ("float64", "int64"), "x n"),
    Row(f.flags, {"on": True, "name": "a"}, ("str_", True, "a"), "on name"),
    Row(f.moment, {"when": "2026-11-27T12:00:00"}, ("datetime64", "2026-11-27"), "when"),
    Row(f.numbers, {"values": [1, 2.5], "best": 4}, (["float32", "float32"], 4), "values"),
    Row(f.numbers, {"values": []}, ([], None), "values"),
    # the standard library
    Row(f.read, {"path": "a/b.txt"}, (Path("a/b.txt"), "utf-8"), "path"),
    Row(
        f.between,
        {"start": "2026-11-27", "end": "2026-11-28T01:02:03", "at": "10:00"},
        (dt.date(2026, 11, 27), "2026-11-28T01:02:03", dt.time(10), dt.timedelta(days=1)),
        "start end",
    ),
    Row(f.pay, {"amount": "1.20", "account": ID}, (Decimal("1.20"), uuid.UUID(ID)), "amount account"),
    Row(f.set_unit, {"unit": "celsius", "priority": 2}, (f.Unit.CELSIUS, f.Priority.HIGH), "unit"),
    Row(f.choose, {"mode": "fast", "level": 2}, ("fast", 2), "mode"),
    Row(f.union, {"value": "3"}, "3", "value"),
    Row(f.union, {"value": [3]}, [3], "value"),
    Row(f.old_union, {"value": None}, None, "value"),
    Row(f.by_name, {"scores": {"a": 1.5}}, ({"a": 1.5}, None), "scores"),
    Row(f.sequences, {"a": [1], "b": [1, "x"], "c": ["y"]}, ([1], (1, "x"), {"y"}, ()), "a b c"),
    Row(f.loop, {"values": [1, 2]}, [1, 2], "values"),
    Row(f.raw, {"data": "abc"}, (b"abc", False), "data"),
    Row(f.user, {"id": 7, "name": "a"}, (7, "a"), "id name"),
    Row(f.anything, {"value": {"a": [1]}, "other": 2}, ({"a": [1]}, 2, 1), "value"),
    # nested types
    Row(
        f.save_customer,
        {"customer": {"name": "a", "addresses": [{"street": "s"}]}},
        f.Customer(name="a", addresses=[f.Address(street="s", city="Berlin")]),
        "customer",
    ),
    Row(f.save_all, {"customers": [{"name": "a"}], "by_id": None}, (1, None), "customers"),
    Row(f.plan, {"window": {"start": "2026-11-27"}}, f.Window(dt.date(2026, 11, 27), 7), "window"),
    Row(f.rows, {"where": [{"column": "a", "equals": 1}]}, [{"column": "a", "equals": 1}], "where"),
    Row(f.locate, {"place": [1.5, 2]}, f.LatLon(1.5, 2.0), "place"),
    Row(f.either, {"target": {"start": "2026-11-27"}}, "Window", "target"),
    # kinds of functions
    Row(c.Shop("a").sell, {"item": "tea"}, ("a", "tea", 1), "item"),
    Row(c.Shop.open, {"name": "a"}, ("Shop", "a"), "name"),
    Row(c.Shop().open, {"name": "a"}, ("Shop", "a"), "name"),
    Row(c.Shop.price, {"item": "tea"}, ("tea", "EUR"), "item"),
    Row(c.Shop("a").order, {"item": "tea"}, ("a", "tea"), "item"),
    Row(c.Shop(), {"question": "why"}, "why", "question", {"question": "what to ask"}),
    Row(c.Shop("a").sell_two, {"item": "tea"}, ("a", "tea", 2), "item"),
    Row(c.Shop().show, {"value": 1}, "int", "value"),
    Row(c.Shop().show, {"value": "1"}, "str", "value"),
    Row(functools.partial(c.Shop("a").sell, count=3), {"item": "tea"}, ("a", "tea", 3), "item"),
    Row(functools.partial(f.weather_in, unit=f.Unit.CELSIUS), {"city": "Rome"}, ("Rome", f.Unit.CELSIUS), "city", CITY),
    Row(functools.partial(f.plus, 5), {"b": 2}, 7, "", {"b": "the second"}),
    Row(functools.partial(c.joined, "-"), {"parts": ["a", "b"]}, "a-b"),
    Row(c.only_keywords, {"query": "a"}, ("a", 5), "query"),
    Row(c.only_positions, {"a": 1}, (1, 2), "a"),
    Row(c.mixed, {"a": 1, "b": 2}, (1, 2, 3), "a b"),
    Row(c.joined, {"separator": "-", "parts": ["a", "b"]}, "a-b", "separator"),
    Row(c.joined, {"separator": "-"}, "", "separator"),
    Row(c.many, {"values": [1, 2], "scale": 3, "name": "a"}, ((1, 2), 3, {"name": "a"})),
    Row(c.many, {}, ((), 1, {})),
    Row(c.options, {"name": "a", "width": 3}, ("a", {"width": 3}), "name"),
    Row(c.nothing, {}, "done"),
    Row(c.wrapped, {"city": "Rome"}, ("Rome", 3), "city", CITY),
    Row(c.cached, {"n": 3}, 3, "n"),
    Row(c.describe, {"value": 3}, "int", "value"),
    Row(c.describe, {"value": [3]}, "list", "value"),
    Row(c.export, {"value": {"name": "a"}, "indent": 4}, ("a", 4), "value"),
    Row(c.export, {"value": "a"}, ("A", 2), "value"),
    # docstrings
    Row(c.google, {"city": "Rome"}, ("Rome", 1), "city", {"city": "the city", "tags": "some tags"}),
    Row(c.numpy_style, {"city": "Rome"}, ("Rome", 1), "city", {"city": "the city"}),
    Row(c.rest, {"city": "Rome"}, ("Rome", 1), "city", BOTH),
    Row(c.epydoc, {"city": "Rome"}, "Rome", "city", CITY),
    Row(c.field_and_docstring, {"city": "Rome"}, ("Rome", 1), "city", BOTH),
]


def titles(schema: Any) -> list[Any]:
    """The titles that pydantic derives from names, which tell a model nothing."""
    if isinstance(schema, list):
        return [title for each in schema for title in titles(each)]
    if not isinstance(schema, dict):
        return []
    return [value for key, value in schema.items() if key == "title" and isinstance(value, str)] + [
        title for each in schema.values() for title in titles(each)
    ]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{tool_of(row.function).name}-{json.dumps(row.given)}")
def test_a_function_is_offered_and_called_as_it_was_written(row: Row) -> None:
    tool = tool_of(row.function)
    schema = json.loads(json.dumps(tool.schema, allow_nan=False))
    assert schema == tool.schema
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(row.given)
    assert titles(schema) == []
    assert schema.get("required", []) == row.required.split()
    assert tool.description
    for name, text in row.described.items():
        assert schema["properties"][name]["description"] == text

    arguments = tool.check(json.loads(json.dumps(row.given)))
    assert not any(isinstance(each, FieldInfo) for each in arguments.values())
    value = tool.function(**arguments)
    value = asyncio.run(value) if tool.is_async else value
    assert value == row.received

    for name in schema.get("required", []):
        with pytest.raises(ToolInputError, match=f"{name}: required, but missing"):
            tool.check({key: each for key, each in row.given.items() if key != name})


def test_the_table_has_sixty_functions() -> None:
    assert len({str(row.function) for row in ROWS}) >= 60


def test_a_default_list_of_a_field_is_new_in_each_call() -> None:
    tool = tool_of(f.tag)
    tool.function(**tool.check({})).append("a")
    assert tool.function(**tool.check({})) == []


def test_limits_of_a_field_are_checked_before_the_call() -> None:
    with pytest.raises(ToolInputError, match="n: Input should be less than or equal to 100"):
        tool_of(f.limit).check({"n": 101})
    with pytest.raises(ToolInputError, match="top: Input should be greater than 0"):
        tool_of(f.annotated_field).check({"query": "a", "top": 0})


def test_a_number_that_a_numpy_type_cannot_hold_is_reported_to_the_model() -> None:
    with pytest.raises(ToolInputError, match=r"level: Value error, .*300"):
        tool_of(f.narrow).check({"level": 300})
    assert tool_of(f.scale).schema["properties"]["by"] == {"type": "integer", "default": 2}


def test_a_singledispatch_function_is_offered_for_the_types_that_it_knows() -> None:
    assert tool_of(c.describe).schema["properties"]["value"]["anyOf"] == [
        {"type": "integer"},
        {"items": {}, "type": "array"},
    ]
    with pytest.raises(ToolInputError, match="value"):
        tool_of(c.describe).check({"value": {}})


def test_a_numpy_type_that_json_cannot_represent_is_refused_by_name() -> None:
    def plot(values: np.ndarray): ...

    with pytest.raises(UsageError, match=r"its parameter `values` has the type np\.ndarray: JSON cannot represent it"):
        tool_of(plot)
