"""200 notebooks' kernels at one simulator, as many at once as the memory holds.

Takes minutes, so that it is only run by name. A kernel's weight is the memory that would be free without it (USS)
after a prompt; kernels may fill SHARE of what is available then. Each asks one prompt by itself, then all that are
open ask PROMPTS more at once, at a model's pace. Always true: every kernel has its own answers to check.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psutil

from benchmarks.endpoint import EndpointProcess
from benchmarks.figures import Figure
from benchmarks.kernels import CELL, Kernel

KERNELS, PROMPTS, SHARE = 200, 3, 0.5
STARTING = 4
"""Kernels that start at once: a start is mostly processor time."""


def measure(endpoint: EndpointProcess) -> Iterator[Figure]:
    weight = _weight(endpoint)
    at_once = max(1, min(KERNELS, int(SHARE * psutil.virtual_memory().available / weight)))
    simulator = endpoint.process
    before = simulator.num_threads(), simulator.num_fds()
    children = len(psutil.Process().children(recursive=True))
    began, right, most, idle = time.monotonic(), 0, 0, 0.0
    for first in range(0, KERNELS, at_once):
        numbers = range(first, min(first + at_once, KERNELS))
        batch, opened, seconds = _batch(endpoint, numbers)
        right, most, idle = right + batch, max(most, opened), max(idle, seconds)
    note = (
        f"{at_once} at once, {1 + PROMPTS} prompts each, {weight / 1e6:.0f} MB each, {time.monotonic() - began:.0f} s"
    )
    yield Figure(f"{KERNELS} kernels at one simulator: kernels with a wrong answer", KERNELS - right, 0, "{:.0f}", note)
    yield Figure("the same: the longest of the prompts asked at once", idle, None, "{:.1f} s")
    yield Figure(
        "the same: files and sockets of the simulator meanwhile", most, None, "{:.0f}", f"{before[1]} without kernels"
    )
    time.sleep(1.0)
    left = simulator.num_threads() - before[0] + simulator.num_fds() - before[1]
    yield Figure("the same: threads and sockets left in the simulator", left, 0, "{:.0f}")
    left = len(psutil.Process().children(recursive=True)) - children
    yield Figure("the same: processes left", left, 0, "{:.0f}")


def _weight(endpoint: EndpointProcess) -> int:
    with Kernel(endpoint.base_url, endpoint.key, "%load_ext mm_magics") as kernel:
        _asked(kernel, "weight")
        weight: int = psutil.Process(kernel.pid).memory_full_info().uss
        return weight


def _batch(endpoint: EndpointProcess, numbers: range) -> tuple[int, int, float]:
    """Kernels whose answers were all their own, the simulator's files while all ask, the longest prompt's seconds."""

    def talk(kernel: Kernel, number: int) -> tuple[bool, float]:
        asked = [_asked(kernel, f"kernel {number}, answer {each}", "rate=10 size=1") for each in range(PROMPTS)]
        return all(right for right, _ in asked), max(seconds for _, seconds in asked)

    with ExitStack() as stack:

        def begin(_: int) -> Kernel:
            return stack.enter_context(Kernel(endpoint.base_url, endpoint.key, "%load_ext mm_magics"))

        with ThreadPoolExecutor(STARTING) as pool:
            kernels = list(pool.map(begin, numbers))
            first = list(pool.map(_asked, kernels, (f"kernel {number}" for number in numbers)))
        with ThreadPoolExecutor(len(kernels)) as pool:
            talks = [pool.submit(talk, kernel, number) for kernel, number in zip(kernels, numbers, strict=True)]
            most = 0
            while not all(each.done() for each in talks):
                most = max(most, endpoint.process.num_fds())
                time.sleep(0.1)
        done = [each.result() for each in talks]
    right = sum(begun[0] and then[0] for begun, then in zip(first, done, strict=True))
    return right, most, max(seconds for _, seconds in done)


def _asked(kernel: Kernel, said: str, more: str = "") -> tuple[bool, float]:
    run = kernel.run(f'%%minimax\n[[simulator: say="{said}" {more}]]', CELL, settle=0.0)
    return run.text == said, run.seconds
