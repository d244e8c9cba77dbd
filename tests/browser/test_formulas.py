"""Formulas in a real browser: ordinary ones are displayed; no other loads, links or covers anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import expect

from mm_magics.display.export_markdown import render_markdown
from mm_magics.display.mime_bundle import make_bundle
from mm_magics.display.table import Table
from mm_magics.simulator import ScriptedAnswer, text, tool_use
from tests.browser.test_asking import LOAD, ask
from tests.browser.test_hostile import Watched
from tests.display.test_formulas import CORPUS, DELIMITERS
from tests.turns import turn

ORDINARY = "\n\n".join(f"$${tex}$$" for tex in CORPUS["ordinary"])
HOSTILE = "\n\n".join(f"$${tex}$$" for tex in CORPUS["hostile"].values())
COVERS = (
    r"\style{position:fixed;top:0;left:0;width:99vw;height:99vh;background:red}{x} \rlap{\Huge covers} "
    r"\raise-9em{\Huge covers} \hspace{-9em} covers \unicode[x;background:url(https://evil.example/font)]{65}"
)
EVERYWHERE = "\n\n".join(f"{left}{COVERS}{right}" for left, right in DELIMITERS)
LEFT_BOX = """(box) => {
  const outer = box.getBoundingClientRect();
  return [...box.querySelectorAll('mjx-container, math')].filter((each) => {
    const { left, top, bottom } = each.getBoundingClientRect();
    return left < outer.left - 3 || top < outer.top - 3 || bottom > outer.bottom + 3;
  }).map((each) => each.textContent);
}"""
ACTING = (
    "mjx-container :is(a, img, [class*='jp-'], [id]:not([id^='MJX']):not([id^='mjx'])), "
    "mjx-container [style*='fixed'], mjx-container [style*='url']"
)
COVERED = """(element) => {
  element.scrollIntoView({ block: 'center' });
  const { left, top, width, height } = element.getBoundingClientRect();
  return [0.1, 0.5, 0.9].filter((part) => {
    const found = document.elementFromPoint(left + width * part, top + height / 2);
    return !(element === found || element.contains(found));
  }).length;
}"""


def test_a_question_below_an_answer_full_of_formulas_is_not_covered(open_notebook: Any, simulator: Any) -> None:
    notebook = open_notebook(LOAD, "%%minimax --tools wipe\nGo.")
    notebook.run(0)
    watched = Watched(notebook.page)
    answer = f"{ORDINARY}\n\n{HOSTILE}\n\n{EVERYWHERE}"
    simulator.answers.append(ScriptedAnswer([text(answer), tool_use("wipe", {"what": "x"})]))
    question = ask(notebook, 1)
    box = notebook.output(1).locator(".mm-turn")
    # The text is drawn over several frames.
    expect(box.locator("math").nth(len(CORPUS["ordinary"]) - 1)).to_be_attached()
    expect(box.locator(".mm-text").last).to_contain_text("evil.example/font")
    assert box.locator(".mm-text").first.evaluate(LEFT_BOX) == []
    assert question.get_by_role("button", name="Allow once").evaluate(COVERED) == 0
    assert question.get_by_role("button", name="Deny", exact=True).evaluate(COVERED) == 0
    question.get_by_role("button", name="Deny", exact=True).click()
    notebook.wait()
    assert watched.found() == []


@pytest.mark.parametrize("trusted", [False, True], ids=["untrusted", "trusted"])
def test_a_saved_answer_without_the_extension_typesets_only_allowed_formulas(
    open_without_plugin: Any, trusted: bool
) -> None:
    notebook = open_without_plugin("", fresh=True)
    hostile = turn(COVERS, f"{HOSTILE}\n\n{EVERYWHERE}", model=f"${COVERS}$", error=f"$${COVERS}$$")
    table = Table(EVERYWHERE, ("a", f"${COVERS}$"), [(EVERYWHERE, r"\$x\$")], (EVERYWHERE, "&#36;x&#36;"))
    exported = render_markdown([turn(f"${COVERS}$", f"{HOSTILE}\n\n{EVERYWHERE}"), hostile])
    outputs: list[Any] = [
        {key: value for key, value in make_bundle(turn("hi", ORDINARY)).items() if key == "text/html"},
        {key: value for key, value in make_bundle(hostile, notes=[EVERYWHERE]).items() if key == "text/html"},
        {"text/markdown": table._repr_markdown_()},
        {"text/markdown": exported},
    ]
    cells = [nbformat.v4.new_code_cell("1", outputs=[nbformat.v4.new_output("display_data", each)]) for each in outputs]
    metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), notebook.path)
    watched = Watched(notebook.page)
    notebook.reload("commit")
    notebook.page.locator(".jp-OutputArea-output").first.wait_for()
    if trusted:
        notebook.evaluate(
            "() => { for (const c of window.jupyterapp.shell.currentWidget.content.model.cells) c.trusted = true; }"
        )
    shown = [notebook.output(number) for number in range(len(outputs))]
    for number, output in enumerate(shown):
        notebook.page.evaluate(
            "async (n) => { await window.jupyterapp.shell.currentWidget.content.scrollToItem(n, 'start'); }", number
        )
        output.locator(".jp-RenderedHTMLCommon").first.wait_for()
    expect(shown[0].locator("mjx-container")).to_have_count(len(CORPUS["ordinary"]))
    notebook.page.wait_for_timeout(1_000)
    assert shown[0].locator("mjx-merror, [data-mjx-error]").count() == 0
    assert shown[0].locator(".mm-saved").evaluate(LEFT_BOX) == []
    assert notebook.page.locator(ACTING).evaluate_all("(all) => all.map((each) => each.outerHTML)") == []
    assert notebook.page.locator("mjx-container", has_text="covers").count() == 0
    for output in shown[1:3]:
        expect(output).to_contain_text("covers")
    assert shown[2].locator("mjx-container").count() == 0
    assert watched.found() == []


def test_a_preview_of_an_exported_file_loads_nothing(open_without_plugin: Any) -> None:
    notebook = open_without_plugin("", fresh=True)
    images = "![a](https://evil.example/a.png) <img src='https://evil.example/b.png'> ![c][d]\n\n[d]: https://evil.example/c.png"
    exported = render_markdown([turn(images, f"{images}\n\n{HOSTILE}\n\n{EVERYWHERE}", error=images, notes=[images])])
    path = Path(notebook.path).with_suffix(".md")
    path.write_text(exported, encoding="utf-8")
    watched = Watched(notebook.page)
    notebook.page.evaluate(
        """async (path) => { await window.jupyterapp.commands.execute(
            'docmanager:open', { path, factory: 'Markdown Preview' }); }""",
        path.name,
    )
    preview = notebook.page.locator(".jp-MarkdownViewer .jp-RenderedMarkdown")
    expect(preview).to_contain_text("covers")
    notebook.page.wait_for_timeout(1_500)
    assert notebook.page.locator(ACTING).evaluate_all("(all) => all.map((each) => each.outerHTML)") == []
    assert preview.locator("img").count() == 0
    assert preview.locator("mjx-container", has_text="covers").count() == 0
    assert watched.found() == []
