"""Tool approval in a notebook: the question before a call, every answer by mouse and by keyboard, and Stop."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import Locator, expect

from mm_magics.api.outside import content_of
from mm_magics.simulator import ScriptedAnswer, text, tool_use
from tests.browser.conftest import eventually
from tests.pace import PATIENCE

LOAD = """%load_ext mm_magics
import asyncio, pathlib, time
from mm_magics import minimax_tool

wiped = []

@minimax_tool(asks=True)
def wipe(what: str) -> str:
    "Wipe something out."
    wiped.append(what)
    return f"wiped {len(wiped)}"

def sleepy() -> str:
    "Sleep for a minute."
    pathlib.Path("asleep").touch()
    time.sleep(60)

async def drowsy() -> str:
    "Sleep for a minute, asynchronously."
    pathlib.Path("asleep").touch()
    await asyncio.sleep(60)"""
WIPE = "%%minimax --tools wipe\nUse wipe, please."
PYTHON = "%%minimax --tools python\nUse python, please."
PAGES = ("open_notebook", "open_without_plugin", "open_in_notebook7")
RECORD = "application/vnd.minimax.turn+json"
COUNT = "print(len(wiped))"


def ask(notebook, number: int) -> Locator:
    """Run the cell until its turn requires approval. Return the question."""
    notebook.run(number, wait=False)
    question = notebook.output(number).locator(".mm-ask")
    expect(question.get_by_role("button", name="Allow once")).to_be_enabled()
    return question


def outcomes(cell) -> list[str]:
    record = cell.outputs[0].data[RECORD]
    return [each["outcome"] for response in record["responses"] for each in response.get("tools", ())]


@pytest.mark.parametrize("opener", PAGES)
def test_each_answer_to_an_approval_request_is_applied(opener, request, logged):
    notebook = request.getfixturevalue(opener)(LOAD, WIPE, WIPE, WIPE, PYTHON, COUNT)
    notebook.run(0)
    question, turn = ask(notebook, 1), notebook.output(1).locator(".mm-turn")
    expect(turn.locator(".mm-tool-name")).to_have_text("wipe")
    expect(turn.locator(".mm-tool .mm-box").first).to_contain_text('"what"')
    assert notebook.violations(".mm-turn") == []
    question.get_by_label("Reason (sent to the model)").fill("Not today.")
    question.get_by_role("button", name="Deny").click()
    notebook.wait()
    result = logged()[-1]["messages"][-1]["content"][0]
    assert (result["content"], result["is_error"]) == ("The user did not allow this call. Not today.", True)

    ask(notebook, 2).get_by_role("button", name="Allow once").click()
    notebook.wait()
    assert content_of(logged()[-1]["messages"][-1]["content"][0]["content"]) == "wiped 1"

    ask(notebook, 3).get_by_role("button", name="Allow every call of wipe in this notebook").click()
    notebook.wait()
    notebook.run(3)
    assert content_of(logged()[-1]["messages"][-1]["content"][0]["content"]) == "wiped 3"

    question = ask(notebook, 4)
    expect(question.locator(".mm-question")).to_contain_text("Runs any code as you, in the kernel")
    expect(question.get_by_role("button", name="Allow python with exactly this code in this notebook")).to_be_visible()
    notebook.output(4).get_by_role("button", name="Stop").click()
    pressed = time.monotonic()
    notebook.wait()
    assert time.monotonic() - pressed < PATIENCE
    notebook.run(5)
    expect(notebook.output(5)).to_have_text("3")

    cells = notebook.save().cells
    assert [outcomes(cells[number]) for number in (1, 2, 3, 4)] == [["denied"], ["done"], ["done"], ["interrupted"]]
    assert cells[4].outputs[0].data[RECORD]["status"] == "stopped"
    expect(notebook.output(1)).to_contain_text("denied")
    expect(notebook.output(2)).to_contain_text("done in")
    assert "denied" in cells[1].outputs[0].data["text/html"]
    assert "done in" in cells[2].outputs[0].data["text/html"]


def test_a_long_call_can_be_allowed_only_after_it_was_scrolled_to_its_end(open_notebook, simulator):
    notebook = open_notebook(LOAD, "%%minimax --tools python\nGo.", "%%minimax --tools python\nGo.", "print(ran)")
    notebook.run(0)
    code = "ran = [1]\n" + "# nothing to see here\n" * 200 + "ran.append(2)"
    for number in (1, 2):
        simulator.answers.extend([ScriptedAnswer([tool_use("python", {"code": code})]), "Done."])
        notebook.run(number, wait=False)
        question = notebook.output(number).locator(".mm-ask")
        allow, box = question.get_by_role("button", name="Allow once"), question.locator(".mm-box")
        expect(question.get_by_role("button", name="Deny")).to_be_enabled()
        expect(notebook.output(number).locator(".mm-status")).to_have_text("needs your approval")
        expect(question).to_contain_text("202 lines")
        expect(question).to_contain_text("Scroll to the end")
        expect(allow).to_be_disabled()
        if number == 1:
            box.evaluate("(el) => el.scrollTo(0, el.scrollHeight)")
            allow.click()
        else:
            tab_to(notebook, box)
            notebook.page.keyboard.press("End")
            expect(allow).to_be_enabled()
            press(notebook, allow)
        notebook.wait()
    notebook.run(3)
    expect(notebook.output(3)).to_have_text("[1, 2]")


def test_a_button_ignores_clicks_as_it_appears(open_notebook):
    notebook = open_notebook(LOAD, WIPE, COUNT)
    notebook.run(0)
    notebook.page.evaluate(
        """() => {
          let appeared;
          window.clicked = 0;
          const press = (button) => {
            window.waited = performance.now() - appeared;
            if (!button.disabled) return;
            window.clicked += 1;
            button.click();
            button.dispatchEvent(new MouseEvent('click', { bubbles: true }));
            setTimeout(press, 5, button);
          };
          new MutationObserver((_, observer) => {
            const button = document.querySelector('.mm-ask .mm-choices button');
            if (!button) return;
            observer.disconnect();
            appeared = performance.now();
            press(button);
          }).observe(document.body, { childList: true, subtree: true });
        }"""
    )
    question = ask(notebook, 1)
    assert notebook.page.evaluate("window.clicked") > 0
    assert notebook.page.evaluate("window.waited") >= 400
    expect(question).to_be_visible()
    question.get_by_role("button", name="Deny").click()
    notebook.wait()
    notebook.run(2)
    expect(notebook.output(2)).to_have_text("0")


def test_nothing_of_an_answer_covers_the_question(open_notebook, simulator):
    notebook = open_notebook(LOAD, "%%minimax --tools wipe\nGo.")
    notebook.run(0)
    cover = r"$\\rule{90em}{90em}\\smash{\\rule[-90em]{90em}{180em}}\\rlap{\\rule{90em}{90em}}$"
    simulator.answers.extend([ScriptedAnswer([text(cover), tool_use("wipe", {"what": "a"})]), "Done."])
    question = ask(notebook, 1)
    expect(notebook.output(1).locator("math")).to_be_attached()
    covered = question.evaluate(
        """(el) => {
          el.scrollIntoView();
          const { left, top, width, height } = el.getBoundingClientRect();
          const spots = [0.02, 0.3, 0.6, 0.98].flatMap((x) => [0.05, 0.5, 0.95].map((y) => [x, y]));
          return spots.filter(([x, y]) => !el.contains(document.elementFromPoint(left + x * width, top + y * height)));
        }"""
    )
    assert covered == []
    question.get_by_role("button", name="Deny").click()
    notebook.wait()


@pytest.mark.parametrize("opener", PAGES)
def test_stop_ends_a_running_tool_within_a_second(opener, request):
    cells = [f"%%minimax --tools {name}\nUse {name}, please." for name in ("sleepy", "drowsy")]
    notebook = request.getfixturevalue(opener)(LOAD, *cells)
    notebook.run(0)
    asleep = notebook.path.parent / "asleep"
    for number in (1, 2):
        asleep.unlink(missing_ok=True)
        notebook.run(number, wait=False)
        expect(notebook.output(number).locator(".mm-tool summary")).to_contain_text("running")
        eventually(asleep.exists)
        notebook.output(number).get_by_role("button", name="Stop").click()
        pressed = time.monotonic()
        notebook.wait()
        assert time.monotonic() - pressed < PATIENCE
        cell = notebook.save().cells[number]
        assert (cell.outputs[0].data[RECORD]["status"], outcomes(cell)) == ("stopped", ["interrupted"])


def test_a_call_can_be_decided_by_keyboard_only(open_notebook, logged):
    notebook = open_notebook(LOAD, WIPE, WIPE, theme="JupyterLab Dark")
    notebook.run(0)
    question = ask(notebook, 1)
    assert notebook.violations(".mm-turn") == []
    press(notebook, question.get_by_role("button", name="Allow once"))
    notebook.wait()
    assert content_of(logged()[-1]["messages"][-1]["content"][0]["content"]) == "wiped 1"
    question = ask(notebook, 2)
    field = question.get_by_label("Reason (sent to the model)")
    tab_to(notebook, field)
    notebook.page.keyboard.type("abdd xx 00")
    expect(field).to_have_value("abdd xx 00")
    expect(notebook.page.locator(".jp-Notebook .jp-Cell")).to_have_count(3)
    notebook.page.keyboard.press("Enter")
    notebook.wait()
    result = logged()[-1]["messages"][-1]["content"][0]["content"]
    assert result == "The user did not allow this call. abdd xx 00"


def tab_to(notebook, target: Locator) -> None:
    """From the cell, press Tab until `target` has the focus."""
    notebook.page.evaluate(
        """() => {
          const notebook = window.jupyterapp.shell.currentWidget.content;
          notebook.mode = 'command';
          notebook.activate();
        }"""
    )
    for _ in range(40):
        notebook.page.keyboard.press("Tab")
        if target.evaluate("(el) => el === document.activeElement"):
            break
    expect(target).to_be_focused()


def press(notebook, button: Locator) -> None:
    tab_to(notebook, button)
    notebook.page.keyboard.press("Enter")
