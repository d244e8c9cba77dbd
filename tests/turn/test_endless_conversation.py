"""Conversations of any length: they continue, every turn can be recalled, and the prefix of requests stays the same."""

from __future__ import annotations

import json
import time
from itertools import pairwise
from typing import Any

import pytest

from mm_magics import Session
from mm_magics.history.thread import History
from mm_magics.simulator import ScriptedAnswer, Simulator, text, tool_use
from mm_magics.tools.builtin.recall import RECALL
from tests.pace import PATIENCE
from tests.turn.test_compaction import MODEL, words
from tests.turns import RESPONSE, turn


def cached_part(body: dict[str, Any]) -> str:
    """What an endpoint caches of a request, in its order: tools, system, messages."""
    parts = [body.get("tools"), body.get("system"), *body["messages"]]
    return "\n".join(json.dumps(part, ensure_ascii=False) for part in parts)


def equal_prefix(one: str, other: str) -> int:
    return next((at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), len(one))


def add(a: int, b: int) -> int:
    """The sum."""
    return a + b


def test_between_two_prompts_nothing_before_the_newest_turn_changes(session: Session, endpoint: Simulator) -> None:
    """Over 100 turns, of which some offer a tool, only a summary and the first offer of the tool change the prefix."""
    changes = []
    for number in range(100):
        uses = number >= 20 and number % 3 == 0
        answers = [ScriptedAnswer([tool_use("add", {"a": number, "b": 1})])] if uses else []
        endpoint.answers.extend([*answers, ScriptedAnswer([text(f"Answer {number}: " + words(2_000))])])
        if session.prepare("…", model=MODEL, compact="auto").plan:
            endpoint.answers.appendleft("A summary.")
        before = len(endpoint.log)
        session.ask(
            f"Question {number}: {words(1_000)}",
            model=MODEL,
            cell_id=f"c{number}",
            compact="auto",
            **({"tools": [add]} if uses else {}),
        )
        bodies = [record.body for record in list(endpoint.log)[before:]]
        changes.append([cached_part(body) for body in bodies])
    assert {record.status for record in endpoint.log} == {200}
    last = [each[-1] for each in changes]
    broken = [
        number
        for number, (earlier, later) in enumerate(pairwise(last), 1)
        if equal_prefix(earlier, later) < len(earlier)
    ]
    summarized = [number for number, each in enumerate(session.history.turns("main")) if each.compacted]
    assert summarized
    assert set(broken) <= {*summarized, 21}
    total = sum(len(earlier) for number, earlier in enumerate(last[:-1], 1) if number not in broken)
    assert total > 0.9 * sum(map(len, last[:-1]))


NEEDLE = "The combination of the vault is 31-7-2046, and nobody else knows it."


@pytest.mark.slow
def test_a_conversation_of_a_million_tokens_continues_for_200_prompts(session: Session, endpoint: Simulator) -> None:
    session.settings.assign("model", MODEL)
    session.settings.assign("compact", "auto")

    def ask(number: int, prompt: str, *answers: Any) -> Any:
        endpoint.answers.extend(answers)
        if session.prepare(prompt, cell_id=f"c{number}").plan:
            endpoint.answers.appendleft(f"Turns before {number}.")
        return session.ask(prompt, cell_id=f"c{number}")

    for number in range(50):
        secret = f" {NEEDLE} " if number == 2 else ""
        ask(number, f"Question {number}:{secret} {words(20_000)}", f"Answer {number}.")
    for number in range(50, 250):
        recall = ScriptedAnswer([tool_use(RECALL, {"search": "combination of the vault"})])
        page = ScriptedAnswer([tool_use(RECALL, {"turn": number % 40 + 1})])
        made = ask(number, f"Question {number}? {words(1_000)}", recall if number % 2 else page, "As you said.")
        assert made.status == "complete"
        results = json.dumps(made.messages[2], ensure_ascii=False)
        assert (NEEDLE if number % 2 else f"Question {number % 40}:") in results
    assert {record.status for record in endpoint.log} == {200}
    turns = session.history.turns("main")
    assert [each.prompt.partition(":")[0].partition("?")[0] for each in turns] == [f"Question {n}" for n in range(250)]
    assert not session.history.stale()
    history = History()
    for each in turns:
        history.put(type(each).from_record(json.loads(json.dumps(each.record()))))
    assert not history.stale()


def long_history(count: int) -> History:
    """A thread whose turns were counted and of which nearly all are summarized."""
    history = History()
    for number in range(count):
        used = {"input_tokens": 150 * number + 100, "output_tokens": 50}
        history.put(turn(f"Question {number}?", "word " * 100, responses=[{**RESPONSE, "usage": used}]))
    return history


def test_a_request_with_a_summary_and_recall_over_1_000_turns_is_built_in_20_ms(
    session: Session, endpoint: Simulator
) -> None:
    session.history = session.budget._history = long_history(1_000)
    session.settings.assign("model", MODEL)
    endpoint.answers.extend(["A summary.", "Answer."])
    session.ask("Now?", cell_id="a", compact="now")
    session.prepare("Next?", cell_id="b")
    seconds = []
    for _ in range(9):
        begun = time.process_time()
        prompt = session.prepare("Next?", cell_id="b")
        seconds.append(time.process_time() - begun)
    assert prompt.context.compaction
    assert len(prompt.context.compaction.turns) == 996
    assert RECALL in str(prompt.body["tools"])
    assert sorted(seconds)[4] <= 0.02 * PATIENCE
