"""What programs do to the JSON of a notebook when they save it: JavaScript, as in JupyterLab's page, and nbformat."""

from __future__ import annotations

import json
import subprocess
from typing import Any, Self

SCRIPT = """
const lines = require('node:readline').createInterface({ input: process.stdin });
lines.on('line', (line) => console.log(JSON.stringify(JSON.parse(line))));
"""


class Page:
    """Reads and writes JSON in a JavaScript engine, as the page does when it saves."""

    def __enter__(self) -> Self:
        self._node = subprocess.Popen(
            ["node", "-e", SCRIPT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._node.communicate()

    def save(self, value: Any) -> Any:
        """Return the value as the page sends it to the server."""
        assert self._node.stdin
        assert self._node.stdout
        self._node.stdin.write(json.dumps(value) + "\n")
        self._node.stdin.flush()
        return json.loads(self._node.stdout.readline())


def write_file(value: Any) -> str:
    """Return the text of the file, as nbformat writes it: with sorted keys."""
    return json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True)
