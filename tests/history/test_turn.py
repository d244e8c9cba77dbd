"""The turn record: the stored form, its schema, and what of a file is read back."""

from __future__ import annotations

import copy
import json
from typing import Any

import jsonschema
import pytest

from mm_magics.errors import EndpointError, RecordError
from mm_magics.history.turn import Turn
from mm_magics.session import Session
from tests.turns import RESPONSE, SCHEMA, broken_rules, turn

ODD = "Grüße 🦪 \u2028 \x00 \r\n </script>"


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert broken_rules({}) != []


@pytest.mark.parametrize(
    "prompt",
    [
        ODD,
        "[[simulator: fault=unknown-block]]",
        "[[simulator: fault=unknown-fields]]",
        "[[simulator: fault=no-message-start]]",
        "[[simulator: fault=no-usage]]",
        "[[simulator: fault=empty-content]]",
        "[[simulator: fault=json]]",
    ],
)
def test_the_record_of_a_turn_keeps_the_schema(session: Session, prompt: str) -> None:
    made = session.ask(prompt, system=ODD, user_id="u", thinking="on", cell_id="c1")
    assert broken_rules(made.record()) == []
    assert made.record()["messages"][0] == {"role": "user", "content": [{"type": "text", "text": prompt}]}
    assert made.record()["params"]["thinking"] == {"type": "enabled", "budget_tokens": 32_768}


@pytest.mark.parametrize("prompt", ["[[simulator: fault=close after=9]]", "[[simulator: fault=bad-json]]"])
def test_the_record_of_a_turn_that_failed_keeps_the_schema_and_says_why(session: Session, prompt: str) -> None:
    with pytest.raises(EndpointError) as caught:
        session.ask(prompt)
    assert caught.value.turn is not None
    record = caught.value.turn.record()
    assert broken_rules(record) == []
    assert (record["status"], record["error"]) == ("failed", str(caught.value))
    assert record["responses"][0]["unfinished"] == 0


def test_the_record_of_a_call_that_max_tokens_cut_keeps_the_cut_input(session: Session) -> None:
    tool = {"name": "lookup", "input_schema": {"type": "object", "properties": {"query": {"type": "string"}}}}
    made = session.ask("lookup MiniMax [[simulator: fault=cut-tool-json]]", params={"tools": [tool]})
    record = made.record()
    assert broken_rules(record) == []
    last = record["responses"][0]
    assert last["unfinished"] == len(record["messages"][1]["content"]) - 1
    assert last["partial_json"]
    with pytest.raises(ValueError, match=r"Expecting|Unterminated|delimiter"):
        json.loads(last["partial_json"])


def test_a_record_has_its_keys_in_one_order_and_only_those_of_the_schema() -> None:
    assert list(turn().record()) == SCHEMA["required"]
    forked = turn(base={"thread": "main", "turn": "t1"}, context=3).record()
    assert set(forked) == set(SCHEMA["properties"])
    assert broken_rules(forked) == []


def test_a_record_comes_back_as_the_same_turn() -> None:
    block = {"type": "hologram", "depth": [1, {"n": None}], "text": ODD}
    made = turn(ODD, [{"type": "thinking", "thinking": ODD, "signature": "5" * 64}, block], error=ODD, cell_id="c")
    stored = json.loads(json.dumps(made.record()))
    back = Turn.from_record(stored)
    assert back == made
    assert back.record() == made.record()
    assert back.closed == made.closed


def test_every_turn_has_an_id_of_its_own_and_a_time() -> None:
    one, two = turn(), turn()
    assert one.id != two.id
    assert one.created.endswith("Z")


DAMAGE: list[tuple[str, Any]] = [
    ("id", 5),
    ("thread", None),
    ("cell_id", 5),
    ("created", 2026),
    ("status", "done"),
    ("status", ["complete"]),
    ("model", None),
    ("system", []),
    ("params", []),
    ("messages", None),
    ("messages", {}),
    ("messages", ["hi"]),
    ("messages", [{"role": "system", "content": "x"}]),
    ("messages", [{"role": "user", "content": None}]),
    ("messages", [{"content": "x"}]),
    ("responses", [5]),
    ("responses", {}),
    ("request_sha256", None),
    ("error", {}),
    ("base", "main"),
    ("base", {"thread": "main"}),
    ("schema", None),
    ("schema", "1"),
    ("schema", 0),
]


@pytest.mark.parametrize(("key", "value"), DAMAGE)
def test_a_damaged_record_is_one_of_our_errors_naming_the_damage(key: str, value: Any) -> None:
    record = {**turn().record(), key: value}
    before = copy.deepcopy(record)
    with pytest.raises(RecordError, match=f"damaged: .*{key}"):
        Turn.from_record(record)
    assert record == before


@pytest.mark.parametrize("key", [key for key in SCHEMA["required"] if key not in ("cell_id", "system", "error")])
def test_a_record_without_a_needed_key_is_damaged(key: str) -> None:
    record = turn().record()
    del record[key]
    with pytest.raises(RecordError, match="damaged"):
        Turn.from_record(record)


@pytest.mark.parametrize("record", [None, [], "x", 5, {}])
def test_what_is_no_record_is_one_of_our_errors(record: Any) -> None:
    with pytest.raises(RecordError):
        Turn.from_record(record)


def test_a_newer_schema_is_said_to_be_one() -> None:
    with pytest.raises(RecordError, match=r"schema 2.*reads schema 1") as caught:
        Turn.from_record({**turn().record(), "schema": 2, "brand": "new"})
    assert "Update" in caught.value.hint


def test_fields_that_a_later_version_of_this_schema_added_are_passed_over() -> None:
    assert Turn.from_record({**turn().record(), "x_later": 5}).text == "hello"


@pytest.mark.parametrize("unfinished", [None, 0, 1, 99, -1, "1", True, [0]])
def test_any_unfinished_index_in_a_file_still_makes_a_valid_context(unfinished: Any) -> None:
    from mm_magics.api.messages import problems
    from mm_magics.history.context import context_messages

    blocks = [{"type": "thinking", "thinking": "hm"}, {"type": "tool_use", "id": "a", "name": "f", "input": {}}]
    made = Turn.from_record({**turn("hi", blocks).record(), "responses": [{**RESPONSE, "unfinished": unfinished}]})
    assert problems(context_messages([made], {"role": "user", "content": "?"})) == []
