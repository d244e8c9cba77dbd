"""The only connection is to the endpoint: no telemetry, no update checks, no downloads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

QUICKSTART = Path(__file__).parents[2] / "notebooks" / "quickstart.ipynb"
WATCH = """
import os, sys

def note(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        place = arguments[1] if event in ("socket.connect", "socket.sendto") else arguments[0]
        with open(os.environ["CONNECTIONS"], "a") as file:
            print(event, str(place[0] if isinstance(place, tuple) else place), file=file)

sys.addaudithook(note)
"""
HERE = {"127.0.0.1", "::1", "localhost", "None", ""}


@pytest.mark.slow
def test_the_demo_connects_only_to_this_machine(tmp_path: Path) -> None:
    """An audit hook in each Python process records the connections of the demo and its kernel."""
    (tmp_path / "sitecustomize.py").write_text(WATCH)
    connections = tmp_path / "connections"
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "CONNECTIONS": str(connections), "PYTHONPATH": path}
    code = "import sys; from mm_magics.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "demo", str(QUICKSTART), "--output", str(tmp_path / "out")]
    subprocess.run(command, env=environment, cwd=tmp_path, check=True, capture_output=True)
    outputs = json.loads((tmp_path / "out" / QUICKSTART.name).read_text())["cells"]
    assert any("application/vnd.minimax.turn+json" in json.dumps(cell) for cell in outputs)
    lines = [line.partition(" ") for line in connections.read_text().splitlines()]
    assert ("socket.connect", " ", "127.0.0.1") in lines
    assert {place for _, _, place in lines if not place.startswith("/")} <= HERE
