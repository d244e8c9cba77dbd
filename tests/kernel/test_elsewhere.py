"""Without a notebook front end: nbclient, nbconvert, papermill, nbval, jupyter console and IPython in a terminal."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pexpect
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from mm_magics.history.turn import MIME_TYPE

QUICKSTART = Path(__file__).parents[2] / "notebooks" / "quickstart.ipynb"
MANY = QUICKSTART.with_name("many.ipynb")
ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\].*?(\x07|\x1b\\))")

pytestmark = pytest.mark.slow


@pytest.fixture
def environment(simulator):
    return {**os.environ, "ANTHROPIC_BASE_URL": simulator.base_url, "ANTHROPIC_API_KEY": simulator.key}


def notebook(*sources):
    cells = [nbformat.v4.new_code_cell(source) for source in ("%load_ext mm_magics", *sources)]
    return nbformat.v4.new_notebook(cells=cells)


def test_nbclient_gets_the_final_bundle_and_nothing_else(environment):
    document = notebook("%%minimax\nMy name is Ada.", "%%minimax\nWhat is my name?")
    NotebookClient(document, kernel_name="python3").execute(env=environment)
    for cell in document.cells[1:]:
        (output,) = cell.outputs
        assert sorted(output.data) == [MIME_TYPE, "text/html", "text/markdown", "text/plain"]
    assert "Your name is **Ada**" in document.cells[2].outputs[0].data["text/markdown"]
    assert "widgets" not in document.metadata


def test_nbconvert_makes_a_page_that_is_readable_without_scripts(environment, tmp_path):
    nbformat.write(notebook("%%minimax\nShow me python code."), tmp_path / "one.ipynb")
    command = [sys.executable, "-m", "nbconvert", "--execute", "--to", "html", "one.ipynb"]
    subprocess.run(command, env=environment, cwd=tmp_path, check=True, capture_output=True)
    page = (tmp_path / "one.html").read_text("utf-8")
    answer = page[page.index('<div class="mm-saved') :]
    assert "<summary>Thought" in answer
    assert "<b>def " in answer
    assert "jupyter.widget-view" not in page


def test_papermill_runs_it(environment, tmp_path):
    nbformat.write(notebook("%%minimax\nHello."), tmp_path / "in.ipynb")
    command = [sys.executable, "-m", "papermill", "in.ipynb", "out.ipynb", "-k", "python3", "--no-progress-bar"]
    subprocess.run(command, env=environment, cwd=tmp_path, check=True, capture_output=True)
    outputs = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells[1].outputs
    assert outputs[0].data[MIME_TYPE]["status"] == "complete"


def test_nbclient_and_papermill_see_a_failed_call_with_its_reason(environment, tmp_path):
    document = notebook("%%minimax\nHello. [[simulator: fault=insufficient-balance]]")
    with pytest.raises(CellExecutionError, match="insufficient balance"):
        NotebookClient(document, kernel_name="python3").execute(env=environment)
    assert [each.output_type for each in document.cells[1].outputs] == ["display_data", "error"]
    nbformat.write(document, tmp_path / "in.ipynb")
    command = [sys.executable, "-m", "papermill", "in.ipynb", "out.ipynb", "-k", "python3", "--no-progress-bar"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0
    assert "insufficient balance (1008)" in done.stderr
    assert "Top up the account" in done.stderr


def nbval(notebook, how, environment, folder):
    """Return the number of code cells of the notebook, and the output of nbval."""
    command = [sys.executable, "-m", "pytest", "-p", "nbval", how, "-p", "no:cacheprovider", "-q"]
    done = subprocess.run(
        [*command, str(notebook), "--rootdir", str(folder), "-c", os.devnull],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
    )
    cells = [cell for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]
    return len(cells), done.stdout


def test_nbval_runs_the_documentation(environment, tmp_path):
    count, output = nbval(QUICKSTART, "--nbval-lax", environment, tmp_path)
    assert f"{count} passed" in output, output


def test_nbval_gets_the_same_answers_and_errors_from_the_page_on_many_prompts(environment, tmp_path):
    count, output = nbval(MANY, "--nbval", environment, tmp_path)
    assert f"{count} passed" in output, output


@pytest.mark.parametrize("path", [QUICKSTART, QUICKSTART.with_name("tools.ipynb"), MANY], ids=lambda path: path.stem)
def test_the_documentation_contains_the_answers_of_running_it(environment, path):
    stored = nbformat.read(path, as_version=4)
    document = nbformat.read(path, as_version=4)
    NotebookClient(document, kernel_name="python3").execute(env=environment)
    prompts = [
        number
        for number, cell in enumerate(stored.cells)
        if cell.source.startswith("%%minimax") and "--dry-run" not in cell.source
    ]
    assert prompts
    for number in prompts:
        expected, found = (each.cells[number].outputs[0].data["text/markdown"] for each in (stored, document))
        assert found == expected


def test_jupyter_console_streams_text(kernel):
    run = kernel.run("%%minimax\nHello. [[simulator: deltas=60 size=8 rate=200]]", stdin=True)
    streams = [content["text"] for kind, content in run.messages if kind == "stream"]
    assert len(streams) > 1
    assert "MiniMax-M2.7" in "".join(streams)
    assert {output.get("output_type", "stream") for output in run.outputs} == {"stream"}


@pytest.fixture
def terminal(environment, tmp_path):
    environment = {**environment, "IPYTHONDIR": str(tmp_path), "TERM": "xterm-256color", "COLUMNS": "100"}
    arguments = ["-m", "IPython", "--simple-prompt", "--no-banner", "--no-confirm-exit", "--ext", "mm_magics"]
    child = pexpect.spawn(sys.executable, arguments, env=environment, encoding="utf-8", timeout=30)
    child.expect(r"In \[1\]: ")
    yield child
    child.close(force=True)


def cell(child, text):
    for line in [*text.split("\n"), *([""] * 2 if text.startswith("%%") else [])]:
        child.sendline(line)
    child.expect(r"In \[\d+\]: $")
    return ESCAPES.sub("", child.before)


def test_a_terminal_streams_text_with_dimmed_thinking_and_keeps_the_turns(terminal):
    terminal.sendline("%%minimax\nMy name is Ada.\n\n")
    terminal.expect(r"\x1b\[2;3m")
    terminal.expect(r"In \[\d+\]: $")
    output = cell(terminal, "%%minimax\nWhat is my name?")
    assert "Your name is **Ada**" in output
    assert "tokens in" in output


def test_an_interrupt_in_a_terminal_keeps_the_partial_response(terminal):
    terminal.sendline("%%minimax\nMore. [[simulator: deltas=3000 size=8 rate=50]]\n\n")
    terminal.expect(r"\x1b\[0m\r?\n")
    terminal.sendintr()
    terminal.expect("The partial response is kept.")
    terminal.expect(r"In \[\d+\]: $")
    assert "stopped" in cell(terminal, "%minimax history")


def test_login_hides_the_key_and_leaves_no_trace(terminal, simulator, tmp_path):
    terminal.sendline("import os; os.environ.pop('ANTHROPIC_API_KEY') and None")
    terminal.expect(r"In \[\d+\]: $")
    assert "No API key found for" in cell(terminal, "%%minimax\nHello.")
    terminal.sendline("%minimax login")
    terminal.expect("Key for .*: ")
    terminal.sendline(simulator.key)
    terminal.expect(r"In \[\d+\]: $")
    assert simulator.key not in terminal.before
    assert "tokens in" in cell(terminal, "%%minimax\nHello.")
    assert simulator.key not in cell(terminal, "%history -g")
    history = (tmp_path / "profile_default" / "history.sqlite").read_bytes()
    assert simulator.key.encode() not in history
