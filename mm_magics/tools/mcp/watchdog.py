"""Run an MCP server's command, and kill everything it started once the server ends or the kernel is gone.

A killed kernel cannot do that itself, a server may ignore that its input was closed, and one that exits may leave
children behind. The module is run as a script in its own process group, `watchdog.py KERNEL_PID COMMAND…`, so it
imports nothing of the package.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

INTERVAL = 1.0
"""Seconds between two checks that the kernel is alive."""

GRACE = 2.0
"""Seconds that a server gets to exit after SIGTERM."""

CHILDREN_GRACE = 0.1
"""Seconds that its children have after it exited."""


def main(kernel: int, command: list[str]) -> None:
    try:
        server = subprocess.Popen(command)  # noqa: S603
    except OSError as error:
        print(f"[{command[0]} cannot be run: {error.strerror}]", file=sys.stderr)
        return
    signal.signal(signal.SIGTERM, lambda *_: None)  # it is sent to the whole group, including this process
    os.close(0)  # only the server has the pipes open, so the kernel notices when it closes them
    os.close(1)
    threading.Thread(target=_watch, args=(kernel,), daemon=True).start()
    if status := server.wait():
        print(f"[ended with status {status}]", file=sys.stderr, flush=True)
    _kill_group(CHILDREN_GRACE)


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
