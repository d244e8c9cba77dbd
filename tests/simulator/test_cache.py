"""The prompt cache: explicit breakpoints, the passive prefix, and counters that add up to the whole input."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mm_magics.api.models import cost
from mm_magics.simulator import Simulator
from tests.simulator.asking import Asker

WORDS = 4 * 1_000
"""The characters of a thousand tokens."""


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ask(clock: Clock) -> Iterator[Asker]:
    with Simulator(clock=clock) as endpoint:
        asker = Asker(endpoint)
        with asker.http:
            yield asker


def block(letter: str, size: int = WORDS, mark: bool = False) -> dict[str, Any]:
    marked = {"cache_control": {"type": "ephemeral"}} if mark else {}
    return {"type": "text", "text": letter * size, **marked}


def user(*blocks: dict[str, Any]) -> list[Any]:
    return [{"role": "user", "content": list(blocks)}]


def counters(ask: Asker, messages: list[Any], **fields: Any) -> tuple[int, int, int]:
    """(input, read, creation) of a streamed call."""
    usage = ask.events(messages, **fields)[-2]["usage"]
    return usage["input_tokens"], usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"]


DEFAULT_SYSTEM = 20
"""Tokens of the default system prompt, which goes before the messages."""


def test_a_breakpoint_writes_once_and_is_read_afterwards(ask: Asker) -> None:
    messages = user(block("a", mark=True), block("b", 400))
    assert counters(ask, messages) == (100, 0, 1000 + DEFAULT_SYSTEM)
    assert counters(ask, messages) == (100, 1000 + DEFAULT_SYSTEM, 0)


def test_a_later_breakpoint_reads_the_earlier_one_and_writes_the_rest(ask: Asker) -> None:
    counters(ask, user(block("a", mark=True)))
    longer = user(block("a", mark=True), block("b", mark=True), block("c", 40))
    assert counters(ask, longer) == (10, 1000 + DEFAULT_SYSTEM, 1000)


def test_an_entry_expires_after_five_minutes_and_each_hit_renews_it(ask: Asker, clock: Clock) -> None:
    messages = user(block("a", mark=True))
    counters(ask, messages)
    for _ in range(3):
        clock.now += 299
        assert counters(ask, messages)[1] > 0
    clock.now += 300
    assert counters(ask, messages)[1:] == (0, 1000 + DEFAULT_SYSTEM)


@pytest.mark.parametrize(("between", "hit"), [(19, True), (20, False)])
def test_a_breakpoint_looks_back_over_twenty_blocks_including_its_own(ask: Asker, between: int, hit: bool) -> None:
    counters(ask, user(block("a", mark=True)))
    more = [block("b", 4) for _ in range(between - 1)]
    read = counters(ask, user(block("a"), *more, block("c", 4, mark=True)))[1]
    assert (read > 0) is hit


def test_four_breakpoints_are_accepted_and_five_are_refused(ask: Asker) -> None:
    assert ask.post(user(*(block("a", 4, mark=True) for _ in range(4)))).status_code == 200
    response = ask.post(user(*(block("a", 4, mark=True) for _ in range(5))))
    assert (response.status_code, response.json()["error"]["type"]) == (400, "invalid_request_error")


def test_the_order_is_tools_system_messages(ask: Asker) -> None:
    tool = {"name": "add", "description": "d" * 400, "input_schema": {}, "cache_control": {"type": "ephemeral"}}
    system = [{**block("s", 400), "cache_control": {"type": "ephemeral"}}]
    first = counters(ask, user(block("a", 400)), tools=[tool], system=system)
    assert first[1] == 0
    other_system = [{**block("t", 400), "cache_control": {"type": "ephemeral"}}]
    second = counters(ask, user(block("a", 400)), tools=[tool], system=other_system)
    assert second[2] == 100
    assert second[1] == first[2] - 100


def test_models_share_no_cache(ask: Asker) -> None:
    messages = user(block("a", mark=True))
    counters(ask, messages)
    assert counters(ask, messages, model="MiniMax-M2.5")[1] == 0


def test_an_equal_prefix_of_512_tokens_is_read_without_a_write(ask: Asker) -> None:
    assert counters(ask, user(block("a"))) == (1000 + DEFAULT_SYSTEM, 0, 0)
    assert counters(ask, user(block("a"), block("b", 400))) == (100, 1000 + DEFAULT_SYSTEM, 0)


@pytest.mark.parametrize(("characters", "read"), [(4 * (512 - DEFAULT_SYSTEM), 512), (4 * (511 - DEFAULT_SYSTEM), 0)])
def test_a_shorter_prefix_is_not_read(ask: Asker, characters: int, read: int) -> None:
    counters(ask, user(block("a", characters)))
    assert counters(ask, user(block("a", characters), block("b", 400)))[1] == read


def test_a_prefix_may_end_inside_a_block(ask: Asker) -> None:
    counters(ask, user({"type": "text", "text": "a" * WORDS + "the first question"}))
    read = counters(ask, user({"type": "text", "text": "a" * WORDS + "another question"}))[1]
    assert 900 <= read <= 1000 + DEFAULT_SYSTEM


def test_passive_entries_expire_after_five_minutes(ask: Asker, clock: Clock) -> None:
    counters(ask, user(block("a")))
    clock.now += 300
    assert counters(ask, user(block("a")))[1] == 0


def test_the_counters_always_add_up_to_the_whole_input(ask: Asker) -> None:
    for marks in ((), (0,), (1,), (0, 2)):
        blocks = [block("abc"[n], 1000 + n, mark=n in marks) for n in range(3)]
        assert sum(counters(ask, user(*blocks))) == DEFAULT_SYSTEM + 250 + 251 + 251


def test_a_refused_call_leaves_no_trace_in_the_cache(ask: Asker) -> None:
    prompt = "a" * WORDS + "[[simulator: fault=overloaded times=1]]"
    assert ask.post(prompt).status_code == 529
    assert ask.message(prompt)["usage"].get("cache_read_input_tokens", 0) == 0


def test_the_price_of_a_cached_call_can_be_checked(ask: Asker) -> None:
    messages = user(block("a", mark=True), block("b", 400))
    usage = [ask.message(messages)["usage"] for _ in range(2)]
    output = usage[0]["output_tokens"]
    cached = 1000 + DEFAULT_SYSTEM
    assert cost("MiniMax-M2.7", usage[0]) == pytest.approx((100 * 0.30 + cached * 0.375 + output * 1.20) / 1e6)
    assert cost("MiniMax-M2.7", usage[1]) == pytest.approx((100 * 0.30 + cached * 0.06 + output * 1.20) / 1e6)
