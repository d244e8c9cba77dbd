"""The check of a model's arguments before a function is called."""

from __future__ import annotations

import functools
from typing import Annotated, Any, Literal, Optional

import jsonschema
import pydantic
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import Field

from mm_magics.errors import ToolInputError
from mm_magics.tools.schema.functions import tool_of
from tests.tools.schema.test_functions import Colour, Node, Options, Point, call


def test_the_function_gets_members_instances_and_its_own_defaults() -> None:
    def f(colour: Colour, point: Point, options: Options, nodes: Optional[list[Node]] = None, n: int = None):  # noqa: UP045, RUF013
        return colour, point, options, nodes, n

    given = {"colour": "red", "point": {"x": "3"}, "options": {"width": 1}}
    assert call(tool_of(f), **given) == (Colour.RED, Point(3, 0), {"width": 1}, None, None)
    assert tool_of(f).check(given).keys() == given.keys()
    nodes = call(tool_of(f), **given, nodes=[{"title": "a", "children": [{"title": "b"}]}], n=None)[3]
    assert nodes == [Node(title="a", children=[Node(title="b")])]


def test_each_problem_is_one_line_without_links() -> None:
    def f(colour: Colour, point: Point, a: int): ...

    with pytest.raises(ToolInputError) as error:
        tool_of(f).check({"colour": "blue", "point": {"x": "w"}, "b": 1})
    assert str(error.value).splitlines() == [
        "colour: Input should be 'red' or 'green', not 'blue'.",
        "point.x: Input should be a valid integer, unable to parse string as an integer, not 'w'.",
        "a: required, but missing.",
        "b: unknown name; the names are colour, point, a.",
    ]


def test_many_problems_and_big_values_are_abbreviated() -> None:
    def f(numbers: list[int]): ...

    with pytest.raises(ToolInputError) as error:
        tool_of(f).check({"numbers": ["x" * 1_000_000] * 50})
    assert len(str(error.value)) < 4_000
    assert str(error.value).endswith("… and 40 more.")


def test_the_models_own_arguments_are_not_shared_with_the_function() -> None:
    def grow(items: list, thing) -> None:
        items.append(1)
        thing["a"] = 1

    given = {"items": [], "thing": {}}
    tool = tool_of(grow)
    tool.function(**tool.check(given))
    assert given == {"items": [], "thing": {}}


def test_lone_surrogates_in_an_argument_are_replaced_and_pairs_are_joined() -> None:
    def f(text: str, anything=None): ...

    given = {"text": "a\ud800b", "anything": {"\ud83d\ude00": ["\udc00"]}}
    assert tool_of(f).check(given) == {
        "text": "a\N{REPLACEMENT CHARACTER}b",
        "anything": {"😀": ["\N{REPLACEMENT CHARACTER}"]},
    }


def fail(value: int) -> int:
    raise KeyError("oh")


def test_an_error_in_the_users_validator_is_reported_to_the_model() -> None:
    def f(a: Annotated[int, pydantic.AfterValidator(fail)]): ...

    with pytest.raises(ToolInputError, match="KeyError: 'oh'"):
        tool_of(f).check({"a": 1})


def test_input_must_be_an_object() -> None:
    def f(a: int = 1): ...

    with pytest.raises(ToolInputError, match="should be an object"):
        tool_of(f).check([1])  # type: ignore[arg-type]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


def every(
    colour: Colour,
    number: float,
    whole: int = 1,
    point: Optional[Point] = None,  # noqa: UP045
    kinds: tuple[Literal["a", 1], ...] = (),
    options: Options | None = None,
    counts: dict[str, Annotated[int, Field(ge=0)]] | None = None,
    anything=None,
    **more: bool | list[str],
) -> None: ...


EVERY = functools.cache(tool_of)


@pytest.mark.fuzz
@given(JSON)
def test_checking_any_json_raises_only_tool_input_errors(value: Any) -> None:
    check = EVERY(every).check
    for each in (value, {"colour": value, "number": value, "x": value}, {"colour": "red", "number": 1, "whole": value}):
        try:
            assert set(check(each)) == set(each)
        except ToolInputError as error:
            assert str(error)  # noqa: PT017  whether it fits is not known here


SMALL = st.integers(-(2**40), 2**40)
VALID = st.fixed_dictionaries(
    {"colour": st.sampled_from(["red", "green"]), "number": SMALL | st.floats(allow_nan=False, allow_infinity=False)},
    optional={
        "whole": SMALL,
        "point": st.none() | st.fixed_dictionaries({"x": SMALL}, optional={"y": SMALL | st.text()}),
        "kinds": st.lists(st.sampled_from(["a", 1, "b"]), max_size=3),
        "options": st.none() | st.fixed_dictionaries({}, optional={"width": SMALL, "title": st.text()}),
        "counts": st.none() | st.dictionaries(st.text(max_size=3), SMALL, max_size=3),
        "anything": JSON,
        "other": st.booleans() | st.lists(st.text() | SMALL, max_size=2),
    },
)


@pytest.mark.fuzz
@given(VALID)
@example({"colour": "red", "number": 0, "anything": "\ud800"})
@example({"colour": "red", "number": 0, "options": {"title": "\udc00"}, "other": ["a\ud800"]})
def test_the_check_accepts_what_the_schema_accepts(given: dict[str, Any]) -> None:
    tool = EVERY(every)
    if jsonschema.Draft202012Validator(tool.schema).is_valid(given):
        assert tool.check(given).keys() == given.keys()
