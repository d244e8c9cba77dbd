"""Packs: several rows in one call. Whatever the endpoint returns, each row gets its own answer or its own failure."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mm_magics import Session, map_prompts
from mm_magics.api.messages import ANSWER
from mm_magics.batch.dry_run import DryRun
from mm_magics.batch.engines.base import Answered, Failed, OtherCall, Request, SenderEvent
from mm_magics.batch.engines.packing import PackingEngine
from mm_magics.batch.pack import Packer, divided, list_schema
from mm_magics.batch.requests import RequestBuilder
from mm_magics.batch.row_results import RowResults
from mm_magics.batch.store import Reply
from mm_magics.batch.trial import Trial
from mm_magics.errors import UsageError
from mm_magics.simulator import ScriptedAnswer, Simulator, text, tool_use
from mm_magics.tools.schema.output_schema import OutputSchema, output_schema_of
from mm_magics.tools.schema.structured_output import value_of
from tests.batch.simulated import sent_rows

USAGE = {"input_tokens": 101, "output_tokens": 53}


@dataclass
class Label:
    word: str
    score: int


def rows_in(content: Sequence[dict[str, Any]]) -> list[str]:
    """Return the texts of the rows in the user's message, whether it is that of a pack or of one row."""
    texts = [block["text"] for block in content]
    return texts[2::2] if texts[0].startswith("Here are ") else texts


def is_pack(content: Sequence[dict[str, Any]]) -> bool:
    return content[0]["text"].startswith("Here are ")


# Any misfit -----------------------------------------------------------------------------------------------------

Answers = list[dict[str, Any]]

MISFITS: dict[str, Callable[[Answers], Any]] = {
    "fits": lambda answers: {"answers": answers},
    "in another order": lambda answers: {"answers": answers[::-1]},
    "as text": lambda answers: {"answers": json.dumps(answers)},
    "one missing": lambda answers: {"answers": answers[1:]},
    "none": lambda _answers: {"answers": []},
    "one too many": lambda answers: {"answers": [*answers, {"row": len(answers) + 1, "answer": "extra"}]},
    "twice the same number": lambda answers: {"answers": [*answers[:-1], {**answers[-1], "row": 1}]},
    "from zero": lambda answers: {"answers": [{**each, "row": each["row"] - 1} for each in answers]},
    "numbers as text": lambda answers: {"answers": [{**each, "row": f"no. {each['row']}"} for each in answers]},
    "without numbers": lambda answers: {"answers": [{"answer": each["answer"]} for each in answers]},
    "one of another schema": lambda answers: {"answers": [{**answers[0], "answer": [1]}, *answers[1:]]},
    "one null": lambda answers: {"answers": [*answers[:-1], {**answers[-1], "answer": None}]},
    "an object": lambda answers: {each["row"]: each["answer"] for each in answers},
    "no JSON": lambda _answers: None,
}


class Endpoint:
    """An engine that answers each row with its text, in a way that `script` chooses. Rows named `poison` fail."""

    note, room = "", 8

    def __init__(self, script: Sequence[str], schema: OutputSchema | None) -> None:
        self._script, self._schema = deque(script), schema
        self._events: deque[SenderEvent] = deque()
        self.calls = 0

    def put(self, request: Request) -> None:
        self.calls += 1
        content = json.loads(request.body)["messages"][-1]["content"]
        texts, way = rows_in(content), self._script.popleft() if self._script else "fits"
        if any("poison" in each for each in texts):
            way = "failed"
        if way in ("failed", "lost"):
            self._events.append(Failed(request.digest, f"cannot answer {texts[0]}", True, lost=way == "lost"))
        elif not is_pack(content):
            assert request.is_checked
            given = self._answer(texts[0])
            block = text(given) if self._schema is None else tool_use(ANSWER, given)
            self._answered(request, [block])
        else:
            assert not request.is_checked
            answers = [{"row": number, "answer": self._answer(each)} for number, each in enumerate(texts, 1)]
            made = MISFITS[way](answers) if way in MISFITS else {"answers": answers}
            stop_reason = way if way in ("max_tokens", "refusal") else "tool_use"
            self._answered(request, [text("Sorry.")] if made is None else [tool_use(ANSWER, made)], stop_reason)

    def _answer(self, row: str) -> Any:
        return f"about {row}" if self._schema is None else {"word": row, "score": 1}

    def _answered(self, request: Request, blocks: list[Any], stop_reason: str = "end_turn") -> None:
        response = {"id": "m", "model": "m", "stop_reason": stop_reason, "usage": USAGE, "seconds": 0.5}
        self._events.append(Answered(request.digest, Reply([{"role": "assistant", "content": blocks}], [response])))

    def next(self, _timeout: float) -> SenderEvent | None:
        return self._events.popleft() if self._events else None

    def stop(self) -> bool:
        return True

    def close(self) -> None: ...


