"""Prompts in cells that capture their outputs, and what is shown where an answer cannot be drawn."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from mm_magics.history.turn import MIME_TYPE
from tests.browser.conftest import eventually

LOAD = "%load_ext mm_magics\nimport ipywidgets\nfrom IPython.display import display"
ASK = "get_ipython().run_cell_magic('minimax', '', 'My name is Ada. [[simulator: deltas=2400 size=8 rate=20]]')"
OUTPUT = f"out = ipywidgets.Output()\nwith out:\n    print('captured')\n    {ASK}\n    print('captured, too')"
DISPLAYED = (
    f"out = ipywidgets.Output()\ndisplay(out)\nwith out:\n    print('captured')\n    {ASK}\n    print('captured, too')"
)
NESTED = f"a, b = ipywidgets.Output(), ipywidgets.Output()\ndisplay(a)\nwith a:\n    with b:\n        {ASK}"
CAPTURE = f"%%capture\nprint('captured')\n{ASK}"
WAYS = {"an Output": OUTPUT, "a displayed Output": DISPLAYED, "nested Outputs": NESTED, "%%capture": CAPTURE}


@pytest.mark.parametrize("way", WAYS)
def test_the_answer_streams_in_its_cell_and_is_saved(open_notebook, logged, way):
    notebook = open_notebook(LOAD, WAYS[way])
    notebook.run(0)
    notebook.run(1, wait=False)
    output = notebook.output(1)
    if way != "%%capture":
        expect(output.locator(".mm-stop")).to_be_visible()
    eventually(lambda: len(logged()), 1)
    notebook.let_end()
    notebook.wait()
    notebook.final()
    expect(output.locator(".mm-status")).to_have_text("done")
    expect(notebook.page.locator(".mm-turn")).to_have_count(1)
    saved = notebook.save()
    data = [each.data for each in saved.cells[1].outputs if MIME_TYPE in each.get("data", {})]
    assert [each[MIME_TYPE]["status"] for each in data] == ["complete"]
    assert "captured" not in json.dumps([each for each in saved.cells[1].outputs if "text" in each])
    if way == "a displayed Output":
        expect(output.locator(".jupyter-widgets")).to_contain_text("captured, too")


def test_the_callback_of_a_widget_shows_the_answer_in_its_output(open_notebook, logged):
    code = f"""button, out = ipywidgets.Button(description='Ask'), ipywidgets.Output()
@out.capture()
def ask(_):
    {ASK}
button.on_click(ask)
display(button, out)"""
    notebook = open_notebook(LOAD, code)
    notebook.run(0)
    notebook.run(1)
    notebook.output(1).get_by_role("button", name="Ask").click()
    eventually(lambda: len(logged()), 1)
    notebook.let_end()
    expect(notebook.output(1).locator(".mm-status")).to_have_text("done")


@pytest.mark.parametrize("opener", ["open_notebook", "open_without_plugin"])
def test_a_running_turn_has_a_readable_text_where_it_is_not_drawn(request, opener, logged):
    notebook = request.getfixturevalue(opener)(LOAD, f"%%minimax\n{ASK.split(chr(39))[5]}")
    notebook.run(0)
    notebook.run(1, wait=False)
    expect(notebook.output(1).locator(".mm-stop")).to_be_visible()
    (saved,) = notebook.save().cells[1].outputs
    assert "answer" in saved.data["text/plain"]
    assert "object at" not in json.dumps(saved)
    notebook.evaluate("() => { window.jupyterapp.shell.currentWidget.content.widgets[1].outputHidden = true; }")
    expect(notebook.page.locator(".jp-Notebook .jp-Cell").nth(1)).not_to_contain_text("object at")
    eventually(lambda: len(logged()), 1)
    notebook.let_end()
    notebook.wait()
