"""Make Markdown safe for any viewer by escaping images and HTML that would load something.

Code is never changed, so code that is copied is exactly what the model wrote.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mm_magics.display import markdown
from mm_magics.text import escape_controls, fence

if TYPE_CHECKING:
    from markdown_it.token import Token

_INLINE_TOKENS = ("inline", "math_block", "math_block_label")
_LOADING_TAGS = (
    r"(?:applet|audio|base|bgsound|body|embed|form|frame|frameset|iframe|image|img|input|link|math|meta|object|picture"
    r"|portal|script|source|style|svg|template|track|video)\b"
)
_ACTIVE_ATTRIBUTES = r"[a-z][^<>]*[\s/\"'](?:style|background|poster|src|srcset|on[a-z]+)\s*="
_UNSAFE = re.compile(rf"!\[|<(?={_LOADING_TAGS}|{_ACTIVE_ATTRIBUTES})", re.IGNORECASE)
_IMAGE_OR_TAG = re.compile(r"!\[|<(?!https?:|mailto:)(?=[a-z/!?])", re.IGNORECASE)
_BACKTICKS = re.compile("`+")


def sanitize_markdown(text: str) -> str:
    """Make control characters visible, and escape everything that a viewer would load without a click.

    >>> print(sanitize_markdown("![a](https://e.org/a.png), `![b](c)` and <img src=d>"))
    \\![a](https://e.org/a.png), `![b](c)` and \\<img src=d>
    """
    text = escape_controls(text)
    if text.count("$") > markdown.MAX_DOLLARS:
        return fence(text)
    if not _UNSAFE.search(text):
        return text
    try:
        tokens, _ = markdown.parse_markdown(text)
    except markdown.MarkdownLimitError:
        return fence(text)
    if _escape_marks(_UNSAFE, text, tokens) == text:
        return text
    return _escape_marks(_IMAGE_OR_TAG, text, tokens)  # one remaining tag would turn the marks around it into HTML


def _escape_marks(mark: re.Pattern[str], text: str, tokens: Sequence[Token]) -> str:
    """Put a backslash before each match of `mark` outside code."""
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
            lines[first:end] = [
                "|".join(_escape_inline(span, cell) for cell in row.split("|")) for row in lines[first:end]
            ]
        elif token.type in _INLINE_TOKENS and not in_table:
            lines[first:end] = _escape_inline(span, "\n".join(lines[first:end])).split("\n")
    return "\n".join(lines)


def _escape_inline(span: re.Pattern[str], text: str) -> str:
    """Put a backslash before each mark in inline text outside its code spans."""
    closing: dict[int, list[int]] = {}
    for run in _BACKTICKS.finditer(text):
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
