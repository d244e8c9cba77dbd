r"""Make Markdown safe for any viewer, with HTML and MathJax or without.

Images and HTML that would load something are escaped, and so is everything from which MathJax could read a formula that
is not allowed. JupyterLab takes formulas out of Markdown before it looks for code, and MathJax reads the text that the
Markdown makes: `\$` is a `$` there. So in a text with such a formula no delimiter remains outside code and allowed
formulas. What code contains is never changed, so code that is copied is exactly what the model wrote.

pandoc, which makes LaTeX and PDF of a notebook, runs the TeX in Markdown: `\input` would read a file. Outside formulas
and code each macro gets a second backslash, which a viewer does not show, and code with macros is written such that
pandoc takes it for code, too. Where viewers could disagree about what is code, the whole text is shown as its source.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import suppress
from html import unescape
from typing import TYPE_CHECKING

from mm_magics.display import formulas, markdown
from mm_magics.display.formula_delimiters import with_dollars
from mm_magics.text import escape_controls, fence

if TYPE_CHECKING:
    from markdown_it.token import Token

_INLINE_TOKENS = ("inline", "formula_block")
_CODE_TOKENS = ("fence", "code_block")
_LOADING_TAGS = (
    r"(?:applet|audio|base|bgsound|body|embed|form|frame|frameset|iframe|image|img|input|link|math|meta|object|picture"
    r"|portal|script|source|style|svg|template|track|video)\b"
)
_RAW_ELEMENTS = r"[!?]|(?:listing|noembed|noframes|noscript|plaintext|pre|textarea|title|xmp)\b"
"""What makes HTML, or text, of the Markdown after it."""
_ACTIVE_ATTRIBUTES = r"[a-z][^<>]*[\s/\"'](?:(?:xlink:)?href|action|style|background|poster|src|srcset|on[a-z]+)\s*="
_UNSAFE = re.compile(rf"!\[|<(?={_LOADING_TAGS}|{_RAW_ELEMENTS}|{_ACTIVE_ATTRIBUTES})", re.IGNORECASE)
_RAW_TEX = re.compile(r"(?<=[`~])[ \t]*\{[ \t]*=")
"""`{=latex}` after code makes TeX of it, for pandoc."""
_IMAGE_OR_TAG = re.compile(r"!\[|<(?!https?:|mailto:)(?=[a-z/!?])|(?<=`)\{(?=[ \t]*=)", re.IGNORECASE)
_WITH_TEX = re.compile(rf"{_IMAGE_OR_TAG.pattern}|\^|(?<!~)~(?!~)|~{{3,}}", re.IGNORECASE)
"""Also what lowers or raises a text: in it, pandoc makes a macro of an escaped backslash."""
_ACTING_WORD = re.compile(r"(?:javascript|vbscript|data)\s*:", re.IGNORECASE)
_LINK_START = re.compile(r"\]\(|\]:|<")
_QUOTE_MARKS = re.compile(r"^[ \t>]+", re.MULTILINE)
_BACKTICKS = re.compile("`+")
_SPACES = re.compile(r"[ \t]*\n[ \t>]*")
_MATH = r"(?P<math>\\\\|\\\$|\\(?=[A-Za-z])|\$|\\[(\[]|&(?:#[0-9]+|#x[0-9a-f]+|[a-z]+);)"
_ROW_AND_LETTER = re.compile(r"(\\\\)(?=[A-Za-z])|\\.", re.DOTALL)
_TAKEN = re.compile(r"\\(?:begin|end)\{|\\\\[()\[\]]")
"""What JupyterLab takes for the beginning or the end of a formula also in a code span."""
_OPENING = re.compile(r"[\[{<$|@^]")
"""May begin something of pandoc's that contains the first mark of a code span."""
_COLUMNS = re.compile(r"^[ >]*(?:-+(?:[ ]+-+)+|\+[-=:+]+\+)[ ]*$", re.MULTILINE)
"""Makes a table of pandoc's, in which there is no code over several lines."""
_FENCE_LINE = re.compile(r"^([^`~]*)(`{3,}|~{3,})[ \t]*([\w.+#-]*)(?:[ \t\r]*)(.*)$")
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
    with suppress(markdown.MarkdownLimitError):
        text = with_dollars(text)
    typesets = formulas.may_typeset_more(text)
    acts = _may_act(text)
    unsafe = _UNSAFE.search(text)
    has_tex = formulas.has_other_macro(unescape(text)) or _RAW_TEX.search(text)
    is_plain = not (typesets or acts or unsafe or has_tex)
    if is_plain and "```" not in text and "~~~" not in text:
        return text
    try:
        if acts and markdown.has_acting_link(text):
            return fence(text)
        tokens, env = (markdown.parse_blocks(text), {}) if is_plain else markdown.parse_markdown(text)
        if tokens and tokens[-1].type == "fence" and not _is_closed(tokens[-1], text.split("\n")):
            text = f"{text}\n{tokens[-1].markup}"  # else what follows in a file would be read as code, and code as text
        if is_plain:
            return text
        if typesets or ((unsafe or acts) and formulas.DELIMITER.search(unescape(text))):
            if any("$" in each["href"] + each["title"] for each in env.get("references", {}).values()):
                return fence(text)
            changed = _Escaper(text, tokens, _WITH_TEX if has_tex else _IMAGE_OR_TAG, math=True).text()
        elif has_tex or _Escaper(text, tokens, _UNSAFE).text() != text:
            # one remaining tag would turn the marks around it into HTML
            changed = _Escaper(text, tokens, _WITH_TEX if has_tex else _IMAGE_OR_TAG).text()
        else:
            changed = text
        return fence(text) if _may_load(changed) and markdown.loads(changed, _UNSAFE) else changed
    except markdown.MarkdownLimitError:
        return fence(text)


