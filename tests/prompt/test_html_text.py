"""HTML as text: tables of real libraries, and HTML from anywhere."""

from __future__ import annotations

import time
from itertools import pairwise

import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from mm_magics.prompt.html_text import MAX_CELLS, html_text
from tests.pace import PATIENCE

R_TABLE = """<table class="dataframe">
<caption>A data.frame: 2 × 2</caption>
<thead>
	<tr><th scope=col>name</th><th scope=col>mpg</th></tr>
	<tr><th scope=col>&lt;chr&gt;</th><th scope=col>&lt;dbl&gt;</th></tr>
</thead>
<tbody>
	<tr><td>Mazda RX4</td><td>21.0</td></tr>
	<tr><td>a|b</td><td>22.8</td></tr>
</tbody>
</table>"""
DOTNET_TABLE = """<table><thead><tr><th><i>index</i></th><th>value</th></tr></thead><tbody><tr><td>0</td><td>
<div class="dni-plaintext"><pre>1</pre></div></td></tr><tr><td>1</td><td><div class="dni-plaintext"><pre>two
lines</pre></div></td></tr></tbody></table><style>
.dni-code-hint { font-style: italic; }
</style>"""


def rows(markdown: str) -> list[list[str]]:
    """Return the cells of the Markdown table in a text, as a Markdown parser finds them."""
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown)
    found: list[list[str]] = []
    for token, inside in pairwise(tokens):
        if token.type == "tr_open":
            found.append([])
        if token.type in ("th_open", "td_open"):
            found[-1].append(inside.content)
    return found


@pytest.mark.parametrize(
    ("html", "cells"),
    [
        (R_TABLE, [["name / <chr>", "mpg / <dbl>"], ["Mazda RX4", "21.0"], ["a|b", "22.8"]]),
        (DOTNET_TABLE, [["index", "value"], ["0", "1"], ["1", "two lines"]]),
        (
            pd.DataFrame({"a": [1, 2], "b": ["x", "<y>"]}).to_html(),
            [["", "a", "b"], ["0", "1", "x"], ["1", "2", "<y>"]],
        ),
        (pl.DataFrame({"a": [1]})._repr_html_(), [["a / i64"], ["1"]]),
        (pd.DataFrame({"a": [1.25]}).style.format("{:.1f}").to_html(), [["", "a"], ["0", "1.2"]]),
        ("<table><tr><td>1</td><td>2</td></tr></table>", [["", ""], ["1", "2"]]),
        ("<table><tr><th>a<th>b<tr><td>1<td>2</table>", [["a", "b"], ["1", "2"]]),
        ("<table><tr><th>a</th></tr><tr><td>1</td><td>2</td></tr></table>", [["a", ""], ["1", "2"]]),
        ("<table><td>no row</td>", [[""], ["no row"]]),
        ("<table><tr><th>a</th></tr></table>", [["a"]]),
        ("<table><tr><td>x<table><tr><td>in<td>ner</table>y</td></tr></table>", [[""], ["xin nery"]]),
    ],
)
def test_a_table_becomes_a_markdown_table(html: str, cells: list[list[str]]) -> None:
    assert rows(html_text(html)) == cells


def test_the_levels_of_an_index_are_repeated_and_those_of_columns_joined() -> None:
    index = pd.MultiIndex.from_product([["x", "y"], [1, 2]], names=["l", "n"])
    columns = pd.MultiIndex.from_product([["a", "b"], ["u", "v"]])
    frame = pd.DataFrame([[each] * 4 for each in range(4)], index, columns)
    assert rows(html_text(frame.to_html())) == [
        ["l", "n", "a / u", "a / v", "b / u", "b / v"],
        *([*key, *[str(number)] * 4] for number, key in enumerate([("x", "1"), ("x", "2"), ("y", "1"), ("y", "2")])),
    ]


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<b>Bold</b> and <i>more</i>", "Bold and more"),
        ("<h1>Title</h1><p>One<br>two</p><ul><li>a<li>b</ul>", "Title\n\nOne\ntwo\n\n- a\n- b"),
        ("<pre>a\n  b</pre>", "a\n  b"),
        ("a &lt; b &amp;&amp; c&nbsp;d", "a < b && c d"),
        ("<img alt='a plot'><img>", "[image: a plot][image]"),
        ("<script>alert('<b>')</script><style>a{}</style>x<svg><text>no</text></svg>", "x"),
        ("<div hidden>no<div>no</div></div>yes<p style='color:red; display : none'>no</p>", "yes"),
        ("<input hidden>yes<span style='visibility:hidden'>no</span>", "yes"),
        ("<script>never closed", ""),
        ("İİİ<STYLE>no</Style>yes", "İİİyes"),
        ("a<!-- no --> b", "a b"),
        ("", ""),
        ("</td></table></pre>x", "x"),
    ],
)
def test_other_html_becomes_its_text(html: str, text: str) -> None:
    assert html_text(html).replace("\xa0", " ") == text


PARTS = (
    "<table> </table> <tr> </tr> <td> <td_rowspan=3> <th_colspan=2> x <p> <div_hidden> </div> &lt <!-- --> <br/> <svg/>"
)


@pytest.mark.fuzz
@given(st.lists(st.sampled_from([part.replace("_", " ") for part in PARTS.split()]), max_size=40))
def test_any_html_has_a_text(parts: list[str]) -> None:
    text = html_text("".join(parts))
    assert text == text.strip()
    assert len({len(row) for row in rows(text)}) <= 3


@pytest.mark.parametrize(
    "html",
    [
        "<table><tr>" + "<td rowspan=999999 colspan=999999>x</td>" * 50 + "</tr><tr></tr>" * 10_000,
        "<table>" * 20_000 + "x",
        "<div>" * 20_000 + "x",
        "<div hidden>" * 20_000 + "x",
        "<table>" + "<tr><td>a</td><td>b</td></tr>" * 10_000,
        "<!--" * 20_000,
        "<" * 100_000,
        "&" * 100_000,
        "<a " * 30_000,
    ],
    ids=lambda html: html[:24],
)
def test_hostile_html_is_read_in_linear_time(html: str) -> None:
    begun = time.process_time()
    half = html_text(html[: len(html) // 2])
    middle = time.process_time()
    whole = html_text(html)
    ended = time.process_time()
    assert len(whole) < 20 * len(html) + 20 * MAX_CELLS
    assert len(half) <= len(whole) + 10
    assert ended - middle < 4 * (middle - begun) + 0.5 * PATIENCE
