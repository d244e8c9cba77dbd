"""Each viewer shows the same for the same Markdown. `rendering.test.ts` tests those in the browser on the same rows."""

from __future__ import annotations

import ast
import io
import json
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pypandoc
import pytest
from bs4 import BeautifulSoup
from nbconvert.exporters import MarkdownExporter, get_exporter
from nbformat import v4
from rich.console import Console

from mm_magics.display.export_html import render_page
from mm_magics.display.export_markdown import render_markdown
from mm_magics.display.markdown import render_html
from mm_magics.display.mime_bundle import make_bundle
from mm_magics.display.terminal import TerminalView
from mm_magics.events import Delta
from mm_magics.history.export import to_script
from tests.display.rendering import ROWS, SANITIZED, normalize, with_mathml_text
from tests.turns import turn

EACH = pytest.mark.parametrize("row", ROWS, ids=[row["name"] for row in ROWS])


@EACH
def test_saved_html(row: dict[str, Any]) -> None:
    assert normalize(make_bundle(turn("hi", row["markdown"]))["text/html"]) == row["html"]


@pytest.mark.parametrize(("source", "html"), SANITIZED, ids=[source for source, _ in SANITIZED])
def test_html_is_sanitized_as_on_the_page(source: str, html: str) -> None:
    assert normalize(render_html(source)) == html


@EACH
def test_exported_html(row: dict[str, Any]) -> None:
    page = BeautifulSoup(render_page([turn("hi", row["markdown"])], "title"), "html.parser")
    assert normalize(str(page.select_one(".mm-saved"))) == with_mathml_text(row["html"])


@EACH
def test_exported_markdown(row: dict[str, Any]) -> None:
    assert render_markdown([turn("hi", row["markdown"])]) == f"> hi\n\n{row.get('saved', row['markdown'])}\n"


@EACH
def test_exported_script(row: dict[str, Any]) -> None:
    script = ast.parse(to_script([turn("hi", row["markdown"])], "https://e.org"))
    strings = [
        node.value for node in ast.walk(script) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    messages = next(json.loads(each) for each in strings if each.startswith("["))
    assert messages[1] == {"role": "assistant", "content": [{"type": "text", "text": row["markdown"]}]}


@EACH
def test_terminal(row: dict[str, Any]) -> None:
    written = io.StringIO()
    view = TerminalView(Console(file=written, force_terminal=False, highlight=False, markup=False, emoji=False))
    view.show(Delta(0, "text", row["markdown"]))
    assert written.getvalue() == row["markdown"]


@cache
def converted(exporter: str) -> str:
    """Return a notebook with an answer for each row, as nbconvert exports it."""
    outputs = [v4.new_output("display_data", data=make_bundle(turn("hi", row["markdown"]))) for row in ROWS]
    notebook = v4.new_notebook(cells=[v4.new_code_cell("%%minimax\nhi", outputs=[each]) for each in outputs])
    return str(get_exporter(exporter)().from_notebook_node(notebook)[0])


@pytest.mark.parametrize("exporter", ["html", "slides"])
@EACH
def test_nbconvert_to_a_page(row: dict[str, Any], exporter: str) -> None:
    answers = BeautifulSoup(converted(exporter), "html.parser").select(".mm-saved")
    assert normalize(str(answers[ROWS.index(row)])) == row["html"]


@EACH
def test_nbconvert_to_markdown(row: dict[str, Any]) -> None:
    answers = re.split(r"```\n%%minimax\nhi\n```\n", converted("minimax-markdown"))[1:]
    assert answers[ROWS.index(row)].strip() == row.get("saved", row["markdown"]).strip()


def test_nbconverts_own_export_to_markdown_takes_the_html() -> None:
    # else minimax-markdown is not needed
    assert MarkdownExporter().config.NbConvertBase.display_data_priority[:2] == ["text/html", "text/markdown"]


@EACH
def test_nbconvert_to_latex(row: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path(pypandoc.get_pandoc_path()).parent), prepend=os.pathsep)
    answers = re.split(r"\\prompt\{In\}", converted("latex"))[1:]
    assert [each for each in row["latex"] if each not in answers[ROWS.index(row)]] == []


@pytest.mark.skipif(shutil.which("xelatex") is None, reason="xelatex is not installed")
def test_the_latex_of_nbconvert_compiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path(pypandoc.get_pandoc_path()).parent), prepend=os.pathsep)
    # The tables of new pandoc versions need a counter that the template of nbconvert does not have.
    source = converted("latex").replace(r"\begin{document}", "\\newcounter{none}\n\\begin{document}", 1)
    (tmp_path / "rows.tex").write_text(source, encoding="utf-8")
    command = ["xelatex", "-interaction=nonstopmode", "rows.tex"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert [line for line in ran.stdout.decode(errors="replace").splitlines() if line.startswith("!")] == []
    assert (tmp_path / "rows.pdf").stat().st_size > 10_000


def test_footnotes_of_two_answers_in_one_file_have_different_labels() -> None:
    turns = [turn("hi", f"a[^1]\n\n[^1]: note {number}\n\n```\n[^1]: code\n```") for number in (1, 2)]
    expected = "a[^1-2]\n\n[^1-2]: note 2\n\n```\n[^1]: code\n```\n"
    assert render_markdown(turns).endswith(expected)
    outputs = [v4.new_output("display_data", data=make_bundle(each)) for each in turns]
    notebook = v4.new_notebook(cells=[v4.new_code_cell("%%minimax\nhi", outputs=[each]) for each in outputs])
    assert get_exporter("minimax-markdown")().from_notebook_node(notebook)[0].rstrip().endswith(expected.rstrip())
    assert "[^1-2]" not in str(notebook)
