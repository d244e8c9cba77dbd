"""Versions of an answer on the page: the switch in its header, its menu, and what is saved and sent."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from mm_magics.history.turn import MIME_TYPE, Turn
from mm_magics.history.versions import all_versions, version_number
from tests.browser.conftest import RESTART, ready

LOAD = "%load_ext mm_magics"
ASK = '%%minimax\nAsk. [[simulator: say="**Answer** {}"]]'
BELOW = "%%minimax\nBelow."
SET_SOURCE = """([number, source]) => {
  window.jupyterapp.shell.currentWidget.content.model.cells.get(number).sharedModel.setSource(source);
}"""


def ask(notebook, *answers: str) -> None:
    """Ask cell 1 once for each answer."""
    for answer in answers:
        notebook.page.evaluate(SET_SOURCE, [1, ASK.format(answer)])
        notebook.run(1)
        expect(notebook.output(1).locator(".mm-rendered strong")).to_have_text("Answer")
        expect(notebook.output(1)).to_contain_text(f"Answer {answer}")


def versions(saved) -> tuple[int, list[str]]:
    """The number of the active version of cell 1, and the texts of all versions."""
    made = Turn.from_record(saved.cells[1].outputs[0].data[MIME_TYPE])
    return version_number(made), [version.text for version in all_versions(made)]


def context(body) -> str:
    return str(body["messages"][1]["content"])


def test_a_version_is_switched_saved_reloaded_and_sent(open_notebook, logged):
    notebook = open_notebook(LOAD, ASK.format(0), BELOW)
    notebook.run(0)
    ask(notebook, "one", "two", "three")
    notebook.run(2)
    header = notebook.output(1).locator(".mm-header")
    expect(header.locator(".mm-position")).to_have_text("3/3")
    expect(notebook.output(2).locator(".mm-stale")).to_have_count(0)
    older = notebook.output(1).get_by_role("button", name="Show the older version")
    older.press("Enter")
    expect(header.locator(".mm-position")).to_have_text("2/3")
    expect(notebook.output(1)).to_contain_text("Answer two")
    expect(older).to_be_focused()
    notebook.page.keyboard.press("Space")
    expect(header.locator(".mm-position")).to_have_text("1/3")
    expect(notebook.output(2).locator(".mm-stale")).to_be_visible()
    notebook.output(1).get_by_role("button", name="Show the newer version").click()
    expect(header.locator(".mm-position")).to_have_text("2/3")
    saved = notebook.save()
    assert versions(saved) == (2, ["**Answer** one", "**Answer** two", "**Answer** three"])
    data = saved.cells[1].outputs[0].data
    assert "<strong>Answer</strong> two" in data["text/html"]
    assert [data[kind] for kind in ("text/markdown", "text/plain")] == ["**Answer** two"] * 2
    notebook.run(2)
    assert "two" in context(logged()[-1])
    notebook.save()
    notebook.reload()
    expect(header.locator(".mm-position")).to_have_text("2/3")
    ready(notebook.page)
    notebook.output(1).get_by_role("button", name="Show the newer version").click()
    expect(notebook.output(1)).to_contain_text("Answer three")
    expect(notebook.output(2).locator(".mm-stale")).to_be_visible()


def test_without_a_kernel_the_version_is_switched_and_a_new_kernel_sends_it(open_notebook, logged):
    notebook = open_notebook(LOAD, ASK.format(0), BELOW)
    notebook.run(0)
    ask(notebook, "one", "two")
    notebook.evaluate("async () => { await window.jupyterapp.shell.currentWidget.sessionContext.shutdown(); }")
    notebook.output(1).get_by_role("button", name="Show the older version").click()
    expect(notebook.output(1)).to_contain_text("Answer one")
    assert versions(notebook.save())[0] == 1
    notebook.evaluate(RESTART)
    notebook.run(0)
    notebook.run(2)
    assert "one" in context(logged()[-1])


def test_the_command_use_changes_the_answer_on_the_page(open_notebook):
    notebook = open_notebook(LOAD, ASK.format(0), "%minimax use 1")
    notebook.run(0)
    ask(notebook, "one", "two")
    notebook.run(2)
    expect(notebook.output(1)).to_contain_text("Answer one")
    expect(notebook.output(1).locator(".mm-position")).to_have_text("1/2")
    expect(notebook.output(2)).to_contain_text("is active now")
    assert versions(notebook.save()) == (1, ["**Answer** one", "**Answer** two"])


def test_asking_again_with_another_model_leaves_the_cell_as_it_is(open_notebook, logged):
    notebook = open_notebook(LOAD, ASK.format("x"))
    notebook.run(0)
    notebook.run(1)
    notebook.output(1).get_by_role("button", name="Actions for this answer").click()
    menu = notebook.page.get_by_role("menu")
    expect(menu.get_by_role("menuitem")).to_have_count(13)
    menu.get_by_text("Ask Again with Another Model").click()
    dialog = notebook.page.get_by_role("dialog")
    dialog.locator("input").fill("MiniMax-M2.1")
    dialog.get_by_role("button", name="Ask", exact=True).click()
    header = notebook.output(1).locator(".mm-header")
    expect(header.locator(".mm-position")).to_have_text("2/2")
    expect(header.locator(".mm-model")).to_have_text("MiniMax-M2.1")
    expect(notebook.output(1)).to_contain_text("this time only")
    saved = notebook.save()
    assert saved.cells[1].source == ASK.format("x")
    assert [body["model"] for body in logged()] == ["MiniMax-M2.7", "MiniMax-M2.1"]
    notebook.run(1)
    assert logged()[-1]["model"] == "MiniMax-M2.7"


def test_the_menu_opens_by_keyboard_and_returns_the_focus(open_notebook):
    notebook = open_notebook(LOAD, ASK.format("x"))
    notebook.run(0)
    notebook.run(1)
    button = notebook.output(1).get_by_role("button", name="Actions for this answer")
    button.press("Enter")
    expect(notebook.page.get_by_role("menu")).to_be_visible()
    notebook.page.keyboard.press("Escape")
    expect(notebook.page.get_by_role("menu")).to_have_count(0)
    expect(button).to_be_focused()
    notebook.page.keyboard.press("Enter")
    expect(notebook.page.get_by_role("menu")).to_be_visible()
    notebook.page.keyboard.press("ArrowDown")
    notebook.page.keyboard.press("Enter")
    expect(notebook.output(1).locator(".mm-position")).to_have_text("2/2")


def test_the_menu_of_a_cell_has_the_commands_only_for_prompt_cells(open_notebook):
    notebook = open_notebook(LOAD, ASK.format("x"), "x = 1")
    notebook.run(0)
    notebook.run(1)
    for number, count in ((1, 3), (2, 0)):
        notebook.page.locator(".jp-Notebook .jp-Cell").nth(number).locator(".cm-content").click(button="right")
        menu = notebook.page.get_by_role("menu")
        expect(menu.get_by_text("Copy Cell").first).to_be_visible()
        own = menu.get_by_role("menuitem").filter(has_text=re.compile("Ask Again|Fork the Conversation"))
        expect(own).to_have_count(count)
        notebook.page.keyboard.press("Escape")
        expect(menu.get_by_text("Copy Cell")).to_have_count(0)


def test_the_controls_are_accessible_and_fit_a_narrow_page(open_notebook, tmp_path):
    for theme in ("JupyterLab Light", "JupyterLab Dark"):
        notebook = open_notebook(LOAD, ASK.format(0), theme=theme, width=1100 if "Light" in theme else 480)
        notebook.run(0)
        ask(notebook, "one", "two")
        assert notebook.violations(".mm-turn") == []
        output = notebook.output(1)
        menu = output.get_by_role("button", name="Actions")
        notebook.page.wait_for_function(
            "([menu, output]) => menu.getBoundingClientRect().right <= output.getBoundingClientRect().right",
            arg=[menu.element_handle(), output.element_handle()],
        )
        notebook.screenshot(tmp_path / f"{theme}.png")
