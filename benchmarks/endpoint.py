"""The simulator as a process of its own, told over stdin what to say next: `python -m benchmarks.endpoint`.

Its first line of output is where it listens and its key, as JSON; then it answers every line it is given (`Asked`, as
JSON) with an empty one, when the next request will get that answer. It ends with its input.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from types import TracebackType
from typing import Any, Self

import psutil

from benchmarks.texts import markdown

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class EndpointProcess:
    """The other side: starts that process and speaks to it."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": ROOT}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.endpoint"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment,
        )
        self.process = psutil.Process(self._process.pid)
        first: dict[str, Any] = json.loads(self._line())
        self.base_url: str = first["base_url"]
        self.key: str = first["key"]

    def prepare(self, deltas: int, size: int, **more: float) -> str:
        """The next answer: so many deltas of so many characters; `rate`, `stall` and `after` as in a directive."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"deltas": deltas, "size": size, **more}) + "\n")
        self._process.stdin.flush()
        self._line()
        return markdown(deltas * size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


def main() -> None:
    from mm_magics.simulator import Answer, Simulator, Spot, text, thinking

    with Simulator() as simulator:
        print(json.dumps({"base_url": simulator.base_url, "key": simulator.key}), flush=True)
        for line in sys.stdin:
            asked = json.loads(line)
            blocks = [thinking("Let me write that down."), text(markdown(asked["deltas"] * asked["size"]))]
            simulator.answers.append(
                Answer(
                    blocks,
                    size=asked["size"],
                    thinking_size=None,
                    rate=asked.get("rate"),
                    stall=asked.get("stall", 0.0),
                    spot=Spot(asked["after"]) if "after" in asked else None,
                )
            )
            print(flush=True)


if __name__ == "__main__":
    main()
