"""Runs an MCP server's command, and ends all that it started, once it ended or the kernel that wanted it is gone.

Always true: it imports nothing of the package, since it is run as a script, `mcp_guard.py KERNEL_PID COMMAND…`, in a
process group of its own. A kernel that is killed can end nothing itself, not every server reads to the end of its
input, and one that ends may leave children behind.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

INTERVAL = 1.0
"""Seconds between two looks at whether the kernel lives."""

GRACE = 2.0
"""Seconds that a server has to end itself, once it was asked to."""

REST = 0.1
"""Seconds that its children have, once it ended."""


def main(kernel: int, command: list[str]) -> None:
    try:
        server = subprocess.Popen(command)  # noqa: S603
    except OSError as error:
        print(f"[{command[0]} cannot be run: {error.strerror}]", file=sys.stderr)
        return
    signal.signal(signal.SIGTERM, lambda *_: None)  # it goes to the whole group, and the group is ended here
    os.close(0)  # the server alone holds its ends of the pipes, so that what it closes is seen as closed
    os.close(1)
    threading.Thread(target=_watch, args=(kernel,), daemon=True).start()
    if status := server.wait():
        print(f"[ended with status {status}]", file=sys.stderr, flush=True)
    _end(REST)


def _watch(kernel: int) -> None:
    while os.getppid() == kernel:
        time.sleep(INTERVAL)
    _end(GRACE)


def _end(grace: float) -> None:
    """Ask every process of the group to end, then end them, this one too."""
    os.killpg(0, signal.SIGTERM)
    time.sleep(grace)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
