"""Where the package cannot run, importing it says so."""

from __future__ import annotations

import subprocess
import sys


def test_python_in_a_browser_says_in_one_line_what_is_missing() -> None:
    """JupyterLite and Pyodide call their system `emscripten`."""
    code = "import sys; sys.platform = 'emscripten'; import mm_magics"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    (line,) = [each for each in done.stderr.splitlines() if each.startswith("ImportError: ")]
    assert "threads and sockets" in line
    assert done.stderr.splitlines()[-1] == line
