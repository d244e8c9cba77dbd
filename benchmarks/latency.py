"""Answers at the speed of a model: when text is on the wire, when the cell ends, and the CPU time.

Both kernels connect through a tap that records when each delta arrived. Of times, the best run counts, since other
processes can only add to them; the median is shown as well. CPU time is compared as in `throughput`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median
from typing import NamedTuple

from benchmarks import reference
from benchmarks.endpoint import EndpointProcess
from benchmarks.kernels import Kernel, Run
from benchmarks.measurements import Measurement
from benchmarks.tap import Tap
from benchmarks.throughput import LOAD, busiest_second, run_prompt

DELTAS, SIZE, RATE = 300, 4, 100
PAIRS = 7
STALLS = 5
STALL_S = 1.0


class Times(NamedTuple):
    """The times of one run in seconds: the `first` text counted from the HTTP request and from the execute request."""

    cpu: float
    first: float
    first_from_cell: float
    idle: float = 0.0
    lag: float = 0.0


def measure(endpoint: EndpointProcess) -> Iterator[Measurement]:
    with (
        Tap(endpoint.base_url) as tap,
        Kernel(tap.base_url, endpoint.key, reference.SETUP) as sdk,
        Kernel(tap.base_url, endpoint.key, LOAD) as ours,
    ):
        endpoint.prepare(10, SIZE)
        sdk.run(reference.ASK)
        run_prompt(endpoint, ours, 10, SIZE)
        yield from _paced(endpoint, tap, sdk, ours)
        yield from _stalled(endpoint, tap, ours)


def _paced(endpoint: EndpointProcess, tap: Tap, sdk: Kernel, ours: Kernel) -> Iterator[Measurement]:
    pairs: list[tuple[Times, Times]] = []
    busiest = 0
    for _ in range(PAIRS):
        tap.reset()
        endpoint.prepare(DELTAS, SIZE, rate=RATE)
        run = sdk.run(reference.TIMED_ASK)
        first_text = sdk.value("found")
        theirs = Times(run.cpu, first_text - tap.requested, first_text - run.sent)
        tap.reset()
        run = run_prompt(endpoint, ours, DELTAS, SIZE, rate=RATE)
        mine = Times(
            run.cpu, run.first_text - tap.requested, run.first_text - run.sent, run.idle - tap.last, _lag(tap, run)
        )
        pairs.append((theirs, mine))
        busiest = max(busiest, busiest_second(run.until_final))
    ratios = [mine.cpu / theirs.cpu for theirs, mine in pairs]
    name = "300 deltas at 100/s: "
    yield Measurement(f"{name}CPU ÷ the SDK's", median(ratios), 1.3, note=f"{min(ratios):.2f} to {max(ratios):.2f}")
    for field, start, limit in (("first", "HTTP", 10), ("first_from_cell", "execute", None)):
        their, my = ([getattr(times, field) for times in column] for column in zip(*pairs, strict=True))
        yield _time(
            f"{name}first text after the SDK's, from the {start} request",
            min(my) - min(their),
            limit,
            f"{_ms(min(my))} against {_ms(min(their))}; medians {_ms(median(my))}, {_ms(median(their))}",
        )
    yield _best(f"{name}idle after the last byte", [mine.idle for _, mine in pairs], 60)
    yield _best(f"{name}longest delay of a text on the wire", [mine.lag for _, mine in pairs], 50)
    yield Measurement(f"{name}messages in the busiest second", busiest, 35, "{:.0f}")


def _stalled(endpoint: EndpointProcess, tap: Tap, ours: Kernel) -> Iterator[Measurement]:
    lags = []
    for number in range(STALLS):
        tap.reset()
        lags.append(_lag(tap, run_prompt(endpoint, ours, 60, SIZE, rate=RATE, stall=STALL_S, after=30 + number)))
    yield _best("the same, if the stream stalls for 1 s", lags, 50)


def _lag(tap: Tap, run: Run) -> float:
    """Return the seconds from a delta's arrival to its text on the wire, for the delta that waited longest."""
    shown: list[tuple[float, int]] = []
    for message in run.messages:
        if message.text:
            shown.append((message.at, len(message.text) + (shown[-1][1] if shown else 0)))
    return max(next(at for at, size in shown if size >= total) - arrived for arrived, total in tap.arrivals())


def _best(name: str, seconds: Sequence[float], limit_ms: float) -> Measurement:
    return _time(name, min(seconds), limit_ms, f"median {_ms(median(seconds))}, worst {_ms(max(seconds))}")


def _time(name: str, seconds: float, limit_ms: float | None, note: str) -> Measurement:
    return Measurement(name, seconds * 1e3, limit_ms, "{:.1f} ms", note)


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms"
