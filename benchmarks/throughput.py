"""Thousands of deltas at full speed: CPU time compared with the SDK's, bytes, messages, and growth.

The text sent to the front end and the text of the turn record are compared with the text of the simulator, so that no
measurement is of unfinished work.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from statistics import median
from typing import Any

from benchmarks import reference
from benchmarks.endpoint import EndpointProcess
from benchmarks.kernels import Kernel, Message, Run
from benchmarks.measurements import Measurement

DELTAS = 10_000
MANY = 50_000
ANSWERS = ((1_000, 4, 0.5), (DELTAS, 4, 0.2), (DELTAS, 8, 0.25), (MANY, 4, 0.17))
"""Deltas, characters per delta (4 are about one token), and the largest ratio of the CPU time to the SDK's."""

SIZE = 4
PAIRS = 7
GROWTHS = 5
SINGLY = 3
LOAD = "%load_ext mm_magics"


def measure(endpoint: EndpointProcess) -> Iterator[Measurement]:
    with (
        Kernel(endpoint.base_url, endpoint.key) as sdk,
        Kernel(endpoint.base_url, endpoint.key, LOAD) as ours,
    ):
        yield from _cold(endpoint, sdk, ours)
        for deltas, size, limit in ANSWERS:
            yield from _steady(endpoint, sdk, ours, deltas, size, limit)
        yield from _singly(endpoint, sdk, ours)
        yield from _growth(endpoint, ours)
    yield from _memory(endpoint)


def _cold(endpoint: EndpointProcess, sdk: Kernel, ours: Kernel) -> Iterator[Measurement]:
    """Measure the first prompt of a kernel, including all imports, against the SDK's import and first loop."""
    imported = sdk.run(reference.SETUP).cpu
    endpoint.prepare(DELTAS, SIZE)
    first = imported + sdk.run(reference.ASK).cpu
    run = run_prompt(endpoint, ours, DELTAS, SIZE)
    yield Measurement(
        "first prompt of a kernel, 10,000 deltas: CPU ÷ the SDK's import and loop",
        run.cpu / first,
        note=f"{run.cpu * 1e3:.0f} ms against {first * 1e3:.0f} ms",
    )
    runtime = sum(message.size for message in run.messages if message.is_runtime)
    yield Measurement("the front end's runtime, sent once per kernel", runtime / 1e3, form="{:.0f} kB")


def _steady(
    endpoint: EndpointProcess, sdk: Kernel, ours: Kernel, deltas: int, size: int, limit: float
) -> Iterator[Measurement]:
    """Measure later prompts, in alternation with the SDK's loop."""
    theirs: list[float] = []
    runs: list[Run] = []
    for _ in range(PAIRS):
        endpoint.prepare(deltas, size)
        theirs.append(sdk.run(reference.ASK).cpu)
        runs.append(run_prompt(endpoint, ours, deltas, size))
    text = len(runs[0].text.encode())
    final = max(len(json.dumps(run.final, ensure_ascii=False).encode()) for run in runs)
    name = f"{deltas:,} deltas of {size} characters: "
    ratios = [run.cpu / other for run, other in zip(runs, theirs, strict=True)]
    yield Measurement(
        f"{name}CPU ÷ the SDK's",
        median(ratios),
        limit,
        "{:.3f}",
        f"{median(run.cpu for run in runs) * 1e3:.0f} ms against {median(theirs) * 1e3:.0f} ms; "
        f"{min(ratios):.3f} to {max(ratios):.3f}",
    )
    sent = max(sum(message.size for message in run.until_final) for run in runs)
    yield Measurement(f"{name}bytes while streaming ÷ text", sent / text, 1.5, note=f"{text / 1e3:.1f} kB of text")
    yield Measurement(
        f"{name}messages in the busiest second",
        max(busiest_second(run.until_final) for run in runs),
        35,
        "{:.0f}",
        f"in {median(run.seconds for run in runs):.2f} s in all",
    )
    yield Measurement(
        f"{name}(final bundle - 3 kB) ÷ text", (final - 3_000) / text, 4, note=f"{final / 1e3:.1f} kB as JSON"
    )


