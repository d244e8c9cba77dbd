"""A kernel that dies while it answers: the page says so, and what was received stays in the cell and in the file."""

from __future__ import annotations

import os
import re
import signal
import time

import pytest
from playwright.sync_api import expect

from mm_magics.history.turn import MIME_TYPE, Turn
from tests.browser.conftest import THEME, ready
from tests.pace import PATIENCE
from tests.turns import broken_rules

LOAD = "%load_ext mm_magics\nimport os; print(os.getpid())"
SLOW = "%%minimax -t 0.4 --system Brief.\nMore. [[simulator: deltas=3000 size=8 rate=20]]"
TYPES = [MIME_TYPE, "text/html", "text/markdown", "text/plain"]
RESTART = "() => { void window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart(); }"
SHUTDOWN = "() => { void window.jupyterapp.shell.currentWidget.sessionContext.shutdown(); }"


def pid_of(notebook) -> int:
    return int(re.findall(r"\d+", notebook.printed(0))[-1])


def streaming(notebook, number: int = 1):
    """Run the cells and wait until the answer streams."""
    notebook.run(0)
    notebook.run(number, wait=False)
    output = notebook.output(number)
    expect(output.locator(".mm-text p").first).to_be_visible()
    return output


def kill(notebook) -> None:
    os.kill(pid_of(notebook), signal.SIGKILL)


GONE = "stopped: the kernel is gone"
# How the kernel ends, the seconds until the page says so, and what it says: a kernel may end the turn before it exits.
ENDS = {
    "kill": (kill, 4.5, GONE),
    "restart": (lambda notebook: notebook.evaluate(RESTART), 2.0, re.compile("^stopped")),
    "shutdown": (lambda notebook: notebook.evaluate(SHUTDOWN), 3.0, re.compile("^stopped")),
}


@pytest.mark.parametrize(("opener", "end"), [*(("open_notebook", end) for end in ENDS), ("open_in_notebook7", "kill")])
def test_the_text_received_is_saved_as_a_stopped_turn(request, opener, end):
    notebook = request.getfixturevalue(opener)(LOAD, SLOW, fresh=opener == "open_notebook")
    output = streaming(notebook)
    before = output.locator(".mm-text").inner_text()
    end_it, seconds, status = ENDS[end]
    end_it(notebook)
    began = time.monotonic()
    expect(output.locator(".mm-status")).to_have_text(status)
    assert time.monotonic() - began < seconds * PATIENCE
    expect(output.get_by_role("button", name="Stop")).to_have_count(0)
    notebook.final()
    (saved,) = [each for each in notebook.save().cells[1].outputs if "data" in each]
    assert sorted(saved.data) == TYPES
    record = saved.data[MIME_TYPE]
    assert broken_rules(record) == []
    assert (record["status"], record["system"], record["params"]["temperature"]) == ("stopped", "Brief.", 0.4)
    turn = Turn.from_record(record)
    assert turn.prompt.startswith("More.")
    assert [each["type"] for each in turn.messages[1]["content"]] == ["thinking", "text"]
    assert turn.messages[1]["content"][0]["signature"]
    assert turn.responses[0]["unfinished"] == 1
    assert turn.responses[0]["usage"]
    words = " ".join(turn.text.split())
    assert words.startswith(" ".join(before.split())[:200])
    for kind in TYPES[1:]:
        assert turn.text[:40] in saved.data[kind]


def test_after_a_restart_the_next_prompt_sends_the_stopped_turn(open_notebook, logged):
    notebook = open_notebook(LOAD, SLOW, "%%minimax\nGo on.", fresh=True)
    output = streaming(notebook)
    kill(notebook)
    expect(output.locator(".mm-status")).to_have_text(GONE)
    for width, theme in ((1100, "Light"), (1100, "Dark"), (480, "Light")):
        notebook.page.set_viewport_size({"width": width, "height": 900})
        notebook.page.evaluate(THEME, f"JupyterLab {theme}")
        if folder := os.environ.get("PICTURES"):
            notebook.page.screenshot(path=f"{folder}/gone-{theme}-{width}.png")
    received = output.locator(".mm-text").inner_text()[:60]
    notebook.page.get_by_role("button", name="Ok", exact=True).click()  # JupyterLab reports that it restarts the kernel
    ready(notebook.page)
    notebook.run(0)
    notebook.run(2)
    expect(notebook.output(2)).to_contain_text("done")
    user, assistant, _ = logged()[-1]["messages"]
    assert user["content"][-1]["text"].startswith("More.")
    assert received in assistant["content"][-1]["text"]
    expect(output.locator(".mm-status")).to_have_text(GONE)
