"""Scripted answers that call tools, and what the tests of a turn with tools look at."""

from __future__ import annotations

from typing import Any

from mm_magics.api.messages import blocks, problems
from mm_magics.history.turn import Turn
from mm_magics.simulator import ScriptedAnswer, Simulator, thinking


def add(a: int, b: int) -> int:
    """The sum."""
    return a + b


def divide(a: float, b: float) -> float:
    """The quotient."""
    return a / b


def script(endpoint: Simulator, *answers: Any) -> None:
    endpoint.answers.extend(answers)


def calls(*blocks: Any, **more: Any) -> ScriptedAnswer:
    return ScriptedAnswer([thinking("I need a tool."), *blocks], **more)


def results(turn: Turn) -> list[tuple[str, bool]]:
    """The text of each tool result of the turn, and whether it is an error."""
    return [
        (block["content"], bool(block.get("is_error")))
        for message in turn.messages
        for block in blocks(message)
        if block["type"] == "tool_result"
    ]


def outcomes(turn: Turn) -> list[str]:
    return [each["outcome"] for response in turn.responses for each in response.get("tools", ())]


def valid(endpoint: Simulator) -> None:
    """Assert that every request was valid and thinking was sent back unchanged."""
    for record in endpoint.log:
        assert problems(record.body["messages"]) == []
        assert all(each.unchanged for each in record.replayed), record.replayed
        assert record.status == 200
