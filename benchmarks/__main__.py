"""`python -m benchmarks`: measure all groups but the long ones and print the table; exit with 1 if a limit is exceeded.

`python -m benchmarks throughput latency …` only measures the named groups.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path

from benchmarks import (
    background,
    cluster,
    crowd,
    flat,
    frames,
    latency,
    limited,
    long,
    many,
    memory,
    rows,
    speed,
    startup,
    stop,
    throughput,
    tools,
)
from benchmarks.endpoint import EndpointProcess
from benchmarks.measurements import Measurement, table

GROUPS = {
    "throughput": throughput.measure,
    "latency": latency.measure,
    "startup": startup.measure,
    "memory": memory.measure,
    "stop": stop.measure,
    "frames": frames.measure,
    "tools": tools.measure,
    "background": background.measure,
    "many": many.measure,
    "limited": limited.measure,
    "speed": speed.measure,
    "long": long.measure,
    "rows": rows.measure,
    "cluster": cluster.measure,
    "flat": flat.measure,
    "crowd": crowd.measure,
}
ONLY_BY_NAME = ("long", "rows", "crowd", "cluster", "flat")
"""Groups that take minutes."""
VERSIONS = (
    "aiohttp",
    "anthropic",
    "httpx2",
    "ipykernel",
    "ipython",
    "anywidget",
    "ipywidgets",
    "markdown-it-py",
    "jiter",
)


def machine() -> str:
    """Describe the machine and the versions, in two lines."""
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
        print(f"no such group: {', '.join(sorted(unknown))}; the groups are {', '.join(GROUPS)}", file=sys.stderr)
        return 2
    began = time.monotonic()
    print(machine(), flush=True)
    measurements: list[Measurement] = []
    with EndpointProcess() as endpoint:
        for name in names or [each for each in GROUPS if each not in ONLY_BY_NAME]:
            print(f"measuring {name} …", file=sys.stderr, flush=True)
            measurements += GROUPS[name](endpoint)
    print(f"\n{table(measurements)}\n")
    exceeded = sum(not each.is_met for each in measurements)
    limits = sum(each.limit is not None for each in measurements)
    print(f"{exceeded} of {limits} limits exceeded; {time.monotonic() - began:.0f} s")
    return int(exceeded > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
