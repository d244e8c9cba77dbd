"""Group 1: thousands of deltas as fast as they come. Processor time against the SDK's, bytes, messages, growth.

Always true: what was streamed to the front end and what the turn record holds are compared with what was sent, so that
no figure is of work left undone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from statistics import median
from typing import Any

from benchmarks import reference
from benchmarks.endpoint import EndpointProcess
from benchmarks.figures import Figure
from benchmarks.kernels import Kernel, Message, Run

DELTAS = 10_000
MANY = 50_000
SIZES = (4, 8)
"""Characters a delta: about one token, and two."""

PAIRS = 7
GROWTHS = 5
SINGLY = 3
LOAD = "%load_ext mm_magics"


def measure(endpoint: EndpointProcess) -> Iterator[Figure]:
    with (
        Kernel(endpoint.base_url, endpoint.key) as sdk,
        Kernel(endpoint.base_url, endpoint.key, LOAD) as ours,
    ):
        yield from _cold(endpoint, sdk, ours)
        for size in SIZES:
            yield from _steady(endpoint, sdk, ours, size)
        yield from _singly(endpoint, sdk, ours)
        yield from _growth(endpoint, ours)
    yield from _memory(endpoint)


def _cold(endpoint: EndpointProcess, sdk: Kernel, ours: Kernel) -> Iterator[Figure]:
    """The first prompt of a kernel, all imports in it, against the SDK's import and first loop."""
    imported = sdk.run(reference.SETUP).cpu
    endpoint.prepare(DELTAS, SIZES[0])
    first = imported + sdk.run(reference.ASK).cpu
    run = asked(endpoint, ours, DELTAS, SIZES[0])
    yield Figure(
        "first prompt of a kernel, 10,000 deltas: CPU ÷ the SDK's import and loop",
        run.cpu / first,
        note=f"{run.cpu * 1e3:.0f} ms against {first * 1e3:.0f} ms",
    )
    runtime = sum(message.size for message in run.messages if message.is_runtime)
    yield Figure("the front end's runtime, sent once per kernel", runtime / 1e3, form="{:.0f} kB")


def _steady(endpoint: EndpointProcess, sdk: Kernel, ours: Kernel, size: int) -> Iterator[Figure]:
    """Later prompts, by turns with the SDK's loop."""
    theirs: list[float] = []
    runs: list[Run] = []
    for _ in range(PAIRS):
        endpoint.prepare(DELTAS, size)
        theirs.append(sdk.run(reference.ASK).cpu)
        runs.append(asked(endpoint, ours, DELTAS, size))
    text = len(runs[0].text.encode())
    final = max(len(json.dumps(run.final, ensure_ascii=False).encode()) for run in runs)
    name = f"10,000 deltas of {size} characters: "
    ratios = [run.cpu / other for run, other in zip(runs, theirs, strict=True)]
    yield Figure(
        f"{name}CPU ÷ the SDK's",
        median(ratios),
        0.25,
        "{:.3f}",
        f"{median(run.cpu for run in runs) * 1e3:.0f} ms against {median(theirs) * 1e3:.0f} ms; "
        f"{min(ratios):.3f} to {max(ratios):.3f}",
    )
    sent = max(sum(message.size for message in run.until_final) for run in runs)
    yield Figure(f"{name}bytes while streaming ÷ text", sent / text, 1.5, note=f"{text / 1e3:.1f} kB of text")
    yield Figure(
        f"{name}messages in the busiest second",
        max(busiest_second(run.until_final) for run in runs),
        35,
        "{:.0f}",
        f"in {median(run.seconds for run in runs):.2f} s in all",
    )
    yield Figure(f"{name}(final bundle - 3 kB) ÷ text", (final - 3_000) / text, 4, note=f"{final / 1e3:.1f} kB as JSON")


