"""New kernels: the time and the imports of `%load_ext`, and when the answer to the first prompt starts.

Each value has its own kernel, in alternation with kernels of the SDK. The first kernel of each kind does not count,
since it may compile bytecode.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median

from benchmarks import reference
from benchmarks.endpoint import EndpointProcess
from benchmarks.kernels import CELL, Kernel
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

IDLE_S = 2.0
"""How long the user types the first prompt."""
SHORT_CELLS = 30

_LOAD_AND_SET = "%load_ext mm_magics\n%config MiniMax.max_versions = 0"
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
    yield from _background_import(endpoint)
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


def _background_import(endpoint: EndpointProcess) -> Iterator[Measurement]:
    """The import while the user types: what it leaves to the first prompt, and how long it delays other cells."""
    later: list[float] = []
    delays: list[float] = []
    for number in range(1 + KERNELS):
        with Kernel(endpoint.base_url, endpoint.key) as kernel:
            kernel.run(_LOAD_AND_SET, CELL)
            time.sleep(IDLE_S)
            first, *warm = (_first_text(endpoint, kernel) for _ in range(6))
            later += [first - median(warm)] if number else []
        with Kernel(endpoint.base_url, endpoint.key) as kernel:
            kernel.run(_LOAD_AND_SET, CELL)
            meanwhile = _short_cells(kernel)
            time.sleep(IDLE_S)
            delays += [max(meanwhile) - median(_short_cells(kernel))] if number else []
    yield Measurement(
        f"first prompt {IDLE_S:g} s after %load_ext: first text after that of a warm prompt",
        median(later) * 1e3,
        30,
        "{:.0f} ms",
        f"at most {max(later) * 1e3:.0f} ms",
    )
    yield Measurement(
        "longest delay of a cell by the import in the background",
        median(delays) * 1e3,
        50,
        "{:.0f} ms",
        f"in one of {KERNELS} kernels {max(delays) * 1e3:.0f} ms",
    )


def _first_text(endpoint: EndpointProcess, kernel: Kernel) -> float:
    run = run_prompt(endpoint, kernel, 20, 4)
    return run.first_text - run.sent


def _short_cells(kernel: Kernel) -> list[float]:
    """How long cells take that a user runs one after another: each counts to 100,000, which takes some milliseconds."""
    seconds = []
    for _ in range(SHORT_CELLS):
        seconds.append(kernel.run("for _ in range(100_000): pass", settle=0).seconds)
        time.sleep(0.02)
    return seconds
