"""The marks of answers explain themselves, and offer to ask again."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

LOAD = "%load_ext mm_magics"
ASK = '%%minimax\n{} [[simulator: say="Answer {}."]]'
SET_SOURCE = """([number, source]) => {
  window.jupyterapp.shell.currentWidget.content.model.cells.get(number).sharedModel.setSource(source);
}"""


@pytest.fixture(params=["lab", "notebook"])
def asked(request):
    """A notebook with three answers, of which the first has changed since."""
    opened = request.getfixturevalue("open_notebook" if request.param == "lab" else "open_in_notebook7")
    notebook = opened(LOAD, *(ASK.format(number, number) for number in (1, 2, 3)))
    for number in range(4):
        notebook.run(number)
    notebook.page.evaluate(SET_SOURCE, [1, ASK.format(1, "new")])
    notebook.run(1)
    return notebook


def test_all_stale_answers_below_are_asked_again(asked, logged):
    expect(asked.output(3).locator("button.mm-stale")).to_be_visible()
    mark = asked.output(2).locator("button.mm-stale")
    mark.press("Enter")
    dialog = asked.page.get_by_role("dialog")
    expect(dialog).to_contain_text("A turn above has changed since this answer.")
    dialog.get_by_role("button", name="Ask all 2 below").click()
    expect(asked.output(2).locator(".mm-position")).to_have_text("2/2")
    expect(asked.output(3).locator(".mm-position")).to_have_text("2/2")
    expect(asked.output(3).locator(".mm-stale")).to_have_count(0)
    assert len(logged()) == 2
    assert "Answer new." in str(logged()[-1]["messages"])
    assert "Answer 2." in str(logged()[-1]["messages"])