def _singly(endpoint: EndpointProcess, sdk: Kernel, ours: Kernel) -> Iterator[Figure]:
    """A fast pace: every delta is a write of its own, as from a server far away, not a part of 64 kB at once."""
    pairs = []
    for _ in range(SINGLY):
        endpoint.prepare(DELTAS // 2, SIZES[0], rate=2_000)
        theirs = sdk.run(reference.ASK).cpu
        pairs.append((asked(endpoint, ours, DELTAS // 2, SIZES[0], rate=2_000).cpu, theirs))
    mine, theirs = min(pairs)
    yield Figure(
        "5,000 deltas at 2,000/s, each written by itself: CPU ÷ the SDK's",
        median(mine / theirs for mine, theirs in pairs),
        note=f"{mine * 1e3:.0f} ms against {theirs * 1e3:.0f} ms",
    )


def _growth(endpoint: EndpointProcess, ours: Kernel) -> Iterator[Figure]:
    """Five times the deltas against once, by turns: time and bytes."""
    pairs = [(asked(endpoint, ours, DELTAS, SIZES[0]), asked(endpoint, ours, MANY, SIZES[0])) for _ in range(GROWTHS)]
    name = "50,000 deltas ÷ 10,000: "
    few, many = (min(run.cpu for run in column) for column in zip(*pairs, strict=True))
    yield Figure(f"{name}CPU", many / few, 5.5, note=f"{many * 1e3:.0f} ms against {few * 1e3:.0f} ms")
    few, many = (min(run.seconds for run in column) for column in zip(*pairs, strict=True))
    yield Figure(f"{name}time", many / few, 5.5, note=f"{many:.2f} s against {few:.2f} s, the simulator's included")
    few, many = (
        max(sum(message.size for message in run.messages) for run in column) for column in zip(*pairs, strict=True)
    )
    yield Figure(
        f"{name}bytes, final bundle included", many / few, 5.5, note=f"{many / 1e3:.0f} kB against {few / 1e3:.0f} kB"
    )


def _memory(endpoint: EndpointProcess) -> Iterator[Figure]:
    """What tracemalloc sees of one prompt, each in a thread of its own: the most at a time, and what is kept."""
    with Kernel(endpoint.base_url, endpoint.key, LOAD) as ours:
        asked(endpoint, ours, DELTAS, SIZES[0])  # whatever is made once is made here
        ours.run("import gc, tracemalloc; tracemalloc.start()")
        seen: dict[int, tuple[float, float]] = {}
        for deltas in (DELTAS, MANY):
            ours.run("gc.collect(); tracemalloc.reset_peak(); before = tracemalloc.get_traced_memory()[0]")
            asked(endpoint, ours, deltas, SIZES[0], f"--thread of-{deltas}")
            ours.run("gc.collect(); kept, most = (each - before for each in tracemalloc.get_traced_memory())")
            values: Any = ours.value("[most, kept]")
            seen[deltas] = (values[0], values[1])
    for place, what in enumerate(("the most memory", "memory kept")):
        many, few = seen[MANY][place], seen[DELTAS][place]
        yield Figure(
            f"50,000 deltas ÷ 10,000: {what}", many / few, 5.5, note=f"{many / 1e6:.2f} MB against {few / 1e6:.2f} MB"
        )


def asked(endpoint: EndpointProcess, kernel: Kernel, deltas: int, size: int, flags: str = "", **more: float) -> Run:
    """A prompt cell with such an answer, run and checked."""
    text = endpoint.prepare(deltas, size, **more)
    run = kernel.ask("Write.", flags)
    record = next(value for kind, value in run.final.items() if kind.endswith("turn+json"))
    recorded = "".join(block.get("text", "") for block in record["messages"][-1]["content"])
    assert run.text == text, "the front end was not told the whole text"
    assert recorded == text, "the turn record does not hold the whole text"
    return run


def busiest_second(messages: list[Message]) -> int:
    """The most messages within any one second."""
    return max(sum(first.at <= message.at < first.at + 1 for message in messages) for first in messages)