def _may_act(text: str) -> bool:
    """Return whether a link could run or contain something: only then is the text parsed for its links."""
    text = unescape(text).replace("\\", "")
    for found in _ACTING_WORD.finditer(text):
        at = found.start()
        while at and not (text[at - 1].isalnum() or text[at - 1] == "_"):
            at -= 1
        if _LINK_START.search(text, at, found.start()):
            return True
    return False


def _may_load(text: str) -> bool:
    """Return whether the text could contain an image or an active element, also over several lines of a quote."""
    return any(_UNSAFE.search(each) for each in (text, _QUOTE_MARKS.sub("", text)))


class _Escaper:
    """Escapes marks outside code: images and tags with a backslash; with `math`, delimiters and formulas as well."""

    def __init__(self, text: str, tokens: Sequence[Token], mark: re.Pattern[str], *, math: bool = False) -> None:
        self.source, self.tokens, self.math = text, tokens, math
        self.code: list[str] = []
        self.has_columns = _COLUMNS.search(text) is not None
        found = rf"(?P<ticks>`+)|(?P<mark>{mark.pattern})|(?P<tex>\\(?=[A-Za-z]))|\\."
        self.span = re.compile(rf"{_MATH}|{found}" if math else found, re.IGNORECASE | re.DOTALL)

    def text(self) -> str:
        """Return the escaped text. Raises `MarkdownLimitError` if viewers could disagree about what is code in it."""
        lines = self.source.split("\n")
        left = set(range(len(lines)))
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
            if token.type in _INLINE_TOKENS or token.type in _CODE_TOKENS:
                left -= set(range(first, end))
            if token.type == "table_open":  # a code span ends with its cell
                changes.append((first, end, ["|".join(map(self.escape, row.split("|"))) for row in lines[first:end]]))
            elif token.type in _INLINE_TOKENS and not in_table:
                changes.append((first, end, [self.escape(raw)]))
            elif token.type in _CODE_TOKENS:
                before: list[str] = []
                after: list[str] = []
                if formulas.has_other_macro(raw) or _RAW_TEX.search(raw):
                    before, raw = self._code_for_pandoc(token, lines, quotes)
                if self.math and formulas.DELIMITER.search(raw):
                    if quotes:
                        raise markdown.MarkdownLimitError
                    after = [""]  # a formula of JupyterLab that starts in code ends there
                changes.append((first, end, [*before, raw, *after]))
        inline = (each for token in self.tokens for each in token.children or ())
        if _plain(self.code) != _plain([each.content for each in inline if each.type == "code_inline"]):
            raise markdown.MarkdownLimitError
        if any(formulas.has_other_macro(unescape(lines[each])) for each in left):  # definitions of links
            raise markdown.MarkdownLimitError
        for first, end, changed in reversed(changes):
            lines[first:end] = changed
        return "\n".join(lines)

    def _code_for_pandoc(self, token: Token, lines: list[str], quotes: int) -> tuple[list[str], str]:
        """Return the lines before code with macros, and its lines, such that pandoc takes it for code, too."""
        first, end = token.map or (0, 0)
        opening = _FENCE_LINE.match(lines[first])
        if opening is None or not _is_closed(token, lines) or self.has_columns:
            raise markdown.MarkdownLimitError
        before = [""] if first and lines[first - 1].strip(" \t>") else []
        if before and quotes:
            raise markdown.MarkdownLimitError
        head = f"{opening[1]}{opening[2]}{'' if opening[4] else opening[3]}"
        return before, "\n".join([head, *lines[first + 1 : end]])

    def escape(self, text: str) -> str:
        """Escape the marks in inline text outside its code spans."""
        closing: dict[int, list[int]] = {}
        for run in _BACKTICKS.finditer(text):
            closing.setdefault(len(run[0]), []).append(run.end())
        out, at, may_be_text = [], 0, "|" in text
        while (found := self.span.search(text, at)) is not None:
            out.append(text[at : found.start()])
            may_be_text = may_be_text or _OPENING.search(text, at, found.end()) is not None
            at = found.end()
            ends = closing.get(at - found.start(), []) if found["ticks"] else []
            if (nearest := bisect_right(ends, at)) < len(ends):
                at = ends[nearest]
                out.append(self._code(text[found.start() : at], len(found["ticks"]), may_be_text))
            elif self.math and found["ticks"]:
                out.append(found[0].replace("`", "\\`"))  # it would end a code span that is made from a formula
            elif self.math and found["math"]:
                piece, at = self._escape_math(text, found.start(), at)
                out.append(piece)
            elif found["mark"] and found[0][0] == "~":
                out.append(found[0].replace("~", "\\~"))
            else:
                out.append(f"\\{found[0]}" if found["mark"] or found["tex"] else found[0])
        return "".join([*out, text[at:]])

    def _code(self, code: str, ticks: int, may_be_text: bool) -> str:
        """Return a code span that each viewer takes for code."""
        self.code.append(code[ticks:-ticks])
        is_tex = formulas.has_other_macro(code) and (may_be_text or "\n" in code or self.has_columns)
        if is_tex or (self.math and _TAKEN.search(code)):
            return _code_element(_SPACES.sub(" ", code)[ticks:-ticks])
        return _SPACES.sub(" ", code) if self.math else code

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


