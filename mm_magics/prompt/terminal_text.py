"""What a terminal shows of a program's output in the end: progress bars in their final state, without colors."""

from __future__ import annotations

import re

from mm_magics.text import strip_ansi

MAX_EMULATED = 100_000
"""Characters. Only the end of a longer text is run through a terminal that moves its cursor."""

_STYLE = re.compile(r"\x1b\[[0-9;:]*m")
_MOVES = re.compile(r"[\b\v\f]|\x1b")
_DROPPED = dict.fromkeys(map(ord, "\b\v\f\x1b"))


def terminal_text(text: str) -> str:
    r"""Return the text as it is left on a terminal.

    >>> terminal_text(" 10 %\r 90 %\r100 %\nfirst\nsecond\x1b[A\r\x1b[31mFIRST\x1b[0m")
    '100 %\nFIRST\nsecond'
    """
    text = _STYLE.sub("", text).replace("\r\n", "\n")
    if _MOVES.search(text) is None:
        return _without_moves(text)
    start = text.find("\n", len(text) - MAX_EMULATED) + 1 if len(text) > MAX_EMULATED else 0
    try:
        end = _emulated(text[start:])
    except Exception:  # pyte raises errors of any type for some sequences
        end = _without_moves(text[start:])
    return _without_moves(text[:start]) + end


def _without_moves(text: str) -> str:
    """Return the text without escape sequences, each line as it was overwritten last."""
    text = strip_ansi(text).translate(_DROPPED)
    return "\n".join(map(_overwritten, text.split("\n"))) if "\r" in text else text


def _overwritten(line: str) -> str:
    """Return a line after each of its parts was written over those before it."""
    shown = ""
    for part in reversed(line.split("\r")):
        shown += part[len(shown) :]
    return shown


def _emulated(text: str) -> str:
    import pyte

    rows = text.count("\n") + 1
    columns = max(map(len, re.split(r"[\r\n]", text))) + 1
    screen = pyte.Screen(columns, rows)
    screen.set_mode(pyte.modes.LNM)  # a line feed goes to the start of the line, as in a notebook
    pyte.Stream(screen).feed(text)
    return "\n".join(
        "".join(line[column].data for column in range(max(line, default=-1) + 1)).rstrip()
        for line in (screen.buffer[row] for row in range(rows))
    ).rstrip("\n")
