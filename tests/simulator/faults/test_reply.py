"""Faults in the content of a message, the same in the streamed and the unstreamed form."""

from __future__ import annotations

from typing import Any

from mm_magics.simulator import ScriptedAnswer, Simulator, text, thinking, tool_use
from tests.simulator.asking import Asker, assembled
from tests.simulator.faults.prompts import asking


def content(ask: Asker, name: str, **fields: Any) -> tuple[list[dict[str, Any]], str]:
    """Check that both forms are equal under a fault, and return their content and stop reason."""
    message = ask.message(asking(name), **fields)
    events = ask.events(asking(name), **fields)
    assert assembled(events) == message["content"]
    assert events[-2]["delta"]["stop_reason"] == message["stop_reason"]
    return message["content"], message["stop_reason"]


def test_unknown_stop_reasons(ask: Asker) -> None:
    assert content(ask, "stop-error")[1] == "error"
    assert content(ask, "stop-unknown")[1] == "moon_phase"
    assert ask.message("[[simulator: stop_reason=refusal]]")["stop_reason"] == "refusal"


def test_markup_leaks_into_the_text(ask: Asker) -> None:
    assert "\n<minimax:tool_call>\n<invoke name=" in content(ask, "tool-xml")[0][1]["text"]
    assert content(ask, "think-tags")[0][1]["text"].startswith("<think>\n")


def test_the_dialect_of_models_of_this_family(ask: Asker) -> None:
    assert content(ask, "think-unclosed")[0][1]["text"].endswith("\n<think>\nThis thought never ends.")
    blocks, _ = content(ask, "reasoning-content")
    assert blocks == [{"type": "text", "text": "Grüße, oysters", "reasoning_content": "Let me see."}]
    assert [block["type"] for block in content(ask, "uninvited-call")[0]] == ["thinking", "tool_use"]
    blocks, stop = content(ask, "stop-tool-use")
    assert ([block["type"] for block in blocks], stop) == (["thinking", "text"], "tool_use")


def test_calls_in_the_dialect(ask: Asker) -> None:
    call = tool_use("lookup", {"query": "a", "tags": ["b"]})
    ask.endpoint.answers.extend([ScriptedAnswer([call], fault=name) for name in ("xml-calls", "json-strings")])
    (written,) = ask.message("Go")["content"]
    assert written["text"].endswith('<parameter name="tags">["b"]</parameter>\n</invoke>\n</minimax:tool_call>')
    (called,) = ask.message("Go")["content"]
    assert called["input"] == {"query": "a", "tags": '["b"]'}


def test_incomplete_content(ask: Asker) -> None:
    assert content(ask, "empty-content")[0] == []
    assert content(ask, "blank-text")[0][1]["text"].strip() == ""
    assert [block["type"] for block in content(ask, "only-thinking")[0]] == ["thinking"]
    assert content(ask, "unsigned-thinking")[0][0] == {"type": "thinking", "thinking": "Let me see."}


def test_unknown_content(ask: Asker) -> None:
    assert content(ask, "unknown-block")[0][1]["type"] == "hologram"
    assert all("x_minimax" in block for block in content(ask, "unknown-fields")[0])


def test_repeated_tool_ids(ask: Asker) -> None:
    blocks, stop = content(ask, "same-tool-id")
    assert stop == "tool_use"
    assert blocks[1]["id"] == blocks[2]["id"]
    uses = {"type": "tool_use", "id": "call_function_aaaaaaaaaaaa_1", "name": "x", "input": {}}
    messages = [
        {"role": "user", "content": "Go"},
        {"role": "assistant", "content": [uses]},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": uses["id"], "content": "ok"},
                {"type": "text", "text": asking("old-tool-id")},
            ],
        },
    ]
    assert ask.message(messages)["content"][1]["id"] == uses["id"]


def test_thinking_can_be_scripted_unsigned() -> None:
    answers = [ScriptedAnswer([{**thinking("Hm."), "signature": None}, text("Yes.")])]
    with Simulator(answers=answers) as endpoint:
        ask = Asker(endpoint)
        with ask.http:
            assert assembled(ask.events())[0] == {"type": "thinking", "thinking": "Hm."}
