"""The page follows the end of a long answer while the reader is there."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import eventually

LOAD = "%load_ext mm_magics"
LONG = "%%minimax\nGo. [[simulator: deltas=400 size=60 rate=100]]"
LONGER = "%%minimax\nGo. [[simulator: deltas=3600 size=60 rate=30]]"
DISTANCE = """() => {
  const turn = document.querySelector('.mm-rendered .mm-turn').getBoundingClientRect();
  const outer = document.querySelector('.jp-WindowedPanel-outer').getBoundingClientRect();
  return turn.bottom - outer.bottom;
}"""
RESTS = """async () => {
  const outer = document.querySelector('.jp-WindowedPanel-outer');
  const before = outer.scrollTop;
  for (let frames = 0; frames < 20; frames++) await new Promise(requestAnimationFrame);
  return outer.scrollTop === before;
}"""
TOP = "() => document.querySelector('.jp-WindowedPanel-outer').scrollTop"


@pytest.fixture(params=["lab", "notebook"])
def notebook(request):
    opened = request.getfixturevalue("open_notebook" if request.param == "lab" else "open_in_notebook7")
    notebook = opened(LOAD, LONG, LONGER, height=600)
    notebook.run(0)
    return notebook


def wait_for_growth(notebook) -> None:
    """Wait until the answer is higher than the page, and its end is shown."""
    notebook.page.wait_for_function("() => document.querySelector('.mm-rendered .mm-turn')?.clientHeight > 900")
    notebook.page.wait_for_function(f"() => ({DISTANCE})() < 60")


def run_to_its_end(notebook) -> None:
    notebook.run(1)
    notebook.final()


def test_a_reader_at_the_end_sees_the_end(notebook):
    notebook.run(1, wait=False)
    wait_for_growth(notebook)
    notebook.wait()
    notebook.final()
    notebook.page.wait_for_function(f"() => ({DISTANCE})() < 60")


def test_a_reader_who_scrolls_up_stays_there_and_can_jump(notebook):
    notebook.run(2, wait=False)
    wait_for_growth(notebook)
    notebook.page.mouse.move(500, 300)
    notebook.page.mouse.wheel(0, -300)
    jump = notebook.page.get_by_role("button", name="Jump to end")
    expect(jump).to_be_visible()
    notebook.page.wait_for_function(RESTS)
    top, distance = notebook.evaluate(TOP), notebook.evaluate(DISTANCE)
    eventually(lambda: notebook.evaluate(DISTANCE) > distance + 300)
    assert notebook.evaluate(TOP) == top
    jump.click()
    expect(jump).to_have_count(0)
    notebook.page.wait_for_function(f"() => ({DISTANCE})() < 60")


def test_a_long_answer_is_collapsed_with_the_keyboard(notebook):
    run_to_its_end(notebook)
    notebook.output(1).get_by_role("button", name="Collapse the answer").press("Enter")
    expect(notebook.output(1).locator(".mm-collapsed")).to_be_visible()
    eventually(lambda: notebook.output(1).locator(".mm-turn").bounding_box()["height"] < 400)
    whole = notebook.output(1).get_by_role("button", name="Show the whole answer")
    expect(whole).to_be_focused()
    notebook.page.keyboard.press("Enter")
    expect(notebook.output(1).locator(".mm-collapsed")).to_have_count(0)


def test_a_long_answer_is_not_put_into_a_box_and_is_collapsed_and_shown_again_by_the_keyboard(notebook):
    run_to_its_end(notebook)
    expect(notebook.page.locator(".jp-CodeCell.jp-mod-outputsScrolled")).to_have_count(0)
    turn = notebook.output(1).locator(".mm-turn")
    eventually(lambda: turn.evaluate("(el) => el.clientHeight") > 1_900)
    turn.get_by_role("button", name="Collapse the answer").press("Enter")
    show = turn.locator(".mm-show-all")
    expect(show).to_be_in_viewport()
    assert notebook.violations(".mm-turn") == []
    show.press("Enter")
    expect(show).to_have_count(0)
    eventually(lambda: turn.evaluate("(el) => el.clientHeight") > 1_900)
