"""`%minimax picker` in a browser: the form of the toolbar, bound to the settings of the kernel."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

IMAGES = Path(__file__).parents[2] / "docs" / "images"
OPENERS = ["open_notebook", "open_in_notebook7", "open_without_plugin"]


def opened(notebook):
    """Run the first two cells, and return the form in the output of the second."""
    notebook.run(0)
    notebook.run(1)
    form = notebook.output(1).get_by_role("group", name="MiniMax in this kernel")
    expect(form).to_be_visible()
    return form


@pytest.mark.parametrize("opener", OPENERS)
def test_the_picker_changes_the_settings_and_follows_them(opener, request, logged):
    notebook = request.getfixturevalue(opener)(
        "%load_ext mm_magics",
        "%minimax picker",
        "%%minimax\nHello.",
        "%minimax model MiniMax-M2",
        name=f"picker-{opener}",
        height=760,
    )
    keyboard, form = notebook.page.keyboard, opened(notebook)
    model = form.get_by_role("combobox", name="Model", exact=True)
    expect(model).to_have_attribute("placeholder", "MiniMax-M2.7, default")
    expect(form.get_by_label("Temperature", exact=True)).to_have_attribute("placeholder", "1.0, default")
    model.click()
    expect(form.get_by_role("option").first).to_contain_text("offered here")
    if opener == "open_notebook":
        assert notebook.violations(".mm-picker") == []
        notebook.screenshot(IMAGES / "picker-light.png")
    keyboard.type("m2.5-h")
    keyboard.press("ArrowDown")
    expect(form.locator("[role=option][aria-selected=true]")).to_contain_text("MiniMax-M2.5-highspeed")
    keyboard.press("Enter")
    expect(form).to_contain_text(
        "MiniMax-M2.5-highspeed, set in this kernel · window 204,800 tokens · about 100 tokens/s"
    )
    form.get_by_label("Temperature", exact=True).focus()
    expect(form.get_by_label("Temperature", exact=True)).to_be_focused()
    keyboard.type("0.3")
    keyboard.press("Tab")
    expect(form).to_contain_text("0.3, set in this kernel")
    notebook.run(2)
    sent = logged()[-1]
    assert (sent["model"], sent["temperature"]) == ("MiniMax-M2.5-highspeed", 0.3)
    notebook.run(3)
    expect(model).to_have_value("MiniMax-M2")
    form.get_by_role("button", name="Reset all").click()
    expect(model).to_have_attribute("placeholder", "MiniMax-M2.7, default")
    notebook.run(2)
    sent = logged()[-1]
    assert (sent["model"], sent["temperature"]) == ("MiniMax-M2.7", 1.0)


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"], ids=["light", "dark"])
def test_the_picker_passes_axe_also_in_a_narrow_window(open_notebook, theme):
    notebook = open_notebook("%load_ext mm_magics", "%minimax picker", theme=theme, width=600)
    form = opened(notebook)
    assert notebook.violations(".mm-picker") == []
    form.get_by_role("combobox", name="Model", exact=True).click()
    assert notebook.violations(".mm-picker") == []
    assert form.evaluate("(el) => el.scrollWidth <= el.clientWidth")
