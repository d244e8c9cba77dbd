"""Answers in the dialect of models of this family, on the page: what is shown live, saved, and shown again."""

from __future__ import annotations

import os

import pytest
from playwright.sync_api import expect

from mm_magics.api.outside import content_of
from tests.browser.conftest import ready
from tests.browser.test_asking import LOAD, RECORD, ask, outcomes

PAGES = ("open_notebook", "open_without_plugin")
XML = "%%minimax --tools wipe --max-rounds 1\n[[simulator: fault=xml-calls]] Use wipe, please."
THINK = '%%minimax\n[[simulator: fault=think-tags say="A *reef*." rate=1]]'
REASONING = '%%minimax\n[[simulator: fault=reasoning-content thinking="Let me see." say="A *reef*."]]'
PICTURES = os.environ.get("MM_PICTURES")


def picture(notebook, name: str) -> None:
    if PICTURES:
        notebook.page.screenshot(path=f"{PICTURES}/{name}.png")


@pytest.mark.parametrize("opener", PAGES)
def test_thinking_in_the_text_is_shown_as_thinking_live_and_after_a_reload(opener, request):
    notebook = request.getfixturevalue(opener)("%load_ext mm_magics", THINK, REASONING)
    notebook.run(0)
    notebook.run(1, wait=False)
    thinking = notebook.output(1).locator(".mm-parts .mm-thinking")
    expect(thinking.locator(".mm-thinking-text")).to_contain_text("This thought leaked")
    notebook.let_end()
    notebook.wait()
    notebook.run(2)
    for state in ("live", "reloaded"):
        for number, thought in ((1, "This thought leaked"), (2, "Let me see.")):
            output = notebook.output(number)
            expect(output.locator("em")).to_have_text("reef")
            expect(output.locator("details").filter(has_text=thought)).to_have_count(1)
            expect(output).not_to_contain_text("<think>")
            html = notebook.save().cells[number].outputs[0].data["text/html"]
            assert f"<summary>Thinking</summary><pre>{thought}" in html
        if opener == "open_notebook":
            assert notebook.violations(".mm-turn") == []
        picture(notebook, f"think-{opener}-{state}")
        if state == "live":
            notebook.reload()
            ready(notebook.page)


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_a_call_in_the_text_asks_for_approval_and_shows_its_result(open_notebook, logged, theme):
    notebook = open_notebook(LOAD.replace("asks=True", "asks=False"), XML, XML, "print(len(wiped))", theme=theme)
    notebook.run(0)
    question = ask(notebook, 1)
    expect(notebook.output(1).locator(".mm-tool-name")).to_have_text("wipe")
    expect(notebook.output(1).locator(".mm-tool .mm-box").first).to_contain_text('"what"')
    picture(notebook, f"xml-asking-{theme}")
    question.get_by_role("button", name="Allow once").click()
    notebook.wait()
    head, _, result = logged()[-1]["messages"][-1]["content"][0]["text"].partition("\n")
    assert (head, content_of(result)) == ("wipe returned:", "wiped 1")
    ask(notebook, 2).get_by_role("button", name="Deny").click()
    notebook.wait()
    notebook.run(3)
    expect(notebook.output(3)).to_have_text("1")
    cells = notebook.save().cells
    assert [outcomes(cells[number]) for number in (1, 2)] == [["done"], ["denied"]]
    first = cells[1].outputs[0].data[RECORD]["messages"][1]["content"]
    assert [block["type"] for block in first] == ["thinking", "text"], "the record has only what was received"
    notebook.output(1).locator(".mm-tool > summary").click()
    expect(notebook.output(1).locator(".mm-tool")).to_contain_text("wiped 1")
    expect(notebook.output(1).locator(".mm-footer")).to_contain_text("wrote a tool call into its text")
    picture(notebook, f"xml-done-{theme}")
