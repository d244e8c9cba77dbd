"""A map run in its own process, which prints its outcome as a line of JSON, however the run ends.

`python -m tests.batch.map_process STORE ROWS DIRECTIVES` uses the endpoint of the environment. If NO_OVERRIDE is set,
even root cannot write where the file mode forbids it. If
SERVE is set, it runs it once per line of its input, see `Forks`.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from mm_magics import Session, map_prompts
from mm_magics.batch import claims
from mm_magics.errors import MiniMaxError
from mm_magics.simulator import Simulator

ROOT = Path(__file__).parents[2]
MODULE = "tests.batch.map_process"
PR_CAPBSET_DROP, OVERRIDE_CAPABILITIES = 24, (1, 2)


def main(store: str, count: str, directives: str) -> None:
    if os.environ.pop("NO_OVERRIDE", ""):
        for capability in OVERRIDE_CAPABILITIES:
            ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
        os.execv(sys.executable, [sys.executable, "-m", MODULE, store, count, directives])
    template = f"{{{{ row }}}} [[simulator: {directives}]]"
    error, result = "", None
    options: dict[str, Any] = json.loads(os.environ.get("MAP_OPTIONS", "{}"))
    session = Session(**{"concurrency": 8, "max_retries": 0, **options})
    try:
        result = map_prompts(template, [f"row {n}" for n in range(int(count))], store=store, session=session)
    except MiniMaxError as raised:
        error, result = f"{type(raised).__name__}: {raised}", getattr(raised, "result", None)
    outcome: dict[str, Any] = {"error": error}
    if result is not None:
        outcome |= {"values": result.values, "reasons": [why for _, why in result.errors], "notes": result.notes}
        outcome |= {"asked": result.asked, "stored": result.stored}
    print(json.dumps(outcome))


def serve(store: str, count: str, directives: str) -> None:
    """Run the same map run in a forked process for each line of the input, and print the process's id."""
    import aiohttp  # noqa: F401
    import httpx2  # noqa: F401

    claims.EXPIRY_S = 0.1
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for _ in sys.stdin:
        if not (child := os.fork()):
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            main(store, count, directives)
            os._exit(0)
        print(child, flush=True)


class Forks:
    """Starts the same map run again and again, in processes that need not import anything."""

    def __init__(self, endpoint: Simulator, store: Path, rows: int, directives: str) -> None:
        options: dict[str, Any] = {"env": {"COVERAGE_PROCESS_CONFIG": "", "SERVE": "yes"}, "stdin": subprocess.PIPE}
        self._server = start_run(endpoint, store, rows, directives, **options)

    def start(self) -> int:
        """Start a run and return the id of its process."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write("\n")
        self._server.stdin.flush()
        while not (line := self._server.stdout.readline()).strip().isdigit():  # what a run printed
            assert line
        return int(line)

    def kill(self, child: int) -> None:
        """Kill a run and wait for its end."""
        os.kill(child, signal.SIGKILL)
        with suppress(ProcessLookupError):
            while True:
                os.kill(child, 0)
                time.sleep(0.001)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.communicate("")


def start_run(endpoint: Simulator, store: Path, rows: int, directives: str, **options: Any) -> subprocess.Popen[str]:
    """Start a map run in its own process; `outcome_of` waits for its end."""
    environment = {**os.environ, "ANTHROPIC_BASE_URL": endpoint.base_url, "ANTHROPIC_API_KEY": endpoint.key}
    environment |= options.pop("env", {})
    command = [sys.executable, "-m", MODULE, str(store), str(rows), directives]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True, **options)


def outcome_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate(timeout=60)
    assert out, err
    assert "Traceback" not in err
    outcome: dict[str, Any] = json.loads(out.splitlines()[-1])
    return outcome


if __name__ == "__main__":
    (serve if os.environ.pop("SERVE", "") else main)(*sys.argv[1:])
