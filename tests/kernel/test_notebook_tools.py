"""`--tools notebook` in a kernel: the model reads the page as it is, beside other cells too, or the saved file."""

from __future__ import annotations

import json
from typing import Any

import nbformat
import pytest

from mm_magics.ipython.current_cells import ANSWER_S, NO_ANSWER
from mm_magics.simulator import ScriptedAnswer
from mm_magics.tools.builtin.catalogue import NOTEBOOK_TOOLS
from tests.kernel.background_page import Page
from tests.kernel.test_colab import notes

pytestmark = pytest.mark.slow

READ = [
    {"type": "tool_use", "id": "outline", "name": "read_cells", "input": {}},
    {"type": "tool_use", "id": "cell", "name": "read_cells", "input": {"cells": "#setu"}},
    {"type": "tool_use", "id": "errors", "name": "get_errors", "input": {}},
]


def results(turn: dict[str, Any]) -> dict[str, str]:
    """The results of the calls of a turn, without the marks around them."""
    found = {}
    for message in turn["messages"]:
        for block in message["content"]:
            if block["type"] == "tool_result":
                content = block["content"]
                found[block["tool_use_id"]] = content if isinstance(content, str) else content[0]["text"]
    return found


@pytest.mark.parametrize("flags", ["", "--background"])
def test_the_model_reads_the_page_with_unsaved_edits_and_the_last_outputs(fresh_kernel, simulator, flags):
    page = Page(fresh_kernel)
    page.run("setup", "x = 41; print('forty-one')")
    page.run("wrong", "1 / 0")
    page.sources["setup"] = "x = 42"
    simulator.answers.extend([ScriptedAnswer(READ), "Done."])
    page.run("ask", f"%%minimax {flags} --tools notebook\nWhat is wrong?")
    page.wait_for_end("ask")
    found = results(page.turn("ask"))
    assert "[2 #setu, code, edited since it ran] x = 42" in found["outline"]
    assert "[3 #wron, code] 1 / 0 → ZeroDivisionError" in found["outline"]
    assert "x = 42\n[output]\nforty-one" in found["cell"]
    assert "ZeroDivisionError: division by zero" in found["errors"]
    names = {tool["name"] for tool in simulator.log[-1].body["tools"]}
    assert names == set(NOTEBOOK_TOOLS)


def test_a_variable_is_read_in_the_foreground(fresh_kernel, simulator):
    page = Page(fresh_kernel)
    page.run("setup", "import pandas as pd; ages = pd.DataFrame({'age': [1, 2]})")
    use = {"type": "tool_use", "id": "ages", "name": "read_variable", "input": {"name": "ages"}}
    simulator.answers.extend([ScriptedAnswer([use]), "Done."])
    page.run("ask", "%%minimax --tools read_variable\nHow old?")
    text = results(page.turn("ask"))["ages"]
    assert "ages: pandas.DataFrame, shape (2, 1)" in text.replace("pandas.core.frame.", "pandas.")
    assert "| 2 |" in text


def test_without_a_page_the_saved_file_is_read_and_the_turn_says_so(fresh_kernel, simulator, tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x = 1", id="setup1")])
    path = tmp_path / "saved.ipynb"
    path.write_text(json.dumps(notebook))
    fresh_kernel.run(f"import os; os.environ['MINIMAX_NOTEBOOK'] = {str(path)!r}")
    fresh_kernel.run("%load_ext mm_magics")
    simulator.answers.extend([ScriptedAnswer(READ), "Done."])
    run = fresh_kernel.run("%%minimax --tools notebook\nWhat is there?")
    assert "[1 #setu, code] x = 1" in results(run.turn)["outline"]
    assert "The tools of the notebook read saved.ipynb as it was saved." in notes(run)


def test_without_a_notebook_they_are_not_offered_and_the_turn_says_so(fresh_kernel, simulator):
    fresh_kernel.run("%load_ext mm_magics")
    run = fresh_kernel.run("%%minimax --tools notebook,variables\nWhat is there?")
    assert [tool["name"] for tool in simulator.log[-1].body["tools"]] == ["variables"]
    assert "The tools of the notebook are not offered: mm_magics knows of no notebook here." in notes(run)
    refused = fresh_kernel.run("%%minimax --tools read_cells\nWhat is there?")
    assert "mm_magics knows of no notebook here." in refused.error["evalue"]


def test_the_model_reads_what_was_typed_after_the_prompt_was_sent(fresh_kernel, simulator):
    page = Page(fresh_kernel)
    page.run("setup", "x = 41")
    page.run("gone", "y = 1")
    typed = {"load": "%load_ext mm_magics", "setup": "x = 'typed'", "new": "z = 3", "ask": "%%minimax\nRead."}
    page.before_cells = lambda: setattr(page, "sources", typed)
    simulator.answers.extend([ScriptedAnswer([READ[0]]), "Done."])
    page.run("ask", "%%minimax --background --tools notebook\nRead.")
    page.wait_for_end("ask")
    outline = results(page.turn("ask"))["outline"]
    assert "[2 #setu, code, edited since it ran] x = 'typed'" in outline
    assert "[3 #new, code] z = 3" in outline
    assert "y = 1" not in outline


def test_a_page_that_does_not_answer_is_waited_for_once_and_the_model_learns_it(fresh_kernel, simulator):
    page = Page(fresh_kernel)
    page.answers_cells = False
    simulator.answers.extend([ScriptedAnswer([READ[0]]), ScriptedAnswer([{**READ[0], "id": "again"}]), "Done."])
    page.run("ask", "%%minimax --background --tools notebook\nRead.")
    page.wait_for_end("ask")
    turn = page.turn("ask")
    assert all(text.startswith(f"[{NO_ANSWER}]") for text in results(turn).values())
    first, second = (response["tools"][0]["seconds"] for response in turn["responses"][:2])
    assert second < ANSWER_S <= first


def test_an_answer_of_the_page_without_the_text_of_a_new_cell_is_not_taken_and_the_model_learns_it(
    fresh_kernel, simulator
):
    page = Page(fresh_kernel)
    page.before_cells = lambda: page.sources.update(new="z = 3")
    page.cells_without_text = {"new"}
    simulator.answers.extend([ScriptedAnswer([READ[0]]), "Done."])
    page.run("ask", "%%minimax --background --tools notebook\nRead.")
    page.wait_for_end("ask")
    assert results(page.turn("ask"))["outline"].startswith(f"[{NO_ANSWER}]")
