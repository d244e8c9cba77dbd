"""Answers in the background, in a browser: they stream, stop and are saved in their cells while other cells run."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from playwright.sync_api import expect

from mm_magics.history.turn import MIME_TYPE
from tests.browser.conftest import Notebook, eventually, ready

LOAD = """%load_ext mm_magics
import time
from mm_magics import minimax_tool
@minimax_tool(asks=True)
async def wipe(path: str = "a") -> str:
    return f"wiped {path}"
"""
SLOW = "%%minimax --background -o {name}\nMy name is {name}. [[simulator: deltas=2400 size=8 rate=20]]"
TYPES = [MIME_TYPE, "text/html", "text/markdown", "text/plain"]


def turns(saved: Any) -> dict[int, list[tuple[str, list[str]]]]:
    """The status and the types of each output of a saved notebook, by the number of its cell."""
    found: dict[int, list[tuple[str, list[str]]]] = {}
    for number, cell in enumerate(saved.cells):
        for output in cell.get("outputs", []):
            if MIME_TYPE in output.get("data", {}):
                status = output.data[MIME_TYPE]["status"]
                found.setdefault(number, []).append((status, sorted(output.data)))
    return found


def command(notebook: Notebook, name: str, cell: int) -> None:
    notebook.page.evaluate(
        """async ([name, number]) => {
          const app = window.jupyterapp, notebook = app.shell.currentWidget.content;
          notebook.mode = 'command';
          notebook.deselectAll();
          notebook.activeCellIndex = number;
          await app.commands.execute(`notebook:${name}`);
        }""",
        [name, cell],
    )


def start(notebook: Notebook, *cells: int) -> None:
    """Run the cells and wait until their answers stream."""
    for number in cells:
        began = time.monotonic()
        notebook.run(number)
        assert time.monotonic() - began < 60
    for number in cells:
        expect(notebook.output(number).locator(".mm-text p").first).to_be_visible()


def done(notebook: Notebook, number: int, word: str | re.Pattern[str] = "done") -> None:
    expect(notebook.output(number).locator(".mm-status")).to_have_text(word)


def check_streams_beside_other_cells(notebook: Notebook) -> None:
    notebook.run(0)
    start(notebook, 1, 2)
    first, second = notebook.output(1), notebook.output(2)
    expect(first.locator(".mm-stop")).to_be_visible()
    notebook.run(3)
    expect(notebook.output(3)).to_contain_text("slept")
    first.locator(".mm-stop").click()
    done(notebook, 1, "stopped")
    expect(second.locator(".mm-stop")).to_be_visible()
    notebook.let_end()
    done(notebook, 2)
    notebook.final()
    notebook.run(4)
    expect(notebook.output(4)).to_contain_text("stopped complete")
    found = turns(notebook.save())
    assert found == {1: [("stopped", TYPES)], 2: [("complete", TYPES)]}


CELLS = (
    LOAD,
    SLOW.format(name="ada"),
    SLOW.format(name="bob").replace("--background", "--background --context none"),
    "time.sleep(1); print('slept')",
    "print(str(ada)[19:-1], str(bob)[19:-1])",
)


def test_answers_stream_beside_other_cells_and_each_has_its_stop(open_notebook):
    check_streams_beside_other_cells(open_notebook(*CELLS))


def test_answers_stream_beside_other_cells_in_notebook_7(open_in_notebook7):
    check_streams_beside_other_cells(open_in_notebook7(*CELLS))


def test_a_prompt_below_waits_visibly_and_is_then_answered(open_notebook):
    notebook = open_notebook(LOAD, SLOW.format(name="ada"), SLOW.format(name="bob"))
    notebook.run(0)
    start(notebook, 1)
    notebook.run(2)
    expect(notebook.output(2)).to_contain_text("Waiting for the prompt above.")
    expect(notebook.output(2).locator(".mm-stop")).to_be_visible()
    notebook.let_end()
    done(notebook, 1)
    expect(notebook.output(2).locator(".mm-text p").first).to_be_visible()
    notebook.let_end()
    done(notebook, 2)
    expect(notebook.output(2)).not_to_contain_text("Waiting for the prompt above.")
    notebook.final()
    assert turns(notebook.save()) == {1: [("complete", TYPES)], 2: [("complete", TYPES)]}


CHANGES = {
    "moved": (["move-cell-down"], 2),
    "deleted and restored": (["delete-cell", "undo-cell-action"], 1),
    "cut and pasted": (["cut-cell", "paste-cell-below"], 2),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_answer_ends_in_its_cell_wherever_that_is_by_then(open_notebook, change):
    commands, place = CHANGES[change]
    notebook = open_notebook(LOAD, SLOW.format(name="ada"), "x = 1", "%%minimax\nWhat is my name?")
    notebook.run(0)
    start(notebook, 1)
    notebook.run(2)
    for name in commands:
        command(notebook, name, 1)
    expect(notebook.output(place).locator(".mm-stop")).to_be_visible()
    notebook.let_end()
    done(notebook, place)
    notebook.final()
    saved = notebook.save()
    assert turns(saved) == {place: [("complete", TYPES)]}
    notebook.run(3)
    expect(notebook.output(3)).to_contain_text("ada")


def test_a_reloaded_page_shows_and_saves_the_answer(open_notebook):
    notebook = open_notebook(LOAD, SLOW.format(name="ada"), "print(ada)", fresh=True)
    notebook.run(0)
    start(notebook, 1)
    notebook.save()
    notebook.reload()
    ready(notebook.page)
    expect(notebook.output(1).locator(".mm-stop")).to_be_visible()
    notebook.run(2)
    expect(notebook.output(2)).to_contain_text("running")
    notebook.output(1).locator(".mm-stop").click()
    done(notebook, 1, "stopped")
    notebook.final()
    assert turns(notebook.save()) == {1: [("stopped", TYPES)]}


def test_a_kernel_that_restarts_leaves_a_stopped_turn(open_notebook):
    notebook = open_notebook(LOAD, SLOW.format(name="ada"), "x = 1")
    notebook.run(0)
    start(notebook, 1)
    notebook.run(2)
    notebook.evaluate(
        "async () => { await window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart(); }"
    )
    done(notebook, 1, re.compile("^stopped"))  # the kernel may end the turn before it exits
    notebook.final()
    ((status, _),) = turns(notebook.save())[1]
    assert status == "stopped"


def test_a_notebook_saved_while_it_streams_has_what_was_received(open_notebook):
    notebook = open_notebook(LOAD, SLOW.format(name="ada"))
    notebook.run(0)
    start(notebook, 1)
    saved = notebook.save()
    (output,) = saved.cells[1].outputs
    record = output.data[MIME_TYPE]
    assert record["status"] == "stopped"
    assert output.metadata[MIME_TYPE]["partial"] == "running"
    assert record["messages"][1]["content"]
    expect(notebook.output(1).locator(".mm-stop")).to_be_visible()
    notebook.output(1).locator(".mm-stop").click()
    done(notebook, 1, "stopped")


def test_running_the_cell_again_shows_only_the_new_answer(open_notebook, logged):
    notebook = open_notebook(LOAD, SLOW.format(name="ada"))
    notebook.run(0)
    start(notebook, 1)
    start(notebook, 1)
    eventually(lambda: len(logged()), 2)
    notebook.let_end()
    done(notebook, 1)
    notebook.final()
    saved = notebook.save()
    assert turns(saved) == {1: [("complete", TYPES)]}
    (output,) = saved.cells[1].outputs
    assert [each["status"] for each in output.data[MIME_TYPE]["versions"]] == ["stopped"]


def test_a_question_about_a_tool_is_answered_on_the_page_while_another_cell_runs(open_notebook):
    notebook = open_notebook(
        LOAD, "%%minimax --background --tools wipe\nUse wipe, please.", "for _ in range(40): time.sleep(0.1)"
    )
    notebook.run(0)
    notebook.run(1)
    output = notebook.output(1)
    allow = output.get_by_role("button", name="Allow once")
    expect(allow).to_be_enabled()
    notebook.run(2, wait=False)
    allow.click()
    done(notebook, 1)
    expect(output).to_contain_text("wiped a")
    notebook.wait()
