"""`%minimax fix` sends the failed cell, what it depends on and the types of its variables, and changes nothing."""

from __future__ import annotations

import pytest

SETUP = 'import pandas as pd\ndf = pd.DataFrame({"price": [1.5, 2.5], "city": ["Oslo", "Rome"]})'
BAD = 'unused = 1\ndf["prise"].sum()'


def texts(simulator):
    return [block["text"] for block in simulator.log[-1].body["messages"][-1]["content"]]


@pytest.fixture
def failed(kernel):
    kernel.run(SETUP, "setup")
    kernel.run("other = 5", "other")
    assert kernel.run(BAD, "bad").error is not None


def test_the_cell_its_error_and_what_it_depends_on_are_sent(kernel, simulator, failed):
    run = kernel.run("%minimax fix -m MiniMax-M2.5", "fix")
    assert run.error is None, run.error
    cells, prompt = texts(simulator)
    assert '<cell id="setup">\nimport pandas' in cells
    assert 'df["prise"].sum()' in cells
    assert "KeyError" in cells
    assert "other = 5" not in cells
    assert "Fix cell bad" in prompt
    assert "- df: pandas.DataFrame, shape (2, 2), columns price, city" in prompt.replace(".core.frame", "")
    assert "Oslo" not in prompt
    assert run.turn["model"] == "MiniMax-M2.5"
    assert run.turn["status"] == "complete"


def test_the_last_error_is_fixed_also_after_another_run_of_an_earlier_cell(kernel, simulator, failed):
    kernel.run("1 / 0", "later")
    assert kernel.run(BAD, "bad").error is not None
    kernel.run("%minimax fix", "fix")
    assert "Fix cell bad" in texts(simulator)[-1]
    kernel.run("df.price.sum()", "bad")
    kernel.run("%minimax fix", "fix")
    assert "Fix cell later" in texts(simulator)[-1]


def test_an_error_of_a_prompt_cell_is_not_the_last_error(kernel, simulator, failed):
    assert kernel.run("%%minimax\n{{ missing }}", "prompt").error is not None
    kernel.run("%minimax fix", "fix")
    assert "Fix cell bad" in texts(simulator)[-1]


def test_nothing_is_sent_that_never_send_names(kernel, simulator, failed):
    kernel.run("get_ipython().run_line_magic('config', \"MiniMax.never_send = ['df.prise']\")")
    before = len(simulator.log)
    assert "is in never_send" in kernel.run("%minimax fix", "fix").error["evalue"]
    assert len(simulator.log) == before
