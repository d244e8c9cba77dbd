"""The picker in JupyterLab: a choice changes the settings of the next prompt cell, and a changed setting is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

IMAGES = Path(__file__).parents[2] / "docs" / "images"


def test_the_picker_changes_the_settings_and_follows_them(open_notebook, logged):
    notebook = open_notebook(
        "%load_ext mm_magics",
        "%minimax picker",
        "%%minimax\nHello.",
        "%minimax model MiniMax-M2",
        name="picker",
        height=600,
    )
    notebook.run(0)
    notebook.run(1)
    field = notebook.output(1).get_by_label("Model")
    expect(field).to_have_value("MiniMax-M2.7")
    field.fill("MiniMax-M2.5-highspeed")
    field.press("Enter")
    expect(notebook.output(1)).to_contain_text("The next prompt goes to MiniMax-M2.5-highspeed · 204,800 tokens")
    notebook.run(2)
    assert logged()[-1]["model"] == "MiniMax-M2.5-highspeed"
    notebook.run(3)
    expect(field).to_have_value("MiniMax-M2")
    expect(notebook.output(1).get_by_label("Thinking")).to_have_value("default")
    notebook.evaluate("() => { window.jupyterapp.shell.currentWidget.content.scrollToItem(0); }")
    notebook.screenshot(IMAGES / "picker-light.png")


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"], ids=["light", "dark"])
def test_the_picker_passes_axe(open_notebook, theme):
    notebook = open_notebook("%load_ext mm_magics", "%minimax picker", theme=theme)
    notebook.run(0)
    notebook.run(1)
    expect(notebook.output(1).get_by_label("Model")).to_be_visible(timeout=20_000)
    assert notebook.violations(".mm-picker") == []
