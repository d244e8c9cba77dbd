"""Whatever a model calls and however it ends, every request is valid and nothing runs without approval."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mm_magics import Session
from mm_magics.api.messages import blocks, problems
from mm_magics.errors import EndpointError
from mm_magics.simulator import ScriptedAnswer, Simulator, text, thinking, tool_use
from mm_magics.tools.approval import Decision
from mm_magics.tools.tool import Tool, ToolCall

pytestmark = [pytest.mark.slow, pytest.mark.traced]

CALLS = st.one_of(
    st.builds(tool_use, st.just("add"), st.fixed_dictionaries({"a": st.integers(0, 9), "b": st.integers(0, 9)})),
    st.builds(tool_use, st.sampled_from(["add", "in_thread", "fails", "acts", "unheard_of"]), st.just({})),
    st.builds(tool_use, st.just("interrupts"), st.just({})),
    st.builds(tool_use, st.just("stops"), st.just({})),
    st.builds(lambda name: {**tool_use(name), "id": "call_1"}, st.sampled_from(["in_thread", "acts"])),
    st.just(text("So far.")),
    st.just({"type": "hologram", "depth": 3}),
)
ANSWERS = st.builds(
    lambda calls, stop, fault: ScriptedAnswer([thinking("Hm."), *calls], stop_reason=stop, fault=fault),
    st.lists(CALLS, max_size=4),
    st.sampled_from([None, None, None, "end_turn", "max_tokens", "tool_use"]),
    st.sampled_from([None, None, None, None, "cut-tool-json", "overloaded", "close"]),
)


def add(a: int, b: int) -> int:
    return a + b


async def in_thread() -> str:
    await asyncio.sleep(0)
    return "in_thread"


def fails() -> None:
    raise ValueError("no")


def interrupts() -> None:
    raise KeyboardInterrupt


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(ANSWERS, min_size=1, max_size=4), min_size=1, max_size=3), st.booleans())
def test_every_request_is_valid_whatever_was_called(script: list[list[ScriptedAnswer]], yes: bool) -> None:
    allowed: list[str] = []
    acted: list[int] = []
    stop = threading.Event()
    acts = Tool("acts", "", {"type": "object"}, lambda: acted.append(1), asks=True)
    stops = Tool("stops", "", {"type": "object"}, stop.set)

    def approve(call: ToolCall) -> Decision:
        allowed.extend([call.id] if yes else [])
        return Decision(yes)

    with Simulator() as endpoint, Session(base_url=endpoint.base_url, api_key=endpoint.key, max_retries=0) as session:
        for number, answers in enumerate(script):
            endpoint.answers.clear()
            endpoint.answers.extend(answers)
            stop.clear()
            tools = [add, in_thread, fails, interrupts, acts, stops]
            with suppress(EndpointError, KeyboardInterrupt):
                session.ask(f"Question {number}", tools=tools, approve=approve, max_rounds=3, stop=stop)
        endpoint.answers.clear()
        session.ask("The last one.")
        for record in endpoint.log:
            assert problems(record.body["messages"]) == []
        assert len(acted) <= len(allowed)
        for turn in session.history.turns("main"):
            outcomes = [each for response in turn.responses for each in response.get("tools", ())]
            results = [b for m in turn.messages[1:] for b in blocks(m) if b["type"] == "tool_result"]
            assert [each["id"] for each in outcomes] == [block["tool_use_id"] for block in results]


def test_a_long_result_is_cut_visibly_and_long_arguments_pass() -> None:
    got: list[Any] = []

    def measure(data: str) -> str:
        got.append(len(data))
        return data

    with Simulator() as endpoint, Session(base_url=endpoint.base_url, api_key=endpoint.key) as session:
        endpoint.answers.extend([ScriptedAnswer([tool_use("measure", {"data": "x" * 500_000})]), "Done."])
        turn = session.ask("Go.", tools=[measure], tool_limit=1_000, max_tokens=150_000)
    assert got == [500_000]
    (block,) = blocks(turn.messages[2])
    assert block["content"].startswith("x" * 1_000)
    assert block["content"].endswith("… [cut here: 499,000 more characters]")
