"""Formulas: ordinary ones are displayed, and nothing but allowed macros is ever left to MathJax."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_magics.display import formulas, markdown
from mm_magics.display.export_html import render_page
from mm_magics.display.export_markdown import render_markdown
from mm_magics.display.mime_bundle import make_bundle
from mm_magics.display.safe_markdown import sanitize_markdown
from mm_magics.display.table import Table
from tests.display.jupyterlab_markdown import typeset, typeset_html
from tests.hostile.corpus import everywhere
from tests.pace import PATIENCE

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
            assert time.process_time() - began < 3 * PATIENCE


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


DATA = json.loads(Path(formulas.__file__).with_name("formulas.json").read_text("utf-8"))
LIMITED = DATA["limited"].split()
NAMES = {*" ".join(DATA["macros"].values()).split(), *LIMITED}


def forbidden(found: list[str]) -> list[str]:
    """Return the formulas with a macro that is not allowed. Others are at most an error: unbalanced braces, a `#`."""
    return [
        each for each in found if any(_is_forbidden(each, macro) for macro in re.finditer(r"\\([A-Za-z]+|.)", each))
    ]


def _is_forbidden(tex: str, macro: re.Match[str]) -> bool:
    name = macro[1]
    if name in DATA["argumentPatterns"]:
        return not re.compile(DATA["argumentPatterns"][name]).match(tex, macro.end())
    return name.isalpha() and name not in NAMES


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


def test_no_field_of_a_turn_and_no_table_is_read_as_a_formula() -> None:
    for left, right in DELIMITERS:
        evil = f"{left}{EVIL[0]}{right}"
        made = everywhere(evil)
        for form in ("markdown", "code", "text", "json"):
            shown = make_bundle(made, answer_format=form, notes=[evil])  # type: ignore[arg-type]
            assert forbidden(typeset_html(shown["text/html"])) == []
            assert forbidden(typeset(shown["text/markdown"])) == []
        assert forbidden(typeset_html(render_page([made], evil))) == []
        assert forbidden(typeset(render_markdown([made]))) == []
        assert typeset(Table(evil, (evil, "b"), [(evil, "x")], (evil,))._repr_markdown_()) == []


WORDS = r"""
$ $$ \( \) \[ \] \\( \\) \\[ \\] \$ \ { } &#36; &#92; &bsol; & \begin{align} \end{align} \begin{evil} \ref{ \frac \href
$\href{a}$ \text{ \! [-9em] \hspace{-9em} ` `` `$x` * _ [ ]( ) ! # | <b> <div> </div> <!-- --> <pre> > - <https://
[a]:https://e.org " a 1 @@0@@ @@1@@
"""
SPACES = [
    "```\n",
    "\n```\n",
    "~~~\n",
    "\n",
    "\n\n",
    " ",
    "  ",
    "    ",
    "> ",
    "- ",
    "# ",
    "\n|-|\n",
    "- ```\n  $\n  ```\n",
]
PIECES = st.sampled_from([*WORDS.split(), *SPACES])
LIMIT_S = 1.0 * PATIENCE


@pytest.mark.fuzz
@given(st.lists(PIECES | st.text(max_size=3), max_size=40).map("".join))
def test_any_text_leaves_only_allowed_formulas_to_mathjax(text: str) -> None:
    assert problems(text) == []
    long = text * (5_000 // max(1, len(text)))
    began = time.process_time()
    formulas.is_allowed(long)
    sanitize_markdown(long)
    markdown.render_html(long)
    assert time.process_time() - began < LIMIT_S
