"""Formulas of exported pages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mm_magics.display.export_html import render_page
from mm_magics.display.mathml import ATTRIBUTES, TAGS, to_mathml, with_mathml
from tests.display.html import elements, text
from tests.turns import turn

CORPUS = json.loads(Path(__file__).with_name("formulas.json").read_text("utf-8"))


@pytest.mark.parametrize("tex", CORPUS["ordinary"])
def test_an_ordinary_formula_becomes_mathml(tex: str) -> None:
    made = elements(to_mathml(tex, display=True) or "")
    assert made[0] == ("math", {"display": "block"})
    assert {tag for tag, _ in made} <= TAGS
    assert {name for _, attributes in made for name in attributes} <= ATTRIBUTES


@pytest.mark.parametrize("tex", [r"\text{<img src=x onerror=1>}", r"a < b > c", r"\mathrm{<b>}", r"\text{&lt;b&gt;}"])
def test_text_in_a_formula_is_not_read_as_html(tex: str) -> None:
    page = render_page([turn("hi", f"${tex}$")], "title")
    assert {tag for tag, _ in elements(page)} & {"img", "b"} == set()
    assert "<math>" in page


def test_a_formula_that_cannot_be_converted_stays_latex() -> None:
    assert with_mathml(r"<var>\(a_b_c\)</var>") == r"<var>\(a_b_c\)</var>"


def test_html_of_the_model_is_not_taken_for_a_formula() -> None:
    page = render_page([turn("hi", r"<var>\\(a\\)</var> `<var>\(b\)</var>`")], "title")
    assert "<math" not in page
    assert r"<var>\(b\)</var>" in text(page)
