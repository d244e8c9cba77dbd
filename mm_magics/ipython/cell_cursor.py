"""Find out what the cursor of a prompt cell is in: the line of the magic, or an expression in `{{ }}`."""

from __future__ import annotations

from dataclasses import dataclass

from mm_magics.history.prompt_source import MAGIC, find_prompt
from mm_magics.prompt.template import expression_at

_MAGICS = (MAGIC, MAGIC[1:])


@dataclass(frozen=True, slots=True)
class Place:
    """Where a cursor is.

    Args:
        kind: `expression` for Python in `{{ }}`, `line` for the line of a magic.
        text: The expression without the blanks before it, or the line without its indentation.
        cursor: The position of the cursor in the text.
    """

    kind: str
    text: str
    cursor: int


def place_of(code: str, cursor: int) -> Place | None:
    """Return where the cursor of a cell is; None if it is in code, or in the text of a prompt.

    >>> place_of("%%minimax --quiet\\nWhy is {{ x + y }} odd?", 32)
    Place(kind='expression', text='x + y ', cursor=4)
    """
    start, below = _magic_line(code, cursor)
    if cursor < start:
        return None
    is_line = cursor < below
    line = code[start:below].rstrip("\r\n")
    words = line.split()
    if not words or words[0] not in _MAGICS:
        return None
    if words[0] == MAGIC and (is_line or "--raw" not in words):
        text, offset = (line, start) if is_line else (code[below:], below)
        if found := expression_at(text, cursor - offset):
            return _stripped("expression", text[slice(*found)], cursor - offset - found[0])
    return _stripped("line", line, cursor - start) if is_line else None


def _magic_line(code: str, cursor: int) -> tuple[int, int]:
    """Return where the line of the magic starts, and where what is below it starts."""
    if prompt := find_prompt(code):
        lines = code.splitlines(keepends=True)
        start = sum(map(len, lines[: prompt.above]))
        line = lines[prompt.above]
        return start, start + len(line) + (line == line.splitlines()[0])
    start = code.rfind("\n", 0, cursor) + 1
    end = code.find("\n", cursor)
    return start, (len(code) if end < 0 else end) + 1


def _stripped(kind: str, text: str, cursor: int) -> Place:
    rest = text.lstrip()
    return Place(kind, rest, min(max(cursor - (len(text) - len(rest)), 0), len(rest)))
