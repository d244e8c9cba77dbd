"""A running turn on a page that was reloaded, on a second page, and on a page whose kernel or server falls silent."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import nbformat
from playwright.sync_api import expect

from mm_magics.history.turn import MIME_TYPE
from tests.browser.conftest import Lab, Notebook, eventually, ready
from tests.pace import PATIENCE

LOAD = "%load_ext mm_magics\nimport os; print(os.getpid())"
SLOW = "%%minimax\nMore. [[simulator: deltas=6000 size=8 rate=40]]"
TOOL = """%load_ext mm_magics
from mm_magics import minimax_tool
wiped = []
@minimax_tool(asks=True)
def wipe(path: str = "a") -> str:
    wiped.append(path)
    return f"wiped {path}"
"""
OUTPUTS = "() => window.jupyterapp.shell.currentWidget.content.model.toJSON().cells[1].outputs"
DIRTY = "() => window.jupyterapp.shell.currentWidget.content.model.dirty"
TYPES = [MIME_TYPE, "text/html", "text/markdown", "text/plain"]


def streaming(notebook: Notebook):
    """Run the cells and wait until the answer streams."""
    notebook.run(0)
    notebook.run(1, wait=False)
    output = notebook.output(1)
    expect(output.locator(".mm-text p").first).to_be_visible()
    return output


def open_page(browser, server: Lab, path: Path) -> Notebook:
    """Open a new notebook of this server."""
    cells = [nbformat.v4.new_code_cell(source) for source in (LOAD, SLOW)]
    metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), path)
    page = browser.new_page()
    page.goto(f"{server.url}/{server.tree}/{path.name}?reset")
    ready(page)
    return Notebook(page, path)


def length(output) -> int:
    return len(output.locator(".mm-text").inner_text())


def test_a_reloaded_page_shows_the_running_answer_and_can_stop_it(open_notebook):
    notebook = open_notebook(LOAD, SLOW, fresh=True)
    output = streaming(notebook)
    before = output.locator(".mm-text").inner_text()
    notebook.save()
    notebook.reload()
    expect(output.get_by_role("button", name="Stop")).to_be_visible()
    eventually(lambda: output.locator(".mm-text").inner_text().startswith(before[:100]))
    seen = length(output)
    expect(output.locator(".mm-text")).to_have_text(re.compile(f"[\\s\\S]{{{seen + 50},}}"))
    pressed = time.monotonic()
    output.get_by_role("button", name="Stop").click()
    expect(output.locator(".mm-status")).to_have_text("stopped")
    assert time.monotonic() - pressed < 2 * PATIENCE
    notebook.final()
    (saved,) = notebook.save().cells[1].outputs
    assert sorted(saved.data) == TYPES
    assert saved.data[MIME_TYPE]["status"] == "stopped"
    assert "partial" not in saved.metadata.get(MIME_TYPE, {})
    assert len(saved.data["text/html"]) > seen


def test_a_reloaded_page_shows_the_open_question_and_its_answer_counts(open_notebook):
    notebook = open_notebook(TOOL, "%%minimax --tools wipe\nUse wipe, please.", "print(wiped)", fresh=True)
    notebook.run(0)
    notebook.run(1, wait=False)
    output = notebook.output(1)
    expect(output.get_by_role("button", name="Allow once")).to_be_visible()
    notebook.reload()
    expect(output.get_by_role("button", name="Allow once")).to_be_visible()
    output.get_by_role("button", name="Allow once").click()
    expect(output.locator(".mm-facts")).to_contain_text("tokens in")
    ready(notebook.page)
    notebook.final()
    notebook.run(2)
    expect(notebook.output(2)).to_contain_text("[")
    (saved,) = notebook.save().cells[1].outputs
    assert saved.data[MIME_TYPE]["responses"][0]["tools"][0]["outcome"] == "done"


def test_a_second_page_shows_and_stops_the_answer_and_does_not_count_as_changed(open_notebook, browser, lab):
    notebook = open_notebook(LOAD, SLOW, fresh=True)
    notebook.save()
    page = browser.new_page()
    page.goto(f"{lab.url}/lab/workspaces/second/tree/{notebook.path.name}?reset")
    second = Notebook(page, notebook.path)
    streaming(notebook)
    output = second.output(1)
    expect(output.locator(".mm-text p").first).to_be_visible()
    assert not second.evaluate(DIRTY)
    output.get_by_role("button", name="Stop").click()
    for each in (output, notebook.output(1)):
        expect(each.locator(".mm-status")).to_have_text("stopped")
    for each in (second, notebook):
        each.final()
    assert not second.evaluate(DIRTY)
    page.close()


def test_a_silent_kernel_is_reported_until_it_is_heard_again(open_notebook):
    notebook = open_notebook(LOAD, SLOW, fresh=True)
    output = streaming(notebook)
    pid = int(re.findall(r"\d+", notebook.printed(0))[-1])
    os.kill(pid, signal.SIGSTOP)
    try:
        expect(output.locator(".mm-status")).to_have_text("no sign of life")
    finally:
        os.kill(pid, signal.SIGCONT)
    expect(output.locator(".mm-status")).to_have_text("answering")
    output.get_by_role("button", name="Stop").click()
    notebook.wait()


def test_a_server_that_dies_leaves_a_stopped_turn_on_the_page(browser, simulator, tmp_path: Path):
    server = Lab(tmp_path / "notebooks", simulator, (), "lab")
    try:
        path = server.folder / "page.ipynb"
        notebook = open_page(browser, server, path)
        output = streaming(notebook)
        server._process.kill()
        expect(output.locator(".mm-status")).to_have_text("stopped: the kernel is gone")
        (saved,) = (each["data"] for each in notebook.evaluate(OUTPUTS))
        assert sorted(saved) == TYPES
        assert saved[MIME_TYPE]["status"] == "stopped"
        notebook.page.close()
    finally:
        server.close()
