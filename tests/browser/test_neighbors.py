"""Front ends whose cells run on the server, or whose pages share a notebook, with their own packages."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Locator, expect

from mm_magics.history.turn import MIME_TYPE
from tests.browser.conftest import Lab, Notebook, _opener, _server, ready
from tests.environments import environment

pytestmark = [pytest.mark.slow, pytest.mark.interop]

LOAD = "%load_ext mm_magics"
BUNDLE = [MIME_TYPE, "text/html", "text/markdown", "text/plain"]
PACKAGES = {
    "nbmodel": ("jupyter-server-nbmodel==0.2.*", "jupyter-docprovider", "jupyter-server-ydoc"),
    "documents": ("jupyter-server-documents==0.3.*",),
    "collaboration": ("jupyter-collaboration==5.*",),
}
STATE = """(number) => {
  const { model } = window.jupyterapp.shell.currentWidget.content.widgets[number];
  return [model.executionCount, model.executionState];
}"""


def _lab(name: str, tmp_path_factory: pytest.TempPathFactory, simulator: Any) -> Iterator[Lab]:
    python = environment(name, *PACKAGES[name], extras=("lab",)) / "bin" / "python"
    yield from _server(tmp_path_factory.mktemp(name), simulator, python=str(python))


@pytest.fixture(scope="module", params=["nbmodel", "documents"])
def server(request, tmp_path_factory, simulator):
    yield from _lab(request.param, tmp_path_factory, simulator)


@pytest.fixture
def open_notebook(browser, server, request):
    yield from _opener(browser, server, request)


def until(true: Any, seconds: float = 60) -> Any:
    """Return what `true` gives once that is true."""
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.1)
    return found


def run(notebook: Notebook, number: int) -> None:
    """Run the cell, and wait until the server has executed it."""
    before, _ = notebook.page.evaluate(STATE, number)
    notebook.run(number)

    def is_done() -> bool:
        count, state = notebook.page.evaluate(STATE, number)
        return count not in (None, before) and state != "running"

    until(is_done)


def saved(notebook: Notebook, number: int) -> list[Any]:
    """The outputs of a cell in the saved file; some servers write it a little later, or also on their own."""
    notebook.evaluate("() => { void window.jupyterapp.commands.execute('docmanager:save'); }")
    overwrite = notebook.page.get_by_role("button", name="Overwrite")

    def written() -> list[Any]:
        if overwrite.is_visible():  # the server has saved the notebook too
            overwrite.click()
        try:
            return nbformat.read(notebook.path, as_version=4).cells[number].outputs
        except ValueError:  # it is being written
            return []

    return until(written)


def contexts(bodies: list[Any]) -> list[int]:
    """How many messages each request had."""
    return [len(each["messages"]) for each in bodies]


def test_the_notebook_is_the_conversation(open_notebook, logged):
    notebook = open_notebook(LOAD, "%%minimax\nMy name is Ada.", "%%minimax\nWhat is my name?", "%minimax history")
    for number in range(4):
        run(notebook, number)
    for number in (1, 2):
        assert [sorted(output.data) for output in saved(notebook, number)] == [BUNDLE]
    assert "Your name is **Ada**" in saved(notebook, 2)[0].data["text/markdown"]
    assert saved(notebook, 3)[0].data["text/plain"].count("complete") == 2
    run(notebook, 1)
    assert contexts(logged()) == [1, 3, 1]
    assert [sorted(output.data) for output in saved(notebook, 1)] == [BUNDLE]


def test_all_cells_at_once(open_notebook, logged):
    # With nbmodel the server may run the cells in another order than the page asked for; the same text three times
    # would not tell which one runs.
    notebook = open_notebook(LOAD, *[f"%%minimax\nMore, {number}." for number in range(3)])
    notebook.evaluate("async () => { await window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
    until(lambda: len(logged()) == 3)
    for number in (1, 2, 3):
        (output,) = saved(notebook, number)
        assert output.data[MIME_TYPE]["cell_id"] == nbformat.read(notebook.path, as_version=4).cells[number].id
    assert contexts(logged()) == [1, 3, 5]


SLOW = "%%minimax\nMore. [[simulator: deltas=400 size=8 rate=40]]"
TOOL = """from mm_magics import minimax_tool

@minimax_tool(asks=True)
def wipe(what: str) -> str:
    "Wipe something out."
    return "wiped" """
WIPE = "%%minimax --tools wipe\nUse wipe, please."


def turn_of(notebook: Notebook, number: int) -> Locator:
    return notebook.output(number).locator(".mm-turn")


def test_the_answer_streams_and_stop_ends_it(open_notebook):
    notebook = open_notebook(LOAD, SLOW)
    run(notebook, 0)
    notebook.run(1, wait=False)
    turn = turn_of(notebook, 1)
    expect(turn.locator(".mm-text p").first).to_be_visible()
    before = len(turn.locator(".mm-text").inner_text())
    until(lambda: len(turn.locator(".mm-text").inner_text()) > before)

    turn.get_by_role("button", name="Stop").click()
    expect(turn.locator(".mm-status")).to_have_text("stopped")
    (output,) = saved(notebook, 1)
    assert sorted(output.data) == BUNDLE
    assert output.data[MIME_TYPE]["status"] == "stopped"
    expect(turn_of(notebook, 1)).to_have_count(1)


def test_a_call_is_allowed_with_the_buttons(open_notebook):
    notebook = open_notebook(LOAD, TOOL, WIPE)
    run(notebook, 0)
    run(notebook, 1)
    notebook.run(2, wait=False)
    turn = turn_of(notebook, 2)
    expect(turn.locator(".mm-ask")).to_be_visible()
    turn.get_by_role("button", name="Allow once").click()
    expect(turn.locator(".mm-status")).to_have_text("done")
    (output,) = saved(notebook, 2)
    assert output.data[MIME_TYPE]["responses"][0]["tools"][0]["outcome"] == "done"


@pytest.fixture(scope="module")
def collaboration(tmp_path_factory, simulator):
    yield from _lab("collaboration", tmp_path_factory, simulator)


@pytest.fixture
def open_shared(browser, collaboration, request):
    yield from _opener(browser, collaboration, request)


def test_a_second_page_shows_the_answer_and_stops_it(browser, collaboration, open_shared):
    first = open_shared(LOAD, SLOW)
    page = browser.browser.new_context().new_page()
    page.goto(f"{collaboration.url}/lab/tree/{first.path.name}?reset")
    ready(page)
    second = Notebook(page, first.path)
    run(first, 0)
    first.run(1, wait=False)
    turn = turn_of(second, 1)
    expect(turn.locator(".mm-text p").first).to_be_visible()
    turn.get_by_role("button", name="Stop").click()
    for each in (first, second):
        expect(turn_of(each, 1).locator(".mm-status")).to_have_text("stopped")
    (output,) = saved(first, 1)
    assert output.data[MIME_TYPE]["status"] == "stopped"
    page.context.close()
