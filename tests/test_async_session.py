"""The asynchronous session has the same conversation as `Session`, and cancellation ends a call as Stop does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import anyio
import pytest

from mm_magics import AsyncSession, ConnectionFailedError, Delta, StatusError, TurnEnd, UsageError, minimax_tool
from mm_magics.simulator import ScriptedAnswer, Simulator, text, tool_use
from tests.pace import PATIENCE
from tests.turns import broken_rules

pytestmark = pytest.mark.anyio

LONG = "[[simulator: deltas=100000 rate=500]]"
ENDLESS = [LONG, "[[simulator: fault=silence-before-headers]]", "[[simulator: fault=silence]]"]
SOON_S = 0.5 * PATIENCE


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def session(endpoint: Simulator) -> AsyncIterator[AsyncSession]:
    async with AsyncSession(base_url=endpoint.base_url, api_key=endpoint.key, max_retries=0) as session:
        yield session


async def test_a_conversation(session: AsyncSession, endpoint: Simulator) -> None:
    first = await session.ask("One.")
    events = [event async for event in session.stream("Two.")]
    assert isinstance(events[-1], TurnEnd)
    assert events[-1].turn.text == "".join(
        each.text for each in events if isinstance(each, Delta) and each.kind == "text"
    )
    assert session.session.history.turns("main") == [first, events[-1].turn]
    assert len(endpoint.log[1].body["messages"]) == 3


async def test_other_tasks_run_while_an_answer_streams(session: AsyncSession) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await anyio.sleep(0.01)
            ticks += 1

    async with anyio.create_task_group() as group:
        group.start_soon(tick)
        await session.ask("[[simulator: wait=1]]")
        group.cancel_scope.cancel()
    assert ticks > 10


@pytest.mark.parametrize(
    "prompt", [LONG, "[[simulator: fault=silence-before-headers]]", "[[simulator: fault=silence]]"]
)
async def test_cancellation_ends_the_call_and_what_was_received_is_a_turn(session: AsyncSession, prompt: str) -> None:
    await session.ask("Before.")
    began = time.monotonic()
    with anyio.move_on_after(0.4) as scope:
        await session.ask(prompt)
    assert time.monotonic() - began < 0.4 + SOON_S
    assert scope.cancelled_caught
    turns = session.session.history.turns("main")
    assert all(broken_rules(turn.record()) == [] for turn in turns)
    assert turns[-1].status == ("stopped" if len(turns) > 1 else "complete")
    assert (await session.ask("After.")).status == "complete"


async def test_leaving_the_loop_ends_the_call(session: AsyncSession, endpoint: Simulator) -> None:
    async with aclosing(session.stream(LONG)) as events:
        async for event in events:
            if isinstance(event, Delta) and event.kind == "text":
                break
    (turn,) = session.session.history.turns("main")
    assert (turn.status, bool(turn.text)) == ("stopped", True)


async def test_prompts_are_answered_in_their_order(session: AsyncSession, endpoint: Simulator) -> None:
    async with anyio.create_task_group() as group:
        for number in range(4):
            group.start_soon(session.ask, f"{number}")
            await anyio.sleep(0)
    assert [len(each.body["messages"]) for each in endpoint.log] == [1, 3, 5, 7]
    assert {turn.status for turn in session.session.history.turns("main")} == {"complete"}


async def test_errors_are_those_of_a_session(endpoint: Simulator) -> None:
    async with AsyncSession(base_url=endpoint.base_url, api_key="wrong", max_retries=0) as session:
        with pytest.raises(StatusError):
            await session.ask("Hello.")
        with pytest.raises(TypeError, match="unknown settings"):
            await session.ask("Hello.", nonsense=1)
    async with AsyncSession(base_url="http://127.0.0.1:9/anthropic", api_key="none", max_retries=0) as session:
        with pytest.raises(ConnectionFailedError):
            await session.ask("Hello.")


def calls(endpoint: Simulator) -> None:
    endpoint.answers.extend([ScriptedAnswer([tool_use("add", {"a": 1, "b": 2})]), ScriptedAnswer([text("Done.")])])


@pytest.mark.parametrize("is_allowed", [True, False])
async def test_a_coroutine_function_approves_calls(
    session: AsyncSession, endpoint: Simulator, is_allowed: bool
) -> None:
    called: list[Any] = []

    @minimax_tool(asks=True)
    def add(a: int, b: int) -> int:
        """Add."""
        called.append((a, b))
        return a + b

    async def approve(call: Any) -> bool:
        await anyio.sleep(0.01)
        return is_allowed

    calls(endpoint)
    turn = await session.ask("Add.", tools=[add], approve=approve)
    assert (turn.text, called) == ("Done.", [(1, 2)] if is_allowed else [])


async def test_a_question_does_not_outlive_its_turn(session: AsyncSession, endpoint: Simulator) -> None:
    async def approve(_call: Any) -> bool:
        await anyio.sleep(30)
        return True

    calls(endpoint)
    began = time.monotonic()
    with anyio.move_on_after(0.3):
        await session.ask("Add.", tools=[_add], approve=approve)
    assert time.monotonic() - began < 20 * PATIENCE
    assert (await session.ask("Again.")).status == "complete"


@minimax_tool(asks=True)
def _add(a: int, b: int) -> int:
    """Add."""
    raise AssertionError("it was not approved")


async def test_a_tool_cannot_use_the_session_that_called_it(session: AsyncSession, endpoint: Simulator) -> None:
    found: list[BaseException] = []

    def add(a: int, b: int) -> int:
        """Add."""
        try:
            session.session.ask("Hello.")
        except UsageError as error:
            found.append(error)
        return 0

    calls(endpoint)
    await session.ask("Add.", tools=[add], approve=lambda _call: True)
    assert "Create another Session in the tool." in str(found[0])


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize(
    "prompt", [LONG, "[[simulator: fault=silence]]", "[[simulator: fault=silence-before-headers]]"]
)
async def test_a_task_that_asyncio_cancels_ends_its_call(session: AsyncSession, prompt: str) -> None:
    await session.ask("Before.")
    task = asyncio.ensure_future(session.ask(prompt))
    await asyncio.sleep(0.4)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await session.ask("After.")).status == "complete"
    assert all(broken_rules(turn.record()) == [] for turn in session.session.history.turns("main"))
