"""The JupyterLab plugin: the saved turn's renderer, prompt cells as Markdown, the live document, Stop, commands."""

from __future__ import annotations

import subprocess
import sys
import time

from playwright.sync_api import expect

LOAD = "%load_ext mm_magics"
CODE = "%%minimax\nShow python code."


def command(notebook, name: str) -> None:
    notebook.page.evaluate("(name) => { void window.jupyterapp.commands.execute(name); }", name)


def sources(notebook) -> list[str]:
    return notebook.evaluate(
        "() => [...window.jupyterapp.shell.currentWidget.content.model.cells].map((c) => c.sharedModel.getSource())"
    )


def texts(body) -> list[str]:
    return [each["content"][-1]["text"] for each in body["messages"] if each["role"] == "user"]


def test_the_extension_is_listed_as_ok():
    done = subprocess.run([sys.executable, "-m", "jupyter", "labextension", "list"], capture_output=True, text=True)
    line = next(line for line in (done.stdout + done.stderr).splitlines() if "mm-magics" in line)
    assert "enabled" in line
    assert "OK" in line


def test_a_saved_turn_is_drawn_as_it_streamed_after_a_reload_and_without_running(open_notebook):
    notebook = open_notebook(LOAD, CODE)
    notebook.run(0)
    notebook.run(1)
    notebook.save()
    notebook.page.reload()
    output = notebook.output(1)
    expect(output.locator(".mm-turn")).to_be_visible(timeout=30_000)
    expect(output.locator("details summary").first).to_contain_text("Thought for")
    expect(output.locator("pre code .hljs-keyword").first).to_be_visible()
    expect(output.get_by_role("button", name="Copy this code")).to_be_visible()
    expect(output).to_contain_text("tokens in")


def test_prompt_cells_are_markdown_live_while_typing(open_notebook):
    notebook = open_notebook("x = 1")
    mime = "() => window.jupyterapp.shell.currentWidget.content.widgets[0].model.mimeType"
    put = "(text) => window.jupyterapp.shell.currentWidget.content.widgets[0].model.sharedModel.setSource(text)"
    assert notebook.evaluate(mime) == "text/x-ipython"
    notebook.page.evaluate(put, "%%minimax\n# Title")
    assert notebook.evaluate(mime) == "text/x-ipythongfm"
    notebook.page.evaluate(put, "y = 2")
    assert notebook.evaluate(mime) == "text/x-ipython"


def test_the_order_of_the_unsaved_page_is_what_the_model_sees(open_notebook, logged):
    notebook = open_notebook(LOAD, "%%minimax\nOne", "%%minimax\nTwo", "%%minimax\nThree")
    for number in (0, 1, 3, 2):
        notebook.run(number)
    assert texts(logged()[-1]) == ["One", "Two"]
    notebook.evaluate(
        """() => {
          const notebook = window.jupyterapp.shell.currentWidget.content;
          notebook.activeCellIndex = 3;
          notebook.deselectAll();
          void window.jupyterapp.commands.execute('notebook:move-cell-up');
        }"""
    )
    notebook.run(3)
    assert texts(logged()[-1]) == ["One", "Three", "Two"]


def test_a_restarted_kernel_has_the_turns_that_the_page_shows_unsaved(open_notebook, logged):
    notebook = open_notebook(LOAD, "%%minimax\nMy name is Ada.", "%%minimax\nWhat is my name?")
    notebook.run(0)
    notebook.run(1)
    notebook.evaluate("async () => { await window.jupyterapp.shell.currentWidget.sessionContext.restartKernel(); }")
    notebook.run(0)
    notebook.run(2)
    expect(notebook.output(2)).to_contain_text("Your name is Ada")
    assert len(logged()[-1]["messages"]) == 3


def test_clearing_an_output_forgets_its_turn_at_once(open_notebook, logged):
    notebook = open_notebook(LOAD, "%%minimax\nOne", "%%minimax\nTwo")
    notebook.run(0)
    notebook.run(1)
    notebook.page.wait_for_timeout(2_500)
    notebook.evaluate("() => { window.jupyterapp.shell.currentWidget.content.widgets[1].model.clearExecution(); }")
    notebook.run(2)
    assert texts(logged()[-1]) == ["Two"]


def test_the_stop_command_ends_an_answer_within_a_second(open_notebook):
    notebook = open_notebook(LOAD, "%%minimax\nMore. [[simulator: deltas=3000 size=8 rate=40]]")
    notebook.run(0)
    notebook.run(1, wait=False)
    expect(notebook.output(1).locator("p").first).to_be_visible(timeout=20_000)
    pressed = time.monotonic()
    command(notebook, "mm-magics:stop")
    notebook.wait()
    assert time.monotonic() - pressed < 1.0
    (saved,) = notebook.save().cells[1].outputs
    assert saved.data["application/vnd.minimax.turn+json"]["status"] == "stopped"


def test_code_is_inserted_below_and_never_run(open_notebook):
    notebook = open_notebook(LOAD, CODE)
    notebook.run(0)
    notebook.run(1)
    notebook.evaluate("() => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = 1; }")
    command(notebook, "mm-magics:insert-code")
    notebook.page.wait_for_timeout(300)
    inserted = sources(notebook)[2]
    assert "def " in inserted
    assert "```" not in inserted
    assert (
        notebook.evaluate("() => window.jupyterapp.shell.currentWidget.content.widgets[2].model.executionCount") is None
    )


def test_a_new_prompt_cell_by_keyboard(open_notebook):
    notebook = open_notebook("x = 1")
    notebook.page.locator(".jp-Notebook .jp-Cell").first.locator(".jp-InputPrompt").click()
    notebook.page.keyboard.press("Alt+m")
    notebook.page.keyboard.press("b")
    notebook.page.wait_for_timeout(500)
    assert sources(notebook) == ["x = 1", "%%minimax\n"]
    notebook.page.keyboard.type("Hello")
    assert sources(notebook)[1] == "%%minimax\nHello"


def test_everything_works_without_the_plugin(open_without_plugin, logged):
    notebook = open_without_plugin(LOAD, CODE, "%%minimax\nWhat did I ask before?")
    for number in range(3):
        notebook.run(number)
    output = notebook.output(1)
    expect(output.locator(".mm-saved pre b").first).to_be_visible()
    expect(output.locator("details summary").first).to_contain_text("Thought for")
    assert len(logged()[-1]["messages"]) == 3


def test_notebook_7_streams_stops_remembers_and_draws_the_saved_turn(open_in_notebook7, logged):
    slow = "%%minimax\nMore. [[simulator: deltas=3000 size=8 rate=40]]"
    notebook = open_in_notebook7(LOAD, "%%minimax\nMy name is Ada.", slow, "%%minimax\nWhat is my name?")
    notebook.run(0)
    notebook.run(1)
    notebook.run(2, wait=False)
    expect(notebook.output(2).locator("p").first).to_be_visible(timeout=20_000)
    pressed = time.monotonic()
    notebook.output(2).get_by_role("button", name="Stop").click()
    notebook.wait()
    assert time.monotonic() - pressed < 1.0
    notebook.run(3)
    expect(notebook.output(3)).to_contain_text("Your name is Ada")
    assert texts(logged()[-1])[0] == "My name is Ada."
    expect(notebook.output(1).locator(".mm-turn")).to_be_visible()
    mime = "() => window.jupyterapp.shell.currentWidget.content.widgets[1].model.mimeType"
    assert notebook.evaluate(mime) == "text/x-ipythongfm"
