"""Stop: the time from pressing the button, or from an interrupt, to the end of the cell, in every state of a turn.

The button and the interrupt each have a new kernel, so that the first press counts too. The worst press counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from benchmarks.endpoint import EndpointProcess
from benchmarks.kernels import Kernel
from benchmarks.measurements import Measurement

PRESSES = 5
STATES = {
    "before the first byte": ("[[simulator: fault=silence-before-headers]]", "", "waiting"),
    "after the headers": ("[[simulator: fault=silence-after-headers]]", "", "waiting"),
    "while the model thinks": ('[[simulator: thinking="Let me think of it." rate=5]]', "", "thinking"),
    "while the model answers": ("[[simulator: deltas=2000 rate=100]]", "", "answering"),
    "while the answer pauses": ("[[simulator: deltas=50 fault=silence after=20]]", "", "answering"),
    "during an endless answer": ('[[simulator: say="Again." fault=endless]]', "", "answering"),
    "between two attempts": ("[[simulator: fault=overloaded retry_after=30]]", "", "waiting"),
    "in a synchronous tool": ("Use sleep, please.", "--tools sleep", "running"),
    "in an asynchronous tool": ("Use doze, please.", "--tools doze", "running"),
    "in a Python loop of a tool": ("Use spin, please.", "--tools spin", "running"),
    "while a tool waits for approval": ("Use wipe, please.", "--tools wipe", "asking"),
}
"""The prompt, its flags, and the state that the widget must show before Stop is pressed."""

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


def measure(endpoint: EndpointProcess) -> Iterator[Measurement]:
    with (
        Kernel(endpoint.base_url, endpoint.key, SETUP) as pressed,
        Kernel(endpoint.base_url, endpoint.key, SETUP) as interrupted,
    ):
        ways = {"button": (pressed, pressed.press_stop), "interrupt": (interrupted, interrupted.interrupt)}
        for kernel, _ in ways.values():
            kernel.ask("Warm up.")
        for name, (prompt, flags, sign) in STATES.items():
            took = {
                way: [kernel.stop(prompt, flags, sign, press) * 1e3 for _ in range(PRESSES)]
                for way, (kernel, press) in ways.items()
            }
            note = ", ".join(f"{way} {median(times):.0f} ms, worst {max(times):.0f}" for way, times in took.items())
            yield Measurement(f"Stop {name}: until the cell ends", max(map(max, took.values())), 500, "{:.0f} ms", note)
