"""What a running turn says while it waits, how failed calls stand out, and the cell that `--as code` inserts."""

from __future__ import annotations

import re
import time
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import eventually

LOAD = "%load_ext mm_magics"
TOOL = """from mm_magics import minimax_tool
@minimax_tool
def look(place: str) -> str:
    "Look at a place."
    raise LookupError(f"{place} is not on the map")"""
CODE = '%%minimax --as code\nWrite it. [[simulator: say="```python\\nanswer = 6 * 7\\n```"]]'
SOURCES = "() => [...window.jupyterapp.shell.currentWidget.content.model.cells].map((c) => c.sharedModel.getSource())"


@pytest.fixture(params=["lab", "notebook"])
def opened(request: Any) -> Any:
    return request.getfixturevalue("open_notebook" if request.param == "lab" else "open_in_notebook7")


def numbers(text: str | None) -> list[int]:
    return [int(each) for each in re.findall(r"\d+", text or "")]


def check_that_it_counts_seconds(status: Locator) -> list[int]:
    """Wait until the first number has changed as much as the time, and return the numbers of both moments."""
    first, began = numbers(status.text_content()), time.monotonic()

    def counted() -> tuple[list[int], bool]:
        later, passed = numbers(status.text_content()), time.monotonic() - began
        change = abs(later[0] - first[0])
        return [*first, *later], change >= 3 and abs(change - passed) <= 1.5

    eventually(lambda: counted()[1])
    return counted()[0]


def test_a_silence_of_the_endpoint_counts(opened: Any) -> None:
    notebook = opened(LOAD, "%%minimax --timeout 40\nHi. [[simulator: fault=silence-before-headers]]")
    notebook.run(0)
    notebook.run(1, wait=False)
    status = notebook.output(1).locator(".mm-status")
    expect(status).to_have_text(re.compile(r"^no data for 1\d s, giving up in [23]\d s$"))
    quiet, left, later_quiet, later_left = check_that_it_counts_seconds(status)
    assert quiet < later_quiet
    assert later_quiet + later_left == quiet + left == 40
    assert notebook.violations(".mm-turn") == []
    notebook.output(1).get_by_role("button", name="Stop").click()
    notebook.wait()


def test_the_wait_for_the_next_attempt_counts_down_and_its_note_says_why(opened: Any) -> None:
    # The simulator counts the times by the text of the prompt.
    notebook = opened(LOAD, f"%%minimax\nHi {uuid4().hex}. [[simulator: fault=overloaded times=1 retry_after=30]]")
    notebook.run(0)
    notebook.run(1, wait=False)
    turn = notebook.output(1).locator(".mm-turn")
    expect(turn.locator(".mm-status")).to_have_text(re.compile(r"^retrying in [12]\d s \(1 of \d\)$"))
    expect(turn.locator(".mm-note")).to_contain_text("HTTP 529")
    assert "retrying" not in (turn.locator(".mm-note").text_content() or "")
    seconds, _, _, later, *_ = check_that_it_counts_seconds(turn.locator(".mm-status"))
    assert later < seconds
    turn.get_by_role("button", name="Stop").click()
    notebook.wait()


def test_a_failed_tool_call_stands_out(opened: Any) -> None:
    notebook = opened(LOAD, TOOL, "%%minimax --tools look\nUse look, please.")
    for number in range(3):
        notebook.run(number)
    call = notebook.output(2).locator(".mm-call-failed")
    expect(call.locator("summary")).to_contain_text("✗ failed")
    colors = [
        notebook.output(2).locator(selector).first.evaluate("(el) => getComputedStyle(el).color")
        for selector in (".mm-call-failed summary .mm-muted", ".mm-call-failed .mm-tool-name")
    ]
    assert colors[0] != colors[1]
    call.locator("summary").press("Enter")
    expect(call).to_contain_text("is not on the map")
    assert notebook.violations(".mm-turn") == []


def test_the_code_of_an_answer_becomes_a_cell_that_is_not_run(opened: Any) -> None:
    notebook = opened(LOAD, CODE, "1 + 1")
    notebook.run(0)
    notebook.run(1)
    expect(notebook.page.locator(".jp-Notebook .jp-Cell")).to_have_count(4)
    eventually(lambda: notebook.evaluate(SOURCES)[2:], ["answer = 6 * 7", "1 + 1"])
    expect(notebook.page.locator(".jp-Notebook .jp-Cell").nth(2).locator(".jp-InputPrompt")).to_have_text("[ ]:")
