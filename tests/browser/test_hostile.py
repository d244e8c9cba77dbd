"""The hostile corpus in a real browser: a hostile notebook runs nothing and contacts no other host, trusted or not."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nbformat
import pytest
from nbconvert import HTMLExporter
from playwright.sync_api import BrowserContext, Page, expect

from mm_magics.display.mime_bundle import make_bundle
from tests.hostile.corpus import BOMBS, CASES, everywhere
from tests.pace import PATIENCE
from tests.turns import turn

LARGE = ("one line of 1 MB", "quotes in quotes", "hostile Perl")
MATHJAX = ("cdnjs.cloudflare.com",)
"""The hosts from which nbconvert's HTML loads MathJax and RequireJS."""


def stranger() -> Any:
    """A notebook with every case of the corpus in every place of a turn, and some bombs."""
    cells = []
    for name, evil in [*CASES.items(), *((name, BOMBS[name]) for name in LARGE)]:
        made = everywhere(evil) if name in CASES else turn("hi", evil)
        cell = nbformat.v4.new_code_cell(f"%%minimax\n{name}", execution_count=1)
        cell.outputs = [nbformat.v4.new_output("display_data", make_bundle(made, notes=[evil]))]
        cells.append(cell)
    metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


class Watched:
    """What a page did that a hostile text may have caused."""

    def __init__(self, page: Page, *known: str) -> None:
        self.page, self.known = page, known
        self.did: list[str] = []
        page.on("dialog", self._dialog)
        page.on("popup", lambda other: self.did.append(f"popup {other.url}"))
        page.on("request", self._request)
        page.on("framenavigated", lambda frame: frame.parent_frame and self.did.append(f"frame {frame.url}"))

    def _dialog(self, dialog: Any) -> None:
        if dialog.type != "beforeunload":  # JupyterLab's own, when a page is left
            self.did.append(f"dialog {dialog.message}")
        dialog.accept()

    def _request(self, request: Any) -> None:
        host = urlsplit(request.url).hostname
        if host not in (None, "", "127.0.0.1", *self.known):
            self.did.append(f"asked {request.url}")

    def found(self) -> list[str]:
        return self.did + (["ran"] if self.page.evaluate("() => 'hacked' in window") else [])


def test_nbconvert_html_of_an_untrusted_notebook_runs_and_fetches_nothing(
    browser: BrowserContext, tmp_path: Path
) -> None:
    (tmp_path / "page.html").write_text(HTMLExporter().from_notebook_node(stranger())[0], encoding="utf-8")
    page = browser.new_page()
    page.route("**/*", lambda route: route.continue_() if route.request.url.startswith("file:") else route.abort())
    watched = Watched(page, *MATHJAX)
    page.goto(f"file://{tmp_path / 'page.html'}")
    page.wait_for_timeout(1_000)
    expect(page.locator(".mm-saved")).to_have_count(len(CASES) + len(LARGE))
    assert watched.found() == []
    page.close()


def _opened(notebook: Any, saved: Any) -> tuple[Watched, float]:
    nbformat.write(saved, notebook.path)
    watched = Watched(notebook.page)
    began = time.monotonic()
    notebook.reload("commit")
    notebook.page.locator(".jp-OutputArea-output").first.wait_for()
    for number in range(0, len(saved.cells), 5):  # only what is near is drawn
        notebook.page.evaluate(
            "async (n) => { await window.jupyterapp.shell.currentWidget.content.scrollToItem(n, 'start'); }", number
        )
    notebook.page.wait_for_timeout(1_000)
    return watched, time.monotonic() - began


@pytest.mark.parametrize("opener", ["open_notebook", "open_without_plugin"])
def test_a_hostile_notebook_runs_and_fetches_nothing_trusted_or_not(
    request: pytest.FixtureRequest, opener: str
) -> None:
    notebook = request.getfixturevalue(opener)("", fresh=True)
    watched, seconds = _opened(notebook, stranger())
    assert watched.found() == []
    assert seconds < 30 * PATIENCE
    trusted = "() => window.jupyterapp.shell.currentWidget.content.model.cells.get(0).trusted"
    assert notebook.evaluate(trusted) is False
    notebook.evaluate(
        "() => { for (const cell of window.jupyterapp.shell.currentWidget.content.model.cells) cell.trusted = true; }"
    )
    notebook.page.wait_for_timeout(2_000)
    for number in range(0, len(CASES), 5):
        notebook.page.evaluate(
            "async (n) => { await window.jupyterapp.shell.currentWidget.content.scrollToItem(n, 'start'); }", number
        )
    assert notebook.evaluate(trusted) is True
    assert watched.found() == []
    drawn = ".mm-turn" if opener == "open_notebook" else ".mm-saved"
    expect(notebook.page.locator(drawn).first).to_be_attached()
