"""Prompt cells with other magics, comments or a second prompt in them."""

from __future__ import annotations

import json
import os
import time

import nbformat
import pytest

from tests.kernel.conftest import Kernel


def prompts(simulator) -> list[str]:
    return [each["content"][-1]["text"] for each in simulator.log[-1].body["messages"] if each["role"] == "user"]


ABOVE = ["", "# A comment.\n", "\n  \n", "#@title A form\n\n", "%%time\n", "%%time\n# A comment.\n\n", "%%prun -q\n"]


@pytest.mark.parametrize("above", ABOVE)
def test_magics_and_comments_above_a_prompt_do_not_change_it(kernel, simulator, above):
    run = kernel.run(f"{above}%%minimax -t 0.5\nHello.\n  Indented.", "a")
    assert run.error is None
    assert prompts(simulator) == ["Hello.\n  Indented."]
    assert simulator.log[-1].body["temperature"] == 0.5
    assert run.turn["cell_id"] == "a"


def test_every_prompt_cell_is_restored_after_a_restart(simulator, tmp_path):
    """The notebook is written by nbformat, and its outputs are those of a kernel."""
    path = tmp_path / "page.ipynb"
    environment = {
        "JPY_SESSION_NAME": str(path),
        "ANTHROPIC_BASE_URL": simulator.base_url,
        "ANTHROPIC_API_KEY": simulator.key,
    }
    sources = [f"{above}%%minimax\nPrompt {number}." for number, above in enumerate(ABOVE)]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    kernel = Kernel(environment)
    kernel.run("%load_ext mm_magics", "load")
    for cell in notebook.cells:
        (output,) = [each for each in kernel.run(cell.source, cell.id).outputs if "data" in each]
        cell.outputs = [nbformat.v4.new_output("display_data", data=output["data"])]
    kernel.close()
    nbformat.write(notebook, path)
    os.utime(path, (time.time() + 10,) * 2)
    kernel = Kernel(environment)
    kernel.run("%load_ext mm_magics", "load")
    kernel.run("%%minimax\nAnd now?", "new")
    kernel.close()
    assert prompts(simulator) == [*(f"Prompt {number}." for number in range(len(sources))), "And now?"]


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("%%timeit\n%%minimax\nHi.", "%%timeit would send the prompt many times. Nothing was sent.\nUse %%time."),
        ("%%time\n%%timeit -n 1 -r 1\n%%minimax\nHi.", "%%timeit would send the prompt many times."),
        (
            "%%minimax\nOne.\n\n%%minimax\nTwo.",
            "Line 3 of the prompt starts another %%minimax prompt. Nothing was sent.\nMove it to a cell of its own.",
        ),
        ("%%time\n%%minimax\nOne.\n%%minimax --raw\nTwo.", "Line 2 of the prompt starts another %%minimax prompt."),
    ],
)
def test_a_cell_that_would_not_send_exactly_one_prompt_sends_nothing(kernel, simulator, cell, message):
    calls = len(simulator.log)
    run = kernel.run(cell, "a")
    assert message in run.error["evalue"]
    assert "Traceback" not in json.dumps(run.outputs)
    assert len(simulator.log) == calls


def test_a_magic_line_in_a_code_block_is_sent_as_text(kernel, simulator):
    text = "What does this cell do?\n```\n%%minimax\nHello.\n```"
    assert kernel.run(f"%%minimax\n{text}", "a").error is None
    assert prompts(simulator) == [text]


LOOP = """for word in ("Uno", "Dos", "Tres"):
    get_ipython().run_cell_magic("minimax", "", word)"""


def test_a_loop_of_prompts_has_one_turn_for_each_and_they_are_restored(simulator, tmp_path):
    path = tmp_path / "page.ipynb"
    environment = {
        "JPY_SESSION_NAME": str(path),
        "ANTHROPIC_BASE_URL": simulator.base_url,
        "ANTHROPIC_API_KEY": simulator.key,
    }
    helper = "def ask(text):\n    get_ipython().run_cell_magic('minimax', '', text)"
    sources = ["%%minimax\nOne", LOOP, "for word in ('Four', 'Five'):\n    ask(word)"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    kernel = Kernel(environment)
    kernel.run("%load_ext mm_magics", "load")
    kernel.run(helper, "helper")
    for cell in notebook.cells:
        outputs = kernel.run(cell.source, cell.id).outputs
        cell.outputs = [nbformat.v4.new_output("display_data", data=each["data"]) for each in outputs]
    everything = ["One", "Uno", "Dos", "Tres", "Four", "Five"]
    assert prompts(simulator) == everything
    kernel.run(LOOP, notebook.cells[1].id)
    assert prompts(simulator) == ["One", "Uno", "Dos", "Tres"]
    assert "stale" not in kernel.run("%minimax history").text.splitlines()[3]
    kernel.close()
    nbformat.write(notebook, path)
    os.utime(path, (time.time() + 10,) * 2)
    kernel = Kernel(environment)
    kernel.run("%load_ext mm_magics", "load")
    run = kernel.run("%%minimax\nAnd now?", "new")
    assert prompts(simulator) == [*everything, "And now?"]
    assert "6 turns restored from page.ipynb." in run.outputs[0]["data"]["text/html"]
    kernel.close()


def test_below_capture_the_cell_keeps_the_record_and_the_answer_is_captured(kernel):
    run = kernel.run('%%capture out\n%%time\n%%minimax\nHello. [[simulator: say="A reef."]]', "a")
    (output,) = [each["data"] for each in run.outputs if "data" in each]
    assert run.turn["cell_id"] == "a"
    assert "<details><summary>" in output["text/html"]
    assert run.ops == []
    shown = kernel.run("out.show()", "b").outputs
    assert [each["data"]["text/markdown"].strip() for each in shown if "data" in each] == ["A reef."]
    assert all(sorted(each["data"]) == ["text/html", "text/markdown", "text/plain"] for each in shown if "data" in each)
    assert kernel.run("%%capture --no-display\n%%minimax\nHello again.", "c").turn["status"] == "complete"


def test_what_is_displayed_in_captured_output_is_captured_in_loops_too(kernel):
    code = "from IPython.utils.capture import capture_output\nwith capture_output() as out:\n"
    run = kernel.run(code + "    for text in 'ab':\n        get_ipython().run_cell_magic('minimax', '', text)", "a")
    assert len([each for each in run.outputs if "application/vnd.minimax.turn+json" in each["data"]]) == 2
    assert kernel.run("print(len(out.outputs))", "b").text == "2\n"
