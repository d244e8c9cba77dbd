r"""Make Markdown safe for any viewer, with HTML and MathJax or without.

Images and HTML that would load something are escaped, and so is everything from which MathJax could read a formula that
is not allowed. JupyterLab takes formulas out of Markdown before it looks for code, and MathJax reads the text that the
Markdown makes: `\$` is a `$` there. So in a text with such a formula no delimiter remains outside code and allowed
formulas. Code is never changed, so code that is copied is exactly what the model wrote.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from html import unescape
from typing import TYPE_CHECKING

from mm_magics.display import formulas, markdown
from mm_magics.text import escape_controls, fence

if TYPE_CHECKING:
    from markdown_it.token import Token

_INLINE_TOKENS = ("inline", "formula_block")
_CODE_TOKENS = ("fence", "code_block")
_LOADING_TAGS = (
    r"(?:applet|audio|base|bgsound|body|embed|form|frame|frameset|iframe|image|img|input|link|math|meta|object|picture"
    r"|portal|script|source|style|svg|template|track|video)\b"
)
_ACTIVE_ATTRIBUTES = r"[a-z][^<>]*[\s/\"'](?:(?:xlink:)?href|action|style|background|poster|src|srcset|on[a-z]+)\s*="
_UNSAFE = re.compile(rf"!\[|<(?={_LOADING_TAGS}|{_ACTIVE_ATTRIBUTES})", re.IGNORECASE)
_IMAGE_OR_TAG = re.compile(r"!\[|<(?!https?:|mailto:)(?=[a-z/!?])", re.IGNORECASE)
_ACTING_LINK = re.compile(r"(?:javascript|vbscript|data)\s*:", re.IGNORECASE)
_BACKTICKS = re.compile("`+")
_SPACES = re.compile(r"[ \t]*\n[ \t>]*")
_MATH = r"(?P<math>\\\\|\\\$|\\(?=[A-Za-z])|\$|\\[(\[]|&(?:#[0-9]+|#x[0-9a-f]+|[a-z]+);)"
_ROW_AND_LETTER = re.compile(r"(\\\\)(?=[A-Za-z])|\\.", re.DOTALL)
_TAKEN = re.compile(r"\\(?:begin|end)\{|\\\\[()\[\]]")
"""What JupyterLab takes for the beginning or the end of a formula also in a code span."""
_GAP = "<span></span>"
"""Keeps the backticks of two code spans apart."""
_NOT_IN_MARKDOWN = re.compile(r"`|&(?:#\w+|\w+);")
"""In a formula: a backtick could begin code, and an entity could become a backslash."""


def sanitize_markdown(text: str) -> str:
    r"""Make control characters visible, and escape everything that a viewer would load or typeset without a click.

    >>> print(sanitize_markdown("![a](https://e.org/a.png), `![b](c)`, <img src=d> and $\\href{e}{f}$"))
    \![a](https://e.org/a.png), `![b](c)`, \<img src=d> and `\href{e}{f}`
    """
    text = escape_controls(text)
    if markdown.has_too_many_formulas(text):
        return fence(text)
    typesets = formulas.may_typeset_more(text)
    acts = _ACTING_LINK.search(unescape(text).replace("\\", ""))
    if not (typesets or acts or _UNSAFE.search(text)):
        return text
    try:
        if acts and markdown.has_acting_link(text):
            return fence(text)
        tokens, env = markdown.parse_markdown(text)
        if typesets:
            if any("$" in each["href"] + each["title"] for each in env.get("references", {}).values()):
                return fence(text)
            return _Escaper(text, tokens, _IMAGE_OR_TAG, math=True).text()
    except markdown.MarkdownLimitError:
        return fence(text)
    if _Escaper(text, tokens, _UNSAFE).text() == text:
        return text
    return _Escaper(text, tokens, _IMAGE_OR_TAG).text()  # one remaining tag would turn the marks around it into HTML


class _Escaper:
    """Escapes marks outside code: images and tags with a backslash; with `math`, delimiters and formulas as well."""

    def __init__(self, text: str, tokens: Sequence[Token], mark: re.Pattern[str], *, math: bool = False) -> None:
        self.source, self.tokens, self.math = text, tokens, math
        found = rf"(?P<ticks>`+)|(?P<mark>{mark.pattern})|\\."
        self.span = re.compile(rf"{_MATH}|{found}" if math else found, re.IGNORECASE | re.DOTALL)

    def text(self) -> str:
        """Return the escaped text. Raises `MarkdownLimitError` if its code cannot be kept from becoming formulas."""
        lines = self.source.split("\n")
        in_table, quotes = False, 0
        changes: list[tuple[int, int, list[str]]] = []
        for token in self.tokens:
            if token.type in ("table_open", "table_close"):
                in_table = token.type == "table_open"
            quotes += {"blockquote_open": 1, "blockquote_close": -1}.get(token.type, 0)
            if token.map is None:
                continue
            first, end = token.map
            raw = "\n".join(lines[first:end])
            if token.type == "table_open":  # a code span ends with its cell
                changes.append((first, end, ["|".join(map(self.escape, row.split("|"))) for row in lines[first:end]]))
            elif token.type in _INLINE_TOKENS and not in_table:
                changes.append((first, end, [self.escape(raw)]))
            elif self.math and token.type in _CODE_TOKENS and formulas.DELIMITER.search(raw):
                if quotes:
                    raise markdown.MarkdownLimitError
                changes.append((first, end, [raw, ""]))  # a formula of JupyterLab that starts in code ends there
        for first, end, changed in reversed(changes):
            lines[first:end] = changed
        return "\n".join(lines)

    def escape(self, text: str) -> str:
        """Escape the marks in inline text outside its code spans."""
        closing: dict[int, list[int]] = {}
        for run in _BACKTICKS.finditer(text):
            closing.setdefault(len(run[0]), []).append(run.end())
        out, at = [], 0
        while (found := self.span.search(text, at)) is not None:
            out.append(text[at : found.start()])
            at = found.end()
            ends = closing.get(at - found.start(), []) if found["ticks"] else []
            if (nearest := bisect_right(ends, at)) < len(ends):
                at = ends[nearest]
                code = text[found.start() : at]
                out.append(_code_for_jupyterlab(code, len(found["ticks"])) if self.math else code)
            elif self.math and found["ticks"]:
                out.append(found[0].replace("`", "\\`"))  # it would end a code span that is made from a formula
            elif self.math and found["math"]:
                piece, at = self._escape_math(text, found.start(), at)
                out.append(piece)
            else:
                out.append(f"\\{found[0]}" if found["mark"] else found[0])
        return "".join([*out, text[at:]])

    @staticmethod
    def _escape_math(text: str, start: int, end: int) -> tuple[str, int]:
        """Keep an allowed formula, show any other as code, and put a lone delimiter into an element of its own."""
        if (formula := formulas.find_formula(text, start)) is not None:
            end, tex, _ = formula
            if formulas.is_allowed(tex) and not _NOT_IN_MARKDOWN.search(tex):
                # In Markdown, the second backslash of a row's end could begin a macro.
                return _ROW_AND_LETTER.sub(lambda found: f"{found[1]} " if found[1] else found[0], text[start:end]), end
            before, after = (_GAP if each == "`" else "" for each in (text[start - 1 : start], text[end : end + 1]))
            return f"{before}{_code_span(tex)}{after}", end
        mark = text[start:end]
        if mark in ("$", "\\"):
            return f"<span>\\{mark}</span>", end
        if mark in (r"\$", r"\\") or unescape(mark) in ("$", "\\"):
            return f"<span>{mark}</span>", end
        return mark, end


def _code_for_jupyterlab(code: str, ticks: int) -> str:
    """Return a code span that JupyterLab reads as code: in one line, and with no environment or bracket in sight."""
    code = _SPACES.sub(" ", code)
    if not _TAKEN.search(code):
        return code
    inner = code[ticks:-ticks]
    inner = inner[1:-1] if inner.strip() and inner[0] == inner[-1] == " " else inner
    return f"<code>{re.sub(r'[^A-Za-z0-9 ]', lambda found: f'&#{ord(found[0])};', inner)}</code>"


def _code_span(text: str) -> str:
    """Return the text as a code span in one line."""
    marks = "`" * (1 + max([0, *map(len, _BACKTICKS.findall(text))]))
    padding = " " if "`" in text else ""
    return f"{marks}{padding}{_SPACES.sub(' ', text.strip())}{padding}{marks}"
