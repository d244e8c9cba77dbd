"""`never_send` in a notebook: expressions, cells, files, tools, map runs and the background."""

from __future__ import annotations

import pytest

from mm_magics.simulator import ScriptedAnswer, tool_use

SECRET = "ana.souza@example.org"
SETUP = f"""
import pandas as pd
df = pd.DataFrame({{"name": ["Ana"], "email": ["{SECRET}"], "pin": [4711]}})
get_ipython().run_line_magic("config", "MiniMax.never_send = ['df.email', 'df.pin']")
"""

PROMPTS = {
    "expression": "%%minimax\nWho is {{ df.email[0] }}?",
    "short value": "%%minimax\nWhich is {{ df.pin[0] }}?",
    "system": "%%minimax --system '{{ df.pin[0] }}'\nHi",
    "frame": "%%minimax\nDescribe {{ df }}.",
    "text": f"%%minimax --raw\nWho is {SECRET.upper()}?",
    "background": f"%%minimax --background\nWho is {SECRET}?",
    "comparison": f"%%minimax -m MiniMax-M2.7,MiniMax-M2.5\nWho is {SECRET}?",
    "map": "%%minimax --map df\nWho is {{ row.email }}?",
    "map of short values": "%%minimax --map df\nWho is {{ row.pin }}?",
    "map of rows": "%%minimax --map df\nWho is {{ row }}?",
    "map with a system prompt": "%%minimax --map df --system '{{ df.pin[0] }}'\nWho is {{ row.name }}?",
}


@pytest.fixture(autouse=True)
def _protected(kernel):
    assert kernel.run(SETUP).error is None


@pytest.mark.parametrize("cell", PROMPTS.values(), ids=PROMPTS)
def test_a_prompt_that_would_send_it_is_refused(kernel, simulator, cell):
    before = len(simulator.log)
    run = kernel.run(cell, "a")
    shown = [str(content) for kind, content in run.messages if kind != "execute_input"]
    assert any("is in never_send" in each for each in shown)
    assert not any("souza" in each.lower() for each in shown)
    assert not [record for record in simulator.log[before:] if record.method == "POST"]


def test_another_prompt_is_sent(kernel, simulator):
    before = len(simulator.log)
    assert kernel.run("%%minimax\nWho is {{ df.name[0] }}?", "a").error is None
    assert len(simulator.log) == before + 1


@pytest.mark.parametrize("line", ["df", "print(df.pin[0])", "df.to_csv()"])
def test_outputs_of_cells_are_refused(kernel, simulator, line):
    kernel.run(line, "a")
    before = len(simulator.log)
    run = kernel.run("%%minimax --sees above\nWhat is it?", "b")
    assert "is in never_send" in str(run.error)
    assert len(simulator.log) == before


def test_an_error_with_a_value_is_not_explained(kernel, simulator):
    kernel.run("raise ValueError(df.iloc[0, 1])", "failed")
    before = len(simulator.log)
    run = kernel.run("%minimax explain", "explained")
    assert "is in never_send" in str(run.error)
    assert len(simulator.log) == before


def test_a_call_of_the_python_tool_is_not_followed_by_a_request(kernel, simulator):
    kernel.run("%minimax tools allow python")
    before = len(simulator.log)
    simulator.answers.append(ScriptedAnswer([tool_use("python", {"code": "df.iloc[0, 1]"})]))
    run = kernel.run("%%minimax --tools python\nLook.", "a")
    assert "is in never_send" in str(run.messages)
    assert not any(b"souza" in record.raw.lower() for record in simulator.log[before:])
    assert len(simulator.log) == before + 1
    assert run.turn["status"] == "failed"
