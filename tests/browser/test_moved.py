"""A prompt cell that is moved, deleted, pasted, merged or converted while it streams, saved through the page."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from mm_magics.history.turn import MIME_TYPE
from tests.browser.conftest import SETTLED, Notebook, eventually

LOAD = "%load_ext mm_magics"
SLOW = "%%minimax\nMy name is Ada. [[simulator: deltas=2400 size=8 rate=20]]"
ASK = "%%minimax\nWhat is my name?"
BUNDLE = [MIME_TYPE, "text/html", "text/markdown", "text/plain"]
LISTEN = """() => {
  const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
  window.replied = new Promise((done) => {
    kernel.anyMessage.connect((_, { msg, direction }) => {
      if (direction === 'recv' && msg.header.msg_type === 'execute_reply') done();
    });
  });
}"""
REPLIED = "async () => { await window.replied; }"


def select(notebook: Notebook, number: int) -> None:
    notebook.page.evaluate(
        """(number) => {
          const notebook = window.jupyterapp.shell.currentWidget.content;
          notebook.mode = 'command';
          notebook.deselectAll();
          notebook.activeCellIndex = number;
        }""",
        number,
    )


def command(notebook: Notebook, *names: str) -> None:
    """Run commands of JupyterLab one after the other, as their shortcuts do."""
    for name in names:
        notebook.page.evaluate(
            "async (name) => { await window.jupyterapp.commands.execute(name); }", f"notebook:{name}"
        )


def stream(notebook: Notebook, number: int = 1) -> None:
    """Run the cell until its answer streams."""
    notebook.run(0)
    notebook.evaluate(LISTEN)
    notebook.run(number, wait=False)
    expect(notebook.output(number).locator(".mm-text p").first).to_be_visible()
    select(notebook, number)


def end(notebook: Notebook) -> None:
    """Let the answer end, and wait for its output. For a deleted cell, JupyterLab does not announce the end."""
    notebook.let_end()
    notebook.evaluate(REPLIED)
    notebook.evaluate(SETTLED)
    notebook.final()


def bundles(saved: Any) -> list[tuple[int, list[str], str]]:
    """Which cells of a saved file have a turn: its number, the types of the output, and the turn's status."""
    return [
        (number, sorted(output.data), output.data[MIME_TYPE]["status"])
        for number, cell in enumerate(saved.cells)
        for output in cell.get("outputs", [])
        if MIME_TYPE in output.get("data", {})
    ]


def outputs(saved: Any) -> int:
    return sum(len(cell.get("outputs", [])) for cell in saved.cells)


def prompts(body: Any) -> list[str]:
    """The prompts of a request."""
    texts = [each["content"][-1]["text"] for each in body["messages"] if each["role"] == "user"]
    return [text.partition(" [[")[0] for text in texts]


CHANGES: dict[str, tuple[list[str], int]] = {
    "moved": (["move-cell-down"], 3),
    "moved twice": (["move-cell-up", "move-cell-down"], 2),
    "moved and moved back by undo": (["move-cell-down", "undo-cell-action"], 2),
    "deleted and restored": (["delete-cell", "undo-cell-action"], 2),
    "cut and pasted": (["cut-cell", "paste-cell-below"], 3),
    "merged with the cell below": (["merge-cell-below"], 2),
    "merged with the cell above": (["merge-cell-above"], 1),
    "converted twice": (["change-cell-to-markdown", "change-cell-to-code"], 2),
}
"""The commands, and where the cell is afterwards."""


@pytest.mark.parametrize("change", CHANGES)
def test_the_answer_streams_on_and_ends_in_its_cell(open_notebook, logged, change):
    commands, place = CHANGES[change]
    notebook = open_notebook(LOAD, "# a note", SLOW, "x = 1", ASK)
    stream(notebook, 2)
    command(notebook, *commands)
    output = notebook.output(place)
    expect(output.locator(".mm-stop")).to_be_visible()

    def length() -> int:
        return len(output.locator(".mm-text").inner_text())

    before = length()
    eventually(lambda: length() > before)
    end(notebook)
    eventually(lambda: length() > before)
    expect(output.locator(".mm-status")).to_have_text("done")
    expect(notebook.page.locator(".mm-turn")).to_have_count(1)
    saved = notebook.save()
    assert bundles(saved) == [(place, BUNDLE, "complete")]
    assert outputs(saved) == 1
    notebook.run(len(saved.cells) - 1)
    sent = prompts(logged()[-1])
    assert [each.partition("\n")[0] for each in sent] == ["My name is Ada.", "What is my name?"]


