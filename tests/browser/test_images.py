"""An image in a prompt: shown while the answer streams, saved by the page, and sent again unchanged in a new kernel."""

from __future__ import annotations

import base64
import json

import pytest
from playwright.sync_api import expect

from mm_magics.history.turn import MIME_TYPE
from tests.browser.conftest import ready
from tests.browser.test_dialect import picture

LOAD = "%load_ext mm_magics"
FIGURE = """from matplotlib.figure import Figure
fig = Figure(figsize=(3, 2))
axes = fig.subplots()
axes.plot([1, 3, 2, 5]);"""
PROMPT = "%%minimax -m MiniMax-M3\nWhat does {{ fig }} show?"
NEXT = "%%minimax -m MiniMax-M3\nAnd what is its maximum?"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


PLOT = "def plot():\n    'Draw.'\n    return {'figure': fig, 'n': 4}"
CALL = "%%minimax -m MiniMax-M3 --tools plot\nUse plot, please."


def sent_images(request) -> list[str]:
    found = [block for message in request.body["messages"] for block in message["content"]]
    blocks = [each for block in found for each in (block["content"] if block["type"] == "tool_result" else [block])]
    return [block["source"]["data"] for block in blocks if block["type"] == "image"]


def width(image) -> int:
    return image.evaluate("async (img) => { await img.decode(); return img.naturalWidth; }")


@pytest.mark.parametrize("opener", ["open_notebook", "open_without_plugin"])
def test_an_image_is_displayed_saved_and_sent_again_unchanged(request, opener, simulator):
    notebook = request.getfixturevalue(opener)(LOAD, FIGURE, PROMPT, NEXT)
    for number in range(3):
        notebook.run(number)
    image = notebook.output(2).locator("img")
    expect(image).to_have_count(1)
    assert width(image) == 300
    (data,) = sent_images(simulator.log[-1])
    assert image.get_attribute("src") == f"data:image/png;base64,{data}"
    saved = notebook.save().cells[2].outputs[-1].data
    assert f"base64,{data}" in "".join(saved["text/html"])
    assert json.dumps(saved[MIME_TYPE]).count(data) == 1
    notebook.reload()
    ready(notebook.page)
    assert width(notebook.output(2).locator("img")) == 300
    notebook.restart()
    notebook.run(0)
    notebook.run(3)
    assert sent_images(simulator.log[-1]) == [data]
    assert simulator.log[-1].problems == ()


@pytest.mark.parametrize("opener", ["open_notebook", "open_without_plugin"])
def test_an_image_that_a_tool_returns_is_displayed_below_its_text_and_saved(request, opener, simulator):
    notebook = request.getfixturevalue(opener)(LOAD, FIGURE, PLOT, CALL, NEXT)
    for number in range(4):
        notebook.run(number)
    output = notebook.output(3)
    expect(output.locator("img")).to_have_count(1)
    expect(output.locator("details", has_text="plot")).to_contain_text('{"figure": "[image 1, 300×200]", "n": 4}')
    assert width(output.locator("img")) == 300
    expect(output.locator("img")).to_be_visible()
    (data,) = sent_images(simulator.log[-1])
    saved = notebook.save().cells[3].outputs[-1].data
    assert f"base64,{data}" in "".join(saved["text/html"])
    assert json.dumps(saved[MIME_TYPE]).count(data) == 1
    picture(notebook, f"tool-image-{opener}")
    notebook.reload()
    ready(notebook.page)
    assert width(notebook.output(3).locator("img")) == 300
    expect(notebook.output(3).locator("img")).to_be_visible()
    notebook.restart()
    notebook.run(0)
    notebook.run(4)
    assert sent_images(simulator.log[-1]) == [data]
    assert simulator.log[-1].problems == ()


def test_the_attachment_of_a_markdown_cell_reaches_the_model(open_notebook, simulator):
    notebook = open_notebook(LOAD, "x = 1", "%%minimax -m MiniMax-M3 --sees above\nWhat is in the picture?")
    attach = f"""() => {{
      const notebook = window.jupyterapp.shell.currentWidget.content.model.sharedModel;
      notebook.insertCell(2, {{cell_type: 'markdown', source: '![plan](attachment:plan.png)',
        attachments: {{'plan.png': {{'image/png': '{PIXEL}'}}}}}});
    }}"""
    notebook.evaluate(attach)
    for number in (0, 1, 3):
        notebook.run(number)
    assert sent_images(simulator.log[-1]) == [PIXEL]
    assert base64.b64decode(PIXEL)
    expect(notebook.output(3).locator("img")).to_have_count(1)
