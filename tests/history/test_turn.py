"""The turn record: its schema, and reading it back from a file."""

from __future__ import annotations

import copy
import json
import time
from datetime import UTC, datetime
from typing import Any

import jsonschema
import pytest

from mm_magics.errors import EndpointError, RecordError
from mm_magics.history.compaction import Compaction
from mm_magics.history.turn import Turn
from mm_magics.session import Session
from tests.turns import RESPONSE, SCHEMA, broken_rules, turn

ODD = "Grüße 🦪 \u2028 \x00 \r\n </script>"


def test_the_schema_of_the_record_is_valid() -> None:
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
def test_the_record_of_a_turn_matches_the_schema(session: Session, prompt: str) -> None:
    made = session.ask(prompt, system=ODD, user_id="u", thinking="on", cell_id="c1")
    assert broken_rules(made.record()) == []
    assert made.record()["messages"][0] == {"role": "user", "content": [{"type": "text", "text": prompt}]}
    assert made.record()["params"]["thinking"] == {"type": "enabled", "budget_tokens": 32_768}


@pytest.mark.parametrize("prompt", ["[[simulator: fault=close after=9]]", "[[simulator: fault=bad-json]]"])
def test_the_record_of_a_failed_turn_matches_the_schema_and_contains_the_error(session: Session, prompt: str) -> None:
    with pytest.raises(EndpointError) as caught:
        session.ask(prompt)
    assert caught.value.turn is not None
    record = caught.value.turn.record()
    assert broken_rules(record) == []
    assert (record["status"], record["error"]) == ("failed", str(caught.value))
    assert record["responses"][0]["unfinished"] == 0


def test_the_record_contains_the_input_of_a_call_that_max_tokens_cut(session: Session) -> None:
    tool = {"name": "lookup", "input_schema": {"type": "object", "properties": {"query": {"type": "string"}}}}
    made = session.ask("lookup MiniMax [[simulator: fault=cut-tool-json]]", params={"tools": [tool]})
    record = made.record()
    assert broken_rules(record) == []
    last = record["responses"][0]
    assert last["unfinished"] == len(record["messages"][1]["content"]) - 1
    assert last["partial_json"]
    with pytest.raises(ValueError, match=r"Expecting|Unterminated|delimiter"):
        json.loads(last["partial_json"])


def test_a_record_has_the_keys_of_the_schema_in_order() -> None:
    assert list(turn().record()) == SCHEMA["required"]
    base = {"thread": "main", "turn": "t1"}
    added: dict[str, Any] = {"source_sha256": "0" * 64, "endpoint": "api.minimax.io", "notes": ["Stopped."]}
    added |= {"versions": [turn("after"), turn("before")], "newer": 1}
    added["compacted"] = Compaction(("t0",), "0" * 64, "They met.", "M", [dict(RESPONSE)], (9, 3), ("t1",), True)
    added |= {"comparison": {"id": "c1", "number": 2}, "undecided": True}
    added["check"] = {"name": "is_short", "verdict": "pass", "text": ""}
    change = {"id": "1", "kind": "edit", "cell": "a", "state": "accepted", "text": "Edited cell #a x", "before": "y"}
    added["changes"] = [change]
    full = turn(base=base, context=3, params={"temperature": 1.0}, **added).record()
    assert set(full) == set(SCHEMA["properties"])
    assert broken_rules(full) == []


def test_a_turn_of_schema_1_is_written_as_schema_1_again() -> None:
    record = {**turn(params={"temperature": 1.0}).record(), "schema": 1}
    del record["json"]
    made = Turn.from_record({**record, "notes": ["not of schema 1"], "json": {"params.temperature": "1"}})
    assert made.record() == record
    assert list(made.record()) == SCHEMA["required"]
    assert (made.notes, type(made.params["temperature"])) == ([], float)
    assert Turn.from_record({**record, "notes": 5}) == made


def test_versions_have_no_versions_and_a_damaged_one_is_left_out() -> None:
    old, older = turn("old", versions=[turn("oldest")]), turn("older", schema=1)
    record = turn("new", versions=[old, older]).record()
    record["versions"].insert(1, {**turn().record(), "messages": 5})
    record["versions"].append("not a record")
    record["versions"][0]["newer"] = "of no meaning in a version"
    versions = Turn.from_record(record).versions
    assert [each.prompt for each in versions] == ["old", "older"]
    assert [each.versions for each in versions] == [[], []]
    assert versions[1].schema == 1


def test_a_record_is_read_back_as_the_same_turn() -> None:
    block = {"type": "hologram", "depth": [1, {"n": None}], "text": ODD}
    made = turn(ODD, [{"type": "thinking", "thinking": ODD, "signature": "5" * 64}, block], error=ODD, cell_id="c")
    stored = json.loads(json.dumps(made.record()))
    back = Turn.from_record(stored)
    assert back == made
    assert back.record() == made.record()
    assert back.closed == made.closed


def test_every_turn_has_its_own_id_and_a_time() -> None:
    one, two = turn(), turn()
    assert one.id != two.id
    assert one.created.endswith("Z")


