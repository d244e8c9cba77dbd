"""Output of programs as a terminal leaves it."""

from __future__ import annotations

import io
import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.progress import track

from mm_magics.prompt.terminal_text import MAX_EMULATED, terminal_text
from tests.pace import PATIENCE


@pytest.mark.parametrize(
    ("printed", "text"),
    [
        ("plain\ntext\n", "plain\ntext\n"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("a\r\nb\r\n", "a\nb\n"),
        (" 10%\r 50%\r100%\n", "100%\n"),
        (" 10%\r", " 10%"),
        ("long line\rab", "abng line"),
        ("long line\r\x1b[Kab", "ab"),
        ("abc\b\b\bx", "xbc"),
        ("one\ntwo\x1b[A\r1", "1ne\ntwo"),
        ("one\ntwo\n\x1b[2A\x1b[2K\rONE\n\x1b[2K\rTWO\n", "ONE\nTWO"),
        ("量\r子x", "子x"),
        ("\x1b]8;;https://e.org\x07link\x1b]8;;\x07", "link"),
        ("\x1b]0;title\x07x", "x"),
        ("a\x1b[?25lb\x1b[?25h", "ab"),
        ("x\x1b", "x"),
        ("a\x1b[99999999;9Hb", None),
        ("a\x1b[?62cb", "ab"),
        ("a\rb\x1b[?62c\x1b[A", "b"),
        ("\x0e\x0f\x1b(0\x1bca", "a"),
        ("", ""),
    ],
)
def test_the_final_state_is_kept(printed: str, text: str | None) -> None:
    shown = terminal_text(printed)
    assert shown == text if text is not None else shown.endswith("b")
    assert terminal_text(shown) == shown


def test_the_progress_bars_of_libraries_end_in_their_final_state() -> None:
    tqdm = pytest.importorskip("tqdm")
    file = io.StringIO()
    outer = tqdm.tqdm(total=3, file=file, desc="outer", position=0)
    inner = tqdm.tqdm(total=2, file=file, desc="inner", position=1)
    with outer, inner:
        for _ in range(3):
            inner.reset()
            for _ in range(2):
                inner.update()
                inner.refresh()
            outer.update()
            outer.refresh()
    text = terminal_text(file.getvalue())
    assert text.count("outer") == text.count("inner") == 1
    assert "3/3" in text
    assert "\x1b" not in text

    file = io.StringIO()
    for _ in track(range(3), "rich", console=Console(file=file, force_terminal=True, width=80), auto_refresh=False):
        pass
    assert terminal_text(file.getvalue()).strip().startswith("rich")


@pytest.mark.fuzz
@given(
    st.lists(
        st.sampled_from([*"ab\r\n\b\t\v\f\x07\x0e量", "\x1b[", "\x1b]", "\x1b", *"?;0129>=", *string.ascii_letters])
    )
)
def test_any_output_has_a_final_state_without_escapes(printed: list[str]) -> None:
    shown = terminal_text("".join(printed))
    assert not set(shown) & set("\x1b\b\r")


def test_a_long_output_takes_linear_time() -> None:
    bar = "".join(f"\r{number:>7} {'#' * 50}" for number in range(4_000))
    moving = "".join(f"x\n\x1b[A\r{number:>7} {'#' * 50}" for number in range(4_000))
    for text in (bar * 5, moving * 5):
        assert len(text) > 2 * MAX_EMULATED
        begun = time.process_time()
        assert "   3999 #" in terminal_text(text)
        assert time.process_time() - begun < 20 * PATIENCE
