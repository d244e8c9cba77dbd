"""The tool `python` in a real kernel: its output is captured, and interrupts and Stop end it."""

from __future__ import annotations

import time

from tests.pace import PATIENCE

TOOL = """
from mm_magics.tools.builtin.python import python_tool
shell = get_ipython()
tool = python_tool(shell.user_ns, shell)
"""


def test_code_of_the_python_tool_shows_no_output_and_does_not_count_as_a_cell(shared_kernel):
    shared_kernel.run(TOOL)
    code = (
        "import os\nfrom IPython.display import HTML, display\nprint('out')\ndisplay(HTML('<b>x</b>'))\nmade = 5\nmade"
    )
    run = shared_kernel.run(f"before = shell.execution_count, len(In), dict(Out)\noutput = tool.function({code!r})")
    assert run.outputs == []
    run = shared_kernel.run("print(output.text); print(made); print(before[1] + 1 == len(In), before[2] == dict(Out))")
    assert run.text.splitlines() == ["out", "x", "5", "5", "True True"]


def test_after_an_interrupt_of_the_code_the_kernel_shows_output_again(fresh_kernel):
    fresh_kernel.run(TOOL)
    pressed: list[float] = []

    def press() -> None:
        time.sleep(0.3)
        pressed.append(time.monotonic())
        fresh_kernel.interrupt()

    run = fresh_kernel.run(
        "print('begins', flush=True)\ntool.function('import time\\nwhile True: time.sleep(0.01)')",
        when=lambda kind, content: kind == "stream",
        then=press,
    )
    assert run.error is not None
    assert run.error["ename"] == "KeyboardInterrupt"
    assert run.times[-1] - pressed[0] < 2 * PATIENCE
    run = fresh_kernel.run("display('shown')\nprint('printed')")
    assert "shown" in run.text
    assert "printed" in run.text


def test_stop_works_while_the_code_runs(fresh_kernel):
    fresh_kernel.run(TOOL)
    code = """
import time
stop = get_ipython().magics_manager.registry["MiniMaxMagics"].prompt_cells._stop
until = time.monotonic() + 10
while not stop.is_set() and time.monotonic() < until:
    time.sleep(0.01)
stop.is_set()
"""

    run = fresh_kernel.run(
        f"print('begins', flush=True)\noutput = tool.function({code!r})\nprint(output.text)",
        when=lambda kind, content: kind == "stream",
        then=lambda: fresh_kernel.request({"type": "stop"}),
    )
    assert run.text.split() == ["begins", "True"]
