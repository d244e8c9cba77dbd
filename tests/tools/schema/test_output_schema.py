"""What `--schema` names, and how an answer becomes a Python value of that shape."""

from __future__ import annotations

import datetime
import enum
import json
import threading
import time
import typing
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, Literal

import jsonschema
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_magics.errors import ToolInputError, UsageError
from mm_magics.tools.schema.output_schema import output_schema_of
from mm_magics.tools.tool import Tool
from tests.pace import PATIENCE
from tests.test_layers import loaded
from tests.tools.schema.test_arguments import JSON


class City(pydantic.BaseModel):
    """A city."""

    name: str
    people: int = pydantic.Field(ge=0)
    near: list[City] = []


@dataclass
class Point:
    x: int
    y: int = 0


class Row(typing.TypedDict):
    a: int
    when: typing.NotRequired[datetime.date]


class Mood(enum.Enum):
    GOOD = "good"
    BAD = "bad"


SCHEMA = {
    "title": "a city!",
    "properties": {"name": {"type": "string"}, "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}}},
    "required": ["name"],
    "additionalProperties": False,
    "$defs": {"tag": {"enum": ["old", "new"]}},
}


@pytest.mark.parametrize(
    ("thing", "given", "value"),
    [
        (City, {"name": "A", "people": "3"}, City(name="A", people=3)),
        (Point, {"x": 1}, Point(1, 0)),
        (Row, {"a": 1, "when": "2026-01-02"}, {"a": 1, "when": datetime.date(2026, 1, 2)}),
        (list[Point], {"value": [{"x": 1}]}, [Point(1)]),
        (int, {"value": 3}, 3),
        (Mood, {"value": "good"}, Mood.GOOD),
        (City | Point, {"value": {"x": 2}}, Point(2)),
        (dict[str, int], {"a": 1}, {"a": 1}),
        (SCHEMA, {"name": "A", "tags": ["old"]}, {"name": "A", "tags": ["old"]}),
        (json.dumps(SCHEMA), {"name": "A"}, {"name": "A"}),
        ({"type": "array", "items": {"type": "integer"}}, {"value": [1]}, [1]),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, {"value": None}, None),
    ],
)
def test_a_call_and_a_text_become_a_value_that_matches_the_schema(thing: Any, given: Any, value: Any) -> None:
    shape = output_schema_of(thing)
    assert Tool("answer", "d", shape.schema, print).definition["input_schema"]["type"] == "object"
    jsonschema.Draft202012Validator.check_schema(shape.schema)
    jsonschema.validate(json.loads(json.dumps(given).replace('"3"', "3")), shape.schema)
    assert shape.parse_input(given) == value
    assert type(shape.parse_input(given)) is type(value)
    bare = given["value"] if shape.wrapped else given
    for text in (bare, given):
        assert shape.parse_text(json.dumps(text)) == value
        assert shape.parse_text(f"Sure:\n\n```json\n{json.dumps(text, indent=1)}\n```\nAnything [else]?") == value


def test_the_instruction_requests_only_json_and_contains_the_schema() -> None:
    text = output_schema_of(list[Point]).instruction
    assert text.startswith("Answer with JSON only")
    schema = json.loads(text.split("\n", 1)[1])
    jsonschema.validate([{"x": 1}], schema)
    assert "title" not in text


CITY = '{"name": "A", "people": 1}'


@pytest.mark.parametrize(
    "text",
    [
        CITY,
        f"  \n{CITY}\n",
        f"Here [it] is, see {{this}}: {CITY}. Good?",
        f"```\n{CITY}\n```",
        f"~~~json\n{CITY}\n~~~",
        f"```json\n{CITY}",
        f"Not this:\n```python\nprint([1])\n```\nbut\n```json\n{CITY}\n```",
        f"{CITY}\n\nAgain, the same:\n{CITY}",
        f'First {{"draft": true}}, then {CITY}',
        f"See [[link]] and {CITY}",
    ],
)
def test_json_is_found_in_an_answer(text: str) -> None:
    assert output_schema_of(City).parse_text(text) == City(name="A", people=1)


@pytest.mark.parametrize(
    ("thing", "text", "value"),
    [
        (int, "The answer is 42.", 42),
        (int, "About -3, I think", -3),
        (float, "It is 1.5e3 metres", 1500.0),
        (bool, "That is true.", True),
        (Mood, "good", Mood.GOOD),
        (Mood, 'The mood is "bad".', Mood.BAD),
        (Literal["a", "b"], "\nb\n", "b"),
        (str, "Plain words.", "Plain words."),
        (str, '"quoted"', "quoted"),
        (datetime.date, "2026-01-02", datetime.date(2026, 1, 2)),
        (list[int], "The numbers: [1, 2]", [1, 2]),
        (int | None, "null", None),
    ],
)
def test_a_word_or_a_number_is_found_in_an_answer(thing: Any, text: str, value: Any) -> None:
    assert output_schema_of(thing).parse_text(text) == value


