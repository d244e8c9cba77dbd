"""The two forms of an answer: events, ids, headers and usage of the stream, and the unstreamed message."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anthropic
import pytest

from mm_magics.simulator import ScriptedAnswer, Simulator, thinking, tool_use
from mm_magics.simulator import text as text_block
from tests.pace import PATIENCE
from tests.simulator.asking import MODEL, Asker, assembled, request

SIGNATURE = re.compile(r"[0-9a-f]{64}")
TOOL = {
    "name": "add",
    "input_schema": {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}},
}
PROMPTS = ["Hello", "Write a python function", "Please add 2 and 40", "Ünïcödé 🦪 牡蠣", "[[simulator: deltas=3000]]"]


def test_events_have_the_order_and_the_fields_of_the_contract(ask: Asker) -> None:
    response = ask.post("Please add 2 and 40", stream=True, tools=[TOOL])
    assert response.headers["content-type"] == "text/event-stream"
    assert "[DONE]" not in response.text
    events = ask.events("Please add 2 and 40", tools=[TOOL])
    kinds = [event["type"] for event in events]
    assert kinds[:3] == ["message_start", "ping", "content_block_start"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    start = events[0]["message"]
    assert re.fullmatch(r"[0-9a-f]{32}", start["id"])
    assert (start["content"], start["usage"]["input_tokens"]) == ([], 0)
    assert events[2]["content_block"] == {"type": "thinking", "thinking": ""}
    first_stop = kinds.index("content_block_stop")
    signed = events[first_stop - 1]["delta"]
    assert signed["type"] == "signature_delta"
    assert SIGNATURE.fullmatch(signed["signature"])
    assert sum(event.get("delta", {}).get("type") == "signature_delta" for event in events) == 1
    inputs = [event for event in events if event.get("delta", {}).get("type") == "input_json_delta"]
    assert [event["delta"]["partial_json"] for event in inputs] == ['{"a":2,"b":40}']
    assert events[-2]["delta"] == {"stop_reason": "tool_use"}
    assert events[-2]["usage"].keys() == {
        "input_tokens",
        "output_tokens",
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
    }


@pytest.mark.parametrize("prompt", PROMPTS)
def test_streamed_and_unstreamed_answers_have_the_same_content_and_usage(ask: Asker, prompt: str) -> None:
    message = ask.message(prompt, tools=[TOOL])
    events = ask.events(prompt, tools=[TOOL])
    assert assembled(events) == message["content"]
    assert events[-2]["delta"]["stop_reason"] == message["stop_reason"]
    assert events[-2]["usage"]["output_tokens"] == message["usage"]["output_tokens"]
    usage = events[-2]["usage"]
    total = usage["input_tokens"] + usage["cache_read_input_tokens"] + usage["cache_creation_input_tokens"]
    assert total == message["usage"]["input_tokens"]


def test_an_unstreamed_message_has_a_base_resp_and_no_stop_sequence(ask: Asker) -> None:
    message = ask.message()
    assert message["base_resp"] == {"status_code": 0, "status_msg": ""}
    assert "stop_sequence" not in message
    assert message["usage"].keys() == {"input_tokens", "output_tokens"}


@pytest.mark.parametrize("stream", [True, False])
def test_headers_contain_minimaxs_ids_and_no_request_id(ask: Asker, stream: bool) -> None:
    headers = ask.post(stream=stream).headers
    for name in ("minimax-request-id", "x-mm-request-id", "trace-id"):
        assert re.fullmatch(r"[0-9a-f]{32}", headers[name])
    assert "request-id" not in headers


@pytest.mark.parametrize("prompt", PROMPTS)
def test_the_same_request_gets_the_same_content_under_another_id(prompt: str) -> None:
    messages = []
    for _ in range(2):
        with Simulator() as endpoint:
            ask = Asker(endpoint)
            with ask.http:
                messages += [ask.message(prompt, tools=[TOOL]) for _ in range(2)]
    assert all(message["content"] == messages[0]["content"] for message in messages)
    assert len({message["id"] for message in messages}) == 4


def test_other_thinking_has_another_signature(ask: Asker) -> None:
    signatures = [ask.message(f'[[simulator: thinking="{n}"]]')["content"][0]["signature"] for n in (1, 2)]
    assert signatures[0] != signatures[1]


@pytest.mark.parametrize("most", [1, 2, 10, 25, 26, 40])
def test_max_tokens_truncates_thinking_and_text_and_is_the_stop_reason(ask: Asker, most: int) -> None:
    whole = ask.message("Hello there")
    cut = ask.message("Hello there", max_tokens=most)
    events = ask.events("Hello there", max_tokens=most)
    assert cut["stop_reason"] == "max_tokens"
    assert cut["usage"]["output_tokens"] == events[-2]["usage"]["output_tokens"] == most
    assert assembled(events) == cut["content"]
    assert SIGNATURE.fullmatch(cut["content"][0]["signature"])
    last = cut["content"][-1]
    assert whole["content"][len(cut["content"]) - 1][last["type"]].startswith(last[last["type"]])


def test_sufficient_max_tokens_truncate_nothing(ask: Asker) -> None:
    exact = ask.message()["usage"]["output_tokens"]
    assert ask.message(max_tokens=exact)["stop_reason"] == "end_turn"
    assert ask.message(max_tokens=exact - 1)["stop_reason"] == "max_tokens"


def test_max_tokens_truncates_the_input_of_a_tool_call() -> None:
    answers = [ScriptedAnswer([thinking("Call."), tool_use("find", {"query": "x" * 100})])] * 2
    with Simulator(answers=answers) as endpoint:
        ask = Asker(endpoint)
        with ask.http:
            events = ask.events(max_tokens=12)
            message = ask.message(max_tokens=12)
    (delta,) = [event["delta"] for event in events if event.get("delta", {}).get("type") == "input_json_delta"]
    assert delta["partial_json"] == '{"query":"' + "x" * 26
    assert events[-2]["delta"]["stop_reason"] == message["stop_reason"] == "max_tokens"
    assert events[-2]["usage"]["output_tokens"] == message["usage"]["output_tokens"] == 12
    assert message["content"][1]["input"] == {}


def test_scripted_answers_are_sent_in_order_before_generated_ones() -> None:
    unknown = {"type": "hologram", "depth": 3}
    answers: list[ScriptedAnswer | str] = [
        "One",
        ScriptedAnswer([text_block("Two"), unknown], stop_reason="pause_turn"),
    ]
    with Simulator(answers=answers) as endpoint:
        ask = Asker(endpoint)
        with ask.http:
            first, second, third = ask.message(), ask.events(), ask.message()
            endpoint.answers.append("Four")
            fourth = ask.message()
    assert [block["type"] for block in first["content"]] == ["thinking", "text"]
    assert first["content"][1] == {"type": "text", "text": "One"}
    assert assembled(second) == [{"type": "text", "text": "Two"}, unknown]
    assert second[-2]["delta"]["stop_reason"] == "pause_turn"
    assert "simulator" in third["content"][1]["text"]
    assert fourth["content"][1]["text"] == "Four"


def test_the_input_of_a_tool_call_can_be_sent_in_fragments() -> None:
    with Simulator(
        answers=[ScriptedAnswer([tool_use("find", {"query": "oysters"}), tool_use("stop")], fragments=5)]
    ) as endpoint:
        ask = Asker(endpoint)
        with ask.http:
            events = ask.events()
    deltas = [event for event in events if event["type"] == "content_block_delta"]
    assert len(deltas) == 5
    assert deltas[-1]["delta"]["partial_json"] == "{}"
    assert [block["input"] for block in assembled(events)] == [{"query": "oysters"}, {}]


def test_rate_paces_deltas(ask: Asker) -> None:
    started = time.perf_counter()
    ask.events('[[simulator: deltas=30 rate=100 thinking=""]]')
    assert 0.25 < time.perf_counter() - started < 3 * PATIENCE
    started = time.perf_counter()
    ask.message('[[simulator: deltas=30 rate=100 thinking=""]]')
    assert 0.25 < time.perf_counter() - started < 3 * PATIENCE


def test_a_directive_overrides_the_rate_of_the_simulator() -> None:
    with Simulator(rate=100) as endpoint:
        ask = Asker(endpoint)
        with ask.http:
            started = time.perf_counter()
            ask.events('[[simulator: deltas=20 thinking=""]]')
            paced = time.perf_counter() - started
            started = time.perf_counter()
            ask.events('[[simulator: deltas=2000 rate=0 thinking=""]]')
            assert paced > 0.15
            assert time.perf_counter() - started < PATIENCE


def test_answers_in_progress_are_hurried_and_later_ones_are_not() -> None:
    with Simulator() as endpoint, ThreadPoolExecutor() as pool:
        ask = Asker(endpoint, timeout=60)
        with ask.http:
            slow = pool.submit(ask.events, '[[simulator: deltas=3000 rate=10 thinking=""]]')
            while not endpoint.log:
                time.sleep(0.01)
            endpoint.hurry()
            assert len(slow.result(timeout=60)) > 3000
            started = time.perf_counter()
            ask.events('[[simulator: deltas=20 rate=100 thinking=""]]')
            assert time.perf_counter() - started > 0.15


def test_paced_deltas_arrive_one_by_one(ask: Asker) -> None:
    chunks, error = ask.chunks('[[simulator: deltas=8 rate=100 thinking=""]]')
    assert error is None
    assert len(chunks) >= 4  # a busy machine may read two of them at once


def test_wait_and_stall_are_silence_at_their_position(ask: Asker) -> None:
    times = []
    body = request('[[simulator: say="abcdefgh" thinking="" wait=0.2 stall=2 after=1]]', stream=True)
    started = time.perf_counter()
    with ask.http.stream("POST", ask.url, json=body, headers=ask.headers) as response:
        times.append(time.perf_counter() - started)
        got = []
        for chunk in response.iter_raw():
            times.append(time.perf_counter() - started)
            got.append(chunk)
    assert times[0] >= 0.2
    assert b"abcd" in got[0]
    assert b"efgh" not in got[0]
    assert b"efgh" in b"".join(got[1:])
    assert times[2] - times[1] > 0.1


def test_the_sdk_streams_and_replays_the_same_message(sdk: anthropic.Anthropic) -> None:
    asked: dict[str, Any] = {"model": MODEL, "max_tokens": 1000, "messages": [{"role": "user", "content": "Hello"}]}
    with sdk.messages.stream(**asked) as stream:
        streamed = stream.get_final_message()
    message = sdk.messages.create(**asked)
    assert [block.to_dict() for block in streamed.content] == [block.to_dict() for block in message.content]
    assert streamed.usage.output_tokens == message.usage.output_tokens
    assert streamed.usage.input_tokens == message.usage.input_tokens > 0
    assert message._request_id is None
    assert message.stop_reason == "end_turn"


def test_ten_thousand_deltas_stream_without_delay(ask: Asker) -> None:
    started = time.perf_counter()
    events = ask.events("[[simulator: deltas=10000 size=8]]", max_tokens=50_000)
    assert time.perf_counter() - started < 6 * PATIENCE
    texts = [event["delta"]["text"] for event in events if event.get("delta", {}).get("type") == "text_delta"]
    assert len(texts) == 10_000
    assert {len(piece) for piece in texts} == {8}
    assert sum(event.get("delta", {}).get("type") == "thinking_delta" for event in events) == 1
