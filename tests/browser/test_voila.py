"""Voila shows a notebook without its code: the answers of its prompts, and those that a button asks for."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from mm_magics.simulator import Simulator
from tests.browser.conftest import eventually
from tests.environments import ROOT, environment

pytestmark = [pytest.mark.slow, pytest.mark.interop]

START_S = 60
RUN_MS = 120_000
"""How long Voila may take to run a notebook before it shows the page."""
WORDS = " ".join(f"word{number}" for number in range(400))
LONG = f'[[simulator: thinking="" say="{WORDS}" size=8 rate=10]]'
"""Five minutes, unless the page is closed."""
PAGE = (ROOT / "docs" / "how-to" / "use-from-a-script.md").read_text("utf-8")
EXAMPLE = next(code for code in re.findall(r"```python\n(.+?)```", PAGE, re.DOTALL) if "ipywidgets" in code)
PROMPT = '%%minimax\nHi. [[simulator: thinking="" say="It is **kelp** and $x^2$."]]'
MAGIC = f"""import ipywidgets
out, button = ipywidgets.Output(), ipywidgets.Button(description="Ask")
def ask(_button):
    with out:
        get_ipython().run_cell_magic("minimax", "", {PROMPT.partition(chr(10))[2]!r})
button.on_click(ask)
ipywidgets.VBox([button, out])"""


@pytest.fixture
def serve(tmp_path: Path, simulator: Simulator, browser: BrowserContext) -> Iterator[Callable[..., Page]]:
    """Return a function that serves a notebook with these cells, and returns its page."""
    python = environment("voila", "voila==0.5.*") / "bin" / "python"
    variables = {**os.environ, "ANTHROPIC_BASE_URL": simulator.base_url, "ANTHROPIC_API_KEY": simulator.key}
    with ExitStack() as stack:

        def serve(*cells: str) -> Page:
            notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(each) for each in cells])
            nbformat.write(notebook, tmp_path / "book.ipynb")
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            command = [python, "-m", "voila", "book.ipynb", "--no-browser", f"--port={port}"]
            log = stack.enter_context((tmp_path / "voila.log").open("w"))
            process = subprocess.Popen(command, cwd=tmp_path, env=variables, stdout=log, stderr=log)
            stack.callback(process.wait)
            stack.callback(process.terminate)
            _wait_for(f"http://127.0.0.1:{port}/voila/static/voila.js")
            page = browser.new_page()
            stack.callback(page.close)
            page.goto(f"http://127.0.0.1:{port}/", wait_until="commit")
            return page

        yield serve


def _wait_for(url: str) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        with suppress(urllib.error.URLError, OSError):
            urllib.request.urlopen(url, timeout=2).close()
            return
        time.sleep(0.2)
    raise RuntimeError(f"no answer from {url}")


def test_the_answers_of_prompts_are_shown_once_the_notebook_has_run(serve: Callable[..., Page]) -> None:
    page = serve("%load_ext mm_magics", PROMPT, "print('the end')")
    expect(page.locator(".jp-OutputArea strong")).to_have_text("kelp", timeout=RUN_MS)
    expect(page.locator(".jp-OutputArea mjx-container")).to_have_count(1)
    expect(page.get_by_text("the end")).to_be_visible()


def test_an_answer_that_a_button_asks_for_streams_into_a_widget(serve: Callable[..., Page]) -> None:
    page = serve(EXAMPLE.replace("Name three prime numbers.", LONG.replace('"', '\\"')))
    page.get_by_role("button", name="Ask").click(timeout=RUN_MS)
    answer = page.locator("textarea")
    expect(answer).to_have_value(re.compile("^word0 "))
    first = answer.input_value()
    assert len(first) < len(WORDS)
    eventually(lambda: len(answer.input_value()) > len(first))
    assert WORDS.startswith(answer.input_value().rstrip())


def test_a_prompt_of_a_button_shows_its_complete_answer_in_an_output(serve: Callable[..., Page]) -> None:
    page = serve("%load_ext mm_magics", MAGIC)
    page.get_by_role("button", name="Ask").click(timeout=RUN_MS)
    expect(page.locator(".jp-OutputArea strong")).to_have_text("kelp")
