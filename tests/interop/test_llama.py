"""llama.cpp's server with a model of 135M parameters: real tokens of a real model, through a kernel and a script."""

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

from mm_magics import Session, map_prompts
from mm_magics.errors import StatusError
from mm_magics.events import Delta
from tests.environments import pinned_environment
from tests.kernel.conftest import Kernel, loaded_kernel
from tests.turns import broken_rules

MODEL = "smollm2"
ANSWERING = "'answering'"
GREEDY = {"temperature": 0.01, "max_tokens": 100}
"""The same answers each time, none of which is cut off."""
CAPITAL = "Answer with one word. What is the capital of"


@dataclass(frozen=True)
class Llama:
    """A running server."""

    base_url: str
    key: str

    def is_busy(self) -> bool:
        request = urllib.request.Request(f"{self.base_url}/slots", headers={"Authorization": f"Bearer {self.key}"})
        with urllib.request.urlopen(request, timeout=30) as response:
            return any(slot["is_processing"] for slot in json.load(response))


@pytest.fixture(scope="module")
def llama() -> Iterator[Llama]:
    python = pinned_environment("llama") / "bin" / "python"
    key = f"simulator-key-{secrets.token_urlsafe(24)}"  # the form that is searched for after all tests
    script = Path(__file__).with_name("llama_server.py")
    process = subprocess.Popen([python, script, key], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    with process:
        yield Llama(process.stdout.readline().strip(), key)
        process.kill()


@pytest.fixture
def session(llama: Llama) -> Iterator[Session]:
    with Session(base_url=llama.base_url, api_key=llama.key, model=MODEL, max_retries=0, max_tokens=24) as session:
        yield session


@pytest.fixture(scope="module")
def kernel(llama: Llama) -> Iterator[Kernel]:
    with loaded_kernel(llama) as kernel:
        kernel.run(f"%minimax model {MODEL}")
        yield kernel


def tokens(response: dict[str, Any]) -> int:
    usage = response["usage"]
    return usage["input_tokens"] + usage.get("cache_read_input_tokens", 0)


def test_an_answer_streams_token_by_token(session: Session) -> None:
    with session.stream("What is a coral reef?") as answer:
        deltas = [event for event in answer if isinstance(event, Delta)]
    (turn,) = session.history.turns("main")
    assert turn.status in ("complete", "truncated")
    assert len(deltas) > 5
    assert "".join(each.text for each in deltas) == turn.text
    assert turn.responses[0]["first_token_s"] < turn.responses[0]["seconds"]
    assert 0 < turn.responses[0]["usage"]["output_tokens"] <= 24
    assert broken_rules(turn.record()) == []


def test_a_conversation_of_cells_sends_the_turns_above(kernel: Kernel) -> None:
    first = kernel.run("%%minimax --max-tokens 16\nName a fish.", "a").turn
    second = kernel.run("%%minimax --max-tokens 16\nName another one.", "b").turn
    assert {first["status"], second["status"]} <= {"complete", "truncated"}
    expected = tokens(first["responses"][0]) + first["responses"][0]["usage"]["output_tokens"]
    assert tokens(second["responses"][0]) > expected, "the model read the first answer too"


@pytest.mark.parametrize("how", ["button", "interrupt"])
def test_stop_keeps_the_tokens_received_and_ends_the_generation(kernel: Kernel, llama: Llama, how: str) -> None:
    def stop() -> None:
        time.sleep(0.5)
        kernel.request({"type": "stop"}) if how == "button" else kernel.interrupt()

    run = kernel.run(
        "%%minimax --max-tokens 2000 --temperature 0.01 --context none\nWrite a very long story about the sea.",
        "long",
        when=lambda kind, content: kind == "comm_msg" and ANSWERING in str(content),
        then=stop,
    )
    assert run.turn["status"] == "stopped"
    assert run.turn["messages"][1]["content"][0]["text"]
    end = time.monotonic() + 20
    while llama.is_busy():
        assert time.monotonic() < end, "the server still generates"
        time.sleep(0.1)
    after = kernel.run("%%minimax --max-tokens 8\nAnd now?", "after")
    assert after.error is None
    assert after.turn["status"] in ("complete", "truncated")


def test_the_models_of_the_server_are_listed(session: Session, kernel: Kernel) -> None:
    assert [entry["id"] for entry in session.client().models()] == [MODEL]
    run = kernel.run("%minimax models")
    assert run.error is None
    assert MODEL in run.text


def test_a_wrong_key_is_refused_in_one_line(llama: Llama) -> None:
    with (
        Session(base_url=llama.base_url, api_key="wrong", model=MODEL) as session,
        pytest.raises(StatusError) as caught,
    ):
        session.ask("Hello.")
    assert caught.value.status == 401
    assert caught.value.hint == "The key from api_key was refused. Enter another with %minimax login."


def test_a_map_run_answers_five_rows(session: Session, tmp_path: Path) -> None:
    rows = [{"country": name} for name in ("France", "Japan", "Peru", "Kenya", "Norway")]
    options: dict[str, Any] = {"session": session, "store": tmp_path / "answers.sqlite", "figures": True}
    result = map_prompts(f"{CAPITAL} {{{{ row.country }}}}?", rows, progress=False, **GREEDY, **options)
    assert result.errors == []
    assert "Paris" in result.frame[0]["answer"]
    assert len({row["answer"] for row in result.frame}) == 5
    assert all(row["answer_tokens_in"] > 5 and 0 < row["answer_tokens_out"] <= 100 for row in result.frame)


def test_a_map_cell_answers_five_rows(kernel: Kernel, tmp_path: Path) -> None:
    kernel.run(f"import os; os.chdir({str(tmp_path)!r}); rows = ['France', 'Japan', 'Peru', 'Kenya', 'Norway']")
    run = kernel.run(
        f"%%minimax --map rows --into answers --max-tokens 100 --temperature 0.01\n{CAPITAL} {{{{ row }}}}?", "map"
    )
    assert run.error is None
    assert run.turn["status"] == "complete"
    assert kernel.run("print(len([each for each in answers if each]))").text.strip() == "5"


def test_every_prompt_is_answered_though_the_server_closes_connections_that_it_said_it_keeps(session: Session) -> None:
    turns = [session.ask(f"Say {number}.", context="none", max_tokens=2) for number in range(12)]
    assert {turn.status for turn in turns} <= {"complete", "truncated"}
