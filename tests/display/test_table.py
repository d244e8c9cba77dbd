"""The table that a command returns, in notebooks and elsewhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from mm_magics.display.table import Table

TABLE = Table("Thread main", ("", "asked", "n"), [("1", "What?", "10"), ("2", "Why | so", "2,000")], ("All is well.",))


def test_outside_notebooks_the_columns_are_aligned() -> None:
    assert repr(TABLE).splitlines() == [
        "Thread main",
        "   asked     n",
        "1  What?     10",
        "2  Why | so  2,000",
        "All is well.",
    ]


def test_in_notebooks_it_is_a_markdown_table() -> None:
    html = MarkdownIt("commonmark").enable("table").render(TABLE._repr_markdown_())
    assert "<strong>Thread main</strong>" in html
    assert html.count("<tr>") == 3
    assert "<td>Why | so</td>" in html
    assert "<p>All is well.</p>" in html


def test_missing_parts_take_no_space() -> None:
    assert repr(Table(lines=["one"])) == Table(lines=["one"])._repr_markdown_() == "one"
    assert repr(Table("", ("a",), [("b",)])) == "a\nb"
    assert repr(Table()) == ""


@pytest.mark.parametrize(
    "evil",
    [
        "<script>alert(1)</script>",
        "a\n\n# b",
        "a | b",
        "**b** `c` [x](https://e.org) ![x](https://e.org/p.png) ~~d~~ $x$ __e__",
        "\\<b>",
        "&lt;b&gt;",
        "<https://e.org>",
    ],
)
def test_foreign_text_stays_text_in_its_cell(evil: str) -> None:
    table = Table(evil, ("a", "b"), [(evil, "x")], (evil,))
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(table._repr_markdown_())
    inline = [child.type for token in tokens for child in token.children or ()]
    assert set(inline) <= {"text", "strong_open", "strong_close", "text_special"}
    assert [token.type for token in tokens].count("tr_open") == 2
    assert not any(token.type.startswith(("html", "heading")) for token in tokens)


@pytest.mark.fuzz
@given(st.text(st.characters(exclude_categories=()), max_size=30))
def test_a_table_contains_no_control_characters(text: str) -> None:
    table = Table(text, ("a",), [(text,)], (text,))
    for text_form in (repr(table), table._repr_markdown_()):
        assert all(each in "\n\t" or each.isprintable() or ord(each) >= 160 for each in text_form)
        text_form.encode()
