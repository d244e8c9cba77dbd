"""Proposed changes that stay open: after a reload, on two pages, out of sight, and decided with the keyboard alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from mm_magics.simulator import ScriptedAnswer, tool_use
from tests.browser.conftest import Notebook, eventually, ready

IMAGES = Path(__file__).parents[2] / "docs" / "images"
LOAD = "%load_ext mm_magics"
CELLS = ("x = 1", "y = 2", "z = 3")
ASK = "%%minimax --tools notebook {flags}\nClean up."
SOURCES = "() => [...window.jupyterapp.shell.currentWidget.content.model.cells].map((c) => c.sharedModel.getSource())"
FOCUS = """(number) => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  notebook.deselectAll();
  notebook.activeCellIndex = number;
  notebook.mode = 'command';
  notebook.activate();
}"""
BAR = ".mm-change"


@pytest.fixture(params=["lab", "notebook"])
def opened(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue("open_notebook" if request.param == "lab" else "open_in_notebook7")


def edit(cell: int, search: str, replacement: str) -> dict[str, Any]:
    return tool_use("edit_cell", {"cell": str(cell), "search": search, "replacement": replacement})


def propose(simulator: Any, *calls: dict[str, Any]) -> None:
    """Let the model read the cells and make these calls, one after the other."""
    simulator.answers.clear()
    read = tool_use("read_cells", {"cells": "2-4"})
    simulator.answers.extend([*(ScriptedAnswer([each]) for each in (read, *calls)), "All done."])


def bar_at(page: Page, cell: int) -> Locator:
    return page.locator(".jp-Notebook .jp-Cell").nth(cell).locator(BAR)


def press(bar: Locator, name: str) -> None:
    bar.get_by_role("button", name=name, exact=True).click()


def test_open_changes_stay_when_the_page_is_reloaded(opened: Any, simulator: Any) -> None:
    notebook = opened(LOAD, *CELLS, ASK.format(flags="--edits propose"), fresh=True)
    page = notebook.page
    notebook.run(0)
    propose(simulator, edit(2, "1", "10"), edit(3, "2", "20"), edit(4, "3", "30"))
    notebook.run(4)
    expect(notebook.output(4)).to_contain_text("All done.")
    expect(page.locator(BAR)).to_have_count(3)
    press(bar_at(page, 1), "Reject")
    expect(page.locator(BAR)).to_have_count(2)
    notebook.save()
    notebook.reload()
    ready(page)
    expect(page.locator(BAR)).to_have_count(2)
    expect(bar_at(page, 1)).to_have_count(0)
    press(bar_at(page, 2), "Accept")
    press(bar_at(page, 3), "Reject")
    expect(page.locator(BAR)).to_have_count(0)
    eventually(lambda: notebook.evaluate(SOURCES)[1:4], ["x = 1", "y = 20", "z = 3"])


def test_the_model_continues_with_what_is_decided_after_a_reload(open_notebook: Any, simulator: Any) -> None:
    notebook = open_notebook(LOAD, *CELLS, ASK.format(flags=""), fresh=True)
    page = notebook.page
    notebook.run(0)
    propose(simulator, edit(2, "1", "10"))
    notebook.run(4)
    expect(bar_at(page, 1)).to_have_count(1)
    expect(notebook.output(4).locator(".mm-status")).to_have_text("needs your approval")
    notebook.save()
    notebook.reload()
    ready(page)
    expect(notebook.output(4).locator(".mm-status")).to_have_text("needs your approval")
    press(bar_at(page, 1), "Accept")
    expect(notebook.output(4)).to_contain_text("All done.")
    eventually(lambda: notebook.evaluate(SOURCES)[1], "x = 10")


def test_a_change_is_decided_on_one_of_two_pages_and_the_other_one_shows_it(
    open_notebook: Any, browser: Any, lab: Any, simulator: Any
) -> None:
    notebook = open_notebook(LOAD, *CELLS, ASK.format(flags=""), fresh=True)
    notebook.run(0)
    propose(simulator, edit(2, "1", "10"), edit(3, "2", "20"))
    notebook.run(4)
    expect(bar_at(notebook.page, 1)).to_have_count(1)
    notebook.save()
    page = browser.new_page()
    try:
        page.goto(f"{lab.url}/lab/workspaces/second/tree/{notebook.path.name}?reset")
        ready(page)
        second = Notebook(page, notebook.path)
        expect(bar_at(page, 1)).to_have_count(1)
        press(bar_at(page, 1), "Accept")
        eventually(lambda: second.evaluate(SOURCES)[1], "x = 10")
        expect(bar_at(notebook.page, 1)).to_have_count(0)
        press(bar_at(page, 2), "Reject")
        expect(second.output(4)).to_contain_text("All done.")
        expect(page.locator(BAR)).to_have_count(0)
        second.final()
        second.save()
        notebook.page.bring_to_front()
        notebook.reload()
        ready(notebook.page)
        eventually(lambda: notebook.evaluate(SOURCES)[1:4], ["x = 10", "y = 2", "z = 3"])
        expect(notebook.page.locator(BAR)).to_have_count(0)
    finally:
        page.close()


def test_a_prompt_is_run_and_its_changes_are_decided_with_the_keyboard_alone(opened: Any, simulator: Any) -> None:
    notebook = opened(LOAD, *CELLS, ASK.format(flags=""))
    page, keyboard = notebook.page, notebook.page.keyboard
    notebook.run(0)
    propose(simulator, edit(2, "1", "10"), edit(3, "2", "20"))
    page.evaluate(FOCUS, 1)
    for _ in range(3):
        keyboard.press("ArrowDown")
    keyboard.press("Control+Enter")
    expect(bar_at(page, 1)).to_have_count(1)
    keyboard.press("Alt+m")
    keyboard.press("n")
    expect(bar_at(page, 1).get_by_role("button", name="Accept", exact=True)).to_be_focused()
    keyboard.press("Enter")
    expect(bar_at(page, 2)).to_have_count(1)
    eventually(lambda: notebook.evaluate(SOURCES)[1], "x = 10")
    keyboard.press("Alt+m")
    keyboard.press("n")
    expect(bar_at(page, 2).get_by_role("button", name="Accept", exact=True)).to_be_focused()
    keyboard.press("Tab")
    keyboard.press("Enter")
    expect(notebook.output(4)).to_contain_text("All done.")
    assert notebook.evaluate(SOURCES)[1:4] == ["x = 10", "y = 2", "z = 3"]


def test_a_change_that_is_out_of_sight_is_one_click_away(opened: Any, simulator: Any) -> None:
    notebook = opened(LOAD, *CELLS, "# a long cell" + "\n" * 80, ASK.format(flags=""))
    page = notebook.page
    notebook.run(0)
    propose(simulator, edit(2, "1", "10"))
    notebook.run(5)
    button = page.get_by_role("button", name="Next proposed change (1)")
    expect(button).to_be_visible()
    assert notebook.violations(".mm-next-change") == []
    button.click()
    expect(bar_at(page, 1).get_by_role("button", name="Accept", exact=True)).to_be_focused()
    expect(bar_at(page, 1)).to_be_in_viewport()
    expect(button).to_have_count(0)
    press(bar_at(page, 1), "Accept")
    expect(notebook.output(5)).to_contain_text("All done.")


SALES = """import pandas as pd

sales = pd.DataFrame({"day": ["Mon", "Tue", "Wed"], "cups": [112, 98, 105]})"""
LOOP = """most = 0
for i in range(len(sales)):
    if sales.cups[i] > most:
        most = sales.cups[i]
        day = sales.day[i]
print(day, most)"""
BETTER = """best = sales.loc[sales.cups.idxmax()]
print(best.day, best.cups)"""


def test_the_picture_of_a_proposal(open_notebook: Any, simulator: Any) -> None:
    notebook = open_notebook(LOAD, SALES, LOOP, ASK.format(flags=""), name="sales", height=620)
    page = notebook.page
    notebook.run(0)
    propose(simulator, edit(3, LOOP, BETTER))
    notebook.run(3)
    expect(bar_at(page, 2)).to_be_in_viewport()
    expect(notebook.output(3).locator(".mm-status")).to_have_text("needs your approval")
    page.mouse.move(0, 0)
    notebook.screenshot(IMAGES / "proposal-light.png")
    press(bar_at(page, 2), "Accept")
    expect(notebook.output(3)).to_contain_text("All done.")
