"""A cell whose text is not the one that was answered is marked: on the page, in the history, in the next answer."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from mm_magics.history.edits import answered_text
from mm_magics.history.prompt_source import is_prompt
from mm_magics.history.turn import MIME_TYPE, source_sha256
from tests.browser.conftest import SETTLED, eventually, ready

LOAD = "%load_ext mm_magics"
ADA = "%%minimax\nMy name is Ada."
BOB = "%%minimax\nMy name is Bob."
MARK = ".mm-mark.mm-edited"
NOTE = "1 turn above was edited since it was answered: cell 2."

EDIT = """([number, text]) =>
  window.jupyterapp.shell.currentWidget.content.widgets[number].model.sharedModel.setSource(text)"""
SELECT = """([number, line]) => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  notebook.deselectAll();
  notebook.activeCellIndex = number;
  notebook.mode = 'edit';
  if (line !== null) notebook.activeCell.editor.setCursorPosition({ line, column: 0 });
}"""
COMMAND = "async (name) => { await window.jupyterapp.commands.execute(`notebook:${name}`); }"
SHOWN = """() => {
  const { widgets } = window.jupyterapp.shell.currentWidget.content;
  return widgets.map((cell) => [
    cell.model.sharedModel.getSource(),
    cell.node.querySelectorAll('.mm-rendered').length,
    cell.node.querySelectorAll('.mm-mark.mm-edited').length,
  ]);
}"""


def edit(notebook, number: int, text: str) -> None:
    notebook.page.evaluate(EDIT, [number, text])


def test_an_edited_prompt_is_marked_while_typing_after_a_reload_and_in_the_next_answer(open_notebook, logged):
    notebook = open_notebook(LOAD, ADA, "%%minimax\nWhat is my name?", "%minimax history", "%%minimax\nAnd now?")
    notebook.run(0)
    notebook.run(1)
    expect(notebook.output(1)).to_contain_text("done")
    expect(notebook.output(1).locator(MARK)).to_have_count(0)
    notebook.page.evaluate(SELECT, [1, 1])
    expect(notebook.page.locator(".jp-Notebook .jp-Cell").nth(1).locator(".cm-content")).to_be_focused()
    notebook.page.keyboard.press("End")
    notebook.page.keyboard.type(" Or Bob.")
    expect(notebook.output(1).locator(MARK)).to_have_text("edited since it was answered")
    edit(notebook, 1, ADA)
    expect(notebook.output(1).locator(MARK)).to_have_count(0)
    edit(notebook, 1, BOB)
    notebook.save()
    notebook.restart()
    notebook.reload()
    ready(notebook.page)
    expect(notebook.output(1).locator(MARK)).to_have_count(1)
    notebook.run(0)
    notebook.run(2)
    assert "Ada" in str(logged()[-1]["messages"])
    expect(notebook.output(2).locator(".mm-note").filter(has_text=NOTE)).to_have_count(1)
    notebook.run(3)
    expect(notebook.output(3)).to_contain_text("complete, edited")
    notebook.run(4)
    expect(notebook.output(4)).not_to_contain_text("edited since")
    notebook.run(1)
    expect(notebook.output(1).locator(MARK)).to_have_count(0)
    expect(notebook.output(2).locator(".mm-mark")).to_have_text("stale")
    notebook.run(3)
    expect(notebook.output(3)).not_to_contain_text("edited")


def test_without_the_extension_the_saved_file_tells(open_without_plugin, logged):
    notebook = open_without_plugin(LOAD, ADA, "%%minimax\nWhat is my name?", "%minimax history")
    notebook.run(0)
    notebook.run(1)
    edit(notebook, 1, BOB)
    notebook.save()
    notebook.restart()
    notebook.run(0)
    notebook.run(2)
    assert "Ada" in str(logged()[-1]["messages"])
    expect(notebook.output(2)).to_contain_text(NOTE)
    notebook.run(3)
    expect(notebook.output(3)).to_contain_text("complete, edited")


def _split(notebook, number, line):
    notebook.page.evaluate(SELECT, [number, line])
    notebook.page.evaluate(COMMAND, "split-cell-at-cursor")


def _merge(notebook, number):
    notebook.page.evaluate(SELECT, [number, None])
    notebook.page.evaluate(COMMAND, "merge-cell-below")


def _run(notebook, number, command):
    notebook.page.evaluate(SELECT, [number, None])
    notebook.page.evaluate(COMMAND, command)


CHANGES = {
    "split in the prompt": lambda notebook: _split(notebook, 1, 2),
    "split below the magic": lambda notebook: _split(notebook, 1, 1),
    "split twice": lambda notebook: (_split(notebook, 1, 3), _split(notebook, 1, 2)),
    "split and undone": lambda notebook: (_split(notebook, 1, 2), _run(notebook, 1, "undo-cell-action")),
    "merged with the prompt below": lambda notebook: _merge(notebook, 1),
    "merged with code below": lambda notebook: _merge(notebook, 2),
    "merged with code above": lambda notebook: _merge(notebook, 0),
    "split and merged again": lambda notebook: (_split(notebook, 1, 2), _merge(notebook, 1)),
    "converted to Markdown and back": lambda notebook: (
        _run(notebook, 1, "change-cell-to-markdown"),
        _run(notebook, 1, "change-cell-to-code"),
    ),
    "converted to raw": lambda notebook: _run(notebook, 1, "change-cell-to-raw"),
    "without its magic": lambda notebook: edit(notebook, 1, "One.\nTwo.\nThree."),
    "another magic above": lambda notebook: edit(notebook, 1, "%%bash\n%%minimax\nOne.\nTwo.\nThree."),
    "moved and edited": lambda notebook: (_run(notebook, 1, "move-cell-down"), edit(notebook, 2, "%%minimax\nFour.")),
    "copied, and the copy edited": lambda notebook: (
        _run(notebook, 1, "copy-cell"),
        _run(notebook, 1, "paste-cell-below"),
        edit(notebook, 2, "%%minimax\nFour."),
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_answer_that_does_not_belong_to_the_text_above_it_is_marked(open_notebook, logged, change):
    """Every answer on the page is to the text of its cell, or marked, and the model receives no other answers."""
    notebook = open_notebook(
        LOAD, "%%minimax\nOne.\nTwo.\nThree.", "%%minimax\nFive.", "x = 1", "%%minimax\nWhat did I say?"
    )
    for number in (0, 1, 2):
        notebook.run(number)
    CHANGES[change](notebook)
    notebook.evaluate(SETTLED)
    saved = notebook.save()
    expected, above = [], []
    for cell in saved.cells:
        own = [output.data[MIME_TYPE] for output in cell.get("outputs", []) if MIME_TYPE in output.get("data", {})]
        answered = [each["source_sha256"] == source_sha256(answered_text(cell.source)) for each in own]
        expected.append([cell.source, len(own), answered.count(False)])
        above += [each["messages"][0] for each in own if is_prompt(cell.source)]
    eventually(lambda: notebook.evaluate(SHOWN), expected)
    before = len(logged())
    notebook.run(len(expected) - 1)
    assert [message for message in logged()[before]["messages"] if message["role"] == "user"][:-1] == above
