"""Which turn belongs to which cell: notebooks without cell ids, split cells and merged cells."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Notebook, ready

LOAD = "%load_ext mm_magics"
EDIT = """([number, source]) => {
  window.jupyterapp.shell.currentWidget.content.widgets[number].model.sharedModel.setSource(source);
}"""
SPLIT = """async () => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  notebook.activeCellIndex = 1;
  notebook.mode = 'edit';
  notebook.activeCell.editor.setCursorPosition({ line: 2, column: 0 });
  await window.jupyterapp.commands.execute('notebook:split-cell-at-cursor');
}"""
MERGE = """async () => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  notebook.activeCellIndex = 1;
  await window.jupyterapp.commands.execute('notebook:merge-cell-below');
}"""


def sent(logged) -> list[str]:
    return [each["content"][-1]["text"] for each in logged()[-1]["messages"] if each["role"] == "user"]


def edit(notebook: Notebook, number: int, source: str) -> None:
    notebook.page.evaluate(EDIT, [number, source])


@pytest.mark.parametrize("opener", ["open_notebook", "open_without_plugin"])
def test_a_notebook_without_cell_ids_has_one_turn_for_each_cell(request, opener, logged):
    notebook = request.getfixturevalue(opener)(LOAD, "%%minimax\nOne", "%%minimax\nTwo", has_ids=False)
    for number in range(3):
        notebook.run(number)
    assert sent(logged) == ["One", "Two"]
    edit(notebook, 1, "%%minimax\nUno")
    notebook.run(1)
    assert sent(logged) == ["Uno"]
    notebook.save()
    saved = json.loads(notebook.path.read_text("utf-8"))
    assert all("id" not in cell for cell in saved["cells"])
    notebook.run(2)
    assert sent(logged) == ["Uno", "Two"]
    notebook.save()
    notebook.reload()
    ready(notebook.page)
    notebook.run(1)
    assert sent(logged) == ["Uno"]
    edit(notebook, 2, "%%minimax\nDos")
    notebook.run(2)
    assert sent(logged) == ["Uno", "Dos"]


def test_merged_prompts_are_not_sent_and_the_answer_of_a_split_one_is_not_used(open_notebook, logged):
    notebook = open_notebook(LOAD, "%%minimax\nOne\nmore", "%%minimax\nTwo", "%%minimax\nThree")
    for number in range(2):
        notebook.run(number)
    notebook.page.evaluate(SPLIT)
    expect(notebook.page.locator(".jp-Notebook .jp-Cell")).to_have_count(5)
    notebook.run(3)
    assert sent(logged) == ["Two"]
    expect(notebook.output(3)).to_contain_text("The answer in cell 3 of")
    expect(notebook.output(3)).to_contain_text("is not used: it contains a turn, but is not a prompt cell.")
    before = len(logged())
    edit(notebook, 2, "%%minimax\nmore")
    notebook.page.evaluate(MERGE)
    expect(notebook.page.locator(".jp-Notebook .jp-Cell")).to_have_count(4)
    notebook.run(1)
    expect(notebook.output(1)).to_contain_text("starts another %%minimax prompt. Nothing was sent.")
    assert len(logged()) == before
