"""What bounds a map run: the time of an attempt, open files, an interrupt, and answers that never match the schema."""

from __future__ import annotations

import json
import resource
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from mm_magics import Session, map_prompts
from mm_magics.batch.runner import MISFITS
from mm_magics.errors import TurnInterruptedError
from mm_magics.simulator import ScriptedAnswer, Simulator, text, tool_use
from tests.batch.map_process import outcome_of, start_run
from tests.batch.simulated import ok_template, sent_rows

pytestmark = [pytest.mark.slow, pytest.mark.traced]

SCHEMA = {"type": "object", "properties": {"score": {"type": "integer"}}, "required": ["score"]}


@contextmanager
def trickling(head: bytes) -> Iterator[str]:
    """A server that answers with these bytes and then with a space every 20 ms, without end."""
    server = socket.create_server(("127.0.0.1", 0))

    def answer(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            connection.recv(65_536)
            connection.sendall(head)
            while True:
                time.sleep(0.02)
                connection.sendall(b" ")

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=answer, args=(server.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    with server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx-slow:",
        b"HTTP/1.1 500 X\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n",
    ],
    ids=["body", "headers", "error"],
)
def test_the_timeout_bounds_an_attempt_while_bytes_arrive(head: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mm_magics.batch.engines.health.FIRST_PATIENCE_S", 0.1)
    with trickling(head) as url, Session(base_url=url, api_key="k", timeout=1.0, max_retries=0) as session:
        began = time.monotonic()
        result: Any = map_prompts("{{ row }}", ["a"], session=session, timeout=0.5)
    assert time.monotonic() - began < 30
    (error,) = result.errors
    assert error.why.startswith(("The answer was not complete after 0.5 s", "No response", "The connection", "http"))


def test_with_few_open_files_the_concurrency_is_lowered_and_no_row_fails(endpoint: Simulator, tmp_path: Path) -> None:
    def few_files() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (150, 150))

    untraced = {"COVERAGE_PROCESS_CONFIG": "", "MAP_OPTIONS": '{"concurrency": 400}'}
    directives = 'say="ok" thinking="" wait=0.2'
    process = start_run(endpoint, tmp_path / "a.sqlite", 400, directives, preexec_fn=few_files, env=untraced)
    found = outcome_of(process)
    assert (found["error"], found["values"]) == ("", ["ok"] * 400)
    (note,) = found["notes"]
    assert note.startswith("concurrency was lowered from 400 to ")
    assert note.endswith(": 150 files may be open (ulimit -n).")


def test_without_a_file_to_spare_nothing_is_sent(endpoint: Simulator, tmp_path: Path) -> None:
    def few_files() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (50, 50))

    untraced = {"COVERAGE_PROCESS_CONFIG": ""}
    found = outcome_of(start_run(endpoint, tmp_path / "a.sqlite", 4, 'say="ok"', preexec_fn=few_files, env=untraced))
    assert found["error"].startswith("UsageError: No call can be made: ")
    assert endpoint.log == []


def wait_for(endpoint: Simulator, count: int) -> None:
    while len(endpoint.log) < count:
        time.sleep(0.005)


def test_the_first_interrupt_saves_the_answers_in_flight(endpoint: Simulator, tmp_path: Path) -> None:
    process = start_run(endpoint, tmp_path / "a.sqlite", 100, 'say="ok" thinking="" wait=4')
    wait_for(endpoint, 8)
    process.send_signal(signal.SIGINT)
    found = outcome_of(process)
    assert found["error"].startswith("TurnInterruptedError")
    assert found["values"].count("ok") == 8 == len(endpoint.log)
    assert set(found["reasons"]) == {"Not sent: the run was ended."}
    assert found["notes"] == []


def test_the_second_interrupt_stops_at_once(endpoint: Simulator, tmp_path: Path) -> None:
    process = start_run(endpoint, tmp_path / "a.sqlite", 100, "fault=silence-before-headers")
    wait_for(endpoint, 8)
    process.send_signal(signal.SIGINT)
    time.sleep(1.0)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    found = outcome_of(process)
    assert time.monotonic() - began < 30
    assert found["error"].startswith("TurnInterruptedError")


def test_a_wait_for_answers_ends_by_itself(
    session: Session, endpoint: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mm_magics.batch.runner.DRAIN_S", 0.3)
    session.config.concurrency = 4

    def press() -> None:
        wait_for(endpoint, 4)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    threading.Thread(target=press).start()
    template = ok_template("{{ row }}", fault="silence-before-headers")
    with pytest.raises(TurnInterruptedError):
        map_prompts(template, ["a", "b", "c", "d", "e"], session=session)
    assert len(endpoint.log) == 4


# Schemas ----------------------------------------------------------------------------------------------------------


def test_an_answer_of_another_schema_is_stored_and_not_paid_for_again(session: Session, endpoint: Simulator) -> None:
    session.config.concurrency = 1
    endpoint.answers.extend(
        [ScriptedAnswer([text("no")])] * 3 + [ScriptedAnswer([tool_use("final_answer", {"score": 1})])]
    )
    first: Any = map_prompts("{{ row }}", ["a", "b"], schema=SCHEMA, session=session)
    sent = len(endpoint.log)
    again: Any = map_prompts("{{ row }}", ["a", "b"], schema=SCHEMA, session=session)
    assert first.values == again.values == [None, {"score": 1}]
    assert first.errors == again.errors
    assert "The answer: no" in first.errors[0].why
    assert (len(endpoint.log), again.stored) == (sent, 2)


def test_a_run_in_which_no_answer_matches_stops_early_and_shows_one(session: Session, endpoint: Simulator) -> None:
    session.config.concurrency = 4
    endpoint.answers.extend([ScriptedAnswer([tool_use("final_answer", {"score": "high"})])] * 3_000)
    result: Any = map_prompts("{{ row }}", [f"row {n}" for n in range(400)], schema=SCHEMA, session=session)
    assert result.values == [None] * 400
    assert len(sent_rows(endpoint)) <= 3 * (MISFITS + 3 * 4)
    (note,) = result.notes
    assert f"not sent: none of {MISFITS} answers matches the schema." in note
    assert json.dumps({"score": "high"}) in note
