"""The table that a command returns, in notebooks and elsewhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from rich.cells import cell_len

from mm_magics.display.table import UNLIMITED, Table, Tables

TABLE = Table("Thread main", ("", "asked", "n"), [("1", "What?", "10"), ("2", "Why | so", "2,000")], ("All is well.",))


def test_outside_notebooks_the_columns_are_aligned() -> None:
    assert repr(TABLE).splitlines() == [
        "Thread main",
        "   asked     n",
        "1  What?     10",
        "2  Why | so  2,000",
        "All is well.",
    ]


def test_a_table_takes_at_most_80_columns() -> None:
    long = "one two three " * 20
    table = Table("", ("name", "text", "≈ cost"), [("MiniMax-M3.1-Flash-Preview", long, "≈ $0.0002"), ("b", "c", "d")])
    lines = repr(table).splitlines()
    assert max(map(len, lines)) == 80
    assert lines[0].split() == ["name", "text", "≈", "cost"]
    assert lines[1].startswith("MiniMax-M3.1-Flash-Preview  one two three ")
    assert lines[1].endswith("  ≈ $0.0002")
    assert lines[2].startswith(" " * 28 + "one")
    assert table.as_text(UNLIMITED).splitlines()[1].count("one") == 20


def test_wide_characters_take_two_columns() -> None:
    lines = repr(Table("", ("a", "b"), [("量子力学", "x"), ("基本", "y")])).splitlines()
    assert lines == ["a         b", "量子力学  x", "基本      y"]
    (first, *_, last) = repr(Table("", ("a", "b"), [("量子力学" * 30, "x")])).splitlines()[1:]
    assert cell_len(first) == 80
    assert first.startswith("量子力学量子")
    assert cell_len(last) <= 77


def test_too_many_columns_become_a_list_for_each_row() -> None:
    names = [f"column-{number}" for number in range(10)]
    table = Table("", names, [["a"] * 10, ["b", "", *"c" * 8]])
    lines = repr(table).splitlines()
    assert lines[0] == "column-0  a"
    assert lines[10:13] == ["", "column-0  b", "column-1"]
    assert "| column\\-0 |" not in table._repr_markdown_()
    assert table._repr_markdown_().count("\n") == 3


TEXTS = st.text(st.sampled_from("ab 量\u0301≈-🦪"), max_size=120)


@pytest.mark.fuzz
@given(st.integers(1, 9).flatmap(lambda n: st.lists(st.lists(TEXTS, min_size=n, max_size=n), min_size=1, max_size=4)))
def test_every_word_is_shown_within_the_width(rows: list[list[str]]) -> None:
    table = Table("", [f"c{number}" for number in range(len(rows[0]))], rows)
    shown = repr(table)
    assert max(map(cell_len, shown.splitlines())) <= 80
    for row in rows:
        for cell in row:
            letters = cell.replace(" ", "")
            assert all(shown.count(each) >= letters.count(each) for each in "ab量≈🦪")


def test_tables_follow_each_other() -> None:
    both = Tables([Table("One", ("a",), [("1",)]), Table(lines=["two"])])
    assert repr(both) == "One\na\n1\n\ntwo"
    assert both._repr_markdown_().startswith("**One**\n\n| a |")


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
    assert set(inline) <= {"text", "strong_open", "strong_close", "text_special", "html_inline"}
    tags = {child.content for token in tokens for child in token.children or () if child.type == "html_inline"}
    assert tags <= {"<span>", "</span>"}
    assert [token.type for token in tokens].count("tr_open") == 2
    assert not any(token.type.startswith(("html_block", "heading")) for token in tokens)


@pytest.mark.fuzz
@given(st.text(st.characters(exclude_categories=()), max_size=30))
def test_a_table_contains_no_control_characters(text: str) -> None:
    table = Table(text, ("a",), [(text,)], (text,))
    for text_form in (repr(table), table._repr_markdown_()):
        assert all(each in "\n\t" or each.isprintable() or ord(each) >= 160 for each in text_form)
        text_form.encode()
