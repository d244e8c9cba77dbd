"""Where the keyboard focus is after each action of an answer, in JupyterLab and Notebook 7: never lost to the page."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from mm_magics.simulator import ScriptedAnswer, tool_use
from tests.browser.conftest import Notebook
from tests.browser.test_following import wait_for_growth
from tests.browser.test_keyboard import run_by_keyboard, tab_to
from tests.browser.test_turn_menu import ACTIONS, choose

LOAD = """%load_ext mm_magics
from mm_magics import minimax_tool
@minimax_tool(asks=True)
def wipe(what: str) -> str:
    return "wiped"
"""
CELL = "def double(x):\n    return x + x\n\ny = 1\nz = 2\n\ndef half(x):\n    return x"
CODE = "def double(x):\n    return 2 * x\n\ny = 1\nz = 2\n\ndef half(x):\n    return x / 2"
SAYS = f"Here:\n\n```python\n{CODE}\n```\n\n![a drawing](https://example.org/a.png)"
ASK = f'%%minimax\nImprove. [[simulator: thinking="Let me see." say={json.dumps(SAYS)}]]'
BELOW = '%%minimax\nBelow. [[simulator: thinking="" say="Below."]]'
LONG = '%%minimax\nGo. [[simulator: thinking="" deltas=3600 size=60 rate=30]]'
TURN = "button, summary, [tabindex='0'], a[href]"
PLACE = """() => {
  const el = document.activeElement;
  if (el.matches('.jp-Cell')) return `cell ${[...document.querySelectorAll('.jp-Notebook .jp-Cell')].indexOf(el)}`;
  if (el.matches('.cm-content')) return 'editor';
  if (el.closest('.jp-Dialog')) return 'dialog';
  return el.getAttribute('aria-label') ?? el.innerText;
}"""


@pytest.fixture(params=["lab", "notebook"])
def opened(request: Any) -> Any:
    return request.getfixturevalue("open_notebook" if request.param == "lab" else "open_in_notebook7")


def expect_focus(notebook: Notebook, place: str) -> None:
    """Wait until the focus is in that place: a cell, an editor, a dialog, or a control with this label."""
    script = f"(place) => ({PLACE})() === place"
    try:
        notebook.page.wait_for_function(script, arg=place)
    except Exception:
        assert notebook.evaluate(PLACE) == place
        raise


def press(notebook: Notebook, control: Locator, key: str = "Enter") -> None:
    control.press(key)


def close_dialog(notebook: Notebook) -> None:
    expect(notebook.page.get_by_role("dialog")).to_be_visible()
    expect_focus(notebook, "dialog")
    notebook.page.keyboard.press("Escape")
    expect(notebook.page.get_by_role("dialog")).to_have_count(0)


def test_tab_reaches_each_control_of_an_answer_in_order_with_a_visible_ring(opened: Any) -> None:
    notebook = opened(LOAD, CELL, ASK)
    for number in (0, 2, 2):
        notebook.run(number)
    output = notebook.output(2)
    expect(output.locator(".mm-position")).to_have_text("2/2")
    expect(output.get_by_role("button", name="Compare this code")).to_be_visible()
    controls = output.locator(f".mm-turn :is({TURN})").all()
    shown = [each for each in controls if each.is_visible()]
    assert len(shown) == 12
    notebook.page.locator(".jp-Notebook .jp-Cell").nth(2).focus()
    for each in shown:
        tab_to(notebook, each)


def test_the_focus_stays_where_the_action_was_chosen_or_goes_to_what_it_made(opened: Any) -> None:
    notebook = opened(LOAD, CELL, ASK, BELOW)
    for number in (0, 2, 2, 3):
        notebook.run(number)
    output = notebook.output(2)
    position, pinned = output.locator(".mm-position"), output.locator(".mm-pinned")
    for item, is_done in (
        ("Copy the Answer as Markdown", lambda: None),
        ("Show the Older", lambda: expect(position).to_have_text("1/2")),
        ("Show the Newer", lambda: expect(position).to_have_text("2/2")),
        ("Pin", lambda: expect(pinned).to_have_count(1)),
        ("Unpin", lambda: expect(pinned).to_have_count(0)),
        ("Download", lambda: None),
    ):
        choose(notebook, 2, item)
        is_done()
        expect_focus(notebook, ACTIONS)
    for item in ("Show the Request", "Ask Again with Another Model"):
        choose(notebook, 2, item)
        close_dialog(notebook)
        expect_focus(notebook, ACTIONS)
    for name in ("Copy the answer as Markdown", "Copy this code", "Insert this code in a new cell below"):
        press(notebook, output.get_by_role("button", name=name, exact=True))
        expect_focus(notebook, name)
    press(notebook, output.get_by_role("button", name="Load image"))
    expect(output.get_by_role("button", name="Load image")).to_have_count(0)
    expect_focus(notebook, "cell 2")
    for count, action in ((3, "Ask Again"), (4, "button")):
        if action == "button":
            press(notebook, output.get_by_role("button", name="Ask again", exact=True))
        else:
            choose(notebook, 2, action)
        expect(position).to_have_text(f"{count}/{count}")
        expect(notebook.page.locator(".jp-InputPrompt.jp-mod-busy")).to_have_count(0)
        notebook.final()
        expect_focus(notebook, "cell 2")
    press(notebook, output.get_by_role("button", name="and run it"))
    expect(notebook.page.locator(".jp-Notebook .jp-Cell")).to_have_count(6)
    expect_focus(notebook, "cell 4")
    choose(notebook, 2, "Fork the Conversation")
    expect_focus(notebook, "editor")
    notebook.page.keyboard.type("idea")
    expect(notebook.page.locator(".jp-Notebook .jp-Cell").nth(3)).to_contain_text("%minimax fork idea")


def test_a_comparison_is_read_and_decided_by_keyboard(opened: Any) -> None:
    notebook = opened(LOAD, CELL, ASK)
    notebook.run(0)
    notebook.run(2)
    compare = notebook.output(2).get_by_role("button", name="Compare this code")
    dialog = notebook.page.get_by_role("dialog")
    old_lines = dialog.get_by_role("button", name="Keep the old lines")
    press(notebook, compare)
    close_dialog(notebook)
    expect(compare).to_be_focused()
    press(notebook, compare)
    expect(dialog.locator("select")).to_be_focused()
    for each in (dialog.get_by_role("group", name="Changes"), old_lines.nth(0), old_lines.nth(1)):
        tab_to(notebook, each)
    for button in ("Reject", "Accept"):
        tab_to(notebook, dialog.get_by_role("button", name=button))
    expect(old_lines).to_have_count(2)
    press(notebook, old_lines.nth(0), "Space")
    expect(old_lines).to_have_count(1)
    expect(old_lines).to_be_focused()
    notebook.page.keyboard.press("Enter")
    expect(old_lines).to_have_count(0)
    expect(dialog.get_by_role("group", name="Changes")).to_be_focused()
    notebook.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(compare).to_be_focused()


def test_stop_jump_to_end_and_collapse_leave_the_focus_in_their_answer(opened: Any) -> None:
    notebook = opened(LOAD, LONG, BELOW, height=600)
    notebook.run(0)
    run_by_keyboard(notebook, 1)
    turn = notebook.output(1).locator(".mm-turn")
    wait_for_growth(notebook)
    notebook.page.mouse.move(500, 300)
    notebook.page.mouse.wheel(0, -300)
    jump = notebook.page.get_by_role("button", name="Jump to end")
    expect(jump).to_be_visible()
    tab_to(notebook, jump)
    notebook.page.keyboard.press("Enter")
    expect(jump).to_have_count(0)
    expect_focus(notebook, "cell 1")
    tab_to(notebook, turn.get_by_role("button", name="Stop"))
    notebook.page.keyboard.press("Space")
    expect(turn.locator(".mm-status")).to_have_text("stopped")
    notebook.final()
    expect_focus(notebook, "cell 1")
    tab_to(notebook, turn.get_by_role("button", name="Collapse the answer"))
    notebook.page.keyboard.press("Space")
    expect_focus(notebook, "Show the whole answer")
    tab_to(notebook, turn.locator(".mm-show-all"))
    notebook.page.keyboard.press("Enter")
    expect_focus(notebook, "Collapse the answer")


def test_a_decision_leaves_the_focus_at_its_call(opened: Any, simulator: Any) -> None:
    notebook = opened(LOAD, "%%minimax --tools wipe\nUse wipe twice.")
    calls = [tool_use("wipe", {"what": what}) for what in ("a", "b")]
    simulator.answers.extend([ScriptedAnswer(calls), "Done."])
    notebook.run(0)
    run_by_keyboard(notebook, 1)
    output = notebook.output(1)
    for number, name in enumerate(("Allow once", "Deny")):
        button = output.locator(".mm-ask").nth(number).get_by_role("button", name=name)
        expect(button).to_be_enabled()
        tab_to(notebook, button)
        notebook.page.keyboard.press("Enter")
        if number == 0:
            expect(output.locator(".mm-tool summary").first).to_be_focused()
    expect(output.locator(".mm-status")).to_have_text("done")
    inside = "() => document.querySelector('.jp-Notebook').contains(document.activeElement)"
    notebook.page.wait_for_function(inside)  # the saved output replaces the running one just now


def test_each_field_of_the_picker_is_reached_and_escape_closes_only_the_list(opened: Any) -> None:
    notebook = opened(LOAD, "%minimax picker")
    notebook.run(0)
    run_by_keyboard(notebook, 1)
    form = notebook.output(1).get_by_role("group", name="MiniMax in this kernel")
    model = form.get_by_role("combobox", name="Model", exact=True)
    expect(model).to_be_visible()
    tab_to(notebook, model)
    notebook.page.keyboard.press("ArrowDown")
    expect(form.get_by_role("option").first).to_have_attribute("aria-selected", "true")
    notebook.page.keyboard.press("Escape")
    expect(form.get_by_role("option").first).to_be_hidden()
    expect(model).to_be_focused()
    for label in ("Thinking", "Temperature", "top_p", "Max tokens", "System prompt", "Thread", "Tools"):
        tab_to(notebook, form.get_by_label(label, exact=True))
    tab_to(notebook, form.get_by_role("button", name="Reset all"))