@pytest.mark.parametrize(
    ("thing", "text", "problem"),
    [
        (int, "In 2024 it was 42", "2 values that match"),
        (int, "It is 1,000", "no JSON"),
        (int, "42%", "no JSON"),
        (int, "2026-01-02 at 10:30", "no JSON"),
        (int, "[42]", "Input should be a valid integer, not [42]"),
        (City, f'{CITY} or {{"name": "B", "people": 2}}', "2 values that match"),
        (City, f'```\n{CITY}\n```\n```\n{{"name": "B", "people": 2}}\n```', "2 values that match"),
        (City, '{"name": "A", "people": -1}', "people: Input should be greater than or equal to 0, not -1"),
        (City, '{"name": "A"', "broken at line 1, column 13"),
        (City, '{"name": "root", "people": 1, "near": [{"name": "A", "people": 1}],}', "broken at line 1, column 6"),
        (City, '[{"name": "A", "people": 1}, {"name": "B', "broken"),
        (City, "I cannot.", "no JSON"),
        (City, "", "no JSON"),
        (City, "[" * 100_000, "cannot be read"),
        (SCHEMA, '{"name": 5, "tags": ["odd"], "x": 1}', "name: 5 is not of type 'string'."),
        (SCHEMA, '{"name": "a", "tags": ["odd"]}', "tags[0]: 'odd' is not one of"),
        (SCHEMA, "{}", "'name' is a required property."),
    ],
)
def test_answers_that_are_invalid_or_ambiguous_are_problems(thing: Any, text: str, problem: str) -> None:
    with pytest.raises(ToolInputError) as error:
        output_schema_of(thing).parse_text(text)
    assert problem in str(error.value)


def test_input_that_is_not_wrapped_is_refused() -> None:
    with pytest.raises(ToolInputError, match="an object with only the property value"):
        output_schema_of(int).parse_input({"answer": 3})
    with pytest.raises(ToolInputError, match="required, but missing"):
        output_schema_of(Point).parse_input({})


def test_of_several_alternatives_the_nearest_one_is_named() -> None:
    shape = output_schema_of(
        {"type": "object", "properties": {"a": {"anyOf": [{"type": "null"}, {"minimum": 5, "type": "integer"}]}}}
    )
    with pytest.raises(ToolInputError, match="a: 3 is less than the minimum of 5"):
        shape.parse_input({"a": 3})


def test_the_value_shares_nothing_with_what_the_model_wrote() -> None:
    given: dict[str, Any] = {"name": "A", "tags": []}
    output_schema_of(SCHEMA).parse_input(given)["tags"].append(1)
    assert given == {"name": "A", "tags": []}


@pytest.mark.parametrize(
    ("thing", "problem"),
    [
        ({"type": "foo"}, "invalid at type: 'foo'"),
        (
            {"type": "object", "properties": {"a": {"type": "string", "pattern": "("}}},
            "at properties.a.pattern",
        ),
        ({"$ref": "#/$defs/City"}, "refers to #/$defs/City"),
        ({"name": "string", "age": "int"}, "accepts every value"),
        ({}, "accepts every value"),
        ({"type": "object", "default": object()}, "not JSON"),
        ({"$schema": 5, "type": "object"}, "schema is invalid"),
        ("{type: object}", "not JSON"),
        ("[1]", "A JSON schema is an object, not [1]"),
        (print, "print cannot be a schema: it is not a type"),
        (output_schema_of, "output_schema_of cannot be a schema: it is not a type"),
        (None, "None cannot be a schema"),
        (5, "5 cannot be a schema"),
        (threading.Thread, "Thread cannot be a schema: JSON cannot represent it"),
        (City(name="A", people=1), "cannot be a schema"),
    ],
)
def test_what_cannot_be_a_schema_is_refused_in_a_line_that_says_what_to_do(thing: Any, problem: str) -> None:
    with pytest.raises(UsageError) as error:
        output_schema_of(thing)
    assert problem in str(error.value)
    assert len(str(error.value).splitlines()) == 2


def test_nothing_that_a_schema_refers_to_is_fetched() -> None:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/schema.json"
        with pytest.raises(UsageError, match="which it does not contain"):
            output_schema_of({"type": "object", "properties": {"a": {"$ref": url}}})
        server.shutdown()
    assert asked == []


def test_a_recursive_schema_without_end_is_an_error_and_not_a_crash() -> None:
    with pytest.raises(ToolInputError, match="could not be checked"):
        output_schema_of({"$ref": "#"}).parse_input({"value": 1})


@pytest.mark.parametrize(
    "text",
    [
        "[" * 1_000_000,
        "{" * 1_000_000,
        '"' * 1_000_000,
        '\\"' * 1_000_000,
        "```\n" * 300_000,
        "1 " * 1_000_000,
        "[a" * 500_000,
    ],
    ids=["lists", "objects", "quotes", "escapes", "fences", "numbers", "prose"],
)
def test_a_long_answer_without_a_value_costs_little(text: str) -> None:
    started = time.process_time()
    with pytest.raises(ToolInputError):
        output_schema_of(Point).parse_text(text)
    assert time.process_time() - started < 5 * PATIENCE


SHAPES = [
    output_schema_of(each) for each in (City, list[Point], int | str | None, dict[str, list[float]], Mood, SCHEMA)
]


@pytest.mark.fuzz
@given(JSON | st.text(), st.sampled_from(SHAPES))
def test_parsing_any_answer_raises_only_tool_input_errors(value: Any, shape: Any) -> None:
    texts = [json.dumps(value), f"So: {json.dumps(value)}!", str(value)]
    for parse, each in [(shape.parse_input, value), *((shape.parse_text, text) for text in texts)]:
        try:
            parse(each)
        except ToolInputError as error:
            assert str(error)  # noqa: PT017  whether it fits is not known here


@pytest.mark.fuzz
@given(st.recursive(st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_any_json_comes_out_of_prose_as_it_went_in(value: Any) -> None:
    shape = output_schema_of(list[typing.Any])
    assert shape.parse_text(f"Here is {json.dumps([value])} as asked.") == [value]


def test_importing_the_output_schemas_is_fast() -> None:
    found = loaded("import mm_magics.tools.schema.output_schema")
    assert not {name for name in found if name.split(".")[0] in ("pydantic", "jsonschema", "referencing")}
