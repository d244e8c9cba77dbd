"""The request log, and whether assistant messages are sent back unchanged."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from mm_magics.simulator import ReturnedMessage, ScriptedAnswer, text, thinking, tool_use
from mm_magics.simulator.record import IssuedMessages
from tests.simulator.asking import Asker, assembled

Content = list[dict[str, Any]]

ANSWER = ScriptedAnswer([thinking("First I think."), text("I call both."), tool_use("a", {"n": 1}), tool_use("b")])


def replayed(ask: Asker, content: Any, prompt: str = "Next") -> ReturnedMessage:
    calls = [block["id"] for block in content if block["type"] == "tool_use"] if isinstance(content, list) else []
    results = [{"type": "tool_result", "tool_use_id": id_, "content": "ok"} for id_ in calls]
    messages = [
        {"role": "user", "content": "Go"},
        {"role": "assistant", "content": content},
        {"role": "user", "content": [*results, {"type": "text", "text": prompt}]},
    ]
    ask.post(messages)
    (report,) = ask.endpoint.log[-1].replayed
    assert report.index == 1
    return report


def answered(ask: Asker, stream: bool = False) -> Content:
    ask.endpoint.answers.append(ANSWER)
    if stream:
        return assembled(ask.events("Go"))
    content: Content = ask.message("Go")["content"]
    return content


@pytest.mark.parametrize("stream", [True, False])
def test_a_message_that_is_sent_back_verbatim_is_unchanged(ask: Asker, stream: bool) -> None:
    report = replayed(ask, answered(ask, stream))
    assert report == ReturnedMessage(1, issued=True)
    assert report.unchanged


def test_a_cache_breakpoint_is_not_a_change(ask: Asker) -> None:
    content = answered(ask)
    content[1] = {**content[1], "cache_control": {"type": "ephemeral"}}
    assert replayed(ask, content).unchanged


def changed(index: int, **fields: Any) -> Callable[[Content], Content]:
    return lambda content: [{**block, **fields} if n == index else block for n, block in enumerate(content)]


def without(index: int, key: str) -> Callable[[Content], Content]:
    return lambda content: [
        {name: value for name, value in block.items() if n != index or name != key} for n, block in enumerate(content)
    ]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda content: content[1:], "dropped thinking"),
        (lambda content: [content[0], *content[2:]], "dropped text"),
        (lambda content: content[:3], "dropped tool_use"),
        (lambda content: [content[1], content[0], *content[2:]], "changed order"),
        (lambda content: [*content, {"type": "text", "text": "More."}], "added text"),
        (changed(0, thinking="First I thought."), "changed thinking"),
        (changed(0, signature="0" * 64), "changed signature"),
        (without(0, "signature"), "changed signature"),
        (changed(1, text="I call."), "changed text"),
        (changed(1, citations=None), "changed text"),
        (changed(2, input={"n": 2}), "changed tool_use"),
    ],
)
def test_a_change_is_named(ask: Asker, change: Callable[[Content], Content], expected: str) -> None:
    report = replayed(ask, change(answered(ask)))
    assert report.issued
    assert report.differences == (expected,)
    assert not report.unchanged


def test_a_string_instead_of_the_blocks_drops_the_thinking(ask: Asker) -> None:
    ask.endpoint.answers.append("Well.")
    ask.message("Go")
    assert replayed(ask, "Well.").differences == ("dropped thinking",)


def test_a_message_of_another_endpoint_is_not_compared(ask: Asker) -> None:
    assert replayed(ask, "I never said that.") == ReturnedMessage(1, issued=False)


def test_among_equal_texts_the_best_match_is_found(ask: Asker) -> None:
    contents = [ask.message(f'[[simulator: say="Same" thinking="{n}"]]')["content"] for n in range(3)]
    for content in contents:
        assert replayed(ask, content).unchanged


def test_only_the_latest_messages_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mm_magics.simulator.record.MAX_ISSUED", 2)
    issued = IssuedMessages()
    for number in range(3):
        issued.add([{"type": "text", "text": str(number)}])
    messages = [{"role": "assistant", "content": str(number)} for number in range(3)]
    assert [report.issued for report in issued.report(messages)] == [False, True, True]


def test_a_record_contains_the_request_verbatim(ask: Asker) -> None:
    raw = b'{ "model":"MiniMax-M2.7", "stream":true,\n"messages":[{"role":"user","content":"\xc3\xa9"}]}'
    response = ask.http.post(ask.url + "?beta=true", content=raw, headers={**ask.headers, "x-mine": "7"})
    (record,) = ask.endpoint.log
    assert (record.method, record.path) == ("POST", "/anthropic/v1/messages")
    assert (record.raw, record.body, record.stream) == (raw, json.loads(raw), True)
    assert record.headers["x-mine"] == "7"
    assert "x-api-key" not in record.headers
    assert record.auth == "x-api-key"
    usage = json.loads(response.text.split("event: message_delta\ndata: ")[1].split("\n")[0])["usage"]
    assert record.usage == usage


def test_a_record_tells_how_its_answer_ended(ask: Asker) -> None:
    events = ask.events()
    ask.chunks("[[simulator: fault=close after=2]]")
    sent = sum(event["type"] == "content_block_delta" for event in events) - 1
    ask.post()
    first, second, third = ask.endpoint.log
    assert (first.status, first.ended, first.deltas) == (200, "complete", sent)
    assert (second.fault, second.ended, second.deltas) == ("close", "broken", 2)
    assert third.fault is None
