"""A prompt whose cell captures its outputs: the answer is shown and saved in the cell all the same."""

from __future__ import annotations

import os
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from mm_magics.history.turn import MIME_TYPE
from tests.kernel.conftest import Kernel

ASK = "get_ipython().run_cell_magic('minimax', '{flags}', 'Hello.')"
OUTPUT = "import ipywidgets\nout = ipywidgets.Output()\nwith out:\n    print('before')\n    {ask}\n    print('after')"
NESTED = """import ipywidgets
out, inner = ipywidgets.Output(), ipywidgets.Output()
with out:
    print('before')
    with inner:
        {ask}
    print('after')"""
DECORATOR = "import ipywidgets\nout = ipywidgets.Output()\n@out.capture()\ndef ask():\n    {ask}\nask()"
CAPTURE = "%%capture captured\nprint('before')\n{ask}\nprint('after')"
CAPTURE_BLOCK = "from IPython.utils.capture import capture_output\nwith capture_output() as captured:\n    {ask}"
CAPTURE_INSIDE_OUTPUT = """import ipywidgets
from IPython.utils.capture import capture_output
out = ipywidgets.Output()
with out, capture_output():
    {ask}"""
REDIRECTED = """import contextlib, io
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    {ask}"""
SAME_DISPLAY_ID = """from IPython.display import display, update_display
display({{'text/plain': 'mine'}}, raw=True, display_id='same')
{ask}
display({{'text/plain': 'mine'}}, raw=True, display_id='same')
update_display({{'text/plain': 'updated'}}, raw=True, display_id='same')"""
WAYS = {
    "Output": OUTPUT,
    "nested Outputs": NESTED,
    "Output.capture": DECORATOR,
    "%%capture": CAPTURE,
    "capture_output": CAPTURE_BLOCK,
    "capture_output inside Output": CAPTURE_INSIDE_OUTPUT,
    "redirect_stdout": REDIRECTED,
    "a display_id that is used twice": SAME_DISPLAY_ID,
}


class FrontEnd:
    """Shows what a run sent, as a front end with Output widgets does: what a widget captures is not in the cell."""

    def __init__(self) -> None:
        self.cell: list[dict[str, Any]] = []
        self.captured: list[str] = []
        self._by_display_id: dict[str, dict[str, Any]] = {}
        self._capturing: set[str] = set()

    def receive(self, kind: str, content: dict[str, Any]) -> None:
        state = content.get("data", {}).get("state", {}) if kind.startswith("comm_") else {}
        if "msg_id" in state:
            self._capturing.discard(content["comm_id"])
            self._capturing |= {content["comm_id"]} if state["msg_id"] else set()
        if self._capturing:
            # An Output widget ignores updates, and does not pass them on.
            self.captured += [content["text"]] if kind == "stream" else []
            return
        display_id = (content.get("transient") or {}).get("display_id")
        if kind == "display_data":
            self.cell.append(content["data"])
            self._by_display_id[display_id] = self.cell[-1]
        elif kind == "update_display_data":
            self._by_display_id[display_id].clear()
            self._by_display_id[display_id].update(content["data"])


def shown(run) -> FrontEnd:
    assert run.error is None
    page = FrontEnd()
    for kind, content in run.messages:
        page.receive(kind, content)
    return page


@pytest.mark.parametrize("flags", ["", "--quiet"])
@pytest.mark.parametrize("way", WAYS)
def test_the_cell_shows_the_answer_and_keeps_the_record(kernel, way, flags):
    page = shown(kernel.run(WAYS[way].format(ask=ASK.format(flags=flags)), "a"))
    (bundle,) = [data for data in page.cell if MIME_TYPE in data]
    assert sorted(bundle) == [MIME_TYPE, "text/html", "text/markdown", "text/plain"]
    assert bundle[MIME_TYPE]["status"] == "complete"
    assert bundle[MIME_TYPE]["cell_id"] == "a"


@pytest.mark.parametrize("way", ["Output", "nested Outputs"])
def test_what_the_cell_prints_is_captured_as_before(kernel, way):
    run = kernel.run(WAYS[way].format(ask=ASK.format(flags="")), "a")
    page = shown(run)
    assert "".join(page.captured) == "before\nafter\n"
    assert [kind for kind, _ in run.messages if kind == "stream"] == ["stream"] * len(page.captured)


def test_capture_still_captures_what_the_cell_prints(kernel):
    run = kernel.run(CAPTURE.format(ask=ASK.format(flags="")), "a")
    assert [kind for kind, _ in run.messages if kind == "stream"] == []
    printed = kernel.run("print(repr(captured.stdout))", "b").text
    assert printed.strip() == repr("before\nafter\n")


def test_a_turn_that_fails_is_shown_too(kernel):
    ask = "get_ipython().run_cell_magic('minimax', '', 'Go. [[simulator: fault=stop-error]]')"
    page = shown(kernel.run(OUTPUT.format(ask=ask), "a"))
    (bundle,) = [data for data in page.cell if MIME_TYPE in data]
    assert bundle[MIME_TYPE]["status"] == "failed"


@pytest.mark.slow
def test_the_extension_can_be_loaded_where_outputs_are_captured(simulator):
    kernel = Kernel({"ANTHROPIC_BASE_URL": simulator.base_url, "ANTHROPIC_API_KEY": simulator.key})
    kernel.run("%%capture\n%load_ext mm_magics")
    page = shown(kernel.run(CAPTURE.format(ask=ASK.format(flags="")), "a"))
    kernel.close()
    assert [MIME_TYPE in data for data in page.cell] == [True]


@pytest.mark.slow
@pytest.mark.parametrize("way", [way for way in WAYS if way != "nested Outputs"])
def test_nbclient_saves_the_record_in_the_cell(simulator, way):
    environment = {**os.environ, "ANTHROPIC_BASE_URL": simulator.base_url, "ANTHROPIC_API_KEY": simulator.key}
    sources = ["%load_ext mm_magics", WAYS[way].format(ask=ASK.format(flags=""))]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(each) for each in sources])
    NotebookClient(notebook, kernel_name="python3", timeout=60).execute(env=environment)
    saved = [each.data for each in notebook.cells[1].outputs if MIME_TYPE in each.get("data", {})]
    assert [data[MIME_TYPE]["status"] for data in saved] == ["complete"]


@pytest.mark.slow
@pytest.mark.parametrize("inner", ["out, inner", "inner, out"])
def test_nbclient_runs_nested_outputs_in_any_order(simulator, inner):
    environment = {**os.environ, "ANTHROPIC_BASE_URL": simulator.base_url, "ANTHROPIC_API_KEY": simulator.key}
    sources = ["%load_ext mm_magics", NESTED.replace("out, inner", inner).format(ask=ASK.format(flags="")), "1 + 1"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(each) for each in sources])
    NotebookClient(notebook, kernel_name="python3", timeout=60).execute(env=environment)
    assert notebook.cells[2].outputs[0].data == {"text/plain": "2"}
