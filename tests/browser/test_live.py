"""What the page and the kernel exchange beside outputs: answers that ended while no page was open, and marks."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from mm_magics.history.turn import MIME_TYPE
from tests.browser.conftest import ready

LOAD = "%load_ext mm_magics"
SLOW = "%%minimax\nMore. [[simulator: deltas=2400 size=8 rate=20]]"


@pytest.mark.parametrize("opener", ["open_notebook", "open_in_notebook7"])
def test_a_page_reloaded_while_streaming_gets_the_whole_answer(request, opener):
    notebook = request.getfixturevalue(opener)(LOAD, SLOW, "%%minimax\nAnd?")
    notebook.run(0)
    notebook.run(1, wait=False)
    expect(notebook.output(1).locator("p").first).to_be_visible()
    notebook.save()
    notebook.reload()
    expect(notebook.output(1).locator(".mm-stop")).to_be_visible()
    notebook.let_end()
    expect(notebook.output(1).locator(".mm-turn")).to_contain_text("tokens in")
    notebook.final()
    (saved,) = notebook.save().cells[1].outputs
    assert saved.data[MIME_TYPE]["status"] == "complete"
    assert sorted(saved.data) == [MIME_TYPE, "text/html", "text/markdown", "text/plain"]


def test_a_page_that_is_opened_again_shows_unsaved_answers(open_notebook, logged):
    notebook = open_notebook(LOAD, "%%minimax\nMy name is Ada.", "%%minimax\nWhat is my name?")
    notebook.run(0)
    notebook.run(1)
    notebook.reload()
    expect(notebook.output(1).locator(".mm-turn")).to_contain_text("tokens in")
    ready(notebook.page)
    notebook.run(2)
    expect(notebook.output(2)).to_contain_text("Your name is Ada")
    assert len(logged()) == 2


def test_the_notes_of_a_run_are_saved_with_its_turn(open_notebook):
    notebook = open_notebook(LOAD, "%%minimax --param top_k=3\nHello.")
    notebook.run(0)
    notebook.run(1)
    expect(notebook.output(1).locator(".mm-rendered .mm-note")).to_have_text("top_k is ignored by the endpoint.")
    notebook.save()
    notebook.reload()
    expect(notebook.output(1).locator(".mm-rendered .mm-note")).to_be_visible()


def test_turns_below_a_changed_one_are_marked_stale_until_they_run_again(open_notebook):
    notebook = open_notebook(LOAD, "%%minimax\nOne. {{ word }}", "%%minimax\nTwo.", "%%minimax\nThree.", "word = 1")
    stale = notebook.page.locator(".mm-stale")
    for number in (4, 0, 1, 2, 3):
        notebook.run(number)
    expect(stale).to_have_count(0)
    notebook.evaluate(
        "() => { window.jupyterapp.shell.currentWidget.content.widgets[4].model.sharedModel.setSource('word = 2'); }"
    )
    notebook.run(4)
    notebook.run(1)
    expect(stale).to_have_count(2)
    for number in (2, 3):
        expect(notebook.output(number).locator(".mm-header")).to_contain_text("stale")
    notebook.run(2)
    expect(notebook.output(2).locator(".mm-stale")).to_have_count(0)
    notebook.run(3)
    expect(stale).to_have_count(0)
    notebook.evaluate("() => { window.jupyterapp.shell.currentWidget.content.model.sharedModel.deleteCell(2); }")
    notebook.run(3)
    expect(notebook.output(2).locator(".mm-stale")).to_have_count(1)


def test_a_replayed_turn_is_marked_on_the_page_but_not_in_the_file(open_notebook, logged):
    notebook = open_notebook(LOAD, "%%minimax --replay auto\nHello.")
    notebook.run(0)
    notebook.run(1)
    expect(notebook.output(1).locator(".mm-rendered")).to_be_visible()
    expect(notebook.page.locator(".mm-replayed")).to_have_count(0)
    before = notebook.save().cells[1].outputs
    notebook.run(1)
    expect(notebook.output(1).locator(".mm-header")).to_contain_text("replayed")
    assert notebook.save().cells[1].outputs == before
    assert len(logged()) == 1


def test_two_notebooks_stream_and_stop_independently(open_notebook):
    one = open_notebook(LOAD, SLOW)
    two = open_notebook(LOAD, SLOW, fresh=True)
    for notebook in (one, two):
        notebook.run(0)
        notebook.run(1, wait=False)
    for notebook in (one, two):
        expect(notebook.output(1).locator("p").first).to_be_visible()
    two.output(1).get_by_role("button", name="Stop").click()
    two.wait()
    expect(two.output(1)).to_contain_text("stopped")
    one.let_end()
    one.wait()
    expect(one.output(1)).to_contain_text("done")
