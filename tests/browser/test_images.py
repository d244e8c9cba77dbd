"""An image in a prompt: shown while the answer streams, saved by the page, and sent again unchanged in a new kernel."""

from __future__ import annotations

import base64
import json

import pytest
from playwright.sync_api import expect

from mm_magics.history.turn import MIME_TYPE
from tests.browser.conftest import ready

LOAD = "%load_ext mm_magics"
FIGURE = """from matplotlib.figure import Figure
fig = Figure(figsize=(3, 2))
axes = fig.subplots()
axes.plot([1, 3, 2, 5]);"""
PROMPT = "%%minimax -m MiniMax-M3\nWhat does {{ fig }} show?"
NEXT = "%%minimax -m MiniMax-M3\nAnd what is its maximum?"
RESTART = "async () => { await window.jupyterapp.shell.currentWidget.sessionContext.restartKernel(); }"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def sent_images(request) -> list[str]:
    blocks = [block for message in request.body["messages"] for block in message["content"]]
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
    notebook.evaluate(RESTART)
    ready(notebook.page)
    notebook.run(0)
    notebook.run(3)
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
