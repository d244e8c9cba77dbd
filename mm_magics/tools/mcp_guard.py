"""Runs an MCP server's command, and ends it, children included, once the kernel that started it is gone.

Always true: it imports nothing of the package, since it is run as a script, `mcp_guard.py KERNEL_PID COMMAND…`, in a
process group of its own. A kernel that is killed can end nothing itself, and not every server reads to the end of its
input.
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
"""Seconds between asking the server to end and ending it."""


def main(kernel: int, command: list[str]) -> int:
    """The status that the command ended with; 127 if it cannot be run."""
    try:
        server = subprocess.Popen(command)  # noqa: S603
    except OSError as error:
        print(f"[{command[0]} cannot be run: {error.strerror}]", file=sys.stderr)
        return 127
    signal.signal(signal.SIGTERM, lambda *_: None)  # goes on until the server has ended, or both are killed
    os.close(0)  # the server alone holds its ends of the pipes, so that what it closes is seen as closed
    os.close(1)
    threading.Thread(target=_watch, args=(kernel,), daemon=True).start()
    status = server.wait()
    if status:
        print(f"[ended with status {status}]", file=sys.stderr, flush=True)
    return status if status >= 0 else 128 - status


def _watch(kernel: int) -> None:
    while os.getppid() == kernel:
        time.sleep(INTERVAL)
    os.killpg(0, signal.SIGTERM)
    time.sleep(GRACE)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
