"""Five answers in the background, each at the speed of a model, beside a cell that computes and releases the GIL.

The cell hashes a fixed amount of data. It is timed in pairs, alone and beside the answers, in the same kernel. The best
times are compared, since other processes can only add to them.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from statistics import median

from benchmarks.endpoint import EndpointProcess
from benchmarks.kernels import Kernel, Message
from benchmarks.measurements import Measurement
from benchmarks.throughput import LOAD

STREAMS, DELTAS, RATE = 5, 800, 100
READS_PER_S = 20
PAIRS = 5
SETTLE_S = 1.0
"""Seconds after which all answers stream."""

COUNT_READS = """
import socket, time
reads, receive = [], socket.socket.recv
def counted(self, *args):
    reads.append(1)
    return receive(self, *args)
socket.socket.recv = counted
"""
COMPUTE = """
import hashlib, time
data, began, cpu = bytes(4_000_000), time.perf_counter(), time.process_time() - time.thread_time()
for _ in range(250):
    hashlib.sha256(data).digest()
seconds = time.perf_counter() - began
other_cpu = time.process_time() - time.thread_time() - cpu
"""
PROMPT = f"%%minimax --background --thread {{name}}\n[[simulator: deltas={DELTAS} size=4 rate={RATE}]]"


def measure(endpoint: EndpointProcess) -> Iterator[Measurement]:
    names = [f"stream{number}" for number in range(STREAMS)]
    with Kernel(endpoint.base_url, endpoint.key, LOAD) as kernel:
        kernel.run(COUNT_READS)
        kernel.open_page({name: PROMPT.format(name=name) for name in names})
        kernel.run("%%minimax\nWarm up.", {"cellId": "warm"})
        times: list[tuple[float, float]] = []
        reads: list[float] = []
        pauses: list[float] = []
        cpu: list[float] = []
        for _ in range(PAIRS):
            kernel.run(COMPUTE)
            alone = kernel.value("seconds")
            for name in names:
                kernel.run(PROMPT.format(name=name), {"cellId": name}, settle=0.0)
            time.sleep(SETTLE_S)
            kernel.run("reads.clear(); since = time.monotonic()")
            messages = kernel.all_messages(COMPUTE)
            times.append((alone, kernel.value("seconds")))
            reads.append(kernel.value("len(reads) / (time.monotonic() - since)") / STREAMS)
            cpu.append(kernel.value("other_cpu / seconds"))
            pauses += _pauses(messages)
            kernel.wait_for_threads("mm_magics background answer")
    alone, beside = (min(column) for column in zip(*times, strict=True))
    ratios = [second / first for first, second in times]
    name = f"{STREAMS} answers at {RATE} deltas/s: "
    yield Measurement(
        f"{name}a cell beside them ÷ alone", beside / alone, 1.1, note=f"pairs {min(ratios):.2f} to {max(ratios):.2f}"
    )
    yield Measurement(f"{name}CPU of all threads but the cell's", median(cpu), None, "{:.2f} cores")
    yield Measurement(f"{name}reads per second and stream", max(reads), READS_PER_S * 1.05, "{:.1f}")
    yield Measurement(
        f"{name}longest time between two texts of one answer",
        1_000 * max(pauses),
        150,
        "{:.0f} ms",
        f"median {1_000 * median(pauses):.0f} ms",
    )


def _pauses(messages: list[Message]) -> list[float]:
    """Return the times between the texts of each answer."""
    shown: dict[str, list[float]] = {}
    for message in messages:
        if message.text:
            shown.setdefault(message.content["comm_id"], []).append(message.at)
    return [later - earlier for times in shown.values() for earlier, later in itertools.pairwise(times)]
