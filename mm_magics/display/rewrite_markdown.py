"""Change parts of Markdown and nothing in its code."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from typing import TYPE_CHECKING

from mm_magics.display import markdown

if TYPE_CHECKING:
    from markdown_it.token import Token

_BACKTICKS = re.compile("`+")

Step = Callable[[re.Match[str]], tuple[str, int]]
"""Takes what was found in a text; returns what replaces it, and where the search continues."""


def rewrite(text: str, pattern: str, step: Step, formula_block: Callable[[str, Token], str] | None = None) -> str:
    """Return the Markdown with `step` applied to what matches in its texts. Raises `MarkdownLimitError`.

    Args:
        formula_block: Returns what replaces the lines of a formula that has lines of its own.
    """
    lines = text.split("\n")
    found = re.compile(rf"(?P<ticks>`+)|{pattern}|\\.", re.DOTALL)
    in_table = False
    changes: list[tuple[int, int, str]] = []
    for token in markdown.parse_answer(text):
        if token.type in ("table_open", "table_close"):
            in_table = token.type == "table_open"
        if token.map is None:
            continue
        first, end = token.map
        raw = "\n".join(lines[first:end])
        if token.type == "table_open":  # code and formulas end with their cell
            changes.append((first, end, "|".join(_rewrite_inline(cell, found, step) for cell in raw.split("|"))))
        elif token.type == "inline" and not in_table:
            changes.append((first, end, _rewrite_inline(raw, found, step)))
        elif token.type == "formula_block" and formula_block:
            changes.append((first, end, formula_block(raw, token)))
    for first, end, changed in reversed(changes):
        lines[first:end] = changed.split("\n")
    return "\n".join(lines)


def _rewrite_inline(text: str, pattern: re.Pattern[str], step: Step) -> str:
    closing: dict[int, list[int]] = {}
    for run in _BACKTICKS.finditer(text):
        closing.setdefault(len(run[0]), []).append(run.end())
    out, at = [], 0
    while (found := pattern.search(text, at)) is not None:
        out.append(text[at : found.start()])
        at = found.end()
        if found["ticks"]:
            ends = closing[at - found.start()]
            nearest = bisect_right(ends, at)
            at = ends[nearest] if nearest < len(ends) else at
            out.append(text[found.start() : at])
        else:
            changed, at = step(found)
            out.append(changed)
    return "".join([*out, text[at:]])
