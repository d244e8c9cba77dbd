"""An answer stays in its cell if the cell runs without being answered, although JupyterLab clears what runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mm_magics.simulator import ScriptedAnswer, Simulator
from tests.page.bridge import Page
from tests.page.shown_notebook import LOAD

pytestmark = [pytest.mark.slow, pytest.mark.traced]

SOURCES = [LOAD, "1 / 0", "%%minimax\nFirst.", "x = 1", "%%minimax\nSecond."]
PROMPTS = (2, 4)
REFUSED = ["%%minimax --no-such-flag\nFirst.", "%%minimax\n{{ undefined }}", "%%minimax\nFirst.\n%%minimax\nAgain."]
"""Prompt cells that the kernel refuses."""
EMPTY = "%%minimax\n"
"""IPython itself refuses this cell: only the page knows what it showed."""
PRINTS = ["%%minimax --dry-run\nFirst.", "%%minimax --help\nFirst."]


@pytest.fixture
def notebook(page: Page, endpoint: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A page with two answers below a cell with an error."""
    monkeypatch.setenv("MINIMAX_API_KEY", endpoint.key)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", endpoint.base_url)
    monkeypatch.setenv("JPY_SESSION_NAME", str(tmp_path / "page.ipynb"))
    code = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    cells = [{**code, "source": source, "id": f"c{at}"} for at, source in enumerate(SOURCES)]
    content = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}
    (tmp_path / "page.ipynb").write_text(json.dumps(content))
    page.serve(tmp_path)
    page.call("open", "page.ipynb")
    page.run(0)
    for at in PROMPTS:
        endpoint.answers.append(ScriptedAnswer([{"type": "text", "text": f"Answer {at}."}]))
        page.run(at)
    yield page
    if page.kernel.magics:
        page.kernel.magics.session.close()
    page.close()


def ids(page: Page) -> list[str | None]:
    """The turns that the prompt cells show."""
    cells = page.call("shown")
    assert all(len(cells[at]["records"]) <= 1 for at in PROMPTS), "a cell shows two answers"
    return [cells[at]["records"][0]["id"] if cells[at]["records"] else None for at in PROMPTS]


def remembered(page: Page) -> list[str]:
    return [turn.id for turn in page.kernel.magics.session.history.turns("main")]


def run_below_an_error(page: Page) -> None:
    page.call("runBelow", 1)
    page.settle()


def run_below_an_error_twice(page: Page) -> None:
    page.call("runBelow", 1)
    page.call("runBelow", 1)
    page.settle()


def kill_the_kernel_of_queued_cells(page: Page) -> None:
    page.call("setSource", 1, "%%minimax\nThis one is cut.")
    page.call("runBelow", 1)
    page.kernel.hook = page.kernel.crash
    page.settle()
    page.kill_kernel()


def kill_the_kernel_before_it_starts(page: Page) -> None:
    page.call("runBelow", 2)
    page.kill_kernel()


def restart_the_kernel_of_queued_cells(page: Page) -> None:
    page.call("runBelow", 1)
    page.do("restart")


def run_below_an_error_and_move(page: Page) -> None:
    page.call("runBelow", 1)
    page.call("move", 3, 4)
    page.call("move", 4, 3)
    page.call("move", 2, 2)
    page.settle()


@pytest.mark.parametrize(
    "action",
    [
        run_below_an_error,
        run_below_an_error_twice,
        run_below_an_error_and_move,
        kill_the_kernel_of_queued_cells,
        kill_the_kernel_before_it_starts,
        restart_the_kernel_of_queued_cells,
    ],
)
def test_the_answers_of_cells_that_did_not_run_stay(
    notebook: Page, endpoint: Simulator, action: Callable[[Page], None]
) -> None:
    before = ids(notebook)
    action(notebook)
    assert ids(notebook) == before
    assert "Answer 2." in notebook.call("shown")[2]["text"]
    notebook.run(0)
    notebook.do("insert", 5, "%%minimax\nThird.")
    notebook.run(5)
    assert remembered(notebook)[-3:-1] == before
    notebook.do("save")
    notebook.do("open", "page.ipynb")
    assert ids(notebook) == before


@pytest.mark.parametrize(
    ("source", "has_extension"),
    [*((source, has_extension) for source in REFUSED + PRINTS for has_extension in (True, False)), (EMPTY, True)],
)
def test_the_answer_of_a_cell_that_sends_nothing_stays(
    notebook: Page, endpoint: Simulator, source: str, has_extension: bool
) -> None:
    if not has_extension:
        notebook.do("save")
        notebook.do("open", "page.ipynb", False)
    before, sent = ids(notebook), len(endpoint.log)
    notebook.do("setSource", 2, source)
    notebook.run(2)
    assert ids(notebook) == before
    assert len(endpoint.log) == sent
    assert remembered(notebook) == before
    notebook.do("setSource", 2, "%%minimax\nFirst, again.")
    notebook.run(2)
    (record,) = notebook.call("shown")[2]["records"]
    assert [version["id"] for version in record["versions"]] == before[:1]


