"""After any sequence of runs, reruns, stops, faults and clears, each request is valid and contains the turns above."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from mm_magics.api.messages import blocks, problems
from mm_magics.endpoint.stream_events import Delta
from mm_magics.errors import EndpointError
from mm_magics.session import Session
from mm_magics.simulator import Simulator
from tests.turns import broken_rules

TOOL = {"name": "lookup", "input_schema": {"type": "object", "properties": {"query": {"type": "string"}}}}
CELLS = st.sampled_from([None, "a", "b", "c", "d"])
THREADS = st.sampled_from(["main", "main", "other"])
CONTEXTS = st.sampled_from(["above", "above", "above", "all", "none", 0, 1, 2])
FAULTS = st.sampled_from(
    [
        "reset after=3",
        "end after=6",
        "overloaded",
        "unknown-error after=5",
        "only-thinking",
        "blank-text",
        "empty-content",
        "unknown-block",
        "unknown-fields",
        "unsigned-thinking",
        "reasoning-content",
        "think-unclosed",
        "xml-calls",
        "uninvited-call",
        "twice-started",
        "stop-error",
        "same-tool-id",
        "old-tool-id",
        "cut-tool-json",
        "no-block-stop",
        "bad-json",
        "invalid-key",
    ]
)


class Conversation(RuleBasedStateMachine):
    """The expected state: the order of the cells' first runs, and the turn of each cell in each thread."""

    endpoint: ClassVar[Simulator]

    def __init__(self) -> None:
        super().__init__()
        self.session = Session(base_url=self.endpoint.base_url, api_key=self.endpoint.key, max_retries=0)
        self.order: list[str] = []
        self.turns: dict[tuple[str, str], Any] = {}
        self.count = 0

    def teardown(self) -> None:
        self.session.close()

    def expected(self, thread: str, key: str, context: Any) -> list[str]:
        """The prompts that a request must contain."""
        order = self.order[: self.order.index(key)] if key in self.order else self.order
        if context == "all":
            order = [each for each in self.order if each != key]
        above = [self.turns[thread, each] for each in order if (thread, each) in self.turns]
        if context in ("none", 0):
            above = []
        elif isinstance(context, int):
            above = above[-context:]
        return [turn.prompt for turn in above if turn.closed]

    def ask(
        self, words: str, cell: str | None, thread: str, context: Any, leave: str = "", tools: bool = False
    ) -> None:
        self.count += 1
        prompt = f"Prompt {self.count}: {words}"
        params = {"tools": [TOOL]} if tools else {}
        key = cell or f"run {self.count}"
        expected = [*self.expected(thread, key, context), prompt]
        stop = threading.Event()
        before = len(self.endpoint.log)
        with self.session.stream(
            prompt, stop=stop, cell_id=cell, thread=thread, context=context, params=params
        ) as answer:
            try:
                for event in answer:
                    if leave and isinstance(event, Delta) and event.kind == leave:
                        stop.set()
                        if self.count % 2:
                            break
            except EndpointError:
                pass
        *refused, record = self.endpoint.log[before:]
        assert [each.status for each in refused] in ([], [400]), "only thinking that is not signed is refused, once"
        assert record.problems == () or record.fault, "the endpoint refused the request"
        array = record.body["messages"]
        assert problems(array) == []
        texts = [block["text"] for message in array[::2] for block in blocks(message) if block["type"] == "text"]
        assert texts == expected
        if answer.has_content or (cell and (thread, key) not in self.turns):  # a cell shows even an empty first turn
            if key not in self.order:
                self.order.append(key)
            self.turns[thread, key] = answer.turn

    @rule(cell=CELLS, thread=THREADS, context=CONTEXTS)
    def run(self, cell: str | None, thread: str, context: Any) -> None:
        self.ask("Hello.", cell, thread, context)

    @rule(cell=CELLS, thread=THREADS, context=CONTEXTS)
    def run_with_a_call(self, cell: str | None, thread: str, context: Any) -> None:
        self.ask("lookup MiniMax", cell, thread, context, tools=True)

    @rule(cell=CELLS, thread=THREADS, context=CONTEXTS, fault=FAULTS, tools=st.booleans())
    def run_into_a_fault(self, cell: str | None, thread: str, context: Any, fault: str, tools: bool) -> None:
        self.ask(f"lookup MiniMax [[simulator: fault={fault}]]", cell, thread, context, tools=tools)

    @rule(cell=CELLS, thread=THREADS, context=CONTEXTS, leave=st.sampled_from(["thinking", "text", "input"]))
    def stop_or_leave(self, cell: str | None, thread: str, context: Any, leave: str) -> None:
        self.ask("lookup MiniMax [[simulator: rate=2000]]", cell, thread, context, leave=leave, tools=leave == "input")

    @rule(thread=THREADS)
    def clear(self, thread: str) -> None:
        forgotten = [place for place in self.turns if place[0] == thread]
        assert self.session.history.clear(thread) == len(forgotten)
        for place in forgotten:
            del self.turns[place]

    @invariant()
    def each_thread_has_its_turns_in_order(self) -> None:
        for thread in ("main", "other"):
            expected = [self.turns[thread, key] for key in self.order if (thread, key) in self.turns]
            assert self.session.history.turns(thread) == expected
            assert [broken_rules(turn.record()) for turn in expected] == [[]] * len(expected)


@pytest.fixture
def conversation(endpoint: Simulator) -> Iterator[type[Conversation]]:
    Conversation.endpoint = endpoint
    yield Conversation
    del Conversation.endpoint


def test_each_request_is_valid_after_any_sequence_of_actions(conversation: type[Conversation]) -> None:
    few = settings(max_examples=6, stateful_step_count=15, suppress_health_check=list(HealthCheck), deadline=None)
    run_state_machine_as_test(conversation, settings=few)
