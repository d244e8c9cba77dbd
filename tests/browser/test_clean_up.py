"""The documentation notebook in which a model cleans the notebook up: opened and run again, it changes nothing."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import expect

from tests.browser.conftest import CLOSE, OPEN, Notebook, ready

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "clean-up.ipynb"
REPLAY = """async () => {
  const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
  await kernel.requestExecute({ code: "%config MiniMax.replay = 'only'" }).done;
}"""


def test_its_prompt_is_replayed_and_changes_and_runs_nothing(open_notebook: Any, logged: Any) -> None:
    page, path, simulator = (other := open_notebook("")).page, other.path.with_name(NOTEBOOK.name), other.simulator
    shutil.copy(NOTEBOOK, path)
    page.evaluate(CLOSE)
    page.evaluate(OPEN, path.name)
    ready(page)
    notebook, recorded = Notebook(page, path, simulator), nbformat.read(NOTEBOOK, as_version=4)
    ids = [cell.id for cell in recorded.cells]
    notebook.run(ids.index("load"))
    page.evaluate(REPLAY)
    notebook.run(ids.index("ask"))
    turn = notebook.output(ids.index("ask"))
    expect(turn).to_contain_text("replayed")
    for line in ("The best day was Saturday.", "Rejected: deleting cell #note", "Failed: running cell #reve"):
        expect(turn).to_contain_text(line)
    expect(page.locator(".mm-change, .mm-ask")).to_have_count(0)
    notebook.final()
    found = notebook.save()
    without_counts = [{**cell, "execution_count": None} for cell in found.cells]
    assert without_counts == [{**cell, "execution_count": None} for cell in recorded.cells]
    ran = [cell.id for cell, before in zip(found.cells, recorded.cells, strict=True) if cell != before]
    assert set(ran) <= {"load", "ask"}
    assert logged() == []
