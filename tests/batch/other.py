"""A run in a process of its own, told as a line of JSON at its end, however it ends.

`python -m tests.batch.other STORE ROWS DIRECTIVES` asks the endpoint of the environment. With CAGED set, not even root
may write where the file's mode forbids it.
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
DROP_CAPABILITY, OVERRIDES = 24, (1, 2)


def main(store: str, count: str, directives: str) -> None:
    if os.environ.pop("CAGED", ""):
        for each in OVERRIDES:
            ctypes.CDLL(None).prctl(DROP_CAPABILITY, each, 0, 0, 0)
        os.execv(sys.executable, [sys.executable, "-m", "tests.batch.other", store, count, directives])
    template = f"{{{{ row }}}} [[simulator: {directives}]]"
    error, result = "", None
    try:
        result = map_prompts(template, [f"row {n}" for n in range(int(count))], store=store, session=session())
    except MiniMaxError as raised:
        error, result = f"{type(raised).__name__}: {raised}", getattr(raised, "result", None)
    found: dict[str, Any] = {"error": error}
    if result is not None:
        found |= {"values": result.values, "whys": [why for _, why in result.errors], "notes": result.notes}
        found |= {"asked": result.asked, "stored": result.stored}
    print(json.dumps(found))


def session() -> Session:
    return Session(concurrency=8, max_retries=0)


def begun(endpoint: Simulator, store: Path, rows: int, directives: str, **options: Any) -> subprocess.Popen[str]:
    """A run in a process, begun; `told` waits for its end."""
    environment = {**os.environ, "ANTHROPIC_BASE_URL": endpoint.base_url, "ANTHROPIC_API_KEY": endpoint.key}
    environment |= options.pop("env", {})
    command = [sys.executable, "-m", "tests.batch.other", str(store), str(rows), directives]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True, **options)


def told(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate(timeout=60)
    assert out, err
    assert "Traceback" not in err
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
