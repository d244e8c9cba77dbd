"""A model that cleans a notebook up: it inserts, edits and runs cells, and the person decides and undoes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from mm_magics.simulator import ScriptedAnswer, tool_use
from tests.browser.conftest import eventually

LOAD = "%load_ext mm_magics"
SETUP = "x = 41"
PLOT = """# the code of this run
import pathlib, time
while not pathlib.Path({path!r}).exists():
    time.sleep(0.05)
print(x)"""
ASK = "%%minimax --tools notebook\nClean up, and run it."
SOURCES = "() => [...window.jupyterapp.shell.currentWidget.content.model.cells].map((c) => c.sharedModel.getSource())"
BAR = ".mm-change"


@pytest.fixture(params=["lab", "notebook"])
def opened(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue("open_notebook" if request.param == "lab" else "open_in_notebook7")


def test_one_change_is_accepted_one_rejected_a_cell_runs_and_the_turn_is_undone(
    opened: Any, simulator: Any, tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    plot = PLOT.format(path=str(seen))
    notebook = opened(LOAD, SETUP, plot, ASK, "%minimax undo-edits")
    notebook.run(0)
    page, output = notebook.page, notebook.output
    simulator.answers.clear()
    simulator.answers.extend(
        [
            ScriptedAnswer([tool_use("read_cells", {"cells": "2,3"})]),
            ScriptedAnswer([tool_use("edit_cell", {"cell": "2", "search": "41", "replacement": "42"})]),
            ScriptedAnswer([tool_use("insert_cell", {"below": "2", "source": "import this"})]),
            ScriptedAnswer([tool_use("run_cell", {"cell": "2"})]),
            ScriptedAnswer([tool_use("run_cell", {"cell": "3"})]),
            "It prints 42.",
        ]
    )
    notebook.run(3, wait=False)
    bar = page.locator(BAR)
    expect(bar).to_contain_text("edit", ignore_case=True)
    bar.get_by_role("button", name="Accept", exact=True).click()
    expect(bar).to_contain_text("insert a code cell")
    eventually(lambda: notebook.evaluate(SOURCES)[1], "x = 42")
    bar.get_by_role("button", name="Reject", exact=True).click()
    question = output(3).locator(".mm-ask")
    expect(question).to_contain_text("x = 42")
    always = question.get_by_role("button", name="Allow every call of run_cell in this turn")
    expect(always).to_be_enabled()
    always.click()
    # The rule allows the second run, whose code is displayed before the cell has ended.
    expect(output(3)).to_contain_text("the code of this run")
    seen.touch()
    expect(output(3)).to_contain_text("It prints 42.")
    expect(output(2)).to_have_text("42")
    eventually(lambda: notebook.evaluate(SOURCES), [LOAD, "x = 42", plot, ASK, "%minimax undo-edits"])
    notebook.wait()
    notebook.run(4)
    expect(output(4)).to_contain_text("has its earlier text")
    expect(output(4)).to_contain_text("cannot be undone")
    eventually(lambda: notebook.evaluate(SOURCES)[1], SETUP)


def test_a_cell_is_fixed_run_and_fixed_again(opened: Any, simulator: Any) -> None:
    notebook = opened(LOAD, "1 / 0", "")
    notebook.run(0)
    notebook.run(1)
    page = notebook.page
    simulator.answers.clear()
    simulator.answers.extend(
        [
            ScriptedAnswer([tool_use("edit_cell", {"cell": "2", "search": "0", "replacement": "y"})]),
            ScriptedAnswer([tool_use("run_cell", {"cell": "2"})]),
            ScriptedAnswer([tool_use("edit_cell", {"cell": "2", "search": "y", "replacement": "4"})]),
            ScriptedAnswer([tool_use("run_cell", {"cell": "2"})]),
            "It divided by zero.",
        ]
    )
    page.get_by_role("button", name="Fix with MiniMax").click()
    answer, bar = notebook.output(2), page.locator(BAR)
    for code, shown in (("1 / y", "NameError"), ("1 / 4", "0.25")):
        expect(page.locator(".mm-added-code")).to_have_text(code)
        bar.get_by_role("button", name="Accept", exact=True).click()
        question = answer.locator(".mm-ask")
        expect(question).to_contain_text(code)
        allow = question.get_by_role("button", name="Allow once")
        expect(allow).to_be_enabled()
        allow.click()
        expect(notebook.output(1)).to_contain_text(shown)
    expect(answer).to_contain_text("It divided by zero.")
    expect(page.get_by_role("button", name="Fix with MiniMax")).to_have_count(0)
    eventually(lambda: notebook.evaluate(SOURCES)[1], "1 / 4")


def test_the_model_reads_what_was_just_typed(opened: Any, simulator: Any) -> None:
    notebook = opened(LOAD, SETUP, "y = 1", ASK)
    notebook.run(0)
    page = notebook.page
    simulator.answers.clear()
    simulator.answers.extend(
        [
            ScriptedAnswer([tool_use("insert_cell", {"below": "2", "source": "import this"})]),
            ScriptedAnswer([tool_use("read_cells", {"cells": "3"}), tool_use("read_cells", {})]),
            "I have read it.",
        ]
    )
    notebook.run(3, wait=False)
    reject = page.locator(BAR).get_by_role("button", name="Reject", exact=True)
    expect(reject).to_be_visible()
    page.locator(".jp-Cell").nth(2).locator(".cm-content .cm-line").last.click()
    page.keyboard.press("End")
    page.keyboard.type(" + 'just typed'")
    reject.click()
    expect(notebook.output(3)).to_contain_text("I have read it.")
    results = [block for block in simulator.log[-1].body["messages"][-1]["content"] if block["type"] == "tool_result"]
    assert all("y = 1 + 'just typed'" in str(each["content"]) for each in results)


def test_the_turn_links_to_the_cells_that_it_changed(opened: Any, simulator: Any) -> None:
    filler = [f"# {number}\n" * 30 for number in range(6)]
    notebook = opened(LOAD, SETUP, PLOT, *filler, "%%minimax --tools notebook --edits accept\nClean up.")
    notebook.run(0)
    page, last = notebook.page, len(filler) + 3
    simulator.answers.clear()
    simulator.answers.extend(
        [
            ScriptedAnswer([tool_use("read_cells", {"cells": "2,3"})]),
            ScriptedAnswer([tool_use("edit_cell", {"cell": "2", "search": "41", "replacement": "42"})]),
            ScriptedAnswer([tool_use("delete_cell", {"cell": "3"})]),
            "It is clean.",
        ]
    )
    notebook.run(last, wait=False)
    answer = page.locator(".jp-OutputArea", has_text="It is clean.")
    edited = answer.get_by_role("button", name="Edited cell #")
    expect(edited).to_contain_text("x = 42")
    deleted = answer.get_by_role("button", name="Deleted cell #")
    deleted.click()
    expect(deleted).to_contain_text("(this cell was deleted)")
    edited.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".jp-Cell.jp-mod-active")).to_contain_text("x = 42")
    expect(page.locator(".jp-Cell.jp-mod-active")).to_be_in_viewport()
    assert notebook.violations(".mm-footer") == []


def test_proposals_stay_with_their_state_when_the_kernel_restarts(opened: Any, simulator: Any) -> None:
    waits = "%%minimax --tools notebook\nImprove."
    proposes = "%%minimax --tools notebook --edits propose\nImprove."
    notebook = opened(LOAD, SETUP, "y = 1", waits, proposes)
    notebook.run(0)
    bars = notebook.page.locator(BAR)
    simulator.answers.clear()
    simulator.answers.extend(
        [
            ScriptedAnswer([tool_use("read_cells", {"cells": "3"})]),
            ScriptedAnswer([tool_use("edit_cell", {"cell": "3", "search": "1", "replacement": "2"})]),
            "I have proposed it.",
            ScriptedAnswer([tool_use("read_cells", {"cells": "2"})]),
            ScriptedAnswer([tool_use("edit_cell", {"cell": "2", "search": "41", "replacement": "42"})]),
        ]
    )
    notebook.run(4, wait=False)
    expect(notebook.output(4)).to_contain_text("Not decided: editing cell #")
    notebook.run(3, wait=False)
    expect(bars).to_have_count(2)
    notebook.restart()
    expect(notebook.output(3)).to_contain_text("stopped")
    expect(bars).to_have_count(2)
    bars.first.get_by_role("button", name="Accept", exact=True).click()
    eventually(lambda: notebook.evaluate(SOURCES)[1], "x = 42")
    notebook.run(0)
    bars.get_by_role("button", name="Accept", exact=True).click()
    eventually(lambda: notebook.evaluate(SOURCES)[2], "y = 2")
    expect(notebook.output(4)).to_contain_text("Edited cell #")