def _code_element(code: str) -> str:
    """Return an element with the content of a code span, in which no character has a meaning in Markdown or TeX."""
    code = code[1:-1] if code.strip() and code[0] == code[-1] == " " else code
    return f"<code>{re.sub(r'[^A-Za-z0-9 ]', lambda found: f'&#{ord(found[0])};', code)}</code>"


def _is_closed(token: Token, lines: list[str]) -> bool:
    """Return whether the fence has a last line that closes it, for each viewer."""
    first, end = token.map or (0, 0)
    if token.type != "fence" or end - first < 2:
        return False
    opening = lines[first].partition(token.markup)[0]
    before, marks, after = lines[end - 1].rstrip().rpartition(token.markup)
    before = before.rstrip(token.markup[0])
    return bool(marks) and not after and not before.strip(" >") and before.count(">") == opening.count(">")


def _plain(spans: Sequence[str]) -> list[str]:
    """Return the contents of code spans without what a parser leaves out: line ends, and marks of quotes."""
    return [re.sub(r"[\s>]+", "", each) for each in spans]


def _code_span(text: str) -> str:
    """Return the text as a code span in one line."""
    marks = "`" * (1 + max([0, *map(len, _BACKTICKS.findall(text))]))
    padding = " " if "`" in text else ""
    return f"{marks}{padding}{_SPACES.sub(' ', text.strip())}{padding}{marks}"
