"""After any sequence of prompts, reruns, removed turns, summaries, edits and pins, no turn is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from mm_magics.api.messages import blocks
from mm_magics.history.thread import History
from mm_magics.history.turn import Turn
from mm_magics.session import Session
from mm_magics.simulator import Simulator
from mm_magics.tools.builtin.recall import recall_tool
from mm_magics.turn.context_budget import summarized_turns
from tests.turns import broken_rules

TOOL = {"name": "lookup", "input_schema": {"type": "object", "properties": {"query": {"type": "string"}}}}
NUMBERS = st.integers(0, 99)
THREADS = st.sampled_from(["main", "main", "main", "side"])


class LongConversation(RuleBasedStateMachine):
    """A conversation whose summaries are requested at any time, so that it can be short."""

    endpoint: ClassVar[Simulator]

    def __init__(self) -> None:
        super().__init__()
        self.session = Session(base_url=self.endpoint.base_url, api_key=self.endpoint.key, max_retries=0)
        self.count = 0

    def teardown(self) -> None:
        self.session.close()

    def cell(self, thread: str, number: int) -> str | None:
        cells = [turn.cell_id for turn in self.session.history.turns(thread) if turn.thread == thread]
        return cells[number % len(cells)] if cells else None

    def ask(self, thread: str, cell: str | None, compact: str = "auto", *, calls: bool = False) -> None:
        self.count += 1
        words = "lookup MiniMax" if calls else "Hello."
        flags: dict[str, Any] = {"params": {"tools": [TOOL]}} if calls else {}
        cell = cell or f"cell {self.count}"
        prompt = f"Prompt {self.count}: {words}"
        before = len(self.endpoint.log)
        turn = self.session.ask(prompt, cell_id=cell, thread=thread, compact=compact, model="MiniMax-M2.7", **flags)
        records = list(self.endpoint.log)[before:]
        assert {record.status for record in records} == {200}
        assert all(not record.problems for record in records)
        assert broken_rules(turn.record()) == []
        assert (cell, turn.id) not in self.session.history.stale()
        self.check(thread, cell, records[-1].body)

    def check(self, thread: str, cell: str, body: Any) -> None:
        """Every turn above is in the request as it is, or can be recalled."""
        context = self.session.budget.context(thread, cell)
        summarized = summarized_turns(context)
        sent = [block.get("text") for message in body["messages"] for block in blocks(message)]
        tool = recall_tool(summarized, 0)
        above = self.session.history.context_turns(thread, cell)
        for turn in (each for each in above if each.closed):
            if turn in summarized:
                page = tool.function(**tool.check({"turn": summarized.index(turn) + 1})).text
                assert turn.prompt in page
                assert turn.text in page
                assert turn.prompt not in sent
            else:
                assert turn.prompt in sent
        names = [each["name"] for each in body.get("tools", ())]
        assert ("recall" in names) >= bool(summarized)

    @initialize()
    def begin(self) -> None:
        for _ in range(6):
            self.ask("main", None)

    @rule(thread=THREADS)
    def prompt(self, thread: str) -> None:
        self.ask(thread, None)

    @rule(thread=THREADS)
    def prompt_with_a_call(self, thread: str) -> None:
        self.ask(thread, None, calls=True)

    @rule(thread=THREADS)
    def prompt_with_a_summary(self, thread: str) -> None:
        self.ask(thread, None, "now")

    @rule(thread=THREADS, number=NUMBERS, compact=st.sampled_from(["auto", "now", "never"]))
    def ask_again(self, thread: str, number: int, compact: str) -> None:
        self.ask(thread, self.cell(thread, number), compact)

    @rule(number=NUMBERS)
    def remove(self, number: int) -> None:
        turns = self.session.history.turns("main")
        if len(turns) > 5:
            self.session.history.forget(turns[number % len(turns)])

    @rule()
    def undo(self) -> None:
        context = self.session.budget.context("main", None)
        if context.compaction:
            self.session.budget.own["main"] = context.compaction.without_summary()

    @rule(text=st.text(min_size=1).filter(lambda text: text.strip()))
    def edit(self, text: str) -> None:
        context = self.session.budget.context("main", None)
        if context.compaction and context.compaction.turns:
            self.session.budget.own["main"] = context.compaction.edited(text, 1)

    @rule(number=NUMBERS, on=st.booleans())
    def pin(self, number: int, on: bool) -> None:
        turns = self.session.history.turns("main")
        if turns:
            self.session.budget.pin("main", turns[number % len(turns)], on=on)

    @rule()
    def fork(self) -> None:
        if not self.session.history.turns("side"):
            self.session.history.fork("main", "side")

    @precondition(lambda self: not self.session.budget.own)
    @rule()
    def restart(self) -> None:
        """A new kernel reads the same records: it makes the same next request, and the same turns are stale."""
        history = History()
        old = self.session.history
        for turn in old.all_turns():
            history.put(Turn.from_record(json.loads(json.dumps(turn.record()))))
        history._order = [each for each in old._order if each in history._order]
        history._bases = dict(old._bases)
        for thread in ("main", "side"):
            before = self.session.prepare("Next?", thread=thread).request.sha256
            self.session.history = self.session.budget._history = history
            assert self.session.prepare("Next?", thread=thread).request.sha256 == before
            self.session.history = self.session.budget._history = old
        assert history.stale() == old.stale()

    @precondition(lambda self: not self.session.budget.own)
    @rule()
    def replay(self) -> None:
        """Every turn that is not stale replays without a call."""
        before = len(self.endpoint.log)
        stale = self.session.history.stale()
        for turn in self.session.history.turns("main"):
            if turn.place not in stale and turn.cell_id:
                params = {"tools": turn.params["tools"]} if turn.messages[0] and "lookup" in turn.prompt else {}
                params = {"params": {"tools": [TOOL]}} if params else {}
                again = self.session.ask(
                    turn.prompt, cell_id=turn.cell_id, model="MiniMax-M2.7", replay="only", **params
                )
                assert again.text == turn.text
        assert len(self.endpoint.log) == before


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(strict=True) as endpoint:
        yield endpoint


def test_nothing_of_a_long_conversation_is_lost(simulator: Simulator) -> None:
    LongConversation.endpoint = simulator
    run_state_machine_as_test(
        LongConversation,
        settings=settings(
            max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
