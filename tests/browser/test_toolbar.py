"""The settings of a notebook in its toolbar: how they are chosen, saved and used by its prompt cells."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import eventually

IMAGES = Path(__file__).parents[2] / "docs" / "images"
LOAD = "%load_ext mm_magics"
PROMPT = "%%minimax\nHi."
METADATA = "() => window.jupyterapp.shell.currentWidget.content.model.getMetadata('minimax') ?? null"
SOURCES = "() => [...window.jupyterapp.shell.currentWidget.content.model.cells].map((c) => c.sharedModel.getSource())"
HAS_MIME = "(mime) => window.jupyterapp.shell.currentWidget.content.widgets[0].model.mimeType === mime"
SET = """async ([plugin, name, value]) => {
  const { pluginRegistry } = window.jupyterapp;
  const settings = [...pluginRegistry._services.keys()].find(({ name }) => name.endsWith(':ISettingRegistry'));
  await (await window.jupyterapp.resolveRequiredService(settings)).set(plugin, name, value);
}"""


def button_of(notebook):
    return notebook.page.locator(".mm-settings-button")


def panel_of(notebook):
    return notebook.page.get_by_role("dialog", name="MiniMax in this notebook")


def opened(notebook):
    """Open the panel by a click and return it."""
    button_of(notebook).click()
    expect(panel_of(notebook)).to_be_visible()
    return panel_of(notebook)


def reached(notebook):
    """Move the focus to the button by keyboard and return it. The toolbar is one tab stop; arrow keys move in it."""
    notebook.page.locator(".jp-NotebookPanel-toolbar jp-button").first.focus()
    for _ in range(20):
        notebook.page.keyboard.press("ArrowRight")
        if notebook.evaluate("() => document.activeElement.classList.contains('mm-settings-button')"):
            break
    expect(button_of(notebook)).to_be_focused()
    return button_of(notebook)


def tab_to(notebook, label: str) -> None:
    """Press Tab until the control with this label has the focus."""
    control = panel_of(notebook).get_by_label(label, exact=True)
    for _ in range(12):
        notebook.page.keyboard.press("Tab")
        if control.evaluate("(el) => el === document.activeElement"):
            return
    expect(control).to_be_focused()


def choose_model(panel, name: str) -> None:
    """Choose a model from the list by a click."""
    panel.get_by_label("Model", exact=True).click()
    panel.locator("[role=option]", has=panel.page.get_by_text(name, exact=True)).click()


def enter(panel, label: str, value: str) -> None:
    panel.get_by_label(label, exact=True).fill(value)
    panel.get_by_label(label, exact=True).press("Tab")


def test_all_settings_can_be_chosen_by_keyboard_only(open_notebook):
    notebook = open_notebook(PROMPT)
    keyboard, panel = notebook.page.keyboard, panel_of(notebook)
    reached(notebook)
    keyboard.press("Enter")
    expect(panel.get_by_label("Model", exact=True)).to_be_focused()
    keyboard.type("M3.1-F")
    keyboard.press("ArrowDown")
    keyboard.press("Enter")
    tab_to(notebook, "Thinking")
    keyboard.press("ArrowDown")
    keyboard.press("ArrowDown")
    values = {
        "Temperature": "0.4",
        "top_p": "0.9",
        "Max tokens": "2048",
        "System prompt": "Be brief.\nBe kind.",
        "Thread": "side",
    }
    for label, text in values.items():
        tab_to(notebook, label)
        keyboard.type(text)
    keyboard.press("Tab")
    expect(panel.get_by_role("button", name="Reset all")).to_be_focused()
    chosen = {
        "model": "MiniMax-M3.1-Flash",
        "thinking": "medium",
        "temperature": 0.4,
        "top_p": 0.9,
        "max_tokens": 2048,
        "system": "Be brief.\nBe kind.",
        "thread": "side",
    }
    eventually(lambda: notebook.evaluate(METADATA), chosen)
    expect(button_of(notebook)).to_have_text("M3.1-Flash · thinking: medium ▾")
    keyboard.press("Enter")
    eventually(lambda: notebook.evaluate(METADATA), None)
    expect(button_of(notebook)).to_have_text("MiniMax ▾")
    keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(button_of(notebook)).to_be_focused()
    keyboard.press("Space")
    expect(panel.get_by_label("Model", exact=True)).to_be_focused()


def test_tab_past_either_end_and_a_click_outside_close_the_panel(open_notebook):
    notebook = open_notebook(PROMPT)
    keyboard, panel, button = notebook.page.keyboard, panel_of(notebook), reached(notebook)
    keyboard.press("Enter")
    expect(panel).to_be_visible()
    keyboard.press("Shift+Tab")
    expect(panel).to_be_hidden()
    expect(button).to_be_focused()
    keyboard.press("Enter")
    expect(panel).to_be_visible()
    panel.get_by_role("button", name="Reset all").focus()
    keyboard.press("Tab")
    expect(panel).to_be_hidden()
    notebook.page.wait_for_function("() => document.activeElement.closest('.jp-NotebookPanel') !== null")
    button.click()
    expect(panel).to_be_visible()
    notebook.page.locator(".jp-Notebook .jp-Cell .jp-InputPrompt").first.click()
    expect(panel).to_be_hidden()
    button.click()
    expect(panel).to_be_visible()
    button.click()
    expect(panel).to_be_hidden()


def test_a_value_typed_before_the_panel_is_closed_is_saved(open_notebook):
    notebook = open_notebook(PROMPT)
    panel = opened(notebook)
    panel.get_by_label("Temperature", exact=True).press_sequentially("0.3")
    notebook.page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    eventually(lambda: notebook.evaluate(METADATA), {"temperature": 0.3})


def test_keys_typed_in_the_panel_trigger_no_shortcuts_and_do_not_reach_the_notebook(open_notebook):
    notebook = open_notebook(PROMPT, "x = 1")
    notebook.page.locator(".jp-Notebook .jp-Cell").first.locator(".jp-InputPrompt").click()
    before = notebook.evaluate(SOURCES)
    panel = opened(notebook)
    panel.get_by_label("System prompt", exact=True).focus()
    notebook.page.keyboard.type("abxddm00y")
    notebook.page.keyboard.press("Shift+Enter")
    notebook.page.keyboard.press("Alt+m")
    notebook.page.keyboard.press("b")
    notebook.page.keyboard.press("Control+Shift+c")
    panel.get_by_role("button", name="Reset all").focus()
    for key in ("a", "b", "x", "d", "d", "m", "Shift+Enter"):
        notebook.page.keyboard.press(key)
    notebook.page.wait_for_timeout(500)
    assert notebook.evaluate(SOURCES) == before
    assert notebook.evaluate("() => window.jupyterapp.shell.currentWidget.content.widgets[0].model.type") == "code"
    assert notebook.evaluate("() => window.jupyterapp.shell.currentWidget.content.activeCellIndex") == 0
    expect(notebook.page.locator(".lm-CommandPalette:visible")).to_have_count(0)


def test_chosen_settings_are_saved_and_restored_and_unknown_keys_unchanged(open_notebook):
    notebook = open_notebook(PROMPT)
    notebook.evaluate(
        "() => window.jupyterapp.shell.currentWidget.content.model.setMetadata('minimax', {later: {a: 1}, top_p: 0.5})"
    )
    panel = opened(notebook)
    expect(panel.get_by_label("top_p", exact=True)).to_have_value("0.5")
    choose_model(panel, "MiniMax-M3")
    panel.get_by_label("Thinking", exact=True).select_option("on")
    enter(panel, "System prompt", "Be brief.")
    expected = {
        "later": {"a": 1},
        "top_p": 0.5,
        "model": "MiniMax-M3",
        "thinking": "on",
        "system": "Be brief.",
    }
    eventually(lambda: notebook.evaluate(METADATA), expected)
    assert notebook.save().metadata["minimax"] == expected
    notebook.reload()
    expect(button_of(notebook)).to_have_text("M3 · thinking ▾")
    panel = opened(notebook)
    expect(panel.get_by_label("System prompt", exact=True)).to_have_value("Be brief.")
    expect(panel).to_contain_text("window 1,000,000 tokens · speed unknown · $0.30 in, $1.20 out per million")
    panel.get_by_role("button", name="Reset all").click()
    expect(panel.get_by_label("System prompt", exact=True)).to_have_value("")
    assert notebook.save().metadata["minimax"] == {"later": {"a": 1}}


def test_chosen_settings_are_sent_in_the_request(open_notebook, logged):
    notebook = open_notebook(LOAD, PROMPT, "%%minimax\nAgain.", "%%minimax -t 0.8\nMore.")
    notebook.run(0)
    notebook.run(1)
    panel = opened(notebook)
    enter(panel, "Model", "MiniMax-M2.1")
    enter(panel, "Temperature", "0.4")
    enter(panel, "Max tokens", "2048")
    enter(panel, "System prompt", "Be brief.")
    enter(panel, "Thread", "side")
    eventually(lambda: (notebook.evaluate(METADATA) or {}).get("thread"), "side")
    notebook.run(2)
    notebook.run(3)
    first, second, third = logged()
    assert "system" not in first
    asked = {name: second[name] for name in ("model", "temperature", "max_tokens", "system")}
    assert asked == {"model": "MiniMax-M2.1", "temperature": 0.4, "max_tokens": 2048, "system": "Be brief."}
    assert [len(body["messages"]) for body in (first, second, third)] == [1, 1, 3]
    assert third["temperature"] == 0.8
    expect(notebook.output(2).locator(".mm-model")).to_have_text("MiniMax-M2.1")


def test_an_invalid_value_is_reported_and_not_saved(open_notebook):
    notebook = open_notebook(PROMPT)
    panel = opened(notebook)
    enter(panel, "Temperature", "0.4")
    for label, value, rule in (
        ("Temperature", "1.5", "above 0 and at most 1"),
        ("top_p", "much", "above 0 and at most 1"),
        ("Max tokens", "0", "a whole number of at least 1"),
    ):
        enter(panel, label, value)
        field = panel.get_by_label(label, exact=True)
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(panel.get_by_role("alert").filter(has_text=rule).last).to_be_visible()
    assert notebook.evaluate(METADATA) == {"temperature": 0.4}
    expect(panel.get_by_text("0.4, notebook")).to_be_visible()
    notebook.page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(opened(notebook).get_by_label("Temperature", exact=True)).to_have_value("0.4")
    expect(panel.get_by_label("Temperature", exact=True)).to_have_attribute("aria-invalid", "false")


@pytest.mark.parametrize(("theme", "name"), [("JupyterLab Light", "light"), ("JupyterLab Dark", "dark")])
def test_the_panel_passes_axe(open_notebook, theme, name):
    notebook = open_notebook(LOAD, PROMPT, theme=theme, name=f"toolbar-{name}", height=620)
    panel = opened(notebook)
    assert notebook.violations(".mm-picker-panel") == []
    choose_model(panel, "MiniMax-M3")
    panel.get_by_label("Thinking", exact=True).select_option("on")
    enter(panel, "Temperature", "0.4")
    enter(panel, "Max tokens", "many")
    enter(panel, "System prompt", "Be brief. Answer with code where code answers.")
    enter(panel, "Thread", "side")
    assert notebook.violations(".mm-picker-panel") == []
    notebook.screenshot(IMAGES / f"toolbar-{name}.png")


def test_the_panel_fits_a_narrow_and_low_window(open_notebook):
    notebook = open_notebook(PROMPT, width=360, height=420)
    opener = notebook.page.locator(".jp-Toolbar-responsive-opener:visible")

    def is_shown() -> bool:
        """Whether the button is shown, also by opening the rest of the toolbar, which is known only after a moment."""
        if not button_of(notebook).is_visible() and opener.is_visible():
            opener.click()
        return button_of(notebook).is_visible()

    eventually(is_shown)
    panel = opened(notebook)
    choose_model(panel, "MiniMax-M2.7-highspeed")
    enter(panel, "Thread", "a" * 200)
    fits = """(el) => {
      const { left, right, bottom } = el.getBoundingClientRect();
      return [left >= 0, right <= 360, bottom <= 420, el.scrollWidth <= el.clientWidth];
    }"""
    eventually(lambda: panel.evaluate(fits), [True] * 4)
    reset = panel.get_by_role("button", name="Reset all")
    reset.scroll_into_view_if_needed()
    expect(reset).to_be_in_viewport()
    notebook.page.keyboard.press("Escape")
    expect(panel).to_be_hidden()


def test_closing_a_notebook_removes_its_panel(open_notebook):
    notebook = open_notebook(PROMPT)
    panels = notebook.page.locator(".mm-picker-panel")
    expect(panels).to_have_count(1)
    notebook.save()
    notebook.evaluate("() => { window.jupyterapp.shell.currentWidget.close(); }")
    expect(panels).to_have_count(0)
    notebook.page.evaluate(
        "async (path) => { await window.jupyterapp.commands.execute('docmanager:open', {path}); }", notebook.path.name
    )
    expect(panels).to_have_count(1)


def test_markdown_in_prompt_cells_can_be_turned_off_in_the_settings(open_notebook):
    notebook = open_notebook(PROMPT)
    notebook.page.wait_for_function(HAS_MIME, arg="text/x-ipythongfm")
    for enabled, mime in ((False, "text/x-ipython"), (True, "text/x-ipythongfm")):
        notebook.page.evaluate(SET, ["mm-magics:highlight", "enabled", enabled])
        notebook.page.wait_for_function(HAS_MIME, arg=mime)


def test_settings_that_a_strangers_notebook_brings_are_noted_below_the_first_answer_and_in_the_saved_file(
    open_notebook,
):
    notebook = open_notebook(LOAD, PROMPT, "%%minimax\nAgain.")
    evil = '\u202e $\\unicode[x]{41}$ <img src=x onerror="hacked=1"> **b** ' + "x" * 500
    notebook.page.evaluate(
        "(system) => window.jupyterapp.shell.currentWidget.content.model"
        ".setMetadata('minimax', {system, thread: 'x', base_url: 'https://evil.example'})",
        evil,
    )
    for number in range(3):
        notebook.run(number)
    note = notebook.output(1).locator(".mm-note", has_text="The notebook's metadata sets")
    expect(note).to_contain_text('the thread ("x")')
    expect(note).to_contain_text('…", 557 characters) and')
    expect(note).to_contain_text("[U+202E]")
    expect(note.locator("*")).to_have_count(0)
    expect(notebook.output(1)).to_contain_text("base_url (a notebook cannot set it)")
    expect(notebook.output(2).locator(".mm-note", has_text="metadata")).to_have_count(0)
    saved = [cell.outputs[0].data for cell in notebook.save().cells[1:]]
    for kind in ("text/html", "text/markdown", "text/plain"):
        assert ["The notebook's metadata sets" in "".join(data[kind]) for data in saved] == [True, False], kind
    panel = opened(notebook)
    expect(panel.get_by_label("Temperature", exact=True)).to_have_attribute("placeholder", "1.0, default")


def test_a_standing_permission_is_forgotten_by_keyboard_in_the_panel(open_notebook):
    notebook = open_notebook(
        LOAD,
        "%minimax tools allow shell 'command=git *'\n%minimax tools deny write_file",
        "import time\ntime.sleep(6)",
        "%minimax tools",
    )
    keyboard, panel = notebook.page.keyboard, panel_of(notebook)
    notebook.evaluate(
        "() => window.jupyterapp.shell.currentWidget.content.model.setMetadata('minimax', {temperature: 1})"
    )
    notebook.run(0)
    notebook.run(1)
    notebook.run(2, wait=False)  # also while a cell runs
    reached(notebook)
    keyboard.press("Enter")
    listed = panel.get_by_role("listitem")
    expect(listed).to_have_text(["allow shell 'command=git *'Forget", "deny write_fileForget"])
    assert notebook.violations(".mm-picker-rules") == []
    for _ in range(20):
        keyboard.press("Tab")
        if notebook.evaluate("() => (document.activeElement.ariaLabel ?? '').startsWith('Forget: allow shell')"):
            break
    keyboard.press("Enter")
    expect(listed).to_have_text(["deny write_fileForget"])
    expect(panel.get_by_role("button", name="Forget: deny write_file")).to_be_focused()
    keyboard.press("Escape")
    notebook.wait()
    notebook.run(3)
    expect(notebook.output(3)).to_contain_text("Rule 1: deny write_file")
    expect(notebook.output(3)).not_to_contain_text("git")


def test_the_button_names_the_model_that_the_next_prompt_uses(open_notebook):
    notebook = open_notebook(LOAD, PROMPT, "%minimax model MiniMax-M2.1", "%minimax set temperature none")
    expect(button_of(notebook)).to_have_text("MiniMax ▾")
    notebook.run(0)
    notebook.run(1)
    expect(button_of(notebook)).to_have_text("M2.7 ▾")
    notebook.run(2)
    expect(button_of(notebook)).to_have_text("M2.1 ▾")
    panel = opened(notebook)
    expect(panel.get_by_label("Model", exact=True)).to_have_attribute("placeholder", "MiniMax-M2.1, set in this kernel")
    expect(panel.get_by_label("Temperature", exact=True)).to_have_attribute("placeholder", "1.0, default")
    notebook.page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    notebook.run(3)
    panel = opened(notebook)
    expect(panel.get_by_label("Temperature", exact=True)).to_have_attribute(
        "placeholder", "endpoint default, set in this kernel"
    )


def test_an_empty_temperature_is_not_sent(open_notebook, logged):
    notebook = open_notebook(LOAD, PROMPT, "%%minimax\nAgain.")
    notebook.run(0)
    notebook.run(1)
    panel = opened(notebook)
    enter(panel, "Temperature", "0.4")
    enter(panel, "Temperature", "")
    expect(panel.get_by_label("Temperature", exact=True)).to_have_attribute("placeholder", "endpoint default, notebook")
    notebook.page.keyboard.press("Escape")
    assert notebook.save().metadata["minimax"] == {"temperature": None}
    notebook.run(2)
    first, second = logged()
    assert first["temperature"] == 1.0
    assert "temperature" not in second