@pytest.mark.parametrize("zone", ["UTC+11", "UTC-13"])
def test_the_time_of_a_turn_is_in_utc(monkeypatch: pytest.MonkeyPatch, zone: str) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        created = datetime.strptime(turn().created, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert abs(time.time() - created.timestamp()) < 3600


DAMAGE: list[tuple[str, Any]] = [
    ("id", 5),
    ("thread", None),
    ("cell_id", 5),
    ("created", 2026),
    ("status", "done"),
    ("status", ["complete"]),
    ("model", None),
    ("system", []),
    ("system", ["Be brief."]),
    ("system", {"type": "text"}),
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
    ("source_sha256", 5),
    ("endpoint", None),
    ("notes", "one"),
    ("notes", [1]),
    ("versions", {}),
    ("newer", -1),
    ("newer", True),
    ("schema", None),
    ("schema", "1"),
    ("schema", 0),
]


@pytest.mark.parametrize(("key", "value"), DAMAGE)
def test_a_damaged_record_raises_a_record_error_that_names_the_field(key: str, value: Any) -> None:
    record = {**turn().record(), key: value}
    before = copy.deepcopy(record)
    with pytest.raises(RecordError, match=f"damaged: .*{key}"):
        Turn.from_record(record)
    assert record == before


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"model": 5, "status": "done", "notes": "one"}, "status, model, notes"),
        ({"schema": None}, "schema"),
        ({"params": {"temperature": float("nan")}}, "JSON cannot represent it, or it is nested too deeply"),
    ],
)
def test_the_error_of_a_damaged_record_lists_what_is_wrong(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(RecordError) as caught:
        Turn.from_record({**turn().record(), **fields})
    assert str(caught.value) == f"The turn record is damaged: {reason}."


@pytest.mark.parametrize("key", [key for key in SCHEMA["required"] if key not in ("cell_id", "system", "error")])
def test_a_record_without_a_required_key_is_damaged(key: str) -> None:
    record = turn().record()
    del record[key]
    with pytest.raises(RecordError, match="damaged"):
        Turn.from_record(record)


@pytest.mark.parametrize("record", [None, [], "x", 5, {}])
def test_a_value_that_is_not_a_record_raises_a_record_error(record: Any) -> None:
    with pytest.raises(RecordError):
        Turn.from_record(record)


def test_a_record_of_a_newer_schema_asks_for_an_update() -> None:
    with pytest.raises(RecordError, match=r"schema 3.*reads schema 2") as caught:
        Turn.from_record({**turn().record(), "schema": 3, "brand": "new"})
    assert "Update" in caught.value.hint


def structured(value: Any, name: str = "final_answer") -> dict[str, Any]:
    return {"type": "tool_use", "id": "call_1", "name": name, "input": value}


RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "ok"}]}


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ([], ""),
        ([[]], ""),
        ([[{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]], "a\n\nb"),
        ([[structured({"b": [2], "a": "ü"})]], '{\n  "a": "ü",\n  "b": [\n    2\n  ]\n}'),
        ([[structured({})]], "{}"),
        ([[structured({"x": 1}, "search"), structured({"a": 1})]], '{\n  "a": 1\n}'),
        ([[structured({"x": 1}, "search")]], ""),
        ([[structured({"a": "wrong"})], [structured({"a": 1})]], '{\n  "a": 1\n}'),
        ([[structured({"a": "wrong"})], [{"type": "thinking", "thinking": "hm"}]], ""),
    ],
)
def test_the_text_of_a_turn_is_its_text_or_else_the_json_of_its_last_message(messages: list[Any], text: str) -> None:
    rounds = [each for content in messages for each in ({"role": "assistant", "content": content}, RESULT)]
    assert turn(messages=[{"role": "user", "content": "hi"}, *rounds]).text == text


def test_a_system_prompt_can_be_text_blocks() -> None:
    made = turn(system=[{"type": "text", "text": "Be brief."}])
    assert Turn.from_record(made.record()) == made


@pytest.mark.parametrize(
    ("content", "prompt"),
    [
        ("a", "a"),
        ([{"type": "text", "text": "the cells"}, {"type": "text", "text": "a"}], "a"),
        ([{"type": "text", "text": "a"}, {"type": "image", "source": {}}], "a"),
        ([{"type": "text"}], ""),
        ([{"type": "image", "source": {}}], ""),
    ],
)
def test_the_prompt_of_a_turn_is_the_last_text_of_its_first_message(content: Any, prompt: str) -> None:
    assert turn(messages=[{"role": "user", "content": content}, {"role": "user", "content": "b"}]).prompt == prompt


def test_unknown_fields_of_a_record_are_ignored() -> None:
    assert Turn.from_record({**turn().record(), "x_later": 5}).text == "hello"


@pytest.mark.parametrize("unfinished", [None, 0, 1, 99, -1, "1", True, [0]])
def test_any_unfinished_index_of_a_record_gives_a_valid_context(unfinished: Any) -> None:
    from mm_magics.api.messages import problems
    from mm_magics.history.context_messages import context_messages

    blocks = [{"type": "thinking", "thinking": "hm"}, {"type": "tool_use", "id": "a", "name": "f", "input": {}}]
    made = Turn.from_record({**turn("hi", blocks).record(), "responses": [{**RESPONSE, "unfinished": unfinished}]})
    assert problems(context_messages([made], {"role": "user", "content": "?"})) == []
