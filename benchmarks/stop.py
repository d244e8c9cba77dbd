"""Group 6: Stop. From the press, of the button or of an interrupt, to the cell's end, in every state of a turn.

A new kernel for each way, so that the first press of each is one of those that count; of all presses the worst does.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from benchmarks.endpoint import EndpointProcess
from benchmarks.figures import Figure
from benchmarks.kernels import Kernel

PRESSES = 5
STATES = {
    "before the first byte": ("[[simulator: fault=silence-before-headers]]", "", "waiting"),
    "after the headers": ("[[simulator: fault=silence-after-headers]]", "", "waiting"),
    "while it thinks": ('[[simulator: thinking="Let me think of it." rate=5]]', "", "thinking"),
    "while it answers": ("[[simulator: deltas=2000 rate=100]]", "", "answering"),
    "in a silence of the answer": ("[[simulator: deltas=50 fault=silence after=20]]", "", "answering"),
    "in a flood": ('[[simulator: say="Again." fault=endless]]', "", "answering"),
    "between two tries": ("[[simulator: fault=overloaded retry_after=30]]", "", "waiting"),
    "in a synchronous tool": ("Use sleep, please.", "--tools sleep", "running"),
    "in an asynchronous tool": ("Use doze, please.", "--tools doze", "running"),
    "in a loop of Python": ("Use spin, please.", "--tools spin", "running"),
    "while a tool asks": ("Use wipe, please.", "--tools wipe", "asking"),
}
"""What is asked, with which flags, and the state that the widget is told of before Stop is pressed."""

SETUP = """
%load_ext mm_magics
import asyncio, time
from mm_magics import minimax_tool
def sleep() -> None:
    time.sleep(60)
async def doze() -> None:
    await asyncio.sleep(60)
def spin() -> None:
    while True:
        pass
@minimax_tool(asks=True)
def wipe() -> None:
    pass
"""


def measure(endpoint: EndpointProcess) -> Iterator[Figure]:
    with (
        Kernel(endpoint.base_url, endpoint.key, SETUP) as pressed,
        Kernel(endpoint.base_url, endpoint.key, SETUP) as interrupted,
    ):
        ways = {"button": (pressed, pressed.button()), "interrupt": (interrupted, interrupted.interrupt)}
        for kernel, _ in ways.values():
            kernel.ask("Warm up.")
        for name, (prompt, flags, sign) in STATES.items():
            took = {
                way: [kernel.stop(prompt, flags, sign, press) * 1e3 for _ in range(PRESSES)]
                for way, (kernel, press) in ways.items()
            }
            note = ", ".join(f"{way} {median(times):.0f} ms, worst {max(times):.0f}" for way, times in took.items())
            yield Figure(f"Stop {name}: the cell is over", max(map(max, took.values())), 500, "{:.0f} ms", note)
