"""`strict` mode refuses what other endpoints of this format refuse, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from mm_magics.simulator import ScriptedAnswer, Simulator, text, thinking, tool_use
from tests.simulator.asking import Asker, request

TOOL = {"name": "lookup", "input_schema": {"type": "object"}}
CALL = {"type": "tool_use", "id": "t1", "name": "lookup", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "found"}
HALF = "half \ud83d"


@pytest.fixture
def strict() -> Iterator[Asker]:
    with Simulator(strict=True) as endpoint:
        asker = Asker(endpoint)
        with asker.http:
            yield asker


def conversation(*content: Any, next_content: Any = "Next") -> list[Any]:
    return [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": list(content)},
        {"role": "user", "content": next_content},
    ]


def text_block(text: str, **fields: Any) -> dict[str, Any]:
    return {"type": "text", "text": text, **fields}


def refusal(asker: Asker, messages: Any, **fields: Any) -> str:
    """Return the message of the refusal; "" if the request is accepted."""
    body = json.dumps(request(messages, **fields)).encode()
    response = asker.http.post(asker.url, content=body, headers=asker.headers)
    return "" if response.status_code == 200 else str(response.json()["error"]["message"])


CALLED = conversation(CALL, next_content=[RESULT])
BREAKING: dict[str, tuple[Any, dict[str, Any], str]] = {
    "tool history without tools": (CALLED, {}, "tools are required"),
    "tool history with an empty list of tools": (CALLED, {"tools": []}, "tools are required"),
    "a lone surrogate in a message": (f"a {HALF}", {}, "lone surrogate"),
    "a lone surrogate in the system prompt": ("Hi", {"system": HALF}, "lone surrogate"),
    "a lone surrogate in a key": ("Hi", {"metadata": {HALF: 1}}, "lone surrogate"),
    "a blank system prompt": ("Hi", {"system": " \n"}, "system: text content blocks must contain non-whitespace text"),
    "a blank block of the system prompt": ("Hi", {"system": [text_block("a"), text_block(" ")]}, "non-whitespace text"),
    "a small budget": ("Hi", {"thinking": {"type": "enabled", "budget_tokens": 1_023}}, "thinking.budget_tokens"),
    "a budget of max_tokens": (
        "Hi",
        {"thinking": {"type": "enabled", "budget_tokens": 2_000}, "max_tokens": 2_000},
        "thinking.budget_tokens",
    ),
    "thinking without a signature": (conversation(thinking("hm"), text_block("a")), {}, "signature: Field required"),
    "thinking with a foreign signature": (
        conversation({**thinking("hm"), "signature": "0" * 64}, text_block("a")),
        {},
        "Invalid `signature` in `thinking` block",
    ),
    "redacted thinking of another endpoint": (
        conversation({"type": "redacted_thinking", "data": "eA=="}, text_block("a")),
        {},
        "Invalid `signature` in `redacted_thinking` block",
    ),
    "an unknown field in a text": (
        conversation(text_block("a", reasoning_content="hm")),
        {},
        "messages.1.content.0.text.reasoning_content: Extra inputs are not permitted",
    ),
    "an unknown field in a call": (
        conversation({**CALL, "x": 1}, next_content=[RESULT]),
        {"tools": [TOOL]},
        "tool_use.x: Extra inputs are not permitted",
    ),
    "an unknown field inside a result": (
        conversation(CALL, next_content=[{**RESULT, "content": [text_block("a", x=1)]}]),
        {"tools": [TOOL]},
        "messages.2.content.0.content.0.text.x",
    ),
    **{
        f"a call of {name[:20]!r}": (
            conversation({**CALL, "name": name}, next_content=[RESULT]),
            {"tools": [TOOL]},
            "messages.1.content.0.tool_use.name: String should match pattern",
        )
        for name in ["", "look up", "files.read", "météo", "n" * 65]
    },
    "an id with a colon": (
        conversation({**CALL, "id": "look:0"}, next_content=[{**RESULT, "tool_use_id": "look:0"}]),
        {"tools": [TOOL]},
        "messages.1.content.0.tool_use.id: String should match pattern",
    ),
    "a definition with a space": ("Hi", {"tools": [{**TOOL, "name": "look up"}]}, "tools.0.name: String should match"),
    "five breakpoints": (
        [{"role": "user", "content": [text_block(str(n), cache_control={"type": "ephemeral"}) for n in range(5)]}],
        {},
        "at most 4 blocks",
    ),
}


@pytest.mark.parametrize("rule", BREAKING)
def test_a_request_that_breaks_a_rule_of_other_endpoints_is_refused_only_in_strict_mode(
    strict: Asker, ask: Asker, rule: str
) -> None:
    messages, fields, expected = BREAKING[rule]
    assert expected in refusal(strict, messages, **fields)
    if rule != "five breakpoints":
        assert refusal(ask, messages, **fields) == ""


def test_its_own_messages_are_accepted_with_known_and_unknown_types_of_blocks(strict: Asker) -> None:
    odd: list[Any] = [
        thinking("hm"),
        {**thinking("signed by the script"), "signature": "abc"},
        {"type": "redacted_thinking", "data": "eA=="},
        {"type": "hologram", "depth": 3},
        text("a"),
        tool_use("lookup"),
    ]
    strict.endpoint.answers.append(ScriptedAnswer(odd))
    content = strict.message("Hi")["content"]
    result = {"type": "tool_result", "tool_use_id": content[-1]["id"], "content": "found", "is_error": False}
    assert refusal(strict, conversation(*content, next_content=[result]), tools=[TOOL]) == ""
    assert strict.endpoint.log[-1].replayed[0].unchanged


def test_thinking_that_was_changed_is_refused(strict: Asker) -> None:
    first, *rest = strict.message("Hi")["content"]
    assert refusal(strict, conversation({**first, "thinking": "changed"}, *rest)).startswith(
        "invalid params, messages.1"
    )


def test_a_streamed_block_of_thinking_starts_with_an_empty_signature_as_at_anthropic(strict: Asker) -> None:
    start = next(event["content_block"] for event in strict.events("Hi") if event["type"] == "content_block_start")
    assert start == {"type": "thinking", "thinking": "", "signature": ""}


def test_two_strict_endpoints_do_not_accept_each_other_s_thinking(strict: Asker) -> None:
    content = strict.message("Hi")["content"]
    with Simulator(strict=True) as other:
        asker = Asker(other)
        with asker.http:
            asker.message("Hi")
            assert "Invalid `signature`" in refusal(asker, conversation(*content))


def test_an_answer_that_paused_is_continued_and_no_other(ask: Asker) -> None:
    ask.endpoint.answers += [ScriptedAnswer([text("One")], stop_reason="pause_turn"), "Two", "Three"]
    paused = ask.message("Hi")
    other = ask.message("Hi")
    assert refusal(ask, conversation(*paused["content"])[:2]) == ""
    assert "the last message is not from the user" in refusal(ask, conversation(*other["content"])[:2])


@pytest.mark.parametrize("key", ["input", "name"])
def test_the_order_of_keys_counts_as_a_change(ask: Asker, key: str) -> None:
    ask.endpoint.answers.append(ScriptedAnswer([tool_use("lookup", {"b": 1, "a": 2})]))
    block = ask.message("Hi", tools=[TOOL])["content"][0]
    changed = (
        {**block, "input": dict(sorted(block["input"].items()))} if key == "input" else dict(sorted(block.items()))
    )
    result = {"type": "tool_result", "tool_use_id": block["id"], "content": "found"}
    ask.post(conversation(changed, next_content=[result]), tools=[TOOL])
    assert ask.endpoint.log[-1].replayed[0].differences == ("changed tool_use",)
