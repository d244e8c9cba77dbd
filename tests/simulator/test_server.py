"""The server: many concurrent clients, clients that disconnect, and the simulator as a process."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx2
import pytest

from mm_magics.cli import main
from mm_magics.errors import ConfigError
from mm_magics.simulator import Simulator
from mm_magics.simulator.serve import announcement
from tests.pace import PATIENCE
from tests.simulator.asking import MODEL, Asker, request


@pytest.mark.parametrize(("clients", "stream"), [(200, True), (256, False)])
def test_many_clients_are_answered_at_once(endpoint: Simulator, clients: int, stream: bool) -> None:
    async def main() -> list[httpx2.Response]:
        limits = httpx2.Limits(max_connections=None)
        async with httpx2.AsyncClient(limits=limits, timeout=60, trust_env=False, verify=False) as http:
            url, headers = f"{endpoint.base_url}/v1/messages", {"x-api-key": endpoint.key}
            bodies = [request(f"[[simulator: say=number-{n} size=99 wait=0.2]]", stream=stream) for n in range(clients)]
            return await asyncio.gather(*(http.post(url, json=body, headers=headers) for body in bodies))

    started = time.perf_counter()
    responses = asyncio.run(main())
    assert [response.status_code for response in responses] == [200] * clients
    assert [f'number-{n}"' in response.text for n, response in enumerate(responses)] == [True] * clients
    assert time.perf_counter() - started < 30
    assert endpoint.in_progress == 0


def test_one_connection_serves_many_requests(ask: Asker) -> None:
    with socket.create_connection(("127.0.0.1", ask.endpoint.port)) as connection:
        for _ in range(2):
            connection.sendall(b"GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n")
            assert connection.recv(65_536).startswith(b"HTTP/1.1 404")
        connection.sendall(b"this is no HTTP\r\n\r\n")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 400")
        assert connection.recv(65_536) == b""
    assert ask.post().status_code == 200


def test_a_client_may_disconnect_at_any_moment_without_an_error_message(
    endpoint: Simulator, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    prompts = ["[[simulator: wait=9]]", "[[simulator: deltas=900 rate=50]]", "[[simulator: fault=endless]]"]
    prompts += ["[[simulator: stall=9 after=1]]", "[[simulator: fault=silence-before-headers]]"]
    for prompt in prompts:
        body = json.dumps(request(prompt, stream=True)).encode()
        head = f"POST /anthropic/v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: {endpoint.key}\r\n"
        data = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
        for size in (10, len(data) - 5, len(data)):
            with socket.create_connection(("127.0.0.1", endpoint.port)) as connection:
                connection.sendall(data[:size])
                if size == len(data):
                    time.sleep(0.02)
    deadline = time.perf_counter() + 20
    while endpoint.in_progress or len(endpoint.log) < len(prompts):
        assert time.perf_counter() < deadline
        time.sleep(0.01)
    assert [record.ended for record in endpoint.log] == ["left"] * len(prompts)
    gc.collect()
    assert capfd.readouterr().err == ""
    assert caplog.records == []


def test_exiting_the_with_block_ends_every_answer_and_the_thread(caplog: pytest.LogCaptureFixture) -> None:
    before = threading.enumerate()
    with Simulator() as endpoint, socket.socket() as connection:
        connection.connect(("127.0.0.1", endpoint.port))
        body = json.dumps(request("[[simulator: fault=endless]]", stream=True)).encode()
        head = f"POST /anthropic/v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: {endpoint.key}\r\n"
        connection.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        connection.recv(100)
        started = time.perf_counter()
        endpoint.__exit__()
        assert time.perf_counter() - started < PATIENCE
    assert [record.ended for record in endpoint.log] == ["broken"]
    started_here = [thread for thread in threading.enumerate() if thread not in before]
    assert not [thread for thread in started_here if thread.name == "minimax-simulator"]
    assert repr(endpoint) == "<Simulator stopped>"
    with pytest.raises(RuntimeError, match="with"):
        endpoint.base_url  # noqa: B018
    gc.collect()
    assert caplog.records == []


def test_a_simulator_can_be_started_again(ask: Asker) -> None:
    simulator = Simulator(key="k")
    for _ in range(2):
        with simulator as endpoint, httpx2.Client(trust_env=False, verify=False) as http:
            assert http.get(f"{endpoint.base_url}/v1/models", headers={"x-api-key": "k"}).status_code == 200


def test_a_port_in_use_is_a_config_error_and_a_free_one_is_kept(endpoint: Simulator) -> None:
    with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{endpoint.port}"), Simulator(port=endpoint.port):
        pass
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    with Simulator(port=free) as other:
        assert other.port == free


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "203.0.113.5", "0"])
def test_an_address_that_other_machines_reach_must_be_allowed(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulator", "--host", host]) == 1
    shown = capsys.readouterr().err
    assert f"Other machines could reach the simulator at {host or 'every address'}." in shown
    assert "--allow-remote" in shown


MAIN = "import sys; from mm_magics.cli import main; sys.exit(main())"


@pytest.mark.slow
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.9", "::1", "0.0.0.0"])
def test_the_simulator_listens_on_loopback_or_where_it_is_allowed(host: str, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    flags = ["--allow-remote"] if host == "0.0.0.0" else []
    command = [sys.executable, "-c", MAIN, "simulator", "--host", host, "--log", str(log), *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "The simulator listens on" in process.stdout.readline()
        process.terminate()
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


SERVE = "from mm_magics.simulator.serve import serve; serve(rate=1000, log_file={log!r})"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_process_prints_its_address_and_a_signal_stops_it(number: int, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE.format(log=str(log))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    exports = dict(
        line.removeprefix("export ").strip().split("=", 1)
        for line in (process.stdout.readline() for _ in range(3))
        if line.startswith("export")
    )
    base_url, key = exports["ANTHROPIC_BASE_URL"], exports["ANTHROPIC_API_KEY"]
    assert base_url in first
    with httpx2.Client(trust_env=False, verify=False) as http:
        response = http.post(f"{base_url}/v1/messages", json=request(), headers={"authorization": f"Bearer {key}"})
        assert response.json()["model"] == MODEL
        http.post(f"{base_url}/v1/messages", content=b"\xff", headers={"x-api-key": key})
        process.send_signal(number)
        _, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (0, "")
    written = log.read_text(encoding="utf-8")
    assert key not in written
    records = [json.loads(line) for line in written.splitlines()]
    assert [(record["status"], record["ended"]) for record in records] == [(200, "complete"), (400, "complete")]
    assert records[0]["body"]["model"] == MODEL
    assert "raw" not in records[0]
    assert records[1]["raw"] == "\ufffd"


def test_the_announcement_can_be_pasted_into_a_shell() -> None:
    lines = announcement("http://127.0.0.1:1/anthropic", "k").splitlines()
    assert "export ANTHROPIC_BASE_URL=http://127.0.0.1:1/anthropic" in lines
    assert "export ANTHROPIC_API_KEY=k" in lines
