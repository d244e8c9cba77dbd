"""`shell` with real commands: its results, its environment, and that no process survives a call."""

from __future__ import annotations

import os
import resource
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from mm_magics.errors import ToolError, ToolInputError
from mm_magics.tools.builtin.bounded_text import LIMIT
from mm_magics.tools.builtin.shell import environment, shell_tool
from mm_magics.tools.tool import ToolOutput
from tests.pace import PATIENCE

SECRET = "sk-very-secret-4711"


def run(folder: Path, command: str, **given: Any) -> ToolOutput:
    tool = shell_tool(folder)
    output = tool.function(**tool.check({"command": command, **given}))
    assert isinstance(output, ToolOutput)
    return output


@pytest.fixture(autouse=True)
def _nothing_lives_on() -> Iterator[None]:
    before = {each.pid for each in psutil.Process().children(recursive=True)}
    yield
    assert {each.pid for each in psutil.Process().children(recursive=True)} <= before


def is_alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def ends(pid: int) -> bool:
    """Whether the process is gone within a minute: init may take a moment to bury it."""
    until = time.monotonic() + 60
    while is_alive(pid) and time.monotonic() < until:
        time.sleep(0.01)
    return not is_alive(pid)


@pytest.mark.parametrize(
    ("command", "text", "is_error"),
    [
        ("echo hello", "hello\n[exit code 0]", False),
        ("true", "[exit code 0]", False),
        ("echo out; echo err >&2; exit 3", "out\nerr\n[exit code 3]", True),
        ("printf 'Gr\\303\\274\\303\\237e \\377'", "Grüße \ufffd\n[exit code 0]", False),
        ("no-such-program-4711 2>/dev/null", "[exit code 127]", True),
        ("kill -9 $$", "[ended by signal 9]", True),
        ("cat", "[exit code 0]", False),
        ("read x; echo \"got '$x'\"", "got ''\n[exit code 0]", False),
        ("echo $TERM", "dumb\n[exit code 0]", False),
        ("exec >&- 2>&-; exit 4", "[exit code 4]", True),
    ],
)
def test_the_result_is_the_output_and_the_exit_code(tmp_path: Path, command: str, text: str, is_error: bool) -> None:
    assert run(tmp_path, command) == ToolOutput(text, is_error)


def test_a_command_starts_in_the_folder(tmp_path: Path) -> None:
    assert run(tmp_path, "pwd -P").text == f"{tmp_path.resolve()}\n[exit code 0]"


def test_a_command_does_not_get_the_kernels_input(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"typed for somebody else\n")
    os.close(writing)
    own = os.dup(0)
    os.dup2(reading, 0)
    try:
        assert run(tmp_path, "cat").text == "[exit code 0]"
    finally:
        os.dup2(own, 0)
        os.close(own)
        os.close(reading)


def test_the_end_of_long_output_is_read_although_the_pipe_stays_open(tmp_path: Path) -> None:
    output = run(tmp_path, "sleep 300 & seq 1 200000; printf %60000s end")
    assert output.text.endswith("end\n[exit code 0]")


def test_no_key_is_in_the_commands_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MINIMAX_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "OTHER_API_KEY", "GITHUB_TOKEN"):
        monkeypatch.setenv(name, SECRET)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:{SECRET}@proxy")
    monkeypatch.setenv("HOME", "/home/of-the-test")
    text = run(tmp_path, "env").text
    assert SECRET not in text
    names = {line.partition("=")[0] for line in text.splitlines()[:-1]}
    assert names <= {*environment(os.environ), "PWD", "OLDPWD", "SHLVL", "_"}
    assert "HOME=/home/of-the-test" in text
    assert "PATH=" in text


def test_a_command_that_takes_too_long_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    command = "(sleep 300 & echo $! >grandchild; wait) & echo $! >child; trap '' TERM; echo began; sleep 300"
    before = time.monotonic()
    output = run(tmp_path, command, timeout=3)
    assert time.monotonic() - before < 20 * PATIENCE
    assert output == ToolOutput("began\n[killed: it took longer than 3 s]", is_error=True)
    for name in ("child", "grandchild"):
        assert ends(int((tmp_path / name).read_text()))


def test_a_command_that_closes_its_output_is_still_killed_in_time(tmp_path: Path) -> None:
    before = time.monotonic()
    assert "killed" in run(tmp_path, "exec >&- 2>&-; sleep 300", timeout=0.5).text
    assert time.monotonic() - before < 20 * PATIENCE


@pytest.mark.parametrize("background", ["sleep 300 &", "yes >/dev/null &", "yes &"])
def test_background_processes_end_with_the_command(tmp_path: Path, background: str) -> None:
    before = time.monotonic()
    output = run(tmp_path, f"{background} echo $! >pid; echo done", timeout=60)
    assert time.monotonic() - before < 20 * PATIENCE
    assert "done" in output.text or background == "yes &"
    assert output.text.endswith("[exit code 0]")
    assert ends(int((tmp_path / "pid").read_text()))


def test_a_process_that_left_the_group_survives_and_does_not_block_the_call(tmp_path: Path) -> None:
    before = time.monotonic()
    run(tmp_path, "setsid sh -c 'echo $$ >pid; exec sleep 300' & until [ -s pid ]; do sleep 0.01; done", timeout=60)
    assert time.monotonic() - before < 20 * PATIENCE
    pid = int((tmp_path / "pid").read_text())
    assert is_alive(pid)
    os.kill(pid, signal.SIGKILL)
    assert ends(pid)


def test_output_without_end_is_cut_and_fills_no_memory(tmp_path: Path) -> None:
    run(tmp_path, "yes | head -c 1000000")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    output = run(tmp_path, "echo first; yes | head -c 300000000; echo last", timeout=60)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kB
    assert output.text.startswith("first\ny\n")
    assert output.text.endswith("y\nlast\n[exit code 0]")
    assert "… [cut here: 2" in output.text
    assert len(output.text) < LIMIT + 100


def test_endless_output_is_stopped_by_the_timeout(tmp_path: Path) -> None:
    output = run(tmp_path, "yes", timeout=0.5)
    assert output.is_error
    assert output.text.endswith("[killed: it took longer than 0.5 s]")


@pytest.mark.slow
def test_an_interrupt_kills_the_command_and_is_passed_on(tmp_path: Path) -> None:
    def interrupt() -> None:
        until = time.monotonic() + 60
        while not (tmp_path / "pid").exists() and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    before = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, "sleep 300 & echo $! >pid; wait", timeout=60)
    assert time.monotonic() - before < 20 * PATIENCE
    assert ends(int((tmp_path / "pid").read_text()))


@pytest.mark.parametrize("command", ["a\0b", "x" * 10_000_000])
def test_a_command_that_cannot_be_started_is_an_error(tmp_path: Path, command: str) -> None:
    with pytest.raises(ToolError, match="cannot be started"):
        run(tmp_path, command)


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="cannot be started: No such file"):
        run(tmp_path / "gone", "ls")


@pytest.mark.parametrize("timeout", [0, -1, 4000, float("nan"), float("inf"), 10**400, "5", True])
def test_an_invalid_timeout_is_refused(tmp_path: Path, timeout: Any) -> None:
    with pytest.raises(ToolInputError, match="timeout: Input should be"):
        run(tmp_path, "touch ran", timeout=timeout)
    assert not (tmp_path / "ran").exists()