def test_the_answers_of_cells_that_run_without_a_kernel_stay_unless_they_are_cleared(notebook: Page) -> None:
    before = ids(notebook)
    notebook.do("useKernel", False)
    notebook.do("run", 2)
    assert ids(notebook) == before
    notebook.do("runBelow", 1)
    assert ids(notebook) == before
    notebook.do("clear", 2)
    assert ids(notebook) == [None, before[1]]
    notebook.do("run", 4)
    assert ids(notebook) == [None, before[1]]
    notebook.do("clearAll")
    notebook.do("run", 4)
    assert ids(notebook) == [None, None]


def test_an_answer_is_in_the_conversation_again_after_it_ran_without_a_kernel(notebook: Page) -> None:
    before = ids(notebook)
    notebook.do("useKernel", False)
    notebook.do("run", 2)
    notebook.do("useKernel", True)
    notebook.run(0)
    notebook.do("insert", 5, "%%minimax\nThird.")
    notebook.run(5)
    assert remembered(notebook)[-3:-1] == before


def test_the_answer_of_a_cell_that_runs_on_a_dead_kernel_stays(notebook: Page) -> None:
    before = ids(notebook)
    notebook.kernel.publish("status", {"execution_state": "dead"})
    notebook.settle()
    notebook.do("run", 2)
    assert ids(notebook) == before
    notebook.do("runBelow", 1)
    assert ids(notebook) == before


@pytest.mark.parametrize("after", [0, 1])
def test_the_earlier_answer_is_shown_if_the_kernel_died_before_anything_was_received(
    notebook: Page, endpoint: Simulator, after: int
) -> None:
    before = ids(notebook)
    endpoint.answers.append(ScriptedAnswer([{"type": "text", "text": "Cut."}], size=1, rate=200))
    notebook.run(2, notebook.kernel.crash, after=after)
    notebook.kill_kernel()
    assert ids(notebook) == before
    assert "No response was received this time; this is the earlier answer." in notebook.call("shown")[2]["text"]
    notebook.do("save")
    notebook.do("insert", 4, "x = 2")
    assert [len(each["records"]) for each in notebook.call("shown")] == [0, 0, 1, 0, 0, 1]
    notebook.do("delete", 4)
    notebook.run(0)
    notebook.run(4)
    assert remembered(notebook)[0] == before[0]


@pytest.mark.parametrize("after", [0, 2])
def test_the_turn_of_a_dead_kernel_that_was_cleared_does_not_come_back(
    notebook: Page, endpoint: Simulator, after: int
) -> None:
    endpoint.answers.append(ScriptedAnswer([{"type": "text", "text": "Cut."}], size=1, rate=200))
    notebook.run(2, notebook.kernel.crash, after=after)
    notebook.kill_kernel()
    notebook.do("clear", 2)
    notebook.do("insert", 3, "x = 2")
    notebook.do("save")
    assert notebook.call("shown")[2]["records"] == []


@pytest.mark.parametrize("after", [2, 3])
def test_the_versions_of_a_turn_whose_kernel_died_can_be_chosen_at_once(
    notebook: Page, endpoint: Simulator, after: int
) -> None:
    (before, _) = ids(notebook)
    endpoint.answers.append(ScriptedAnswer([{"type": "text", "text": "Cut."}], size=1, rate=200))
    notebook.run(2, notebook.kernel.crash, after=after)
    notebook.kill_kernel()
    cut, _ = ids(notebook)
    assert cut != before
    assert notebook.do("click", 2, "[data-mm-control=older]"), "the header has no versions"
    assert ids(notebook)[0] == before
    notebook.do("save")
    assert ids(notebook)[0] == before
    assert notebook.do("click", 2, "[data-mm-control=newer]")
    assert ids(notebook)[0] == cut


def test_other_code_in_the_cell_replaces_the_answer(notebook: Page) -> None:
    notebook.do("setSource", 2, "1 / 0")
    notebook.run(2)
    assert ids(notebook)[0] is None


def test_an_untrusted_answer_is_not_trusted_because_its_cell_was_queued(notebook: Page, tmp_path: Path) -> None:
    path = tmp_path / "page.ipynb"
    notebook.do("save")
    content = json.loads(path.read_text())
    content["cells"][2]["outputs"][0]["data"]["text/html"] = "<b>changed by someone else</b>"
    path.write_text(json.dumps(content))
    notebook.do("open", "page.ipynb")
    assert not any(notebook.call("trusted"))
    run_below_an_error(notebook)
    assert notebook.call("trusted")[1:3] == [True, False]
