"""What sets prompt cells apart on the page, and what Tab and Shift-Tab do in them."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import eventually
from tests.browser.test_toolbar import SET

LOAD = "%load_ext mm_magics\nbalance_of_ada = 3"
PROMPT = "%%minimax\n🎉 What is {{ balance_of_ada['x'] }}?"
LABEL = """(number) => {
  const cell = window.jupyterapp.shell.currentWidget.content.widgets[number].node;
  const prompt = getComputedStyle(cell.querySelector('.jp-InputPrompt'), '::after').content;
  const editor = getComputedStyle(cell.querySelector('.jp-InputArea-editor'));
  return [prompt, editor.borderLeftWidth];
}"""
FOCUS = """(number) => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  notebook.activeCellIndex = number;
  notebook.mode = 'edit';
  const { editor } = notebook.activeCell;
  editor.focus();
  const { line, column } = editor.getPositionAt(editor.model.sharedModel.getSource().length);
  editor.setCursorPosition({ line, column });
}"""
COMPLETE = """async () => {
  const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
  await kernel.requestComplete({ code: 'balance', cursor_pos: 7 });
}"""
SOURCE = "(number) => window.jupyterapp.shell.currentWidget.content.widgets[number].model.sharedModel.getSource()"
OPENERS = ["open_notebook", "open_in_notebook7"]


def completed(page, number: int, text: str) -> None:
    """Press Tab and choose the completion, unless JupyterLab has inserted it because it is the only one.

    JupyterLab gives a kernel one second to complete and shows nothing after that: a person presses Tab again.
    """
    item = page.locator(".jp-Completer-item", has_text=text)
    for moment in range(600):
        if page.evaluate(SOURCE, number).endswith(text):
            return
        if item.first.is_visible():
            item.first.click()
        elif moment % 30 == 0:
            page.keyboard.press("Tab")
        page.wait_for_timeout(100)
    raise AssertionError(page.evaluate(SOURCE, number))


@pytest.mark.parametrize("opener", OPENERS)
def test_prompt_cells_have_an_accent_and_a_label(opener, request):
    notebook = request.getfixturevalue(opener)(LOAD, PROMPT, "%%minimax --thread side\nHi.", "x = 1")
    page = notebook.page
    page.wait_for_function(f"({LABEL})(1)[0] === '\"MiniMax\"'")
    labels = [["none", "1px"], ['"MiniMax"', "3px"], ['"side"', "3px"], ["none", "1px"]]
    eventually(lambda: [page.evaluate(LABEL, number) for number in range(4)], labels)
    page.evaluate(SET, ["mm-magics:highlight", "accent", False])
    page.wait_for_function(f"({LABEL})(1)[0] === 'none'")
    page.evaluate(SET, ["mm-magics:highlight", "accent", True])
    page.wait_for_function(f"({LABEL})(1)[1] === '3px'")


@pytest.mark.parametrize("opener", OPENERS)
def test_an_expression_is_highlighted_as_python_and_not_as_a_link(opener, request):
    notebook = request.getfixturevalue(opener)(LOAD, "%%minimax\nWhat is {{ len(x)['a'] }} in [b](https://c.example)?")
    cell = notebook.page.locator(".jp-Notebook .jp-Cell").nth(1).locator(".cm-content")
    expect(cell.locator("span.cm-builtin")).to_have_text("len")
    string = cell.locator("span").get_by_text("'a'", exact=True)
    link = cell.locator("span").get_by_text("b", exact=True)
    color = "(el) => getComputedStyle(el).color"
    eventually(lambda: string.evaluate(color) != link.evaluate(color))


@pytest.mark.parametrize("opener", OPENERS)
def test_tab_and_shift_tab_work_in_an_expression(opener, request):
    notebook = request.getfixturevalue(opener)(LOAD, "%%minimax\nä {{ 1 }} What is ", "%%minimax --max-tok")
    notebook.run(0)
    notebook.evaluate(COMPLETE)  # the kernel imports jedi now
    page, keyboard = notebook.page, notebook.page.keyboard
    page.evaluate(FOCUS, 1)
    keyboard.type("{{ balance_of")
    completed(page, 1, "balance_of_ada")
    keyboard.press("Shift+Tab")
    expect(page.locator(".jp-Tooltip")).to_contain_text("int")
    keyboard.press("Escape")
    assert page.evaluate(SOURCE, 1).startswith("%%minimax\nä {{ 1 }} What is {{ balance_of_ada")
    page.evaluate(FOCUS, 2)
    completed(page, 2, "--max-tokens")
    keyboard.press("Shift+Tab")
    expect(page.locator(".jp-Tooltip")).to_contain_text("maximum output tokens")
    keyboard.press("Escape")
