"""Markdown that viewers of all kinds may be handed: an image is a link in it, and HTML that fetches is text.

Always true: code is left as it is, so that what is copied out of it is what the model wrote; so is all other text.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mm_magics.display import markdown, sanitize

if TYPE_CHECKING:
    from markdown_it.token import Token

_READ = ("inline", "math_block", "math_block_label")
_FETCHING = (
    r"(?:applet|audio|base|bgsound|body|embed|form|frame|frameset|iframe|image|img|input|link|math|meta|object|picture"
    r"|portal|script|source|style|svg|template|track|video)\b"
)
_ACTING = r"[a-z][^<>]*[\s/\"'](?:style|background|poster|src|srcset|on[a-z]+)\s*="
_SUSPECT = re.compile(rf"!\[|<(?={_FETCHING}|{_ACTING})", re.IGNORECASE)
_ANY = re.compile(r"!\[|<(?!https?:|mailto:)(?=[a-z/!?])", re.IGNORECASE)
_TICKS = re.compile("`+")


def tamed(text: str) -> str:
    """The Markdown with control characters visible, and nothing in it that a viewer would fetch by itself.

    >>> print(tamed("![a](https://e.org/a.png), `![b](c)` and <img src=d>"))
    \\![a](https://e.org/a.png), `![b](c)` and \\<img src=d>
    """
    text = sanitize.visible(text)
    if text.count("$") > markdown.MAX_DOLLARS:
        return fenced(text)
    if not _SUSPECT.search(text):
        return text
    try:
        tokens, _ = markdown.parsed(text)
    except markdown.TooMuch:
        return fenced(text)
    if _without(_SUSPECT, text, tokens) == text:
        return text
    return _without(_ANY, text, tokens)  # one tag that is left would make the marks around it HTML


def fenced(text: str, language: str = "") -> str:
    """The text as one block of code, whatever fences it holds itself."""
    fence = "`" * (1 + max([2, *map(len, _TICKS.findall(text))]))
    return f"{fence}{language}\n{text}\n{fence}"


def _without(mark: re.Pattern[str], text: str, tokens: Sequence[Token]) -> str:
    """The text with a backslash before each such mark that stands outside code."""
    span = re.compile(rf"\\.|(?P<ticks>`+)|(?P<mark>{mark.pattern})", re.IGNORECASE | re.DOTALL)
    lines = text.split("\n")
    in_table = False
    for token in tokens:
        if token.type in ("table_open", "table_close"):
            in_table = token.type == "table_open"
        if token.map is None:
            continue
        first, end = token.map
        if token.type == "table_open":  # a code span ends with its cell
            lines[first:end] = ["|".join(_escaped(span, cell) for cell in row.split("|")) for row in lines[first:end]]
        elif token.type in _READ and not in_table:
            lines[first:end] = _escaped(span, "\n".join(lines[first:end])).split("\n")
    return "\n".join(lines)


def _escaped(span: re.Pattern[str], text: str) -> str:
    """Inline text with a backslash before each mark outside its code spans."""
    closing: dict[int, list[int]] = {}
    for run in _TICKS.finditer(text):
        closing.setdefault(len(run[0]), []).append(run.end())
    out, at = [], 0
    while (found := span.search(text, at)) is not None:
        out.append(text[at : found.start()])
        at = found.end()
        ends = closing.get(at - found.start(), []) if found["ticks"] else []
        if (nearest := bisect_right(ends, at)) < len(ends):
            at = ends[nearest]
            out.append(text[found.start() : at])
        else:
            out.append(f"\\{found[0]}" if found["mark"] else found[0])
    return "".join([*out, text[at:]])
