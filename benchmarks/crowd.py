"""200 notebook kernels at one simulator, as many at once as fit in memory.

This takes minutes, so it only runs by name. A kernel's size is its unique memory (USS) after a prompt; all open kernels
together use at most MEMORY_SHARE of the memory that is available. Each kernel sends one prompt by itself, then all open
kernels send PROMPTS more at the same time, at the speed of a model. Each prompt has its own answer, which is checked.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psutil

from benchmarks.endpoint import EndpointProcess
from benchmarks.kernels import CELL, Kernel
from benchmarks.measurements import Measurement

KERNELS, PROMPTS, MEMORY_SHARE = 200, 3, 0.5
STARTING = 4
"""Kernels that start at the same time: starting one is mostly CPU time."""


def measure(endpoint: EndpointProcess) -> Iterator[Measurement]:
    size = _kernel_size(endpoint)
    at_once = max(1, min(KERNELS, int(MEMORY_SHARE * psutil.virtual_memory().available / size)))
    simulator = endpoint.process
    before = simulator.num_threads(), simulator.num_fds()
    children = len(psutil.Process().children(recursive=True))
    began, correct, most_files, slowest = time.monotonic(), 0, 0, 0.0
    for first in range(0, KERNELS, at_once):
        numbers = range(first, min(first + at_once, KERNELS))
        correct_here, files, seconds = _batch(endpoint, numbers)
        correct, most_files, slowest = correct + correct_here, max(most_files, files), max(slowest, seconds)
    note = f"{at_once} at once, {1 + PROMPTS} prompts each, {size / 1e6:.0f} MB each, {time.monotonic() - began:.0f} s"
    yield Measurement(
        f"{KERNELS} kernels at one simulator: kernels with a wrong answer", KERNELS - correct, 0, "{:.0f}", note
    )
    yield Measurement("the same: slowest of the concurrent prompts", slowest, None, "{:.1f} s")
    yield Measurement(
        "the same: files and sockets of the simulator during the run",
        most_files,
        None,
        "{:.0f}",
        f"{before[1]} without kernels",
    )
    time.sleep(1.0)
    left = simulator.num_threads() - before[0] + simulator.num_fds() - before[1]
    yield Measurement("the same: threads and sockets left in the simulator", left, 0, "{:.0f}")
    left = len(psutil.Process().children(recursive=True)) - children
    yield Measurement("the same: processes left", left, 0, "{:.0f}")


def _kernel_size(endpoint: EndpointProcess) -> int:
    with Kernel(endpoint.base_url, endpoint.key, "%load_ext mm_magics") as kernel:
        _ask(kernel, "size")
        size: int = psutil.Process(kernel.pid).memory_full_info().uss
        return size


def _batch(endpoint: EndpointProcess, numbers: range) -> tuple[int, int, float]:
    """Return how many kernels got all their answers, the peak of open files, and the seconds of the slowest prompt."""

    def talk(kernel: Kernel, number: int) -> tuple[bool, float]:
        results = [_ask(kernel, f"kernel {number}, answer {each}", "rate=10 size=1") for each in range(PROMPTS)]
        return all(correct for correct, _ in results), max(seconds for _, seconds in results)

    with ExitStack() as stack:

        def start(_: int) -> Kernel:
            return stack.enter_context(Kernel(endpoint.base_url, endpoint.key, "%load_ext mm_magics"))

        with ThreadPoolExecutor(STARTING) as pool:
            kernels = list(pool.map(start, numbers))
            first = list(pool.map(_ask, kernels, (f"kernel {number}" for number in numbers)))
        with ThreadPoolExecutor(len(kernels)) as pool:
            talks = [pool.submit(talk, kernel, number) for kernel, number in zip(kernels, numbers, strict=True)]
            files = 0
            while not all(each.done() for each in talks):
                files = max(files, endpoint.process.num_fds())
                time.sleep(0.1)
        done = [each.result() for each in talks]
    correct = sum(one[0] and more[0] for one, more in zip(first, done, strict=True))
    return correct, files, max(seconds for _, seconds in done)


def _ask(kernel: Kernel, answer: str, more: str = "") -> tuple[bool, float]:
    """Send a prompt with this answer; return whether the answer arrived, and the seconds it took."""
    run = kernel.run(f'%%minimax\n[[simulator: say="{answer}" {more}]]', CELL, settle=0.0)
    return run.text == answer, run.seconds
