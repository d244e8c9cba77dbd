"""Stop, by its button or an interrupt, in every state: it is immediate, keeps the partial response and disconnects."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from mm_magics.api.messages import problems
from mm_magics.history.turn import MIME_TYPE
from mm_magics.simulator import Simulator
from mm_magics.simulator.answer import ScriptedAnswer, thinking, tool_use
from tests.kernel.conftest import Kernel, loaded_kernel
from tests.kernel.test_running_turn import ops_of
from tests.pace import PATIENCE
from tests.recorder import unanswered

pytestmark = pytest.mark.slow

BOUND_S = 2.0 * PATIENCE
"""Seconds; generous, for busy machines. `benchmarks/stop.py` measures the promised 0.5 s."""


def state(word: str) -> Callable[[str, dict[str, Any]], bool]:
    """Return a test for messages that send this word to the widget."""
    return lambda kind, content: kind == "comm_msg" and word in str(content)


class State(NamedTuple):
    """A state in which Stop is pressed.

    `ask` is the prompt, `flags` are the flags of the cell. Stop is pressed `wait` seconds after `when` matches a
    message. The turn must then contain `partial`.
    """

    ask: str
    when: Callable[[str, dict[str, Any]], bool]
    flags: str = ""
    partial: str = ""
    wait: float = 0.3


WAITING = state("'waiting'")
RUNNING = state("'running'")
STATES = {
    "before the first byte": State("[[simulator: fault=silence-before-headers]]", WAITING),
    "after the headers": State("[[simulator: fault=silence-after-headers]]", WAITING),
    "while it thinks": State(
        '[[simulator: thinking="Let me think of all that there is." size=4 rate=5]]', state("'thinking'"), "", "Let"
    ),
    "while it answers": State("[[simulator: deltas=2000 rate=100]]", state("'answering'"), "", "Sentence 1"),
    "in a silence of the answer": State(
        "[[simulator: deltas=50 fault=silence after=20]]", state("'answering'"), "", "Sentence 1"
    ),
    "in a flood": State('[[simulator: say="Again." fault=endless]]', state("'answering'"), "", "Again."),
    "between two attempts": State("[[simulator: fault=overloaded retry_after=30]]", state("'retry'")),
    "in a synchronous tool": State("Use sleep, please.", RUNNING, "--tools sleep", "sleep"),
    "in an asynchronous tool": State("Use doze, please.", RUNNING, "--tools doze", "doze"),
    "in a loop of Python": State("Use spin, please.", RUNNING, "--tools spin", "spin"),
    "while a tool asks": State("Use wipe, please.", state("'asking'"), "--tools wipe", "wipe"),
}
TOOLS = """
import asyncio, time
from mm_magics import minimax_tool
from tests.pace import PATIENCE
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


@pytest.fixture(scope="module", autouse=True)
def _untraced() -> Iterator[None]:
    """Keep coverage out of this kernel: an interrupt may leave its lock locked (`Collector.lock_data`)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
        yield


@pytest.fixture(scope="module")
def shared_kernel(_untraced: None, simulator: Simulator) -> Iterator[Kernel]:
    with loaded_kernel(simulator) as kernel:
        yield kernel


@pytest.fixture(scope="module")
def button(shared_kernel) -> Callable[[], None]:
    """Press Stop as the JupyterLab extension does."""
    return lambda: shared_kernel.request({"type": "stop"})


def stopped(kernel, case: State, press: Callable[[], None]) -> tuple[Any, float]:
    """Run a cell and press Stop. Return the run, and the seconds from Stop to the end of the cell."""
    pressed: list[float] = []

    def then() -> None:
        time.sleep(case.wait)
        pressed.append(time.monotonic())
        press()

    arrived: list[str] = []

    def is_reached(kind: str, content: dict[str, Any]) -> bool:
        arrived.extend(op[2] for op in ops_of(kind, content) if op[0] == "add")
        reached.append(case.when(kind, content))
        return any(reached) and (bool(case.flags) or case.partial in "".join(arrived))

    reached: list[bool] = []
    run = kernel.run(f"%%minimax {case.flags}\n{case.ask}", "a", when=is_reached, then=then)
    assert pressed, "the state was never seen"
    return run, run.times[-1] - pressed[0]


def check(kernel, simulator, run, seconds: float, how: str, partial: str) -> None:
    assert seconds < BOUND_S
    bundles = [each for each in run.outputs if MIME_TYPE in each.get("data", {})]
    assert len(bundles) == 1
    assert run.turn["status"] == "stopped"
    assert (run.error["ename"] if run.error else None) == ("TurnInterruptedError" if how == "interrupt" else None)
    assert partial in str(run.turn["messages"][1:])
    assert bool(run.turn["messages"][1:]) == bool(partial)
    after = kernel.run("%%minimax\nAnd now?", "b")
    assert after.turn["status"] == "complete"
    assert problems(simulator.log[-1].body["messages"]) == []


@pytest.mark.parametrize("how", ["button", "interrupt"])
@pytest.mark.parametrize("name", STATES)
def test_stop_works_immediately_in_every_state(kernel, simulator, button, name, how):
    kernel.run(TOOLS)
    kernel.run("%%minimax\nWarm up.", "w")
    case, before = STATES[name], len(simulator.log)
    run, seconds = stopped(kernel, case, button if how == "button" else kernel.interrupt)
    print(f"{name}, by {how}: {seconds:.3f} s")
    first = simulator.log[before]
    if not case.flags and "overloaded" not in case.ask:
        deadline = time.monotonic() + BOUND_S
        while simulator.log[before].ended is None and time.monotonic() < deadline:
            time.sleep(0.01)
        first = simulator.log[before]
        assert first.ended == "left", "the connection is still open"
    check(kernel, simulator, run, seconds, how, case.partial)
    assert len(simulator.log) == before + 2, "the turn continued after Stop"


@pytest.mark.parametrize("how", ["button", "interrupt"])
def test_stop_works_immediately_while_connecting(kernel, simulator, button, how):
    with unanswered() as base_url:
        kernel.send_to(base_url)
        run, seconds = stopped(kernel, State("Hello.", WAITING), button if how == "button" else kernel.interrupt)
    print(f"while it connects, by {how}: {seconds:.3f} s")
    kernel.send_to(simulator.base_url, simulator.key)
    check(kernel, simulator, run, seconds, how, "")


@pytest.mark.parametrize("how", ["button", "interrupt"])
def test_stop_works_immediately_in_code_written_by_the_model(kernel, simulator, button, how):
    kernel.run("%minimax tools allow python")
    simulator.answers.append(
        ScriptedAnswer([thinking("I loop."), tool_use("python", {"code": "while True:\n    pass"})])
    )
    case = State("Loop.", RUNNING, "--tools python", "while True")
    run, seconds = stopped(kernel, case, button if how == "button" else kernel.interrupt)
    print(f"in code of the model's, by {how}: {seconds:.3f} s")
    check(kernel, simulator, run, seconds, how, "while True")
    kernel.run("%minimax tools forget all")


def test_the_first_interrupt_of_a_kernel_is_not_delayed_by_imports(fresh_kernel):
    fresh_kernel.run("%%minimax\nWarm up.", "w")
    fresh_kernel.run("import sys; known = set(sys.modules)")
    run, seconds = stopped(fresh_kernel, STATES["before the first byte"], fresh_kernel.interrupt)
    print(f"the first interrupt: {seconds:.3f} s")
    assert run.error["ename"] == "TurnInterruptedError"
    assert fresh_kernel.run("print(len({each.partition('.')[0] for each in set(sys.modules) - known}))").text == "0\n"
