"""`python -m benchmarks`: measure everything but the long runs, print the table, exit with 1 if something asked does
not hold.

`python -m benchmarks throughput latency …` measures the groups named only.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path

from benchmarks import frames, latency, long, many, memory, rows, startup, stop, throughput, tools
from benchmarks.endpoint import EndpointProcess
from benchmarks.figures import Figure, table

GROUPS = {
    "throughput": throughput.measure,
    "latency": latency.measure,
    "startup": startup.measure,
    "memory": memory.measure,
    "stop": stop.measure,
    "frames": frames.measure,
    "tools": tools.measure,
    "many": many.measure,
    "long": long.measure,
    "rows": rows.measure,
}
BY_NAME = ("long", "rows")
"""Groups that take so long that they are run by name only."""
VERSIONS = ("anthropic", "httpx2", "ipykernel", "ipython", "anywidget", "ipywidgets", "markdown-it-py", "jiter")


def machine() -> str:
    """The machine and the versions, in two lines."""
    cpu = platform.processor() or platform.machine()
    if (info := Path("/proc/cpuinfo")).exists():
        names = [
            line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        cpu = names[0] if names else cpu
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg()) if hasattr(os, "getloadavg") else "unknown"
    return (
        f"{os.cpu_count()} cores, {cpu}, {platform.system()}, load {load}\n"
        f"Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in VERSIONS)
    )


def main(names: list[str]) -> int:
    if unknown := set(names) - GROUPS.keys():
        print(f"no such group: {', '.join(sorted(unknown))}; there are {', '.join(GROUPS)}", file=sys.stderr)
        return 2
    began = time.monotonic()
    print(machine(), flush=True)
    figures: list[Figure] = []
    with EndpointProcess() as endpoint:
        for name in names or [each for each in GROUPS if each not in BY_NAME]:
            print(f"measuring {name} …", file=sys.stderr, flush=True)
            figures += GROUPS[name](endpoint)
    print(f"\n{table(figures)}\n")
    failed = [figure.name for figure in figures if not figure.holds]
    print(f"{len(failed)} of {sum(figure.asked is not None for figure in figures)} asked figures do not hold", end="; ")
    print(f"{time.monotonic() - began:.0f} s")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
