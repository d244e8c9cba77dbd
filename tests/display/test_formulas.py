"""Formulas: ordinary ones are displayed, and nothing but allowed macros is ever left to MathJax."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from mm_magics.display import formulas, markdown
from mm_magics.display.safe_markdown import sanitize_markdown
from tests.display.jupyterlab_markdown import typeset, typeset_html

CORPUS = json.loads(Path(__file__).with_name("formulas.json").read_text("utf-8"))
"""Formulas that are allowed, formulas that are not, and Markdown with the formulas in it. The front end's tests use it
too."""


@pytest.mark.parametrize("tex", CORPUS["ordinary"])
def test_an_ordinary_formula_is_displayed(tex: str) -> None:
    assert formulas.is_allowed(tex)


@pytest.mark.parametrize("tex", CORPUS["hostile"].values(), ids=CORPUS["hostile"])
def test_any_other_formula_is_shown_as_its_source(tex: str) -> None:
    assert not formulas.is_allowed(tex)
    assert "<div>" not in markdown.render_html(f"$${tex}$$").replace(r"<var>\(b\)</var>", "")


@pytest.mark.parametrize(("source", "expected"), CORPUS["delimited"], ids=[source for source, _ in CORPUS["delimited"]])
def test_formulas_are_found_as_on_the_page(source: str, expected: list[Any]) -> None:
    tokens, _ = markdown.parse_markdown(source)
    found = [
        [each.content, each.markup == r"\["]
        for token in tokens
        for each in (token.children or [token])
        if each.type in ("formula", "formula_block")
    ]
    assert found == expected


def test_the_time_grows_with_the_length_only() -> None:
    for piece in (
        "{",
        r"\begin{matrix}",
        r"\frac",
        "$a",
        r"\(",
        r"\[a" "\n",
        "$$\na\n",
        r"\\ [",
        r"\hspace{",
        "^^",
        "$`",
    ):
        for text in (piece * 500, f"$${piece * 500}$$"):
            began = time.process_time()
            markdown.render_html(text * 4)
            formulas.is_allowed(text * 40)
            assert time.process_time() - began < 3


WRAPPERS = (
    "{}",
    "> {}",
    "- a\n\n  {}",
    "# {}",
    "| a |\n| --- |\n| {} |",
    "**{}**",
    "[{}](https://e.org)",
    "[a](https://e.org/{})",
    "[a]: https://e.org '{}'\n\n[a]",
    "![{}](https://e.org/a.png)",
    "<b>{}</b>",
    "<div>\n```\n{}\n```",
    "It costs $5, {} or $6",
    "$x` \n $ {} `",
    "`a\n{}` b",
    "```\n{}\n```",
    "- ```\n  a $x\n  ```\n  b $c$\n\n```\n{}\n```",
    "> ```\n> $x\n> ```\n> b $c$\n\n```\n{}\n```",
    "    {}\nb",
    "~~~\n{}\n~~~\n",
    "``` a`b\n{}",
    "@@0@@ {} @@1@@",
    "a\\\n{}\\\nb",
)
DELIMITERS = (
    ("$", "$"),
    ("$$", "$$"),
    ("$$\n", "\n$$"),
    (r"\(", r"\)"),
    (r"\[", r"\]"),
    (r"\\(", r"\\)"),
    (r"\\[", r"\\]"),
    (r"\$", r"\$"),
    ("&#36;", "&#36;"),
    ("&dollar;&dollar;", "&#x24;&#x24;"),
    ("&#92;(", "&bsol;)"),
    (r"\begin{align}", r"\end{align}"),
    (r"\\begin{align}", r"\\end{align}"),
    ("&#92;begin{align}", "&#92;end{align}"),
    ("", ""),
    (r"$a$ \ref{", "}"),
    ("$\\text{", "}$"),
    ("$ { ", " $ } $"),
)
EVIL = (
    r"\href{a}{b}",
    r"\\href{a}{b}",
    r"\\\href{a}{b}",
    r"\\\\\\href{a}{b}",
    r"a \\[-9em] b",
    "&#92;href{a}{b}",
    r"\hspace{-9em}",
)


def forbidden(formulas_found: list[str]) -> list[str]:
    """Return the formulas that are not allowed. References lead nowhere: there are no labels."""
    return [each for each in formulas_found if not formulas.is_allowed(each)]


def problems(source: str) -> list[str]:
    return [
        *forbidden(typeset(sanitize_markdown(source))),
        *forbidden(typeset_html(markdown.render_html(source))),
    ]


def test_no_viewer_typesets_more_than_allowed_formulas() -> None:
    found = {}
    for wrapper in WRAPPERS:
        for left, right in DELIMITERS:
            for evil in EVIL:
                source = wrapper.format(left + evil + right)
                if wrong := problems(source):
                    found[source] = wrong
    assert found == {}
