"""A map run in JupyterLab: its progress, Stop, and the saved output."""

from __future__ import annotations

import re
import time

from playwright.sync_api import expect

from mm_magics.history.turn import MIME_TYPE
from tests.pace import PATIENCE

LOAD = "%load_ext mm_magics\n%config MiniMax.concurrency = 4\n%config MiniMax.store = '{}.sqlite'"
FRAME = "import pandas as pd\ndf = pd.DataFrame({'text': ['a', None, *(f't{n}' for n in range(100))]})"
MAP = '%%minimax --map df --into said\n{{ row.text }} [[simulator: thinking="" say="ok" wait=2]]'


def test_progress_is_shown_and_stop_keeps_every_finished_row(open_notebook):
    notebook = open_notebook(LOAD.format("stopped"), FRAME, MAP, "print(df['said'].notna().sum())")
    for number in (0, 1):
        notebook.run(number)
    notebook.run(2, wait=False)
    output = notebook.output(2)
    expect(output).to_contain_text(re.compile(r"█+░+ \d+ of 102 rows · 1 failed · .*≈ \$0\.\d+ · about \d.* left"))
    assert notebook.violations(".mm-turn") == []
    output.get_by_role("button", name="Stop").click()
    pressed = time.monotonic()
    notebook.wait()
    assert time.monotonic() - pressed < PATIENCE
    expect(output).to_contain_text("stopped")
    expect(output).to_contain_text("Map run over 102 rows of df:")
    notebook.run(3)
    assert 1 <= int(notebook.printed(3)) < 101
    (saved,) = notebook.save().cells[2].outputs
    assert sorted(saved.data) == [MIME_TYPE, "text/html", "text/markdown", "text/plain"]
    assert saved.data[MIME_TYPE]["status"] == "stopped"


def test_a_finished_run_shows_its_summary_and_usage(open_notebook):
    notebook = open_notebook(LOAD.format("whole"), FRAME.replace("100", "8"), MAP.replace(" wait=2", ""))
    for number in range(3):
        notebook.run(number)
    output = notebook.output(2)
    expect(output).to_contain_text("9 answered, 1 failed (9 calls, 0 answers from the store)")
    expect(output).to_contain_text("row 1: {{ row.text }} failed with MissingValueError")
    expect(output).to_contain_text("tokens in")
    expect(output).to_contain_text("done")
    assert len(notebook.save().cells[2].outputs) == 1