def _singly(endpoint: EndpointProcess, sdk: Kernel, ours: Kernel) -> Iterator[Measurement]:
    """Measure deltas that are each written separately, as by a distant server, instead of 64 kB at a time."""
    pairs = []
    for _ in range(SINGLY):
        endpoint.prepare(DELTAS // 2, SIZE, rate=2_000)
        theirs = sdk.run(reference.ASK).cpu
        pairs.append((run_prompt(endpoint, ours, DELTAS // 2, SIZE, rate=2_000).cpu, theirs))
    mine, theirs = min(pairs)
    yield Measurement(
        "5,000 deltas at 2,000/s, each in its own write: CPU ÷ the SDK's",
        median(mine / theirs for mine, theirs in pairs),
        note=f"{mine * 1e3:.0f} ms against {theirs * 1e3:.0f} ms",
    )


def _growth(endpoint: EndpointProcess, ours: Kernel) -> Iterator[Measurement]:
    """Measure five times the deltas against one time, in alternation: time and bytes."""
    pairs = [(run_prompt(endpoint, ours, DELTAS, SIZE), run_prompt(endpoint, ours, MANY, SIZE)) for _ in range(GROWTHS)]
    name = "50,000 deltas ÷ 10,000: "
    few, many = (min(run.cpu for run in column) for column in zip(*pairs, strict=True))
    yield Measurement(f"{name}CPU", many / few, 5.5, note=f"{many * 1e3:.0f} ms against {few * 1e3:.0f} ms")
    few, many = (min(run.seconds for run in column) for column in zip(*pairs, strict=True))
    yield Measurement(
        f"{name}time", many / few, 5.5, note=f"{many:.2f} s against {few:.2f} s, the simulator's included"
    )
    few, many = (
        max(sum(message.size for message in run.messages) for run in column) for column in zip(*pairs, strict=True)
    )
    yield Measurement(
        f"{name}bytes, final bundle included", many / few, 5.5, note=f"{many / 1e3:.0f} kB against {few / 1e3:.0f} kB"
    )


def _memory(endpoint: EndpointProcess) -> Iterator[Measurement]:
    """Measure by tracemalloc the peak and the retained memory of one prompt, each in its own thread."""
    with Kernel(endpoint.base_url, endpoint.key, LOAD) as ours:
        run_prompt(endpoint, ours, DELTAS, SIZE)  # creates what is only created once
        ours.run("import gc, tracemalloc; tracemalloc.start()")
        seen: dict[int, tuple[float, float]] = {}
        for deltas in (DELTAS, MANY):
            ours.run("gc.collect(); tracemalloc.reset_peak(); before = tracemalloc.get_traced_memory()[0]")
            run_prompt(endpoint, ours, deltas, SIZE, f"--thread of-{deltas}")
            ours.run("gc.collect(); retained, peak = (each - before for each in tracemalloc.get_traced_memory())")
            values: Any = ours.value("[peak, retained]")
            seen[deltas] = (values[0], values[1])
    for place, what in enumerate(("peak memory", "retained memory")):
        many, few = seen[MANY][place], seen[DELTAS][place]
        yield Measurement(
            f"50,000 deltas ÷ 10,000: {what}", many / few, 5.5, note=f"{many / 1e6:.2f} MB against {few / 1e6:.2f} MB"
        )


def run_prompt(
    endpoint: EndpointProcess, kernel: Kernel, deltas: int, size: int, flags: str = "", **more: float
) -> Run:
    """Run a prompt cell with an answer of this many deltas, and check its text."""
    text = endpoint.prepare(deltas, size, **more)
    run = kernel.ask("Write.", flags)
    record = next(value for kind, value in run.final.items() if kind.endswith("turn+json"))
    recorded = "".join(block.get("text", "") for block in record["messages"][-1]["content"])
    assert run.text == text, "the front end did not receive the whole text"
    assert recorded == text, "the turn record does not contain the whole text"
    return run


def busiest_second(messages: list[Message]) -> int:
    """Return the largest number of messages within one second."""
    return max(sum(first.at <= message.at < first.at + 1 for message in messages) for first in messages)