WAYS = st.sampled_from([*MISFITS, "failed", "lost", "max_tokens", "refusal"])


@settings(max_examples=300, deadline=None)
@given(
    count=st.integers(1, 24),
    poisoned=st.sets(st.integers(0, 23), max_size=3),
    script=st.lists(WAYS, max_size=20),
    size=st.integers(2, 9),
    with_schema=st.booleans(),
)
def test_every_row_gets_its_own_answer_or_its_own_failure(
    count: int, poisoned: set[int], script: list[str], size: int, with_schema: bool
) -> None:
    schema = output_schema_of(Label) if with_schema else None
    with Session(base_url="http://127.0.0.1:9", api_key="k") as session:
        flags: dict[str, Any] = {"context": "none", "tools": [], "tool_choice": None}
        builder = RequestBuilder(session.prepare("{{ row }}", **flags), packed=True)
        packer = Packer(session.prepare("{{ row }}", **flags, schema=list_schema(schema)), schema)
    endpoint = Endpoint(script, schema)
    engine = PackingEngine(endpoint, packer, size)
    texts = [f"{'poison' if number in poisoned else 'row'} {number}" for number in range(count)]
    row_of = {builder.digest(each): each for each in texts}
    for digest, each in row_of.items():
        engine.put(builder.build(each, digest))
    outcomes: dict[str, Answered | Failed] = {}
    responses: list[dict[str, Any]] = []
    lost = 0
    while (event := engine.next(0.01)) is not None:
        if isinstance(event, Answered | Failed):
            assert row_of[event.digest] not in outcomes
            outcomes[row_of[event.digest]] = event
            responses += event.reply.responses if isinstance(event, Answered) else ()
        elif isinstance(event, OtherCall):
            responses += event.responses
            lost += not event.responses
    assert set(outcomes) == set(texts)
    for each, outcome in outcomes.items():
        if isinstance(outcome, Failed):
            assert outcome.reason == f"cannot answer {each}"
        elif schema is None:
            assert outcome.reply.messages[-1]["content"][0]["text"] == f"about {each}"
        else:
            assert value_of(outcome.reply.messages, schema) == Label(each, 1)
        assert isinstance(outcome, Failed) or "poison" not in each
    results = RowResults(0, "MiniMax-M2.7")
    results.count(responses)
    failed = sum(isinstance(outcome, Failed) for outcome in outcomes.values())
    assert results.calls + lost + failed == endpoint.calls
    assert results.usage["output_tokens"] == results.calls * USAGE["output_tokens"]
    assert results.usage["input_tokens"] == results.calls * USAGE["input_tokens"]


def test_a_row_that_spoils_its_pack_is_isolated_in_few_calls() -> None:
    with Session(base_url="http://127.0.0.1:9", api_key="k") as session:
        builder = RequestBuilder(session.prepare("{{ row }}", context="none"), packed=True)
        packer = Packer(session.prepare("{{ row }}", context="none", schema=list_schema(None)), None)
    endpoint = Endpoint([], None)
    engine = PackingEngine(endpoint, packer, 64)
    for number in range(64):
        row = f"row {number}" if number != 37 else "poison"
        engine.put(builder.build(row, builder.digest(row)))
    events = [event for event in iter(lambda: engine.next(0.01), None) if isinstance(event, Answered | Failed)]
    assert sum(isinstance(event, Failed) for event in events) == 1
    assert len(events) == 64
    assert endpoint.calls == 13


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.integers(1, 50))
def test_the_usage_of_a_call_is_divided_without_a_rest(tokens_in: int, tokens_out: int, count: int) -> None:
    response = {"usage": {"input_tokens": tokens_in, "output_tokens": tokens_out}, "cost": 0.5, "seconds": 3.0}
    parts = divided(response, count)
    assert sum(part["usage"]["input_tokens"] for part in parts) == tokens_in
    assert sum(part["usage"]["output_tokens"] for part in parts) == tokens_out
    assert sum(part["cost"] for part in parts) == pytest.approx(0.5)
    assert sum(part["calls"] for part in parts) == 1


# Runs -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def packed(endpoint: Simulator, monkeypatch: pytest.MonkeyPatch) -> Simulator:
    """A simulator that answers each row of a pack with `<row>!`, and a row alone with the same text."""

    def answer(request: Any) -> ScriptedAnswer:
        content = request.messages[-1]["content"]
        rows = [f"{each}!" for each in rows_in(content)]
        if not is_pack(content):
            return ScriptedAnswer([text(rows[0])])
        numbered = [{"row": number, "answer": each} for number, each in enumerate(rows, 1)]
        if any("spoil" in each for each in rows):
            numbered.pop()
        return ScriptedAnswer([tool_use(ANSWER, {"answers": numbered})])

    monkeypatch.setattr(endpoint._endpoint, "_answer", answer)
    return endpoint


