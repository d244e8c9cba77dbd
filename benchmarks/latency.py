"""Group 2: a model's pace. When text is on the wire, when the cell is over, and what it costs.

Both kernels speak through a tap that writes down when each delta came. Of times the best run counts, with the median
beside it: another process can only ever add to them. Processor time is compared as in group 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median
from typing import NamedTuple

from benchmarks import reference
from benchmarks.endpoint import EndpointProcess
from benchmarks.figures import Figure
from benchmarks.kernels import Kernel, Run
from benchmarks.tap import Tap
from benchmarks.throughput import LOAD, asked, busiest_second

DELTAS, SIZE, RATE = 300, 4, 100
PAIRS = 7
STALLS = 5
STALL_S = 1.0


class Times(NamedTuple):
    """One paced run, in seconds; `first` text from the first bytes of the HTTP request, and from the cell's request."""

    cpu: float
    first: float
    first_from_cell: float
    idle: float = 0.0
    lag: float = 0.0


def measure(endpoint: EndpointProcess) -> Iterator[Figure]:
    with (
        Tap(endpoint.base_url) as tap,
        Kernel(tap.base_url, endpoint.key, reference.SETUP) as sdk,
        Kernel(tap.base_url, endpoint.key, LOAD) as ours,
    ):
        endpoint.prepare(10, SIZE)
        sdk.run(reference.ASK)
        asked(endpoint, ours, 10, SIZE)
        yield from _paced(endpoint, tap, sdk, ours)
        yield from _stalled(endpoint, tap, ours)


def _paced(endpoint: EndpointProcess, tap: Tap, sdk: Kernel, ours: Kernel) -> Iterator[Figure]:
    pairs: list[tuple[Times, Times]] = []
    busiest = 0
    for _ in range(PAIRS):
        tap.forget()
        endpoint.prepare(DELTAS, SIZE, rate=RATE)
        run = sdk.run(reference.TIMED_ASK)
        found = sdk.value("found")
        theirs = Times(run.cpu, found - tap.requested, found - run.sent)
        tap.forget()
        run = asked(endpoint, ours, DELTAS, SIZE, rate=RATE)
        mine = Times(
            run.cpu, run.first_text - tap.requested, run.first_text - run.sent, run.idle - tap.last, _lag(tap, run)
        )
        pairs.append((theirs, mine))
        busiest = max(busiest, busiest_second(run.until_final))
    ratios = [mine.cpu / theirs.cpu for theirs, mine in pairs]
    name = "300 deltas at 100/s: "
    yield Figure(f"{name}CPU ÷ the SDK's", median(ratios), 1.5, note=f"{min(ratios):.2f} to {max(ratios):.2f}")
    for field, what, limit in (("first", "sending", 10), ("first_from_cell", "cell's request", None)):
        their, my = ([getattr(times, field) for times in column] for column in zip(*pairs, strict=True))
        yield _time(
            f"{name}first text after the SDK's, each from its {what}",
            min(my) - min(their),
            limit,
            f"{_ms(min(my))} against {_ms(min(their))}; medians {_ms(median(my))}, {_ms(median(their))}",
        )
    yield _best(f"{name}idle after the last byte", [mine.idle for _, mine in pairs], 60)
    yield _best(f"{name}text on the wire after it came, the latest", [mine.lag for _, mine in pairs], 50)
    yield Figure(f"{name}messages in the busiest second", busiest, 35, "{:.0f}")


def _stalled(endpoint: EndpointProcess, tap: Tap, ours: Kernel) -> Iterator[Figure]:
    lags = []
    for number in range(STALLS):
        tap.forget()
        lags.append(_lag(tap, asked(endpoint, ours, 60, SIZE, rate=RATE, stall=STALL_S, after=30 + number)))
    yield _best("the same where the stream then stalls for 1 s", lags, 50)


def _lag(tap: Tap, run: Run) -> float:
    """Seconds between a delta's arrival and its text on the wire, for the delta that waited longest."""
    shown: list[tuple[float, int]] = []
    for message in run.messages:
        if message.text:
            shown.append((message.at, len(message.text) + (shown[-1][1] if shown else 0)))
    return max(next(at for at, size in shown if size >= wanted) - came for came, wanted in tap.arrivals())


def _best(name: str, seconds: Sequence[float], asked_ms: float) -> Figure:
    return _time(name, min(seconds), asked_ms, f"median {_ms(median(seconds))}, worst {_ms(max(seconds))}")


def _time(name: str, seconds: float, asked_ms: float | None, note: str) -> Figure:
    return Figure(name, seconds * 1e3, asked_ms, "{:.1f} ms", note)


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms"
