"""The buttons above the code of an answer: insert it, run it, and apply it to a cell."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import eventually

LOAD = "%load_ext mm_magics"
CELL = "def double(x):\n    return x + x\n"
CODE = "def double(x):\n    return 2 * x\n\nprint(double(21))"
ASK = f'%%minimax\nImprove. [[simulator: say="```python\\n{CODE}\\n```"]]'.replace(CODE, CODE.replace("\n", "\\n"))
SOURCES = "() => [...window.jupyterapp.shell.currentWidget.content.model.cells].map((c) => c.sharedModel.getSource())"
UNDO = """async () => {
  window.jupyterapp.shell.currentWidget.content.widgets[1].model.sharedModel.undo();
}"""


@pytest.fixture(params=["lab", "notebook"])
def asked(request):
    opened = request.getfixturevalue("open_notebook" if request.param == "lab" else "open_in_notebook7")
    notebook = opened(LOAD, CELL, ASK)
    notebook.run(0)
    notebook.run(2)
    expect(notebook.output(2).get_by_role("button", name="and run it")).to_be_visible()
    return notebook


def test_code_is_inserted_and_run_in_a_new_cell(asked):
    asked.output(2).get_by_role("button", name="and run it").click()
    expect(asked.output(3)).to_contain_text("42")
    assert asked.evaluate(SOURCES) == [LOAD, CELL, ASK, CODE]


def test_code_is_applied_to_a_cell_with_the_keyboard_alone(asked, tmp_path):
    asked.output(2).get_by_role("button", name="Compare this code").press("Enter")
    dialog = asked.page.get_by_role("dialog")
    expect(dialog.locator("select")).to_be_focused()
    expect(dialog.locator("option:checked")).to_have_text("Cell 2: def double(x):")
    expect(dialog.locator(".cm-deletedChunk").first).to_contain_text("return x + x")
    assert asked.violations(".mm-apply") == []
    asked.page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    eventually(lambda: asked.evaluate(SOURCES), [LOAD, CODE, ASK])
    asked.evaluate(UNDO)
    eventually(lambda: asked.evaluate(SOURCES), [LOAD, CELL, ASK])


def test_a_rejected_change_leaves_the_cell_as_it_is(asked):
    asked.output(2).get_by_role("button", name="Compare this code").click()
    dialog = asked.page.get_by_role("dialog")
    dialog.get_by_role("button", name="Keep the old lines").first.click()
    expect(dialog.locator(".cm-deletedChunk")).to_have_count(0)
    dialog.get_by_role("button", name="Reject").click()
    expect(dialog).to_have_count(0)
    assert asked.evaluate(SOURCES) == [LOAD, CELL, ASK]
