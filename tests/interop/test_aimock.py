"""`@copilotkit/aimock`, a mock of endpoints of this format: thinking, tools, errors, streams that end early."""

from __future__ import annotations

import json
import secrets
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mm_magics import Session
from mm_magics.api.messages import blocks, problems
from mm_magics.errors import ConnectionFailedError, StatusError
from mm_magics.events import Delta, Retrying
from tests.environments import pinned_environment
from tests.turns import broken_rules

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Mock:
    """A running server."""

    base_url: str
    key: str

    def requests(self) -> list[dict[str, Any]]:
        """Return the messages requests that it received so far."""
        request = urllib.request.Request(f"{self.base_url}/__aimock/journal", headers={"x-api-key": self.key})
        with urllib.request.urlopen(request, timeout=30) as response:
            return [entry for entry in json.load(response) if entry["path"] == "/v1/messages"]


@pytest.fixture(scope="module")
def mock() -> Iterator[Mock]:
    folder = pinned_environment("aimock")
    key = f"simulator-key-{secrets.token_urlsafe(24)}"  # the form that is searched for after all tests
    command = ["node", HERE / "aimock_server.mjs", folder, HERE / "aimock.json", key]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield Mock(process.stdout.readline().strip(), key)
        process.kill()


@pytest.fixture
def session(mock: Mock) -> Iterator[Session]:
    with Session(base_url=mock.base_url, api_key=mock.key, max_retries=1) as session:
        yield session


def look_up(word: str) -> str:
    """Look a word up."""
    return f"found {word}"


def kinds(message: dict[str, Any]) -> list[str]:
    return [block["type"] for block in blocks(message)]


def test_thinking_streams_and_is_kept_with_its_signature(session: Session) -> None:
    with session.stream("What is 2 and 2?") as answer:
        deltas = [event.text for event in answer if isinstance(event, Delta)]
    (turn,) = session.history.turns("main")
    thinking = {"type": "thinking", "thinking": "I add the numbers.", "signature": "signed-1"}
    assert turn.messages[1]["content"] == [thinking, {"type": "text", "text": "It is 4."}]
    assert len(deltas) > 1
    assert session.prepare("And now?").body["messages"][1] == turn.messages[1]
    assert broken_rules(turn.record()) == []


def test_parallel_calls_are_both_answered_and_the_thinking_is_returned(session: Session, mock: Mock) -> None:
    turn = session.ask("Look up both.", tools=[look_up])
    assert (turn.status, turn.text) == ("complete", "I look up both.\n\nBoth are found.")
    assert kinds(turn.messages[1]) == ["thinking", "text", "tool_use", "tool_use"]
    assert [block["content"] for block in blocks(turn.messages[2])] == ["found reef", "found Riff 🪸"]
    assert len({block["tool_use_id"] for block in blocks(turn.messages[2])}) == 2
    assert mock.requests()[-1]["response"]["status"] == 200
    assert problems(turn.messages[:3]) == []


def test_text_between_calls_and_after_them_stays_where_it_was(session: Session) -> None:
    turn = session.ask("Call first.", tools=[look_up])
    assert turn.status == "complete"
    assert kinds(turn.messages[1]) == ["tool_use", "text", "tool_use", "text"]
    assert [block["content"] for block in blocks(turn.messages[2])] == ["found one", "found two"]
    following = session.prepare("And now?").body["messages"]
    assert following[1] == turn.messages[1]
    assert problems(following) == []


def test_a_429_is_retried_after_the_seconds_it_asks_for(session: Session) -> None:
    began = time.monotonic()
    with session.stream("Are you busy?") as answer:
        waits = [event.seconds for event in answer if isinstance(event, Retrying)]
    assert session.history.turns("main")[0].text == "Not any more."
    assert waits == [1.0]
    assert time.monotonic() - began >= 1


def test_a_529_ends_after_the_last_retry_with_advice(session: Session) -> None:
    with pytest.raises(StatusError) as caught:
        session.ask("Are you overloaded?")
    assert caught.value.status == 529
    assert caught.value.hint == "Wait a moment, then run the cell again."


@pytest.mark.parametrize("prompt", ["Tell me a story.", "Tell me a slow story."], ids=["cut", "dropped"])
def test_a_stream_that_ends_early_keeps_what_was_received(session: Session, prompt: str) -> None:
    with pytest.raises(ConnectionFailedError, match="broke"):
        session.ask(prompt)
    (turn,) = session.history.turns("main")
    assert turn.status == "failed"
    assert turn.text
    assert "Once upon a time there was a reef.".startswith(turn.text)
    assert broken_rules(turn.record()) == []
    assert session.ask("What is 2 and 2?").text == "It is 4."


def test_a_wrong_key_is_refused_in_one_line(mock: Mock) -> None:
    with Session(base_url=mock.base_url, api_key="wrong") as session, pytest.raises(StatusError) as caught:
        session.ask("What is 2 and 2?")
    assert caught.value.status == 401
    assert caught.value.hint == "The key from api_key was refused. Enter another with %minimax login."