def test_a_cell_that_was_split_keeps_its_answer(open_notebook):
    notebook = open_notebook(LOAD, SLOW)
    stream(notebook)
    notebook.evaluate(
        """() => {
          const { editor } = window.jupyterapp.shell.currentWidget.content.activeCell;
          editor.setCursorPosition({ line: 1, column: 5 });
        }"""
    )
    command(notebook, "split-cell-at-cursor")
    end(notebook)
    assert bundles(notebook.save()) == [(2, BUNDLE, "complete")]


def test_a_cell_moved_by_a_program_keeps_its_answer(open_notebook):
    notebook = open_notebook(LOAD, SLOW, "x = 1")
    stream(notebook)
    notebook.evaluate("() => { window.jupyterapp.shell.currentWidget.content.model.sharedModel.moveCell(1, 2); }")
    end(notebook)
    saved = notebook.save()
    assert bundles(saved) == [(2, BUNDLE, "complete")]
    assert outputs(saved) == 1


def test_a_cell_that_is_moved_before_its_answer_begins_shows_it(open_notebook):
    gate = "import os, time\nwhile not os.path.exists('open'): time.sleep(0.05)"
    notebook = open_notebook(LOAD, gate, SLOW, "x = 1")
    notebook.run(0)
    notebook.run(1, wait=False)
    notebook.run(2, wait=False)
    select(notebook, 2)
    command(notebook, "cut-cell", "paste-cell-below")
    (notebook.path.parent / "open").touch()
    expect(notebook.output(3).locator(".mm-stop")).to_be_visible()
    notebook.evaluate(LISTEN)
    end(notebook)
    assert bundles(notebook.save()) == [(3, BUNDLE, "complete")]


def test_a_copy_shows_the_whole_answer_too(open_notebook):
    notebook = open_notebook(LOAD, SLOW)
    stream(notebook)
    command(notebook, "copy-cell", "paste-cell-below")
    end(notebook)
    saved = notebook.save()
    assert bundles(saved) == [(1, BUNDLE, "complete"), (2, BUNDLE, "complete")]
    assert outputs(saved) == 2


def test_a_cell_deleted_while_it_streams_is_forgotten_until_it_is_restored(open_notebook, logged):
    notebook = open_notebook(LOAD, SLOW, ASK)
    stream(notebook)
    command(notebook, "delete-cell")
    end(notebook)
    assert bundles(notebook.save()) == []
    notebook.run(1)
    assert prompts(logged()[-1]) == ["What is my name?"]
    select(notebook, 1)
    command(notebook, "undo-cell-action")
    expect(notebook.output(1).locator(".mm-status")).to_have_text("done")
    notebook.run(2)
    assert prompts(logged()[-1]) == ["My name is Ada.", "What is my name?"]
    assert [number for number, *_ in bundles(notebook.save())] == [1, 2]


def test_a_prompt_that_is_queued_when_a_running_cell_is_deleted_does_not_see_it(open_notebook, logged):
    notebook = open_notebook(LOAD, SLOW, ASK)
    stream(notebook)
    command(notebook, "delete-cell")
    notebook.run(1, wait=False)
    notebook.let_end()
    notebook.wait()
    assert prompts(logged()[-1]) == ["What is my name?"]


def test_moving_a_cell_while_it_streams_changes_what_a_later_prompt_sees(open_notebook, logged):
    notebook = open_notebook(LOAD, SLOW, ASK)
    stream(notebook)
    command(notebook, "move-cell-down")
    end(notebook)
    notebook.run(1)
    assert prompts(logged()[-1]) == ["What is my name?"]


def test_clearing_the_output_of_a_moved_cell_removes_its_turn(open_notebook, logged):
    notebook = open_notebook(LOAD, SLOW, "x = 1", ASK)
    stream(notebook)
    command(notebook, "move-cell-down")
    end(notebook)
    select(notebook, 2)
    command(notebook, "clear-cell-output")
    notebook.run(3)
    assert prompts(logged()[-1]) == ["What is my name?"]


def test_asking_again_while_the_answer_streams_shows_only_the_last_answer(open_notebook, logged):
    notebook = open_notebook(LOAD, SLOW)
    stream(notebook)
    notebook.run(1, wait=False)
    notebook.let_end()
    eventually(lambda: len(logged()), 2)
    notebook.let_end()
    notebook.wait()
    notebook.final()
    saved = notebook.save()
    assert bundles(saved) == [(1, BUNDLE, "complete")]
    assert outputs(saved) == 1
