"""What the reader has opened, selected, focused or scrolled stays so when the stream ends."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from mm_magics.history.turn import MIME_TYPE
from tests.browser.conftest import Notebook

LOAD = "%load_ext mm_magics"
THOUGHT = "The reader wants to know this, so I count. " * 8
SAID = "A first paragraph.\n\n```python\n" + "".join(f"x{number} = {number}\n" for number in range(60)) + "```\n\n"
SAID += "The last paragraph continues for a while. " * 600
STREAM = f"%%minimax\nGo. [[simulator: thinking={json.dumps(THOUGHT)} say={json.dumps(SAID)} rate=60]]"
SELECT = """(selector) => {
  const range = document.createRange();
  range.selectNodeContents(document.querySelector(`.jp-OutputArea ${selector}`));
  const selection = getSelection();
  selection.removeAllRanges();
  selection.addRange(range);
  return selection.toString();
}"""
SELECTED = "() => getSelection().toString()"
FOCUSED = "() => document.activeElement?.closest('.mm-turn') ? document.activeElement.outerHTML.slice(0, 60) : null"


def stream(notebook: Notebook, number: int = 1) -> None:
    """Run the prompt until the last paragraph of its answer streams, and unfold its thinking."""
    notebook.run(0)
    notebook.run(number, wait=False)
    expect(notebook.output(number).locator(".mm-text")).to_contain_text("The last paragraph")
    unfold(notebook, number)


def unfold(notebook: Notebook, number: int) -> None:
    """Unfold the thinking that was folded when the text began."""
    thinking = notebook.output(number).locator(".mm-thinking")
    expect(thinking).not_to_have_attribute("open", "")
    thinking.locator("summary").click()
    expect(thinking.locator(".mm-thinking-text")).to_be_visible()


def end(notebook: Notebook, number: int = 1) -> None:
    """Let the answer end, and check that its final output is what the page saves."""
    notebook.let_end()
    notebook.wait()
    notebook.final()
    expect(notebook.output(number).locator(".mm-status")).to_have_text("done")
    expect(notebook.output(number).locator(".mm-facts")).to_be_visible()
    saved = notebook.save().cells[number].outputs
    assert [sorted(each.data) for each in saved] == [[MIME_TYPE, "text/html", "text/markdown", "text/plain"]]


@pytest.mark.parametrize("opener", ["open_notebook", "open_in_notebook7"])
def test_thinking_that_the_reader_opened_stays_open(request, opener):
    notebook = request.getfixturevalue(opener)(LOAD, STREAM)
    stream(notebook)
    end(notebook)
    expect(notebook.output(1).locator(".mm-thinking-text")).to_be_visible()


@pytest.mark.parametrize("selector", [".mm-thinking-text", ".mm-text p", ".mm-text pre code", ".mm-turn"])
def test_a_selection_stays(open_notebook, selector):
    notebook = open_notebook(LOAD, STREAM)
    stream(notebook)
    expect(notebook.output(1).locator(".mm-text pre .hljs-number")).to_have_count(60)
    selected = notebook.page.evaluate(SELECT, selector)
    assert selected
    end(notebook)
    if selector == ".mm-turn":
        assert "A first paragraph." in notebook.evaluate(SELECTED)
    else:
        assert notebook.evaluate(SELECTED) == selected


def test_the_keyboard_focus_and_the_scroll_position_stay(open_notebook):
    notebook = open_notebook(LOAD, STREAM)
    stream(notebook)
    scrolled = notebook.page.evaluate(
        """() => {
          const area = document.querySelectorAll('.jp-OutputArea')[1];
          area.style.maxHeight = '200px';
          area.style.overflow = 'auto';
          area.querySelector('.mm-thinking summary').focus({ preventScroll: true });
          area.scrollTop = 60;
          return area.scrollTop;
        }"""
    )
    assert scrolled == 60
    focused = notebook.evaluate(FOCUSED)
    assert focused
    end(notebook)
    assert notebook.evaluate(FOCUSED) == focused
    assert notebook.evaluate("() => document.querySelectorAll('.jp-OutputArea')[1].scrollTop") == scrolled


def test_reading_continues_where_the_cell_was_moved_while_it_streamed(open_notebook):
    notebook = open_notebook(LOAD, STREAM, "x = 1")
    stream(notebook)
    notebook.evaluate("async () => { await window.jupyterapp.commands.execute('notebook:move-cell-down'); }")
    unfold(notebook, 2)
    selected = notebook.page.evaluate(SELECT, ".mm-text p")
    end(notebook, 2)
    expect(notebook.output(2).locator(".mm-thinking-text")).to_be_visible()
    assert notebook.evaluate(SELECTED) == selected


@pytest.mark.parametrize("ending", ["stopped", "failed"])
def test_reading_continues_when_the_answer_does_not(open_notebook, ending):
    prompt = STREAM if ending == "stopped" else STREAM.replace(" rate=60", " rate=60 fault=close after=4000")
    notebook = open_notebook(LOAD, prompt)
    stream(notebook)
    selected = notebook.page.evaluate(SELECT, ".mm-text p")
    if ending == "stopped":
        notebook.evaluate("() => { void window.jupyterapp.commands.execute('mm-magics:stop'); }")
    else:
        notebook.let_end()
    notebook.wait()
    notebook.final()
    expect(notebook.output(1).locator(".mm-status")).to_have_text(ending)
    expect(notebook.output(1).locator(".mm-thinking-text")).to_be_visible()
    assert notebook.evaluate(SELECTED) == selected
