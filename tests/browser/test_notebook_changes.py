"""Changes that a kernel proposes: shown at their cells, decided with the mouse or the keyboard, and undone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import expect

from mm_magics.simulator import Simulator
from tests.browser.conftest import eventually

LOAD = "%load_ext mm_magics"
CELL = "total = 0\nfor x in range(3):\n    total = total + x\nprint(total)"
BETTER = "total = sum(range(3))\nprint(total)"
SOURCES = "() => [...window.jupyterapp.shell.currentWidget.content.model.cells].map((c) => c.sharedModel.getSource())"
IDS = "() => [...window.jupyterapp.shell.currentWidget.content.model.cells].map((c) => c.id)"
COMMAND = "async (name) => { await window.jupyterapp.commands.execute(name); }"
EDIT = """([number, text]) =>
  window.jupyterapp.shell.currentWidget.content.widgets[number].model.sharedModel.setSource(text)"""
SELECT = """(number) => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  notebook.deselectAll();
  notebook.activeCellIndex = number;
  notebook.mode = 'command';
}"""
BAR = ".mm-change"
SEND = """
page = get_ipython().magics_manager.registry["MiniMaxMagics"].page
page._send({"changes": CHANGES})
"""

KNOWS_KERNEL = "() => window.jupyterapp.commands.isEnabled('mm-magics:edit-cell')"
"""Whether the page has learned that the kernel has loaded mm_magics."""


@pytest.fixture(params=["lab", "notebook"])
def opened(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue("open_notebook" if request.param == "lab" else "open_in_notebook7")


def send(notebook: Any, *changes: dict[str, Any]) -> None:
    """Send changes from the kernel to the page: the last cell runs code that sends them."""
    made = [{"id": f"{number}", "turn": "t", "ask": True, **each} for number, each in enumerate(changes)]
    code = SEND.replace("CHANGES", f"__import__('json').loads({json.dumps(made)!r})")
    at = len(notebook.evaluate(SOURCES)) - 1
    notebook.page.evaluate(EDIT, [at, code])
    notebook.run(at)


def loaded(opened: Any, *cells: str, **options: Any) -> Any:
    notebook = opened(LOAD, *cells, "", **options)
    notebook.run(0)
    notebook.page.wait_for_function(KNOWS_KERNEL)
    return notebook


def cells(notebook: Any) -> list[str]:
    """The sources between the first and the last cell."""
    return notebook.evaluate(SOURCES)[1:-1]


def test_an_edit_is_accepted_and_undone_with_the_keyboard_alone(opened: Any) -> None:
    notebook = loaded(opened, CELL, "x = 1")
    ids = notebook.evaluate(IDS)
    send(notebook, {"kind": "edit", "cell": ids[1], "before": CELL, "after": BETTER})
    bar = notebook.page.locator(BAR)
    expect(bar).to_contain_text("+1 −3 lines")
    expect(notebook.page.locator(".mm-added-code")).to_have_text("total = sum(range(3))")
    expect(notebook.page.locator(".mm-removed-line")).to_have_count(3)
    assert [each.source for each in notebook.save().cells][1] == CELL
    assert notebook.violations(BAR) == []
    notebook.page.evaluate(COMMAND, "mm-magics:next-change")
    expect(bar.get_by_role("button", name="Accept")).to_be_focused()
    notebook.page.keyboard.press("Enter")
    expect(bar).to_have_count(0)
    eventually(lambda: cells(notebook), [BETTER, "x = 1"])
    notebook.page.evaluate(SELECT, 1)
    notebook.page.evaluate(COMMAND, "notebook:enter-edit-mode")
    expect(notebook.page.locator(".jp-Cell.jp-mod-active .cm-content")).to_be_focused()
    notebook.page.keyboard.press("Control+z")
    notebook.page.wait_for_function(f"() => ({SOURCES})()[1] === {json.dumps(CELL)}")


def test_the_changes_of_a_turn_are_decided_together(opened: Any) -> None:
    notebook = loaded(opened, CELL, "x = 1", "y = 2")
    ids = notebook.evaluate(IDS)
    send(
        notebook,
        {"kind": "insert", "cell": "new", "place": ids[1], "after": "import math\nmath.pi"},
        {"kind": "delete", "cell": ids[2], "before": "x = 1"},
        {"kind": "move", "cell": ids[3], "before": "y = 2", "place": ids[0]},
    )
    bars = notebook.page.locator(BAR)
    expect(bars).to_have_count(3)
    expect(bars.filter(has_text="insert a code cell")).to_contain_text("math.pi")
    expect(bars.filter(has_text="move this cell below cell 1")).to_have_count(1)
    assert notebook.violations(BAR) == []
    bars.filter(has_text="delete this cell").get_by_role("button", name="Accept all (3)").click()
    expect(bars).to_have_count(0)
    eventually(lambda: cells(notebook), ["y = 2", CELL, "import math\nmath.pi"])
    for _ in range(3):
        notebook.page.evaluate(COMMAND, "notebook:undo-cell-action")
    eventually(lambda: cells(notebook), [CELL, "x = 1", "y = 2"])


def test_an_edited_cell_is_left_alone(opened: Any) -> None:
    notebook = loaded(opened, CELL)
    ids = notebook.evaluate(IDS)
    send(notebook, {"kind": "edit", "cell": ids[1], "before": CELL, "after": BETTER})
    editor = notebook.page.locator(".jp-Cell").nth(1).locator(".cm-content")
    expect(notebook.page.locator(".mm-added-code")).to_have_count(1)
    editor.locator(".cm-line").last.click()
    notebook.page.keyboard.press("End")
    notebook.page.keyboard.type("  # mine")
    expect(notebook.page.locator(BAR)).to_contain_text("withdrawn")
    expect(notebook.page.locator(".mm-added-code")).to_have_count(0)
    eventually(lambda: cells(notebook), [CELL + "  # mine"])
    notebook.page.locator(BAR).get_by_role("button", name="Close").click()
    expect(notebook.page.locator(BAR)).to_have_count(0)


def test_a_cell_is_run_only_with_the_text_that_was_shown(opened: Any) -> None:
    notebook = loaded(opened, "print(6 * 7)", "print(1)")
    ids = notebook.evaluate(IDS)
    run = {"kind": "run", "ask": False}
    send(notebook, run | {"cell": ids[2], "before": "print(2)"}, run | {"cell": ids[1], "before": "print(6 * 7)"})
    expect(notebook.output(1)).to_contain_text("42")
    expect(notebook.output(2)).to_have_text("")


def test_the_button_below_an_error_ends_with_a_proposal_for_the_cell(opened: Any, simulator: Simulator) -> None:
    notebook = loaded(opened, "1 / 0", "x = 1")
    notebook.run(1)
    simulator.answers.append("```python\n1 / 2\n```\nIt divided by zero.")
    button = notebook.page.get_by_role("button", name="Fix with MiniMax")
    button.focus()
    notebook.page.keyboard.press("Enter")
    expect(notebook.output(2)).to_contain_text("It divided by zero.")
    expect(notebook.page.locator(".mm-added-code")).to_have_text("1 / 2")
    assert notebook.violations(f"{BAR}, .mm-fix") == []
    notebook.page.locator(BAR).get_by_role("button", name="Accept").click()
    expect(notebook.page.locator(BAR)).to_have_count(0)
    eventually(lambda: cells(notebook)[0], "1 / 2")
    assert cells(notebook)[1].startswith("%minimax fix #")
    notebook.run(1)
    expect(button).to_have_count(0)


def test_an_edit_is_asked_for_in_the_menu_of_a_cell(opened: Any, simulator: Simulator) -> None:
    notebook = loaded(opened, CELL)
    simulator.answers.append(f"```python\n{BETTER}\n```")
    notebook.page.locator(".jp-Cell").nth(1).locator(".jp-InputArea").click(button="right")
    notebook.page.get_by_role("menuitem", name="Edit with MiniMax…").click()
    dialog = notebook.page.get_by_role("dialog")
    expect(dialog.locator("input")).to_be_focused()
    notebook.page.keyboard.type("Use sum.")
    notebook.page.keyboard.press("Enter")
    bar = notebook.page.locator(BAR)
    expect(bar).to_contain_text("+1 −3 lines")
    assert cells(notebook)[1].endswith('"Use sum."')
    bar.get_by_role("button", name="Accept").click()
    expect(bar).to_have_count(0)
    eventually(lambda: cells(notebook)[0], BETTER)


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
@pytest.mark.parametrize("width", [1100, 600])
def test_proposals_fit_the_page(open_notebook: Any, theme: str, width: int, tmp_path: Any) -> None:
    notebook = loaded(open_notebook, CELL + "\n\n\nprint('a')", "x = 1", theme=theme, width=width)
    ids = notebook.evaluate(IDS)
    before = CELL + "\n\n\nprint('a')"
    send(
        notebook,
        {"kind": "edit", "cell": ids[1], "before": before, "after": BETTER + "\n\n\nprint('b')  # " + "long " * 30},
        {"kind": "insert", "cell": "new", "place": ids[1], "after": "import math\nmath.pi  # " + "long " * 40},
        {"kind": "delete", "cell": ids[2], "before": "x = 1"},
    )
    bars = notebook.page.locator(BAR)
    expect(bars).to_have_count(3)
    expect(notebook.page.locator(".mm-keep-old")).to_have_count(2)
    notebook.screenshot(tmp_path / "proposals.png")
    assert notebook.violations(f"{BAR}, .mm-added-lines") == []
    fits = """(all, width) => all.every((each) => {
      const { left, right } = each.getBoundingClientRect();
      return left >= 0 && right <= width;
    })"""
    eventually(lambda: bars.evaluate_all(fits, width))
