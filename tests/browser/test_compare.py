"""Several answers on the page: side by side while they stream, chosen with the keyboard, saved and reloaded."""

from __future__ import annotations

from functools import partial

from playwright.sync_api import expect

from mm_magics.history.turn import MIME_TYPE, Turn
from mm_magics.history.versions import all_versions
from tests.browser.conftest import eventually

LOAD = "%load_ext mm_magics"
CHECK = "def is_short(text):\n    return len(text) < 500"
TWO = "%%minimax -m MiniMax-M2.7,MiniMax-M2.5"


def turn(notebook, number: int) -> Turn:
    return Turn.from_record(notebook.save().cells[number].outputs[0].data[MIME_TYPE])


def tops(notebook, number: int) -> list[float]:
    boxes = [each.bounding_box() for each in notebook.output(number).locator(".mm-answers > .mm-turn").all()]
    return [box["y"] for box in boxes]


def is_in_a_row(notebook, number: int) -> bool:
    first, second, *_ = tops(notebook, number)
    return abs(first - second) < 2


def test_the_answers_stream_side_by_side_and_one_is_chosen_with_the_keyboard(open_notebook, logged):
    notebook = open_notebook(LOAD, CHECK, f"{TWO} --check is_short\nWhich? [[simulator: deltas=2400 size=8 rate=20]]")
    notebook.run(0)
    notebook.run(1)
    notebook.run(2, wait=False)
    answers = notebook.output(2).locator(".mm-answers > .mm-turn")
    expect(answers).to_have_count(2)
    for number, model in enumerate(("MiniMax-M2.7", "MiniMax-M2.5")):
        expect(answers.nth(number).locator(".mm-model")).to_have_text(model)
        expect(answers.nth(number)).to_contain_text("Sentence 2")
    stops = notebook.output(2).get_by_role("button", name="Stop this answer")
    expect(stops).to_have_count(1)
    eventually(lambda: len(logged()), 2)
    notebook.let_end()
    notebook.wait()
    notebook.final()
    expect(notebook.output(2).get_by_role("button", name="Continue with this one")).to_have_count(2)
    eventually(lambda: is_in_a_row(notebook, 2))
    for number in (0, 1):
        expect(answers.nth(number)).to_contain_text("is_short")
        expect(answers.nth(number)).to_contain_text("tokens in")
    notebook.output(2).get_by_role("button", name="Continue with this one: version 2").press("Enter")
    expect(answers).to_have_count(0)
    expect(notebook.output(2).locator(".mm-position")).to_have_text("2/2")
    notebook.page.wait_for_function("() => document.activeElement.closest('.mm-header') !== null")
    chosen = turn(notebook, 2)
    assert (chosen.model, chosen.undecided) == ("MiniMax-M2.5", False)
    assert [each.model for each in all_versions(chosen)] == ["MiniMax-M2.7", "MiniMax-M2.5"]


def test_answers_that_are_saved_are_side_by_side_after_a_reload(open_notebook):
    notebook = open_notebook(LOAD, f"{TWO}\nWhich?")
    notebook.run(0)
    notebook.run(1)
    answers = notebook.output(1).locator(".mm-answers > .mm-turn")
    expect(answers).to_have_count(2)
    assert turn(notebook, 1).undecided
    notebook.reload()
    expect(answers).to_have_count(2)
    notebook.output(1).get_by_role("button", name="Continue with this one: version 1").click()
    expect(answers).to_have_count(0)
    assert not turn(notebook, 1).undecided


def test_a_page_that_is_reloaded_follows_the_answers(open_notebook):
    notebook = open_notebook(LOAD, f"{TWO}\nWhich? [[simulator: deltas=2400 size=8 rate=20]]")
    notebook.run(0)
    notebook.run(1, wait=False)
    answers = notebook.output(1).locator(".mm-answers > .mm-turn")
    expect(answers.nth(1)).to_contain_text("Sentence 2")
    notebook.save()
    notebook.reload()
    expect(answers.nth(1)).to_contain_text("Sentence 6")
    notebook.output(1).get_by_role("button", name="Stop this answer").click()
    expect(notebook.output(1).get_by_role("button", name="Continue with this one")).to_have_count(2)
    notebook.final()
    assert [each.status for each in all_versions(turn(notebook, 1))] == ["stopped", "stopped"]


def test_the_answers_are_accessible_and_below_each_other_on_a_narrow_page(open_notebook, tmp_path):
    for theme, width in (("JupyterLab Light", 1300), ("JupyterLab Dark", 1300), ("JupyterLab Light", 600)):
        notebook = open_notebook(
            LOAD, CHECK, "%%minimax --n 3 --check is_short\nShow me code.", theme=theme, width=width
        )
        notebook.run(0)
        notebook.run(1)
        notebook.run(2)
        expect(notebook.output(2).locator(".mm-answers > .mm-turn")).to_have_count(3)
        assert notebook.violations(".mm-turn") == []
        eventually(partial(is_in_a_row, notebook, 2), width > 600)
        notebook.screenshot(tmp_path / f"{theme} {width}.png")


def test_without_the_extension_they_stream_side_by_side_and_are_saved_as_html(open_without_plugin, logged):
    notebook = open_without_plugin(LOAD, f"{TWO}\nWhich? [[simulator: deltas=2400 size=8 rate=20]]", "%minimax use 2")
    notebook.run(0)
    notebook.run(1, wait=False)
    answers = notebook.output(1).locator(".mm-answers > .mm-turn")
    expect(answers).to_have_count(2)
    expect(answers.nth(1)).to_contain_text("Sentence 2")
    eventually(lambda: len(logged()), 2)
    notebook.let_end()
    notebook.wait()
    sections = notebook.output(1).locator(".mm-saved section")
    expect(sections).to_have_count(2)
    expect(sections.nth(0)).to_contain_text("Version 1: MiniMax-M2.7 (active)")
    first, second = (each.bounding_box() for each in sections.all())
    assert abs(first["y"] - second["y"]) < 2
    expect(notebook.output(1)).to_contain_text("%minimax use N continues with another")
    notebook.run(2)
    expect(notebook.output(2)).to_contain_text("Version 2 of 2")
