"""A map run in its own process, which prints its outcome as a line of JSON, however the run ends.

`python -m tests.batch.map_process STORE ROWS DIRECTIVES` uses the endpoint of the environment. If NO_OVERRIDE is set,
even root cannot write where the file mode forbids it.
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from mm_magics import Session, map_prompts
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
    main(*sys.argv[1:])
