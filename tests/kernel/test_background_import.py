"""The SDK is imported while the user types: before the first prompt, and in no cell's time."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator

import pytest

from mm_magics.simulator import Simulator
from tests.kernel.conftest import Kernel, Run

pytestmark = pytest.mark.slow

STATE = (
    "import sys, gc\n"
    "names = 'anthropic', 'mm_magics.display.mime_bundle', 'jedi.api'\n"
    "print(*(each in sys.modules for each in names), gc.isenabled())"
)


@pytest.fixture
def new_kernel(simulator: Simulator) -> Iterator[Kernel]:
    """A kernel that has imported nothing, and that no process with imports was forked for."""
    environment = {"ANTHROPIC_BASE_URL": simulator.base_url, "ANTHROPIC_API_KEY": simulator.key, "PYTHONHASHSEED": "1"}
    unusable_proxy = {"ALL_PROXY": "nonsense://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}
    kernel = Kernel({**environment, **unusable_proxy})
    yield kernel
    kernel.close()


def wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.2)


def is_importing(kernel: Kernel) -> bool:
    found = kernel.run(
        "import threading; print(any(each.name == 'mm_magics import' for each in threading.enumerate()))"
    )
    return found.text.strip() == "True"


@pytest.mark.parametrize("front_end", ["page", "console"])
def test_the_first_prompt_has_nothing_left_to_import(new_kernel: Kernel, front_end: str) -> None:
    def run(code: str) -> Run:
        return new_kernel.run(code, "a") if front_end == "page" else new_kernel.run(code, stdin=True)

    assert run("%load_ext mm_magics\n" + STATE).text.strip() == "False False False True"
    time.sleep(1)
    wait_until(lambda: not is_importing(new_kernel))
    assert run(STATE).text.strip() == "True True True True"
    run("before = set(sys.modules)")
    if front_end == "page":
        assert run("%%minimax\nHello.").turn["status"] == "complete"
    else:
        assert "MiniMax-M2.7" in run("%%minimax\nHello.").text
    late = run("print(*(set(sys.modules) - before))").text.split()
    packages = {each.partition(".")[0] for each in late} - set(sys.stdlib_module_names)
    assert packages <= {"zmq"}, "which imports a module for the first large message"


def test_a_prompt_that_comes_first_does_not_wait_for_a_cell_to_end(new_kernel: Kernel) -> None:
    new_kernel.run("%load_ext mm_magics", "a")
    assert new_kernel.run("%%minimax\nHello.", "b").turn["status"] == "complete"


def test_nothing_is_imported_while_a_cell_runs(new_kernel: Kernel) -> None:
    new_kernel.run("%load_ext mm_magics", "a")
    lines = ["import sys, time, gc", "time.sleep(.1)", "before = len(sys.modules)", "time.sleep(1)"]
    cell = "\n".join([*lines, "print(len(sys.modules) - before, gc.isenabled())"])
    imported, collects = new_kernel.run(cell, "b").text.split()
    assert is_importing(new_kernel)
    assert (int(imported) <= 1, collects) == (True, "True")


def test_a_cell_that_turns_the_collection_off_finds_it_off(new_kernel: Kernel) -> None:
    new_kernel.run("%load_ext mm_magics", "a")
    new_kernel.run("import gc, time; time.sleep(.2); gc.disable()", "b")
    wait_until(lambda: not is_importing(new_kernel))
    assert new_kernel.run("print(gc.isenabled())", "c").text.strip() == "False"


def test_a_cell_that_imports_one_of_the_modules_waits_for_it_only(new_kernel: Kernel) -> None:
    new_kernel.run("%load_ext mm_magics", "a")
    found = new_kernel.run("import time; time.sleep(.1)\nimport anthropic\nprint(anthropic.__name__)", "b")
    assert found.text.strip() == "anthropic"


def test_a_program_that_runs_a_notebook_imports_nothing_in_the_background(new_kernel: Kernel) -> None:
    new_kernel.run("%load_ext mm_magics")
    assert not is_importing(new_kernel)
    time.sleep(0.5)
    assert new_kernel.run(STATE).text.split()[0] == "False"
