"""A saved answer without the extension: in the colors of VS Code, and as PDF through nbconvert's HTML."""

from __future__ import annotations

import io
import time
from pathlib import Path

import nbformat
import pytest
from nbconvert import HTMLExporter
from playwright.sync_api import BrowserContext, Page, expect
from pypdf import PdfReader

from mm_magics.display.mime_bundle import make_bundle
from mm_magics.history.turn import Turn
from tests.browser.conftest import AXE
from tests.pace import PATIENCE

TEXT = """# Sorting

A list, **sorted** by `len`, see [the guide](https://docs.python.org/3/):

```python
sorted(words, key=len)  # shortest first
```

| word | letters |
| --- | ---: |
| fig | 3 |
"""
THEMES = {
    "light": ("vscode-light", {"--vscode-editor-background": "#ffffff", "--vscode-editor-foreground": "#000000"}),
    "dark": ("vscode-dark", {"--vscode-editor-background": "#1e1e1e", "--vscode-editor-foreground": "#d4d4d4"}),
    "high contrast": (
        "vscode-high-contrast",
        {"--vscode-editor-background": "#000000", "--vscode-editor-foreground": "#ffffff"},
    ),
}


def answered() -> Turn:
    content = [{"type": "thinking", "thinking": "By length, then."}, {"type": "text", "text": TEXT}]
    response = {"usage": {"input_tokens": 12, "output_tokens": 34}, "seconds": 1.5, "stop_reason": "end_turn"}
    messages = [{"role": "user", "content": "Sort."}, {"role": "assistant", "content": content}]
    return Turn("main", "complete", "MiniMax-M2.7", messages, responses=[response])  # type: ignore[arg-type]


@pytest.fixture
def page(browser: BrowserContext):
    page = browser.new_page()
    yield page
    page.close()


@pytest.mark.parametrize("theme", THEMES)
def test_a_saved_answer_is_readable_in_the_colors_of_vs_code(page: Page, theme: str) -> None:
    kind, colours = THEMES[theme]
    described = {"--vscode-descriptionForeground": {"light": "#717171", "dark": "#ccccccb3"}.get(theme, "#ffffffb3")}
    link = {"--vscode-textLink-foreground": {"light": "#006ab1", "dark": "#3794ff"}.get(theme, "#3794ff")}
    style = ";".join(f"{name}:{value}" for name, value in {**colours, **described, **link}.items())
    page.set_content(
        f"<!doctype html><html lang=en style='{style}'><title>t</title><body class={kind} "
        f"data-vscode-theme-kind={kind} style='background:var(--vscode-editor-background);"
        "color:var(--vscode-editor-foreground)'><style>a{color:var(--vscode-textLink-foreground)}</style>"
        f"<main>{make_bundle(answered())['text/html']}</main></body></html>"
    )
    page.evaluate("() => { for (const each of document.querySelectorAll('details')) each.open = true; }")
    page.add_script_tag(path=str(AXE))
    found = page.evaluate("async () => (await axe.run('.mm-saved')).violations")
    assert [f"{each['id']}: {node['html'][:120]}" for each in found for node in each["nodes"]] == []


def test_a_pdf_through_html_contains_the_answer_with_folded_thinking(page: Page, tmp_path: Path) -> None:
    cell = nbformat.v4.new_code_cell(
        "%%minimax\nSort.", outputs=[nbformat.v4.new_output("display_data", make_bundle(answered()))]
    )
    notebook = nbformat.v4.new_notebook(cells=[cell])
    (tmp_path / "page.html").write_text(HTMLExporter().from_notebook_node(notebook)[0], encoding="utf-8")
    page.route("**/*", lambda route: route.continue_() if route.request.url.startswith("file:") else route.abort())
    page.goto(f"file://{tmp_path / 'page.html'}")
    text = " ".join(each.extract_text() for each in PdfReader(io.BytesIO(page.pdf())).pages)
    for part in ("Sorting", "sorted(words, key=len)", "the guide", "letters", "34 out"):
        assert part in text
    assert "By length, then." not in text


def test_stop_ends_an_answer_within_a_second_without_the_plugin(open_without_plugin) -> None:
    notebook = open_without_plugin("%load_ext mm_magics", "%%minimax\nMore. [[simulator: deltas=3000 size=8 rate=40]]")
    notebook.run(0)
    notebook.run(1, wait=False)
    expect(notebook.output(1).locator("p").first).to_be_visible()
    notebook.output(1).get_by_role("button", name="Stop").click()
    pressed = time.monotonic()
    notebook.wait()
    assert time.monotonic() - pressed < PATIENCE
    expect(notebook.output(1).locator(".mm-saved")).to_contain_text("stopped")
