"""Functions as tools: what the model is offered, what is checked before the call, and what cannot be a tool."""

from __future__ import annotations

import asyncio
import enum
import functools
import json
import math
import typing
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Optional

import jsonschema
import pandas as pd
import pydantic
import pytest
from pydantic import Field

from mm_magics import minimax_tool
from mm_magics.errors import ToolInputError, UsageError
from mm_magics.tools.schema.functions import tool_of
from mm_magics.tools.tool import Tool
from tests.test_layers import loaded


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


@dataclass
class Point:
    x: int
    y: int = 0


class Options(typing.TypedDict, total=False):
    width: typing.Required[int]
    title: str


class Node(pydantic.BaseModel):
    title: str
    children: list[Node] = []


def call(tool: Tool, **given: Any) -> Any:
    """What the function gives for these arguments, sent as JSON."""
    value = tool.function(**tool.check(json.loads(json.dumps(given))))
    return asyncio.run(value) if tool.is_async else value


def refused(function: Any, *lines: str) -> None:
    with pytest.raises(UsageError) as error:
        tool_of(function)
    for each in lines:
        assert each in str(error.value)
    assert len(str(error.value).splitlines()) <= 2


# What is offered ------------------------------------------------------------------------------------------------


def test_a_function_is_offered_with_its_hints_docstring_and_defaults() -> None:
    def draw(points: list[Point], colour: Colour, kind: Literal["line", "bar"] = "line", note: Optional[str] = None):  # noqa: UP045
        """Draw points.

        Nothing is saved.

        Args:
            points: where
            kind: how they are joined
        """

    tool = tool_of(draw)
    assert tool.name == "draw"
    assert tool.description == "Draw points.\n\nNothing is saved."
    assert not tool.asks
    assert tool.schema == {
        "type": "object",
        "properties": {
            "points": {"type": "array", "items": {"$ref": "#/$defs/Point"}, "description": "where"},
            "colour": {"$ref": "#/$defs/Colour"},
            "kind": {
                "enum": ["line", "bar"],
                "type": "string",
                "description": "how they are joined",
                "default": "line",
            },
            "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        },
        "required": ["points", "colour"],
        "additionalProperties": False,
        "$defs": {
            "Point": {
                "type": "object",
                "properties": {"x": {"type": "integer"}, "y": {"type": "integer", "default": 0}},
                "required": ["x"],
            },
            "Colour": {"type": "string", "enum": ["red", "green"]},
        },
    }


@pytest.mark.parametrize(
    "docstring",
    [
        "Add.\n\nArgs:\n    a: the first\n    b: the second",
        "Add.\n\nParameters\n----------\na : int\n    the first\nb : int\n    the second",
        "Add.\n\n:param a: the first\n:param b: the second",
    ],
)
def test_parameters_are_described_by_docstrings_of_each_style(docstring: str) -> None:
    def add(a: int, b: Annotated[int, Field(description="the other", ge=0)] = 1) -> int:
        return a + b

    add.__doc__ = docstring
    properties = tool_of(add).schema["properties"]
    assert tool_of(add).description == "Add."
    assert properties["a"] == {"type": "integer", "description": "the first"}
    assert properties["b"] == {"type": "integer", "description": "the other", "minimum": 0, "default": 1}


def test_a_property_named_title_is_kept_and_titles_of_types_are_removed() -> None:
    def grow(root: Node) -> None: ...

    schema = tool_of(grow).schema
    assert schema["$defs"]["Node"]["properties"]["title"] == {"type": "string"}
    assert "title" not in schema["$defs"]["Node"]
    jsonschema.Draft202012Validator.check_schema(schema)


def test_without_docstring_the_name_is_the_description_and_without_hints_any_value_is_accepted() -> None:
    def keep(thing, other=None): ...

    tool = tool_of(keep)
    assert tool.description == "keep"
    assert tool.schema["properties"] == {"thing": {}, "other": {"default": None}}
    assert tool.check({"thing": [1, {"a": None}]}) == {"thing": [1, {"a": None}]}


def test_the_decorator_sets_name_description_and_approval_without_changing_the_function() -> None:
    @minimax_tool(name="add", description="Adds.", asks=True)
    def add_numbers(a: int) -> int:
        "Docstring."
        return a + 1

    @minimax_tool
    def bare() -> str:
        "Bare."
        return "x"

    tool = tool_of(add_numbers)
    assert (tool.name, tool.description, tool.asks) == ("add", "Adds.", True)
    assert (tool_of(bare).name, tool_of(bare).description, tool_of(bare).asks) == ("bare", "Bare.", False)
    assert add_numbers(1) == 2
    assert add_numbers.__name__ == "add_numbers"
    assert tool_of(functools.partial(add_numbers, a=1)).name == "add"


def test_a_default_that_is_not_json_is_left_out_of_the_schema() -> None:
    def f(a: Any = Ellipsis, b: float = math.nan, c: str = "x" * 5_000, d: Colour = Colour.RED): ...

    assert [each.get("default") for each in tool_of(f).schema["properties"].values()] == [None, None, None, "red"]


# What is called -------------------------------------------------------------------------------------------------


class Search:
    """Search things."""

    def find(self, query: str, *, limit: int = 5) -> str:
        "Find."
        return f"{query} {limit}"

    async def __call__(self, query: str) -> str:
        return query.upper()

    @minimax_tool(name="count_it")
    @staticmethod
    def count(text: str) -> int:
        return len(text)

    @classmethod
    def made(cls, text: str) -> str:
        return cls.__name__ + text


def test_methods_partials_and_callable_objects_are_tools() -> None:
    find = tool_of(Search().find)
    assert list(find.schema["properties"]) == ["query", "limit"]
    assert call(find, query="a") == "a 5"
    bound = tool_of(functools.partial(Search().find, limit=9))
    assert (bound.name, list(bound.schema["properties"])) == ("find", ["query"])
    assert call(bound, query="a") == "a 9"
    whole = tool_of(Search())
    assert (whole.name, whole.description, whole.is_async) == ("Search", "Search things.", True)
    assert call(whole, query="a") == "A"
    assert tool_of(Search.count).name == "count_it"
    assert call(tool_of(Search().made), text="!") == "Search!"


def test_async_functions_stay_async_when_bound_or_with_positional_parameters() -> None:
    async def wait(a: int, /, b: int = 1) -> int:
        return a + b

    assert tool_of(wait).is_async
    assert tool_of(functools.partial(wait, b=2)).is_async
    assert call(tool_of(wait), a=1) == 2


def test_positional_only_parameters_are_given_by_name() -> None:
    def f(a: int, b: int = 2, /, *, c: int = 3, **more: int) -> tuple[Any, ...]:
        return a, b, c, more

    assert call(tool_of(f), a="1") == (1, 2, 3, {})
    assert call(tool_of(f), a=1, b=5, c=6, d="7") == (1, 5, 6, {"d": 7})
    assert call(tool_of(math.sqrt), x=9) == 3


def test_any_further_arguments_are_offered_only_where_the_function_takes_them() -> None:
    def open_(**options: int): ...
    def closed(): ...

    assert tool_of(open_).schema["additionalProperties"] == {"type": "integer"}
    assert tool_of(closed).schema == {"type": "object", "properties": {}, "additionalProperties": False}
    with pytest.raises(ToolInputError, match="a: Input should be a valid integer"):
        tool_of(open_).check({"a": "b"})


def test_a_cached_function_and_one_wrapped_by_a_decorator_show_what_they_wrap() -> None:
    @functools.lru_cache
    def cached(a: int) -> int:
        "Cached."
        return a

    @functools.wraps(cached)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return cached(*args, **kwargs)

    for each in (cached, wrapped):
        assert tool_of(each).description == "Cached."
        assert call(tool_of(each), a="4") == 4


# What cannot be a tool ------------------------------------------------------------------------------------------


def frames(frame: pd.DataFrame, n: int = 1): ...
def unknown(n: Missing): ...  # noqa: F821
def number(n: 5): ...  # type: ignore[valid-type]
def größe(): ...
def yields():
    yield 1


def test_what_cannot_be_a_tool_is_refused_in_a_line_that_says_what_to_do() -> None:
    refused(
        frames,
        "its parameter `frame` has the type pd.DataFrame: JSON cannot represent it",
        "functools.partial(frames, frame=…)",
    )
    refused(unknown, "the type hint of `n`, Missing, cannot be evaluated: name 'Missing' is not defined", "import")
    refused(number, "`n`")
    refused(Search.find, "a method without an instance")
    refused(lambda x: x, "lambda has no name", "minimax_tool(name=")
    refused(größe, "'größe' is not a valid tool name")
    refused(yields, "generator", "list")
    refused(Point, "Point is a class", "--schema Point")
    refused(max, "The parameters of max cannot be determined")
    refused(5, "not a value of type int")
    with pytest.raises(UsageError, match="cannot be marked"):
        minimax_tool(len)


def test_a_frame_that_is_bound_is_not_offered_to_the_model() -> None:
    tool = tool_of(functools.partial(frames, frame=pd.DataFrame()))
    assert list(tool.schema["properties"]) == ["n"]


def test_a_lambda_with_a_name_is_a_tool() -> None:
    assert call(tool_of(minimax_tool(name="double")(lambda x: 2 * x)), x=4) == 8


def test_type_hints_of_notebook_classes_are_evaluated_also_as_text() -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    cells = (
        "from __future__ import annotations\nfrom dataclasses import dataclass",
        "@dataclass\nclass Deep:\n    inner: Later\n@dataclass\nclass Later:\n    n: int",
        "def f(x: 'Later', y: Later | None = None): return x, y",
    )
    for each in cells:
        exec(compile(each, "<cell>", "exec", flags=0), namespace)
    tool = tool_of(namespace["f"])
    assert call(tool, x={"n": 1}) == (namespace["Later"](1), None)


def test_importing_the_decorator_is_fast() -> None:
    found = loaded(
        "from mm_magics import minimax_tool; import mm_magics.tools.schema.functions, mm_magics.tools.schema.type_hints"
    )
    assert "mm_magics.tools.schema.functions" in found
    assert not {name for name in found if name.split(".")[0] in ("pydantic", "docstring_parser", "typing_extensions")}