def test_a_run_sends_several_rows_per_call_and_counts_calls_tokens_and_costs(
    session: Session, packed: Simulator
) -> None:
    rows = [f"t{number}" for number in range(100)]
    result = map_prompts("{{ row }}", rows, session=session, pack=10, figures=True, progress=False)
    assert result.values == [f"{row}!" for row in rows]
    assert result.asked == len(sent_rows(packed)) < 20
    assert session.ledger.total().calls == result.asked
    sent = [record.usage for record in packed.log if record.usage]
    assert result.usage["output_tokens"] == sum(each["output_tokens"] for each in sent)
    assert result.cost == pytest.approx(session.ledger.total().cost)
    assert sum(row["answer_cost"] for row in result.frame) == pytest.approx(result.cost)


def test_rows_that_were_answered_are_not_sent_again_whatever_the_size_of_packs(
    session: Session, packed: Simulator
) -> None:
    rows = [f"t{number}" for number in range(30)]
    map_prompts("{{ row }}", rows[:20], session=session, pack=10, progress=False)
    before = len(packed.log)
    result = map_prompts("{{ row }}", rows, session=session, pack=5, progress=False)
    assert (result.stored, result.values) == (20, [f"{row}!" for row in rows])
    assert len(packed.log) > before
    before = len(packed.log)
    alone = map_prompts("{{ row }}", rows[:3], session=session, progress=False)
    assert (alone.stored, len(packed.log)) == (0, before + 3)


def test_a_row_that_spoils_its_pack_is_answered_alone(session: Session, packed: Simulator) -> None:
    rows = [f"t{number}" for number in range(15)] + ["spoil"]
    result = map_prompts("{{ row }}", rows, session=session, pack=16, progress=False)
    assert result.values == [f"{row}!" for row in rows]
    assert result.errors == []
    assert result.asked == len(sent_rows(packed)) == session.ledger.total().calls


def test_a_budget_holds_for_packs(session: Session, packed: Simulator) -> None:
    rows = [f"t{number} {'long ' * 50}" for number in range(400)]
    whole = map_prompts("{{ row }}", rows, session=session, pack=10, store="a.sqlite", progress=False)
    part = map_prompts(
        "{{ row }}", rows, session=session, pack=10, store="b.sqlite", budget=whole.cost / 4, progress=False
    )
    assert 0 < part.cost <= 1.05 * whole.cost / 4 + 8 * whole.cost / whole.asked
    assert 0 < len(part.errors) < 400
    assert map_prompts("{{ row }}", rows, session=session, pack=10, store="b.sqlite", progress=False).errors == []


def test_a_trial_and_a_dry_run_use_packs_too(session: Session, packed: Simulator) -> None:
    rows = [f"t{number}" for number in range(50)]
    planned = map_prompts("{{ row }}", rows, session=session, pack=8, dry_run=True)
    assert isinstance(planned, DryRun)
    assert (planned.calls, planned.requests) == (7, 50)
    alone = map_prompts("{{ row }}", rows, session=session, dry_run=True)
    assert isinstance(alone, DryRun)
    assert 0 < planned.tokens_in < alone.tokens_in
    trial = map_prompts("{{ row }}", rows, session=session, pack=8, trial=10, progress=False)
    assert isinstance(trial, Trial)
    assert trial.calls_left == 5
    run = map_prompts("{{ row }}", rows, session=session, pack=8, progress=False)
    assert run.stored == 10


@pytest.mark.parametrize("pack", [0, -1, 2.0, "3", True])
def test_a_pack_is_a_number_of_rows(session: Session, endpoint: Simulator, pack: Any) -> None:
    with pytest.raises(UsageError, match="pack must be a number of rows per call, at least 1, not"):
        map_prompts("{{ row }}", ["a"], session=session, pack=pack)
    assert endpoint.log == []
    assert not Path("minimax-answers.sqlite").exists()


def test_the_list_has_the_definitions_of_the_schema_at_its_top() -> None:
    schema = {
        "type": "object",
        "properties": {"tags": {"type": "array", "items": {"$ref": "#/$defs/Tag"}}},
        "$defs": {"Tag": {"enum": ["a", "b"]}},
    }
    found = list_schema(output_schema_of(schema))
    assert found["$defs"] == schema["$defs"]
    checked = output_schema_of(found)
    assert checked.parse_input({"answers": [{"row": 1, "answer": {"tags": ["a"]}}]})
    numbers = list_schema(output_schema_of(list[int]))
    assert numbers["properties"]["answers"]["items"]["properties"]["answer"] == {
        "items": {"type": "integer"},
        "type": "array",
    }
