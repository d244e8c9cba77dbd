"""What is copied from an answer: by its buttons, its menu, the keyboard, and by selecting text."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import eventually

LOAD = "%load_ext mm_magics"
MARKDOWN = "**Two** ways:\\n\\n- one\\n- two\\n\\n```python\\nx = 1\\n```"
ASK = f'%%minimax\nHow? [[simulator: say="{MARKDOWN}"]]'
SELECT = """() => {
  const turn = document.querySelector('.mm-rendered .mm-turn');
  getSelection().selectAllChildren(turn);
  return getSelection().toString();
}"""


def clipboard(notebook) -> str:
    return str(notebook.evaluate("() => navigator.clipboard.readText()"))


@pytest.fixture(params=["lab", "notebook"])
def asked(request, browser):
    """A notebook with an answer."""
    opened = request.getfixturevalue("open_notebook" if request.param == "lab" else "open_in_notebook7")
    browser.grant_permissions(["clipboard-read", "clipboard-write"])
    notebook = opened(LOAD, ASK)
    notebook.run(0)
    notebook.run(1)
    expect(notebook.output(1).locator(".mm-rendered .mm-actions")).to_be_visible()
    yield notebook
    browser.clear_permissions()


def test_an_answer_is_copied_without_reading_documentation(asked):
    copy = asked.output(1).get_by_role("button", name="Copy the answer as Markdown")
    copy.click()
    expect(copy).to_have_class("mm-icon-button mm-copy-answer mm-done")
    assert clipboard(asked) == MARKDOWN.replace("\\n", "\n")
    asked.output(1).get_by_role("button", name="Actions for this answer").press("Enter")
    expect(asked.page.get_by_role("menu")).to_be_visible()
    asked.page.keyboard.press("ArrowDown")
    expect(asked.page.locator(".lm-Menu-item.lm-mod-active")).to_have_text("Ask Again")
    asked.page.get_by_role("menuitem", name="Copy the Answer as Plain Text").click()
    eventually(lambda: clipboard(asked), "Two ways:\n\n- one\n- two\n\nx = 1")


def test_selected_text_has_no_labels(asked):
    selected = asked.evaluate(SELECT)
    assert "Two ways:" in selected
    assert "x = 1" in selected
    for label in ("MiniMax", "done", " s\n", "Copy", "Insert", "tokens", "python"):
        assert label not in selected, selected
