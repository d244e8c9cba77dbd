"""A notebook that the page saved is the same conversation in a new kernel: turns, requests and replay."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from mm_magics.history.turn import MIME_TYPE
from tests.browser.conftest import ready

LOAD = "%load_ext mm_magics"
TOOL = """from typing import Literal

def measure(z: float, a: Literal[9007199254740993]) -> str:
    "Measure something."
    return f"{z} {a}"
"""


def restart(notebook) -> None:
    notebook.restart()
    notebook.run(0)


@pytest.mark.parametrize("opener", ["open_notebook", "open_without_plugin", "open_in_notebook7"])
def test_saved_turns_are_current_and_replayed_in_a_new_kernel(request, opener, logged):
    prompts = ["%%minimax --temperature 1.0 --top-p 1.0\nMy name is Ada.", "%%minimax\nWhat is my name?"]
    notebook = request.getfixturevalue(opener)(LOAD, *prompts, "%minimax history", "%minimax set replay only")
    for number in range(3):
        notebook.run(number)
    saved = notebook.save()
    assert saved.cells[1].outputs[-1].data[MIME_TYPE]["params"]["temperature"] == 1
    notebook.reload()
    ready(notebook.page)
    restart(notebook)
    notebook.run(3)
    expect(notebook.output(3)).to_contain_text("My name is Ada")
    expect(notebook.output(3)).not_to_contain_text("stale")
    notebook.run(4)
    for number in (1, 2):
        notebook.run(number)
        expect(notebook.output(number)).not_to_contain_text("no recorded answer")
    assert len(logged()) == 2
    expect(notebook.page.locator(".mm-stale")).to_have_count(0)


def test_a_tool_call_goes_back_with_the_same_bytes_after_a_save_and_a_restart(open_notebook, simulator):
    notebook = open_notebook(LOAD, TOOL, "%%minimax --tools measure\nUse measure with 2.", "%%minimax\nAnd now?")
    for number in range(3):
        notebook.run(number)
    before = len(simulator.log)
    notebook.run(3)
    notebook.save()
    notebook.reload()
    ready(notebook.page)
    restart(notebook)
    notebook.run(3)
    first, second = (record.raw for record in list(simulator.log)[before:])
    assert b'"input":{"z":2,"a":9007199254740993}' in first
    assert second == first
    assert json.loads(second)["messages"][-1]["content"][0]["text"] == "And now?"
