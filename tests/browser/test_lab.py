"""A prompt cell in JupyterLab as a user sees it: streaming, thinking, Stop, memory, and the saved output."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.test_prompt_cells import completed
from tests.pace import PATIENCE

IMAGES = Path(__file__).parents[2] / "docs" / "images"
LOAD = "%load_ext mm_magics"
SLOW = "%%minimax\nTell me more. [[simulator: deltas=3000 size=8 rate=40]]"


def test_an_answer_streams_with_thinking_and_is_saved_as_one_bundle(open_notebook):
    thought, code = "I think about it. " * 30, "Here it is:\n\n```python\nx = 1\n```\n\n" + "It continues. " * 1_000
    directives = f"rate=20 thinking={json.dumps(thought)} say={json.dumps(code)}"
    notebook = open_notebook(LOAD, f"%%minimax\nShow python code. [[simulator: {directives}]]")
    notebook.run(0)
    notebook.run(1, wait=False)
    thinking = notebook.output(1).locator("details").first
    expect(thinking).to_have_attribute("open", "")
    expect(notebook.output(1).locator("pre code").first).to_be_visible()
    expect(notebook.output(1).locator(".mm-stop")).to_be_visible()
    notebook.let_end()
    notebook.wait()
    output = notebook.output(1)
    expect(output.locator("details summary").first).to_contain_text("Thought for")
    expect(output.locator(".jupyter-widgets")).to_have_count(0)
    (saved,) = notebook.save().cells[1].outputs
    assert sorted(saved.data) == ["application/vnd.minimax.turn+json", "text/html", "text/markdown", "text/plain"]
    assert saved.data["application/vnd.minimax.turn+json"]["status"] == "complete"


def test_the_model_remembers_the_cells_above(open_notebook):
    notebook = open_notebook(LOAD, "%%minimax\nMy name is Ada.", "%%minimax\nWhat is my name?")
    for number in range(3):
        notebook.run(number)
    expect(notebook.output(2)).to_contain_text("Your name is Ada")


def test_rerunning_a_cell_replaces_its_turn(open_notebook, logged):
    notebook = open_notebook(LOAD, "%%minimax\nFirst.", "%%minimax\nSecond.")
    for number in (0, 1, 2, 2):
        notebook.run(number)
    bodies = logged()
    assert [len(body["messages"]) for body in bodies] == [1, 3, 3]
    assert bodies[1]["messages"] == bodies[2]["messages"]


def test_stop_ends_the_answer_within_a_second_and_keeps_the_partial_response(open_notebook):
    notebook = open_notebook(LOAD, SLOW, "%%minimax\nAnd now?")
    notebook.run(0)
    notebook.run(1, wait=False)
    stop = notebook.output(1).get_by_role("button", name="Stop")
    expect(notebook.output(1).locator("p").first).to_be_visible()
    stop.click()
    pressed = time.monotonic()
    notebook.wait()
    assert time.monotonic() - pressed < PATIENCE
    expect(notebook.output(1)).to_contain_text("stopped")
    turn = notebook.save().cells[1].outputs[0].data["application/vnd.minimax.turn+json"]
    assert turn["status"] == "stopped"
    assert len(turn["messages"][1]["content"]) >= 1
    notebook.run(2)
    expect(notebook.output(2)).to_contain_text("This is what reached me")


def test_the_interrupt_button_ends_the_answer_and_keeps_the_partial_response(open_notebook):
    notebook = open_notebook(LOAD, SLOW)
    notebook.run(0)
    notebook.run(1, wait=False)
    expect(notebook.output(1).locator("p").first).to_be_visible()
    notebook.evaluate("() => window.jupyterapp.commands.execute('notebook:interrupt-kernel')")
    notebook.wait()
    bundle, error = notebook.save().cells[1].outputs
    assert bundle.data["application/vnd.minimax.turn+json"]["status"] == "stopped"
    assert error.ename == "TurnInterruptedError"
    assert error.traceback == ["Interrupted.", "The partial response is kept."]


def test_formulas_and_tables_are_rendered_while_streaming_and_when_saved(open_notebook):
    notebook = open_notebook(
        LOAD, "%%minimax\nWhich formula is it? [[simulator: rate=60]]", "%%minimax\nCompare a and b."
    )
    notebook.run(0)
    notebook.run(1, wait=False)
    expect(notebook.output(1).locator("math").first).to_be_visible()
    notebook.wait()
    expect(notebook.output(1).locator("math, mjx-container").first).to_be_visible()
    notebook.run(2)
    expect(notebook.output(2).locator("table")).to_be_visible()


def test_invalid_input_gives_a_one_line_message_without_traceback(open_notebook, logged):
    notebook = open_notebook(LOAD, "%%minimax --temprature 1\nHi.", "%%minimax\n{{ nothing }}")
    for number in range(3):
        notebook.run(number)
    expect(notebook.output(1)).to_have_text("Unknown flag --temprature.\nDid you mean --temperature?")
    expect(notebook.output(2)).to_contain_text("{{ nothing }} failed with NameError")
    assert logged() == []


def test_tab_offers_flags(open_notebook):
    notebook = open_notebook(LOAD, "%%minimax --temp")
    notebook.run(0)
    notebook.page.locator(".jp-Notebook .jp-Cell").nth(1).locator(".cm-content").click()
    notebook.page.keyboard.press("End")
    completed(notebook.page, 1, "--temperature")


@pytest.fixture
def slow(simulator):
    """A simulator that answers as slowly as a model."""
    simulator.rate = 30
    yield
    simulator.rate = None


def test_the_quick_start_screenshots(open_notebook, slow):
    cells = [
        LOAD,
        "%%minimax\nHello! My name is Ada, and I am learning about sorting.",
        "%%minimax\nWrite Python code that sorts {{ ['pear', 'fig', 'banana'] }} by length.",
    ]
    for theme, name in (("JupyterLab Light", "light"), ("JupyterLab Dark", "dark")):
        notebook = open_notebook(*cells, theme=theme, name="quickstart", height=800)
        notebook.run(0)
        notebook.run(1)
        notebook.run(2, wait=False)
        expect(notebook.output(2).locator("pre code").first).to_be_visible()
        notebook.page.wait_for_timeout(700)
        notebook.screenshot(IMAGES / f"streaming-{name}.png")
        notebook.wait()
        notebook.screenshot(IMAGES / f"quickstart-{name}.png")
        expect(notebook.output(2).locator("pre code")).to_be_visible()


def test_running_all_again_in_auto_sends_nothing_and_does_not_change_the_file(open_notebook, logged):
    auto = "%config MiniMax.replay = 'auto'"
    notebook = open_notebook(LOAD, auto, "%%minimax\nMy name is Ada.", "%%minimax\nWhat is my name?")
    for number in range(4):
        notebook.run(number)
    notebook.save()
    before, calls = notebook.path.read_bytes(), len(logged())
    assert calls == 2
    notebook.restart()
    for number in range(4):
        notebook.run(number)
    expect(notebook.output(3)).to_contain_text("Your name is Ada")
    notebook.save()
    assert len(logged()) == calls
    assert notebook.path.read_bytes() == before
