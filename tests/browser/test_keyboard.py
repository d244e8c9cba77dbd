"""A turn without a mouse: run and stop it, unfold its thinking, copy and insert its code. The focus is visible."""

from __future__ import annotations

import json

from playwright.sync_api import Locator, expect

LOAD = "%load_ext mm_magics"
CODE = "```python\nprint(1)\n```\n\nThat is all.\n"
SLOW = "%%minimax\nMore. [[simulator: deltas=3000 size=8 rate=40]]"
RICH = f'%%minimax\nCode, please. [[simulator: thinking="Let me see." say={json.dumps(CODE)}]]'
RING = "(el) => { const style = getComputedStyle(el); return [style.outlineStyle, parseFloat(style.outlineWidth)]; }"


def tab_to(notebook, target: Locator, key: str = "Tab") -> None:
    """Press Tab until `target` has the focus, and check its focus ring."""
    for _ in range(40):
        notebook.page.keyboard.press(key)
        if target.evaluate("(el) => el === document.activeElement"):
            break
    expect(target).to_be_focused()
    style, width = target.evaluate(RING)
    assert style != "none"
    assert width >= 2


def run_by_keyboard(notebook, number: int) -> None:
    """Select the cell, as the arrow keys do, and run it with Ctrl+Enter; the focus stays with the cell."""
    notebook.page.evaluate(
        """(number) => {
          const notebook = window.jupyterapp.shell.currentWidget.content;
          notebook.activeCellIndex = number;
          notebook.mode = 'command';
          notebook.activate();
        }""",
        number,
    )
    notebook.page.keyboard.press("Control+Enter")


def test_an_answer_can_be_run_and_stopped_by_keyboard(open_notebook):
    notebook = open_notebook(LOAD, SLOW)
    notebook.run(0)
    run_by_keyboard(notebook, 1)
    output = notebook.output(1)
    expect(output.locator("p").first).to_be_visible()
    tab_to(notebook, output.get_by_role("button", name="Stop"))
    notebook.page.keyboard.press("Enter")
    expect(output.locator(".mm-status")).to_have_text("stopped")


def test_thinking_can_be_opened_and_code_copied_and_inserted_by_keyboard(open_notebook):
    notebook = open_notebook(LOAD, RICH)
    notebook.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    notebook.run(0)
    run_by_keyboard(notebook, 1)
    output = notebook.output(1)
    expect(output.locator(".mm-status")).to_have_text("done")
    notebook.final()
    thinking = output.locator(".mm-rendered details")
    expect(thinking).not_to_have_attribute("open", "")
    tab_to(notebook, thinking.locator("summary"))
    notebook.page.keyboard.press("Enter")
    expect(thinking.get_by_text("Let me see.")).to_be_visible()
    insert = output.get_by_role("button", name="Insert this code in a new cell below", exact=True)
    copy = output.get_by_role("button", name="Copy this code")
    tab_to(notebook, insert)
    tab_to(notebook, copy)
    notebook.page.keyboard.press("Enter")
    expect(copy).to_have_text("Copied")
    assert notebook.evaluate("() => navigator.clipboard.readText()") == "print(1)"
    tab_to(notebook, insert, "Shift+Tab")
    notebook.page.keyboard.press("Enter")
    expect(notebook.page.locator(".jp-Notebook .jp-Cell").nth(2)).to_contain_text("print(1)")
