"""New kernels: the time and the imports of `%load_ext`, and when the answer to the first prompt starts.

Each value has its own kernel, in alternation with kernels of the SDK. The first kernel of each kind does not count,
since it may compile bytecode.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from benchmarks import reference
from benchmarks.endpoint import EndpointProcess
from benchmarks.kernels import Kernel
from benchmarks.measurements import Measurement
from benchmarks.throughput import run_prompt

KERNELS = 9
HEAVY = [
    "anthropic",
    "anywidget",
    "dask",
    "distributed",
    "httpx2",
    "ipywidgets",
    "keyring",
    "markdown_it",
    "mcp",
    "mdit_py_plugins",
    "narwhals",
    "nbformat",
    "numpy",
    "pandas",
    "polars",
    "pydantic",
    "rich",
]
"""Modules that must not be imported before they are used."""

_LOAD = f"""
import sys, time
before = set(sys.modules)
began = time.perf_counter()
get_ipython().run_line_magic("load_ext", "mm_magics")
took = time.perf_counter() - began
heavy = sorted({set(HEAVY)!r} & (set(sys.modules) - before))
"""


def measure(endpoint: EndpointProcess) -> Iterator[Measurement]:
    loading: list[float] = []
    ours: list[float] = []
    theirs: list[float] = []
    heavy: set[str] = set()
    for _ in range(1 + KERNELS):
        with Kernel(endpoint.base_url, endpoint.key) as kernel:
            kernel.run(reference.TIMED_IMPORT)
            endpoint.prepare(20, 4)
            run = kernel.run(reference.FIRST_ASK)
            theirs.append(kernel.value("found") - run.sent + kernel.value("took"))
        with Kernel(endpoint.base_url, endpoint.key) as kernel:
            kernel.run(_LOAD)
            loading.append(kernel.value("took"))
            heavy |= set(kernel.value("heavy"))
            run = run_prompt(endpoint, kernel, 20, 4)
            ours.append(run.first_text - run.sent)
    del loading[0], ours[0], theirs[0]
    yield Measurement(
        "%load_ext in a fresh kernel", median(loading) * 1e3, 60, "{:.0f} ms", f"at least {min(loading) * 1e3:.0f} ms"
    )
    yield Measurement("heavy modules imported by it", len(heavy), 0, "{:.0f}", ", ".join(sorted(heavy)))
    yield Measurement(
        "first prompt in a fresh kernel: first text after the SDK's import and first text",
        (min(ours) - min(theirs)) * 1e3,
        0,
        "{:.0f} ms",
        f"{min(ours) * 1e3:.0f} ms against {min(theirs) * 1e3:.0f} ms; "
        f"medians {median(ours) * 1e3:.0f} ms, {median(theirs) * 1e3:.0f} ms",
    )
