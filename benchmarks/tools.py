"""Tools: how the cost of a turn grows with its rounds, in a notebook and below a long thread, and the cost of one call.

Every measured call is checked. The function that is called only adds one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

from benchmarks.endpoint import EndpointProcess
from benchmarks.kernels import Kernel
from benchmarks.measurements import Measurement
from benchmarks.memory import TURNS, turn_of
from benchmarks.texts import markdown
from benchmarks.throughput import LOAD
from mm_magics.api.messages import Message
from mm_magics.api.request import encode
from mm_magics.session import Session
from mm_magics.tools.approval import Rules
from mm_magics.tools.runtime.runner import ToolFinished, ToolLimits, ToolRunner
from mm_magics.tools.schema.functions import minimax_tool, tool_of
from mm_magics.tools.tool import ToolCall
from mm_magics.turn.request_body import RequestBody

ROUNDS = (10, 25, 50, 100)
FEW, MANY = 10, 50
TIMES = 5
BATCHES, CALLS = 10, 50
SHORT = 400
"""Characters of an answer of the long thread: a thousand of them fit the context window."""

TICK = """
def tick(number: int = 0) -> int:
    "Return the next number."
    return number + 1
"""


def measure(endpoint: EndpointProcess) -> Iterator[Measurement]:
    yield from _growth(endpoint)
    yield from _below_a_long_thread(endpoint)
    yield from _one_call()


def _growth(endpoint: EndpointProcess) -> Iterator[Measurement]:
    """Measure whole cells in a kernel: calls, requests, widget and final bundle. The best of some runs counts."""
    spent: dict[int, float] = dict.fromkeys(ROUNDS, float("inf"))
    turns: dict[int, list[Message]] = {}
    with Kernel(endpoint.base_url, endpoint.key, LOAD) as kernel:
        kernel.run(TICK)
        _run_rounds(kernel, 2)
        for _ in range(TIMES):
            for rounds in ROUNDS:
                cpu, turns[rounds] = _run_rounds(kernel, rounds)
                spent[rounds] = min(spent[rounds], cpu)
    for rounds in ROUNDS:
        if rounds != FEW:
            yield Measurement(
                f"a turn of {rounds} rounds ÷ {FEW}: CPU",
                spent[rounds] / spent[FEW],
                1.1 * rounds / FEW if rounds == MANY else None,
                note=f"{spent[rounds] * 1e3:.0f} ms against {spent[FEW] * 1e3:.0f} ms; "
                f"{spent[rounds] / rounds * 1e3:.1f} ms per round",
            )
    bodies = {rounds: list(_bodies(turns[rounds])) for rounds in (FEW, MANY)}
    many, few = (sum(map(len, bodies[rounds])) for rounds in (MANY, FEW))
    making = min(_seconds(lambda: list(_bodies(turns[MANY]))) for _ in range(TIMES))
    yield Measurement(
        f"a turn of {MANY} rounds ÷ {FEW}: bytes of its requests",
        many / few,
        note=f"{many / 1e3:.0f} kB against {few / 1e3:.0f} kB: each request contains all rounds before it",
    )
    yield Measurement(
        f"a turn of {MANY} rounds: encoding them ÷ the turn's CPU",
        making / spent[MANY],
        form="{:.3f}",
        note=f"{making * 1e3:.1f} ms",
    )


def _run_rounds(kernel: Kernel, rounds: int) -> tuple[float, list[Message]]:
    """Run a turn of this many rounds; return its CPU time and its messages."""
    run = kernel.ask(f"Use tick. [[simulator: rounds={rounds}]]", f"--tools tick --max-rounds {rounds + 1}")
    record = next(value for kind, value in run.final.items() if kind.endswith("turn+json"))
    assert [each["tools"][0]["outcome"] for each in record["responses"][:-1]] == ["done"] * rounds
    return run.cpu, record["messages"]


def _bodies(turn: list[Message]) -> Iterator[bytes]:
    """Encode the requests of a turn again."""
    body: dict[str, Any] = {"model": "MiniMax-M2.7", "max_tokens": 65_536, "messages": turn[:1]}
    content = encode(body)
    yield content
    growing = RequestBody(body, content, [], body["max_tokens"])
    for end in range(3, len(turn), 2):
        yield growing.next(turn[:end], [None] * (end // 2), None)


def _below_a_long_thread(endpoint: EndpointProcess) -> Iterator[Measurement]:
    """Measure one more round of a script's turn, from turns of few and of many rounds."""
    each = {count: _round_seconds(endpoint, count) for count in (0, TURNS)}
    sent = SHORT * TURNS / 1e6
    yield Measurement(
        f"one more round below {TURNS:,} turns: CPU",
        each[TURNS] * 1e3,
        form="{:.1f} ms",
        note=f"{each[0] * 1e3:.1f} ms with no turns above; each request has more than {sent:.1f} MB",
    )


def _round_seconds(endpoint: EndpointProcess, turns: int) -> float:
    tick = tool_of(_tick)
    text = markdown(SHORT * turns)
    with Session(base_url=endpoint.base_url, api_key=endpoint.key, model="MiniMax-M2.7") as session:
        for number in range(turns):
            session.history.put(turn_of(f"cell{number}", text[number * SHORT : (number + 1) * SHORT]))

        def spent(rounds: int) -> float:
            began = time.process_time()
            turn = session.ask(f"Use _tick. [[simulator: rounds={rounds}]]", tools=[tick], cell_id="new")
            assert len(turn.responses) == rounds + 1
            return time.process_time() - began

        spent(1)
        few, many = (min(spent(rounds) for _ in range(TIMES)) for rounds in (1, 11))
    return (many - few) / 10


def _one_call() -> Iterator[Measurement]:
    """Measure everything around one call in this process: validation, the rule that allows it, threads, the result."""
    for what, function in (
        ("tool call", _tick),
        ("asynchronous tool call", _tick_later),
    ):
        batches = [sorted(_call_seconds(function) * 1e3 for _ in range(CALLS)) for _ in range(BATCHES)]
        times = min(batches, key=median)
        yield Measurement(
            f"overhead of one {what}, median",
            median(times),
            1.0,
            "{:.2f} ms",
            f"best {times[0]:.2f} ms; batch medians up to {max(map(median, batches)):.2f} ms",
        )


def _tick(number: int = 0) -> int:
    """Return the next number."""
    return number + 1


async def _tick_later(number: int = 0) -> int:
    """Return the next number."""
    return number + 1


def _call_seconds(function: Callable[..., Any]) -> float:
    tool, rules = tool_of(minimax_tool(asks=True)(function)), Rules()
    rules.add("allow", tool.name)
    call = ToolCall("call_1", tool.name, {"number": 1})
    round_ = ToolRunner(
        [call], {tool.name: tool}, rules, ToolLimits(120.0, 20_000), threading.Event(), lambda _call: False
    )
    events: list[Any] = []
    seconds = _seconds(lambda: events.extend(round_.events()))
    assert isinstance(events[-1], ToolFinished)
    assert events[-1].result.outcome == "done"
    return seconds


def _seconds(function: Callable[[], object]) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began
