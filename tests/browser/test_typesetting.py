"""Text is shown before the code that highlights and typesets it has loaded, and without it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Route, expect

from tests.browser.conftest import eventually

LOAD = "%load_ext mm_magics"
ANSWER = "For $x^2$:\n\n```python\ndef f(x):\n    return x * x\n```\n\nand then\n\n$$y = \\frac{1}{2}$$\n\nthe end."
ASK = f"%%minimax\nGo. [[simulator: say={json.dumps(ANSWER)}]]"
SLOW = f"%%minimax\nGo. [[simulator: say={json.dumps(ANSWER * 200)} rate=10 size=40]]"
LIMIT = 150_000
STATIC = "**/extensions/mm-magics/static/*"


class Chunks:
    """The files of the extension that a page loads. The one that typesets is answered when `let_through` is called."""

    def __init__(self, context: BrowserContext) -> None:
        self.context, self.loaded, self._waiting = context, {}, []
        context.route(STATIC, self._answer)

    def _answer(self, route: Route) -> None:
        response = route.fetch()
        if "\\mathbb" in response.text():
            self._waiting.append((route, response))
            return
        self.loaded[route.request.url.rpartition("/")[2]] = len(gzip.compress(response.body(), 9))
        route.fulfill(response=response)

    def let_through(self) -> None:
        for route, response in self._waiting:
            route.fulfill(response=response)
        self._waiting = []

    def fail(self) -> None:
        for route, _ in self._waiting:
            route.abort()
        self._waiting = []


@pytest.fixture
def chunks(browser: BrowserContext) -> Iterator[Chunks]:
    chunks = Chunks(browser)
    yield chunks
    chunks.let_through()
    browser.unroute(STATIC)


def test_text_code_and_formulas_are_shown_before_the_chunk_arrives_and_typeset_afterwards(
    chunks: Chunks, open_notebook: Any
) -> None:
    notebook = open_notebook(LOAD, ASK, fresh=True)
    notebook.run(0)
    notebook.run(1)
    turn = notebook.output(1).locator(".mm-turn")
    expect(turn).to_contain_text("the end.")
    expect(turn.locator(".mm-tex")).to_have_text(["x^2", "y = \\frac{1}{2}"])
    code = turn.locator(".mm-code")
    expect(code.locator("code")).to_have_text("def f(x):\n    return x * x\n")
    expect(turn.locator("[class^=hljs], math")).to_have_count(0)
    assert sum(chunks.loaded.values()) <= LIMIT, chunks.loaded
    height = code.bounding_box()["height"]
    saved = notebook.save()["cells"][1]["outputs"][0]["data"]["text/html"]

    chunks.let_through()
    expect(turn.locator(".hljs-keyword").first).to_have_text("def")
    expect(turn.locator("math")).to_have_count(2)
    expect(turn.locator(".mm-tex")).to_have_count(0)
    eventually(lambda: code.bounding_box()["height"], height)
    assert notebook.save()["cells"][1]["outputs"][0]["data"]["text/html"] == saved


def test_code_and_formulas_stay_readable_without_the_chunk(chunks: Chunks, open_notebook: Any) -> None:
    notebook = open_notebook(LOAD, ASK, fresh=True)
    notebook.run(0)
    notebook.run(1)
    chunks.fail()
    turn = notebook.output(1).locator(".mm-turn")
    expect(turn).to_contain_text("the end.")
    expect(turn.locator(".mm-tex")).to_have_text(["x^2", "y = \\frac{1}{2}"])
    turn.get_by_role("button", name="Copy this code").click()
    assert notebook.violations(".mm-turn") == []


def test_a_page_without_the_extension_typesets_while_an_answer_streams(open_without_plugin: Any) -> None:
    code = (files("mm_magics.display") / "static" / "runtime.js").read_bytes()
    assert len(gzip.compress(code, 9)) <= LIMIT
    notebook = open_without_plugin(LOAD, SLOW, fresh=True)
    notebook.run(0)
    notebook.run(1, wait=False)
    turn = notebook.output(1).locator(".mm-turn")
    expect(turn.locator(".hljs-keyword").first).to_have_text("def")
    expect(turn.locator("math").first).to_be_attached()
    turn.get_by_role("button", name="Stop").click()
    notebook.wait()
