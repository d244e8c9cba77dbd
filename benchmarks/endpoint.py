"""The simulator in its own process, controlled over stdin: `python -m benchmarks.endpoint`.

Its first line of output is its address and key as JSON. Each line of input describes the next answer as JSON; an empty
line of output says that the answer is ready. The process ends when its input ends.
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
    """Starts the simulator's process and controls it."""

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
        """Prepare the next answer and return its text: `deltas` deltas of `size` characters.

        `rate`, `stall` and `after` mean the same as in a directive of the simulator.
        """
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
    from mm_magics.simulator import ScriptedAnswer, Simulator, StreamPosition, text, thinking

    with Simulator() as simulator:
        print(json.dumps({"base_url": simulator.base_url, "key": simulator.key}), flush=True)
        for line in sys.stdin:
            answer = json.loads(line)
            blocks = [thinking("Let me write that down."), text(markdown(answer["deltas"] * answer["size"]))]
            simulator.answers.append(
                ScriptedAnswer(
                    blocks,
                    size=answer["size"],
                    thinking_size=None,
                    rate=answer.get("rate"),
                    stall=answer.get("stall", 0.0),
                    spot=StreamPosition(answer["after"]) if "after" in answer else None,
                )
            )
            print(flush=True)


if __name__ == "__main__":
    main()
