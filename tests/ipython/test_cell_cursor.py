"""What the cursor of a cell is in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_magics.ipython.cell_cursor import Place, place_of


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("|%%minimax -m x", Place("line", "%%minimax -m x", 0)),
        ("%%minimax -m x|", Place("line", "%%minimax -m x", 14)),
        ("%%minimax -m x|\n", Place("line", "%%minimax -m x", 14)),
        ("%%minimax -m x|\r\nHi", Place("line", "%%minimax -m x", 14)),
        ("%%time\n  %%minimax -|m x\nHi", Place("line", "%%minimax -m x", 11)),
        ("%%time|\n%%minimax -m x\nHi", None),
        ("%%minimax\n|", None),
        ("%%minimax\nHi|", None),
        ("%%minimax\n{|{ x }}", None),
        ("%%minimax\n{{|   x }}", Place("expression", "x ", 0)),
        ("%%minimax\n{{   x| }}", Place("expression", "x ", 1)),
        ("%%minimax\n{{ x }|}", None),
        ("%%minimax\n{{ x }}|", None),
        ("%%minimax\n{{ x|", Place("expression", "x", 1)),
        ("%%minimax\n{{ x|\nHi", Place("expression", "x", 1)),
        ("%%minimax\n{{ {'a': {'b': x.|}} }}", Place("expression", "{'a': {'b': x.}} ", 14)),
        ("%%minimax\n{{ {'a': {'b': 1}}['a'].| }}", Place("expression", "{'a': {'b': 1}}['a']. ", 21)),
        ("%%minimax --raw\n{{ x| }}", None),
        ("%%minimax -s '{{ x| }}'\nHi", Place("expression", "x ", 1)),
        ("%minimax explain\nprint('{{ x| }}')", None),
        ("x = 1\n%minimax se|t\ny", Place("line", "%minimax set", 11)),
        ("%minimaxx |", None),
        ("x = '{{ x| }}'", None),
        ("|", None),
    ],
)
def test_a_cursor_is_in_a_line_an_expression_or_neither(text: str, place: Place | None) -> None:
    assert place_of(text.replace("|", "", 1), text.index("|")) == place


PARTS = ["%%minimax", "%minimax ", "%%time\n", "\n", "\r\n", "\x0b", " ", "{{", "}}", "x", "🎉", "--raw", "#", "'"]


@given(st.lists(st.sampled_from(PARTS), max_size=10).map("".join), st.integers(0, 60))
def test_the_place_is_a_part_of_the_cell_around_the_cursor(code: str, at: int) -> None:
    cursor = min(at, len(code))
    if place := place_of(code, cursor):
        assert 0 <= place.cursor <= len(place.text)
        assert place.text in code
        assert code[:cursor].endswith(place.text[: place.cursor])
