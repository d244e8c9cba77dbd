"""Every state of a turn: its status and its accessibility (axe), and the screenshots of the documentation.

JupyterLab is light and dark, Notebook 7 dark and of high contrast.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from mm_magics.simulator import ScriptedAnswer, text, tool_use

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images" / "states"
LOAD = """%load_ext mm_magics
def longest(words: list[str]) -> str:
    "Return the longest word."
    return max(words, key=len)"""
TEXT = """# Sorting by length

- [x] a key function
- `sorted`, which is **stable**

| word | letters |
| --- | ---: |
| fig | 3 |
| banana | 6 |

```python
sorted(words, key=len)  # shortest first
```

It takes $O(n \\log n)$ steps; see [the guide](https://docs.python.org/3/howto/sorting.html).

![a drawing](https://example.org/sorting.png)
"""
THOUGHT = "The reader wants the words by length. A key function does it: sorted takes one, and it is stable."
LONG = "Sorting is a matter of comparing. " * 40


def prompt(question: str, *flags: str, **directives: object) -> str:
    options = " ".join(f"{key}={json.dumps(value)}" for key, value in directives.items())
    return f"{' '.join(['%%minimax', *flags])}\n{question} [[simulator: {options}]]"


TOOL_ANSWERS = (
    [text("Let me measure them."), tool_use("longest", {"words": ["pear", "fig", "banana"]})],
    [text("The longest word is **banana**.")],
)
CELLS = {
    "complete": prompt("Sort these by length.", thinking=THOUGHT, say=TEXT, rate=40),
    "truncated": prompt("Tell me all of it.", "--max-tokens 60", thinking="", say=LONG, rate=40),
    "refused": prompt("Do something bad.", thinking="", say="I cannot help with that.", stop_reason="refusal", rate=10),
    "failed": prompt("Tell me more.", thinking="", say=LONG, fault="close", after=60, rate=40),
    "tool": "%%minimax --tools longest\nWhich word is the longest?",
}
WAITING = prompt("Take your time.", wait=60)
THINKING = prompt("Think about it.", thinking=THOUGHT, say=TEXT, rate=40, stall=60, after=12)
ANSWERING = prompt("Sort these by length.", thinking=THOUGHT, size=4, say=TEXT, rate=80, stall=60, after=80)
ABOVE = "%%minimax --thread marked\nSort these {{ word }}."
TOOL = """from mm_magics import minimax_tool
@minimax_tool(asks=True)
def send_mail(to: str, subject: str) -> str:
    "Send a mail."
    return "sent"
"""
ASKING = "%%minimax --tools send_mail,python\nUse send_mail and python, please."
BELOW = prompt("Why so?", "--thread marked --replay auto", thinking="", say="Short words come first.", rate=40)
STATUS_TEXTS = {
    "replayed": "done",
    "stale": "done",
    "complete": "done",
    "truncated": "cut off by max_tokens",
    "refused": "refused by the model",
    "failed": "failed",
    "tool": "done",
    "waiting": "waiting",
    "thinking": "thinking",
    "answering": "answering",
    "stopped": "stopped",
    "asking": "needs your approval",
}


PAGES = {
    "light": ("open_notebook", "JupyterLab Light"),
    "dark": ("open_notebook", "JupyterLab Dark"),
    "notebook dark": ("open_in_notebook7", "JupyterLab Dark"),
    "notebook high contrast": ("open_in_notebook7", "JupyterLab Dark High Contrast"),
}


@pytest.mark.parametrize("name", PAGES)
def test_every_state_shows_its_status_and_passes_axe(request, simulator, name, tmp_path):
    opener, theme = PAGES[name]
    images = IMAGES if opener == "open_notebook" else tmp_path
    running, marked = (WAITING, THINKING, ANSWERING), ("word = 'by length'", ABOVE, BELOW, "word = 'by letter'")
    notebook = request.getfixturevalue(opener)(
        LOAD, *CELLS.values(), *running, *marked, TOOL, ASKING, "", theme=theme, width=900, height=1000
    )

    def turn(number: int) -> Locator:
        return notebook.output(number).locator(".mm-turn")

    def look(state: str, number: int) -> None:
        expect(turn(number).locator(".mm-status")).to_have_text(STATUS_TEXTS[state])
        assert notebook.violations(".mm-turn") == []
        notebook.page.mouse.move(0, 0)
        turn(number).screenshot(path=images / f"{state}-{name}.png", animations="disabled")

    notebook.run(0)
    for number, state in enumerate(CELLS, 1):
        if state == "tool":
            simulator.answers.extend(ScriptedAnswer(blocks) for blocks in TOOL_ANSWERS)
        notebook.run(number)
        if state == "tool":
            turn(number).locator("summary").click()
            expect(turn(number)).to_contain_text("Result")
        look(state, number)
    waiting, thinking, answering = range(len(CELLS) + 1, len(CELLS) + 4)
    notebook.run(waiting, wait=False)
    look("waiting", waiting)
    press_stop(notebook, turn(waiting))
    notebook.run(thinking, wait=False)
    expect(turn(thinking).locator("details")).to_contain_text("The reader wants the words by length.")
    look("thinking", thinking)
    press_stop(notebook, turn(thinking))
    notebook.run(answering, wait=False)
    expect(turn(answering).locator("p").last).to_contain_text("step")
    look("answering", answering)
    press_stop(notebook, turn(answering))
    look("stopped", answering)
    before, above, below, after = range(answering + 1, answering + 5)
    for number in (before, above, below, below):
        notebook.run(number)
    expect(turn(below).locator(".mm-marks")).to_have_text("replayed")
    look("replayed", below)
    for number in (after, above):
        notebook.run(number)
    expect(turn(below).locator(".mm-marks")).to_have_text("stalereplayed")
    look("stale", below)
    tool, asking = after + 1, after + 2
    notebook.run(tool)
    notebook.run(asking, wait=False)
    expect(turn(asking).locator(".mm-ask")).to_be_visible()
    look("asking", asking)
    press_stop(notebook, turn(asking))
    check_panel(notebook)


def check_panel(notebook) -> None:
    """The panel of the toolbar opens over the page."""
    notebook.page.locator(".mm-settings-button").click()
    expect(notebook.page.locator(".mm-picker-panel")).to_be_visible()
    assert notebook.violations(".mm-picker-panel") == []
    notebook.page.keyboard.press("Escape")


def press_stop(notebook, turn: Locator) -> None:
    turn.get_by_role("button", name="Stop").click()
    notebook.wait()
