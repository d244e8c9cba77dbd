"""Clients that this project did not write, against the simulator: each runs a script in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mm_magics.api.messages import blocks
from mm_magics.simulator import RequestRecord, Simulator
from tests.environments import pinned_environment

SCRIPTS = Path(__file__).with_name("clients")
CLIENTS = {
    "anthropic-oldest": "anthropic_python.py",
    "anthropic-newest": "anthropic_python.py",
    "anthropic-npm": "anthropic_npm.mjs",
    "ai-sdk": "ai_sdk.mjs",
    "pydantic-ai": "pydantic_ai_agent.py",
    "langchain": "langchain_chat.py",
    "llm": "llm_anthropic_model.py",
    "chatlas": "chatlas_chat.py",
}
STRICT = {"chatlas"}
"""chatlas fails on a streamed block of thinking that starts without a signature, as MiniMax's do: it adds to None."""

PROMPTS = {
    "plain": 'Plain. [[simulator: say="A reef."]]',
    "stream": 'Stream. [[simulator: say="A reef is a ridge in the sea." size=5]]',
    "tools": "Use look_up for the word atoll.",
    "wrong key": "Wrong key.",
    "temperature": "Temperature.",
    "image": 'Image. [[simulator: say="A dot."]]',
}
IMAGE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
RUN_S = 120


@dataclass(frozen=True)
class Outcome:
    """What a client reported for each case, and the requests that it sent."""

    reports: dict[str, dict[str, Any]]
    log: tuple[RequestRecord, ...]

    def requests(self, case: str) -> list[RequestRecord]:
        prompt = PROMPTS[case]
        return [record for record in self.log if prompt in record.raw.decode().replace('\\"', '"')]

    def error(self, case: str) -> str:
        error = self.reports[case].get("error")
        assert error, f"no error, but {self.reports[case]}"
        return error

    def value(self, case: str) -> Any:
        assert "value" in self.reports[case], self.reports[case]
        return self.reports[case]["value"]


@pytest.fixture(scope="module", params=CLIENTS)
def outcome(request: pytest.FixtureRequest) -> Iterator[Outcome]:
    script = SCRIPTS / CLIENTS[request.param]
    folder = pinned_environment(request.param)
    command = ["node", script, folder] if script.suffix == ".mjs" else [folder / "bin" / "python", script]
    with Simulator(strict=request.param in STRICT) as endpoint:
        variables = {"BASE_URL": endpoint.base_url, "KEY": endpoint.key, "PROMPTS": json.dumps(PROMPTS), "IMAGE": IMAGE}
        environment = {**os.environ, **variables, "LLM_USER_PATH": str(folder / "llm")}
        run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=RUN_S)
        assert run.returncode == 0, run.stderr
        reports = {line["case"]: line for line in map(json.loads, run.stdout.splitlines())}
        yield Outcome(reports, tuple(endpoint.log))


def test_a_plain_answer_is_received(outcome: Outcome) -> None:
    assert outcome.value("plain") == "A reef."
    assert [record.status for record in outcome.requests("plain")] == [200]


def test_a_stream_is_received_in_pieces(outcome: Outcome) -> None:
    pieces = outcome.value("stream")
    assert "".join(pieces) == "A reef is a ridge in the sea."
    assert len(pieces) > 1
    assert [record.stream for record in outcome.requests("stream")] == [True]


def test_a_tool_is_called_and_the_thinking_is_returned_with_its_signature(outcome: Outcome) -> None:
    assert "is a kind of reef" in outcome.value("tools")
    first, second = outcome.requests("tools")
    assert (first.status, second.status) == (200, 200)
    (returned,) = second.replayed
    assert returned.issued
    assert not [each for each in returned.differences if each.startswith("dropped")]
    asked, answered = second.body["messages"][1:3]
    thinking, call = blocks(asked)[0], blocks(asked)[-1]
    assert thinking["type"] == "thinking"
    assert len(thinking["signature"]) == 64
    (result,) = blocks(answered)
    assert result["tool_use_id"] == call["id"]
    assert "is a kind of reef" in json.dumps(result["content"])


def test_a_wrong_key_is_reported_as_401(outcome: Outcome) -> None:
    assert "401" in outcome.error("wrong key")
    assert {record.status for record in outcome.requests("wrong key")} == {401}


def test_a_temperature_of_0_is_refused_with_the_range(outcome: Outcome) -> None:
    assert "temperature must be in the range (0.0, 1.0]" in outcome.error("temperature")
    (record,) = outcome.requests("temperature")
    assert (record.status, record.body["temperature"]) == (400, 0)


def test_an_image_is_received_by_a_model_that_takes_images(outcome: Outcome) -> None:
    assert outcome.value("image") == "A dot."
    (record,) = [each for each in outcome.requests("image") if each.body["model"] == "MiniMax-M3"]
    kinds = [block["type"] for block in blocks(record.body["messages"][0])]
    assert sorted(kinds) == ["image", "text"]


def test_an_image_is_refused_by_a_model_that_takes_none(outcome: Outcome) -> None:
    assert "does not support image" in outcome.error("refused image")
