"""The JupyterLab extension: the renderer, prompt cells as Markdown, the live document, Stop, and commands."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from itertools import pairwise

import nbformat
import pytest
from playwright.sync_api import expect

from mm_magics.history.turn import MIME_TYPE
from tests.browser.conftest import eventually
from tests.pace import PATIENCE

LOAD = "%load_ext mm_magics"
CODE = "%%minimax\nShow python code."
SLOW = "%%minimax\nMore. [[simulator: deltas=3000 size=8 rate=40]]"
TWO_BLOCKS = "Do\n\n```python\none = 1\n```\n\nand\n\n- then\n\n  ```python\n  two = 2\n  ```\n"
SLOW_TWO = f"%%minimax\nGo. [[simulator: rate=10 say={json.dumps(TWO_BLOCKS.replace('and', 'and so on, ' * 400))}]]"
TWO = f"%%minimax\nGo. [[simulator: say={json.dumps(TWO_BLOCKS)}]]"
LISTEN = """received = []
def opened(comm, message):
    def take(each):
        received.append(each["content"]["data"])
    comm.on_msg(take)
    take(message)
get_ipython().kernel.comm_manager.register_target("mm_" "magics.document", opened)"""
SELECTED = "() => window.getSelection().toString()"
ACTIVE = "() => window.jupyterapp.shell.currentWidget.content.activeCellIndex"
MIME = "() => window.jupyterapp.shell.currentWidget.content.widgets[0].model.mimeType"


def command(notebook, name: str) -> None:
    notebook.page.evaluate("(name) => { void window.jupyterapp.commands.execute(name); }", name)


def sources(notebook) -> list[str]:
    return notebook.evaluate(
        "() => [...window.jupyterapp.shell.currentWidget.content.model.cells].map((c) => c.sharedModel.getSource())"
    )


def activate(notebook, number: int) -> None:
    notebook.page.evaluate(
        """(number) => {
          const notebook = window.jupyterapp.shell.currentWidget.content;
          notebook.activeCellIndex = number;
          notebook.deselectAll();
        }""",
        number,
    )


def has_run(notebook, number: int) -> bool:
    return notebook.page.evaluate(
        "(number) => window.jupyterapp.shell.currentWidget.content.widgets[number].model.executionCount !== null",
        number,
    )


def received(notebook, number: int) -> list:
    """The descriptions that the kernel received. Cell `number` prints them."""
    notebook.run(number)
    return json.loads(notebook.printed(number))


def texts(body) -> list[str]:
    return [each["content"][-1]["text"] for each in body["messages"] if each["role"] == "user"]


def test_the_extension_is_listed_as_ok():
    done = subprocess.run([sys.executable, "-m", "jupyter", "labextension", "list"], capture_output=True, text=True)
    line = next(line for line in (done.stdout + done.stderr).splitlines() if "mm-magics" in line)
    assert "enabled" in line
    assert "OK" in line


def test_after_a_reload_a_saved_turn_looks_as_it_did_while_streaming(open_notebook):
    notebook = open_notebook(LOAD, CODE)
    notebook.run(0)
    notebook.run(1)
    notebook.save()
    notebook.reload()
    output = notebook.output(1)
    expect(output.locator(".mm-turn")).to_be_visible()
    expect(output.locator("details summary").first).to_contain_text("Thought for")
    expect(output.locator("pre code .hljs-keyword").first).to_be_visible()
    expect(output.get_by_role("button", name="Copy this code")).to_be_visible()
    expect(output).to_contain_text("tokens in")


def test_an_output_with_an_unreadable_record_is_shown_by_its_other_types(open_notebook):
    show = "from IPython.display import display\ndisplay({%r: %s, 'text/plain': 'plain'%s}, raw=True)"
    newer = show % (MIME_TYPE, {"schema": 2, "messages": []}, ", 'text/html': '<b>bold</b>'")
    damaged = show % (MIME_TYPE, {"schema": 1, "status": "lost", "messages": 7}, "")
    notebook = open_notebook(newer, damaged)
    notebook.run(0)
    notebook.run(1)
    expect(notebook.output(0).locator("b")).to_have_text("bold")
    expect(notebook.output(1)).to_have_text("plain")
    expect(notebook.page.locator(".mm-turn")).to_have_count(0)


def test_a_turn_in_an_untrusted_notebook_is_drawn_and_sanitized(open_notebook):
    notebook = open_notebook(LOAD, CODE)
    notebook.run(0)
    notebook.run(1)
    saved = notebook.save()
    record = saved.cells[1].outputs[0].data[MIME_TYPE]
    hostile = "**Bold**\n\n<img src=x onerror='window.hacked = 1'><script>window.hacked = 1</script>"
    record["messages"][1]["content"][-1]["text"] = hostile
    nbformat.write(saved, notebook.path)
    notebook.reload()
    expect(notebook.output(1).locator(".mm-turn strong")).to_have_text("Bold")
    assert notebook.evaluate("() => window.hacked") is None
    expect(notebook.output(1).locator("img, script")).to_have_count(0)


def test_streaming_and_saved_turns_use_the_translation_of_jupyterlab(open_notebook):
    notebook = open_notebook(LOAD, SLOW, fresh=True)
    notebook.evaluate(
        """() => {
          const translation = globalThis[Symbol.for('mm_magics.translation/1')];
          const own = translation.__.bind(translation);
          const german = {Stop: 'Anhalten', stopped: 'angehalten'};
          translation.__ = (english) => german[english] ?? own(english);
        }"""
    )
    notebook.run(0)
    notebook.run(1, wait=False)
    expect(notebook.output(1).locator(".mm-stop")).to_have_text("Anhalten")
    expect(notebook.output(1).locator("p").first).to_be_visible()
    notebook.output(1).locator(".mm-stop").click()
    notebook.wait()
    expect(notebook.output(1).locator(".mm-rendered .mm-status")).to_have_text("angehalten")


def test_a_cell_becomes_markdown_as_soon_as_it_is_a_prompt_cell(open_notebook):
    notebook = open_notebook("")
    notebook.page.locator(".jp-Notebook .jp-Cell .cm-content").first.click()
    notebook.page.keyboard.type("%%minima")
    eventually(lambda: notebook.evaluate(MIME), "text/x-ipython")
    notebook.page.keyboard.type("x\n# Title")
    eventually(lambda: notebook.evaluate(MIME), "text/x-ipythongfm")
    notebook.page.keyboard.press("Control+Home")
    notebook.page.keyboard.press("Delete")
    eventually(lambda: notebook.evaluate(MIME), "text/x-ipython")


def test_the_model_sees_the_cell_order_of_the_unsaved_page(open_notebook, logged):
    notebook = open_notebook(LOAD, "%%minimax\nOne", "%%minimax\nTwo", "%%minimax\nThree")
    for number in (0, 1, 3, 2):
        notebook.run(number)
    assert texts(logged()[-1]) == ["One", "Two"]
    notebook.evaluate(
        """async () => {
          const notebook = window.jupyterapp.shell.currentWidget.content;
          notebook.activeCellIndex = 3;
          notebook.deselectAll();
          await window.jupyterapp.commands.execute('notebook:move-cell-up');
        }"""
    )
    notebook.run(3)
    assert texts(logged()[-1]) == ["One", "Three", "Two"]


def test_a_restarted_kernel_knows_the_unsaved_turns_on_the_page(open_notebook, logged):
    notebook = open_notebook(LOAD, "%%minimax\nMy name is Ada.", "%%minimax\nWhat is my name?")
    notebook.run(0)
    notebook.run(1)
    notebook.restart()
    notebook.run(0)
    notebook.run(2)
    expect(notebook.output(2)).to_contain_text("Your name is Ada")
    assert len(logged()[-1]["messages"]) == 3


def test_clearing_an_output_removes_its_turn_at_once(open_notebook, logged):
    notebook = open_notebook(LOAD, "%%minimax\nOne", "%%minimax\nTwo")
    notebook.run(0)
    notebook.run(1)
    notebook.evaluate("() => { window.jupyterapp.shell.currentWidget.content.widgets[1].model.clearExecution(); }")
    notebook.run(2)
    assert texts(logged()[-1]) == ["Two"]


def test_the_page_is_described_to_the_kernel_before_each_cell_and_then_only_the_changes(open_notebook):
    notebook = open_notebook(
        LISTEN,
        "from IPython.display import Image\nprint('printed')\nImage(b'', format='png')",
        "import json; print(json.dumps(received))  # mm_magics",
    )
    notebook.run(0)
    notebook.run(1)
    first = received(notebook, 2)
    second = received(notebook, 2)
    ids = notebook.evaluate("() => [...window.jupyterapp.shell.currentWidget.content.model.cells].map((c) => c.id)")
    assert [len(first), len(second)] == [2, 3]
    assert all(each["order"] == ids for each in second)
    assert [each["pending"] for each in second] == [[ids[1]], [ids[2]], [ids[2]]]
    assert [sorted(each["changed"]) for each in second] == [sorted(ids), [ids[1]], [ids[2]]]
    stream, image = second[1]["changed"][ids[1]]["outputs"]
    assert stream["text"] == "printed\n"
    assert list(image["data"]) == ["text/plain", "image/png"]
    assert second[0]["name"] == second[0]["path"] == notebook.path.name
    assert abs(second[-1]["sent_at"] - time.time()) < 60


def test_run_all_describes_the_page_once_the_kernel_listens_and_again_after_a_restart(open_notebook):
    notebook = open_notebook(f"{LISTEN}  # mm_magics", "import json; print(json.dumps(received))")
    for _ in range(2):
        notebook.evaluate("async () => { await window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
        (only,) = json.loads(notebook.printed(1))
        assert sorted(only["changed"]) == sorted(only["order"])
        notebook.restart()


def test_a_notebook_that_does_not_mention_minimax_is_left_alone(open_notebook):
    notebook = open_notebook(LISTEN, "print(len(received))")
    for number in (0, 1):
        notebook.run(number)
    expect(notebook.output(1)).to_have_text("0")
    expect(notebook.page.locator(".mm-settings-button")).to_be_hidden()


def test_the_stop_command_ends_an_answer_within_a_second(open_notebook):
    notebook = open_notebook(LOAD, SLOW)
    notebook.run(0)
    notebook.run(1, wait=False)
    expect(notebook.output(1).locator("p").first).to_be_visible()
    pressed = time.monotonic()
    command(notebook, "mm-magics:stop")
    notebook.wait()
    assert time.monotonic() - pressed < PATIENCE
    (saved,) = notebook.save().cells[1].outputs
    assert saved.data[MIME_TYPE]["status"] == "stopped"


def test_stop_interrupts_the_kernel_if_it_does_not_listen_or_stop_is_repeated(open_notebook):
    sleep = "import time\nprint('asleep', flush=True)\ntime.sleep(60)"
    notebook = open_notebook(sleep, LOAD, sleep)
    notebook.run(0, wait=False)
    expect(notebook.output(0)).to_contain_text("asleep")
    command(notebook, "mm-magics:stop")
    notebook.wait()
    expect(notebook.output(0)).to_contain_text("KeyboardInterrupt")
    notebook.run(1)
    notebook.run(2, wait=False)
    expect(notebook.output(2)).to_contain_text("asleep")
    command(notebook, "mm-magics:stop")
    command(notebook, "mm-magics:stop")
    notebook.wait()
    expect(notebook.output(2)).to_contain_text("KeyboardInterrupt")


def test_code_is_inserted_below_block_by_block_and_never_run(open_notebook):
    notebook = open_notebook(LOAD, TWO, "x = 1")
    notebook.run(0)
    notebook.run(1)
    activate(notebook, 1)
    for count in (4, 5):
        command(notebook, "mm-magics:insert-code")
        eventually(lambda: len(sources(notebook)), count)
        eventually(lambda: notebook.evaluate(ACTIVE), count - 2)
    assert sources(notebook)[2:] == ["one = 1", "two = 2", "x = 1"]
    assert not any(has_run(notebook, number) for number in (2, 3))


def test_each_code_block_can_be_inserted_by_its_button_while_streaming_and_saved(open_notebook):
    notebook = open_notebook(LOAD, SLOW_TWO, "x = 1")
    button = notebook.output(1).get_by_role("button", name="Insert this code in a new cell below", exact=True)
    notebook.run(0)
    notebook.run(1, wait=False)
    expect(button).to_have_count(1)
    button.click()
    eventually(lambda: sources(notebook)[2:], ["one = 1", "x = 1"])
    expect(notebook.output(1).locator(".mm-stop")).to_have_count(1)
    notebook.let_end()
    notebook.wait()
    notebook.final()
    expect(notebook.output(1).locator(".mm-rendered")).to_be_visible()
    button.nth(1).click()
    expect(button.nth(1)).to_have_text("Inserted")
    eventually(lambda: sources(notebook)[2:], ["one = 1", "two = 2", "x = 1"])
    assert not any(has_run(notebook, number) for number in (2, 3))


def test_a_new_prompt_cell_can_be_inserted_by_keyboard(open_notebook):
    notebook = open_notebook("x = 1")
    notebook.page.locator(".jp-Notebook .jp-Cell").first.locator(".jp-InputPrompt").click()
    notebook.page.keyboard.press("Alt+m")
    notebook.page.keyboard.press("b")
    eventually(lambda: sources(notebook), ["x = 1", "%%minimax\n"])
    expect(notebook.page.locator(".cm-editor.cm-focused")).to_contain_text("%%minimax")
    notebook.page.keyboard.type("Hello")
    eventually(lambda: sources(notebook)[1], "%%minimax\nHello")


def test_ask_again_by_keyboard_replaces_the_answer(open_notebook, logged):
    notebook = open_notebook(LOAD, "%%minimax\nOne")
    notebook.run(0)
    notebook.run(1)
    activate(notebook, 1)
    notebook.page.locator(".jp-Notebook .jp-Cell").nth(1).locator(".jp-InputPrompt").first.click()
    notebook.page.keyboard.press("Alt+m")
    notebook.page.keyboard.press("a")
    eventually(lambda: [texts(body) for body in logged()], [["One"], ["One"]])


def test_fork_and_export_insert_a_command_with_its_name_selected_and_do_not_run_it(open_notebook):
    notebook = open_notebook("%minimax fork fork-1")
    command(notebook, "mm-magics:fork-here")
    eventually(lambda: notebook.evaluate(SELECTED), "fork-2")
    assert sources(notebook)[1] == "%minimax fork fork-2"
    notebook.page.keyboard.type("idea")
    command(notebook, "mm-magics:export")
    eventually(lambda: notebook.evaluate(SELECTED), "conversation.md")
    notebook.page.keyboard.type("talk.md")
    eventually(lambda: sources(notebook)[1:], ["%minimax fork idea", "%minimax export talk.md"])
    assert not any(has_run(notebook, number) for number in (1, 2))


@pytest.mark.parametrize("opener", ["open_notebook", "open_in_notebook7"])
def test_a_prompt_in_a_kernel_without_mm_magics_offers_to_load_it_once(request, opener, logged):
    notebook = request.getfixturevalue(opener)("x = 1", "%%minimax\nHi.", "%minimax doctor")
    notebook.run(1)
    offer = notebook.page.get_by_role("button", name="Load and run the prompt")
    expect(offer).to_have_count(1)
    notebook.run(2)
    expect(offer).to_have_count(1)
    assert logged() == []
    offer.press("Enter")
    expect(notebook.output(2)).to_contain_text("tokens in")
    assert sources(notebook) == [LOAD, "x = 1", "%%minimax\nHi.", "%minimax doctor"]
    assert not has_run(notebook, 1)
    assert len(logged()) == 1
    expect(offer).to_have_count(0)


def test_everything_works_without_the_plugin(open_without_plugin, logged):
    notebook = open_without_plugin(LOAD, CODE, "%%minimax\nWhat did I ask before?")
    for number in range(3):
        notebook.run(number)
    output = notebook.output(1)
    expect(output.locator(".mm-saved pre b").first).to_be_visible()
    expect(output.locator("details summary").first).to_contain_text("Thought for")
    assert len(logged()[-1]["messages"]) == 3


def test_notebook_7_streams_stops_remembers_and_draws_the_saved_turn(open_in_notebook7, logged):
    notebook = open_in_notebook7(LOAD, "%%minimax\nMy name is Ada.", SLOW, "%%minimax\nWhat is my name?")
    notebook.run(0)
    notebook.run(1)
    notebook.run(2, wait=False)
    expect(notebook.output(2).locator("p").first).to_be_visible()
    pressed = time.monotonic()
    notebook.output(2).get_by_role("button", name="Stop").click()
    notebook.wait()
    assert time.monotonic() - pressed < PATIENCE
    notebook.run(3)
    expect(notebook.output(3)).to_contain_text("Your name is Ada")
    assert texts(logged()[-1])[0] == "My name is Ada."
    expect(notebook.output(1).locator(".mm-turn")).to_be_visible()
    mime = "() => window.jupyterapp.shell.currentWidget.content.widgets[1].model.mimeType"
    eventually(lambda: notebook.evaluate(mime), "text/x-ipythongfm")


def assert_settings_are_before_the_space(notebook):
    items = notebook.page.locator(".jp-NotebookPanel-toolbar > .jp-Toolbar-item")

    def names():
        return items.evaluate_all("(found) => found.map((each) => each.dataset.jpItemName)")

    eventually(lambda: ("mm-magics-settings", "spacer") in pairwise(names()))


def test_notebook_7_has_the_commands_the_buttons_and_the_toolbar(open_in_notebook7):
    notebook = open_in_notebook7(LOAD, TWO, SLOW)
    expect(notebook.page.locator(".mm-settings-button")).to_be_visible()
    assert_settings_are_before_the_space(notebook)
    notebook.run(0)
    notebook.run(1)
    notebook.output(1).get_by_role("button", name="Insert this code").first.click()
    eventually(lambda: sources(notebook)[2], "one = 1")
    notebook.run(3, wait=False)
    expect(notebook.output(3).locator("p").first).to_be_visible()
    pressed = time.monotonic()
    command(notebook, "mm-magics:stop")
    notebook.wait()
    assert time.monotonic() - pressed < PATIENCE
    command(notebook, "mm-magics:new-prompt-below")
    eventually(lambda: sources(notebook)[-1], "%%minimax\n")
