"""The menu of an answer shows its request, pins its turn, and changes the summary that it was answered with."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import expect

LOAD = "%load_ext mm_magics"
ASK = '%%minimax\nNumber {}. [[simulator: say="Answer {}."]]'
ACTIONS = "Actions for this answer"


@pytest.fixture(params=["lab", "notebook"])
def asked(request: Any) -> Any:
    opened = request.getfixturevalue("open_notebook" if request.param == "lab" else "open_in_notebook7")
    notebook = opened(LOAD, ASK.format(1, 1), ASK.format(2, 2))
    for number in range(3):
        notebook.run(number)
    return notebook


def choose(notebook: Any, number: int, start: str) -> None:
    """Choose an item of the menu of an answer by the keyboard."""
    notebook.output(number).get_by_role("button", name=ACTIONS).press("Enter")
    menu = notebook.page.get_by_role("menu")
    expect(menu).to_be_visible()
    active = notebook.page.locator(".lm-Menu-item.lm-mod-active")
    for _ in range(20):
        notebook.page.keyboard.press("ArrowDown")
        if (active.text_content() or "").startswith(start):
            break
    notebook.page.keyboard.press("Enter")
    expect(menu).to_have_count(0)


def test_the_request_is_shown_as_it_was_sent(asked: Any, logged: Any, simulator: Any) -> None:
    sent = [each.body for each in simulator.log][-2:]
    choose(asked, 1, "Show the Request")
    dialog = asked.page.get_by_role("dialog")
    body = dialog.get_by_role("group", name="Body of the request")
    expect(dialog).to_contain_text("This is the request as it was sent.")
    expect(body).to_be_focused()
    assert json.loads(body.text_content() or "") == sent[0]
    assert asked.violations(".jp-Dialog") == []
    asked.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    asked.page.locator(".jp-Cell").nth(2).locator(".jp-InputArea").click(button="right")
    asked.page.get_by_role("menuitem", name="Show the Request…").click()
    expect(body).to_be_focused()
    assert json.loads(body.text_content() or "") == sent[1]
    asked.page.keyboard.press("Escape")


def test_without_a_kernel_that_knows_the_answer_the_item_explains_itself(asked: Any) -> None:
    asked.restart()
    choose(asked, 1, "Show the Request")
    expect(asked.page.get_by_role("dialog")).to_contain_text("%load_ext mm_magics")
    asked.page.keyboard.press("Escape")


def test_a_pinned_turn_says_so_and_is_unpinned_by_its_mark(asked: Any) -> None:
    choose(asked, 1, "Pin")
    mark = asked.output(1).locator("button.mm-pinned")
    expect(mark).to_have_text("pinned")
    expect(asked.output(2).locator(".mm-pinned")).to_have_count(0)
    assert asked.violations(".mm-turn") == []
    mark.press("Enter")
    dialog = asked.page.get_by_role("dialog")
    expect(dialog).to_contain_text("A summary of earlier turns never replaces this turn.")
    dialog.get_by_role("button", name="Unpin").click()
    expect(mark).to_have_count(0)


def test_the_summary_of_earlier_turns_is_changed_in_a_box(open_notebook: Any, simulator: Any) -> None:
    asks = [ASK.format(number, number) for number in range(5)]
    asks.append(ASK.format(5, 5).replace("%%minimax", "%%minimax --compact now"))
    notebook = open_notebook(LOAD, *asks, ASK.format(6, 6))
    for number in range(len(asks) + 1):
        notebook.run(number)
    last = len(asks)
    expect(notebook.output(last)).to_contain_text("1 turn summarized")
    notebook.output(1).get_by_role("button", name=ACTIONS).click()
    expect(notebook.page.get_by_role("menuitem", name="Pin: Never Summarize the Turn")).to_be_visible()
    expect(notebook.page.get_by_role("menuitem", name="Edit the Summary")).to_have_count(0)
    notebook.page.keyboard.press("Escape")
    expect(notebook.page.get_by_role("menuitem", name="Pin: Never Summarize the Turn")).to_have_count(0)
    choose(notebook, last, "Edit the Summary")
    dialog = notebook.page.get_by_role("dialog")
    box = dialog.get_by_role("textbox", name="Summary of earlier turns")
    expect(box).to_be_focused()
    expect(dialog).to_contain_text("1 turn summarized")
    assert notebook.violations(".jp-Dialog") == []
    notebook.page.keyboard.press("Control+End")
    notebook.page.keyboard.press("Enter")
    notebook.page.keyboard.type("They also spoke of corals.")
    expect(box).to_have_value(re.compile(r"\nThey also spoke of corals\.$"))
    dialog.get_by_role("button", name="Save").focus()
    notebook.page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    notebook.run(last + 1)
    assert "They also spoke of corals." in json.dumps(simulator.log[-1].body)
