"""Run an MCP server's command, and kill everything it started once the server ends or the kernel is gone.

It passes on what the server writes to stdout, which are messages, one a line, up to the first that is too large: the
SDK would parse a message of any size in the kernel.

A killed kernel cannot do that itself, a server may ignore that its input was closed, and one that exits may leave
children behind. The module is run as a script in its own process group, `watchdog.py KERNEL_PID COMMAND…`, so it
imports nothing of the package but `json_size`, and that only for a large message.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

INTERVAL = 1.0
"""Seconds between two checks that the kernel is alive."""

GRACE = 2.0
"""Seconds that a server gets to exit after SIGTERM."""

CHILDREN_GRACE = 0.1
"""Seconds that its children have after it exited."""

SMALL = 100_000
"""Bytes of a message that is passed on whatever it contains."""


def main(kernel: int, command: list[str]) -> None:
    try:
        server = subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: S603
    except OSError as error:
        print(f"[{command[0]} cannot be run: {error.strerror}]", file=sys.stderr)
        return
    signal.signal(signal.SIGTERM, lambda *_: None)  # it is sent to the whole group, including this process
    os.close(0)  # only the server has its stdin open, so that it notices when the kernel closes it
    threading.Thread(target=_watch, args=(kernel,), daemon=True).start()
    assert server.stdout is not None
    relay = threading.Thread(target=_relay, args=(server.stdout.fileno(), 1), daemon=True)
    relay.start()
    status = server.wait()
    relay.join(CHILDREN_GRACE)  # its children may keep stdout open
    if status:
        print(f"[ended with status {status}]", file=sys.stderr, flush=True)
    _kill_group(CHILDREN_GRACE)


def _relay(source: int, target: int) -> None:
    """Pass on complete lines, and end everything at one that is too large. Close the target in the end."""
    waiting: list[bytes] = []
    size = 0
    while data := os.read(source, 65_536):
        head, newline, rest = data.rpartition(b"\n")
        waiting.append(head + newline if newline else data)
        size += len(data)
        if size > SMALL and (problem := _problem(waiting, size, is_complete=bool(newline))):
            print(f"[sent a message with {problem}]", file=sys.stderr, flush=True)
            os.close(target)
            _kill_group(GRACE)
        if newline:
            _write(target, b"".join(waiting))
            waiting, size = [rest], len(rest)
    _write(target, b"".join(waiting))
    os.close(target)


def _problem(parts: list[bytes], size: int, *, is_complete: bool) -> str:
    """Return what a message has too much of; "" if it may be passed on, or is not complete yet."""
    limits = _json_size()
    if not is_complete and size <= limits.MAX_BYTES:
        return ""
    try:
        for line in b"".join(parts).split(b"\n"):
            limits.check_size(line)
    except limits.JSONSizeError as error:
        return str(error)
    return ""


@cache
def _json_size() -> Any:
    spec = spec_from_file_location("json_size", Path(__file__).parents[2] / "json_size.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _write(target: int, data: bytes) -> None:
    while data:
        data = data[os.write(target, data) :]


def _watch(kernel: int) -> None:
    while os.getppid() == kernel:
        time.sleep(INTERVAL)
    _kill_group(GRACE)


def _kill_group(grace: float) -> None:
    """Send SIGTERM to every process of the group, then kill them, including this one."""
    os.killpg(0, signal.SIGTERM)
    time.sleep(grace)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
