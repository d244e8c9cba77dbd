"""Formulas in Markdown: where they are, and whether they contain only what is allowed.

`formulas.json` has the allow-list, and `math.ts` and `formulas.ts` are the twins of this module. A formula that
contains anything else is shown as its source. An allowed one has balanced braces and none of MathJax's delimiters, so
MathJax sees the same formula. It defines nothing, so the time that it takes grows with its length only.
"""

from __future__ import annotations

import json
import re
from functools import cache
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_inline import StateInline

MAX_LENGTH = 4_000
"""Characters of a formula."""

_CLOSING = {"$$": "$$", r"\[": r"\]", r"\(": r"\)", "$": "$"}
_OPENING = re.compile(r"\$\$|\\\[|\\\(|\$")
_BLOCK = re.compile(r" {0,3}(\$\$|\\\[)")
_TOKEN = re.compile(r"\\([A-Za-z]+|.?)|[{}$%#&]|\^\^", re.DOTALL)
DELIMITER = re.compile(r"\$|\\[(\[]|\\begin|\\(?:eq)?ref")
"""What starts a formula for JupyterLab and MathJax, in Markdown."""
_MACRO = re.compile(r"\\([A-Za-z]+|!|\\(?=\*?\s*\[))")
_NAME = re.compile(r"\\([A-Za-z]{2,})")
"""A macro that could do more than print a character."""
_DEEP = re.compile(r"(?:\{[^{}]*){20}")
_EMPTY_LINE = re.compile(r"\n[ \t]*\n")
_UNESCAPED = {close: re.compile(rf"(?<!\\)(?:\\\\)*{re.escape(close)}") for close in _CLOSING.values()}


class _Allowed:
    """The allow-list of `formulas.json`."""

    def __init__(self) -> None:
        data = json.loads(Path(__file__).with_name("formulas.json").read_text("utf-8"))
        self.limited = set(data["limited"].split())
        self.names = {*" ".join(data["macros"].values()).split(), *data["characters"], *self.limited}
        self.arguments = {name: re.compile(pattern) for name, pattern in data["argumentPatterns"].items()}
        self.most_limited: int = data["mostLimited"]
        self.most_nested: int = data["mostNested"]
        self.most_cells: int = data["mostCells"]


@cache
def _allowed() -> _Allowed:
    return _Allowed()


def is_allowed(tex: str) -> bool:
    r"""Return whether the formula contains only allowed macros and environments, and its braces are balanced.

    >>> is_allowed(r"\frac{a}{b}"), is_allowed(r"\href{a}{b}")
    (True, False)
    """
    allowed = _allowed()
    at = depth = limited = dollars = 0
    rows = columns = widest = 1
    while (found := _TOKEN.search(tex, at)) is not None:
        at, name = found.end(), found[1]
        if name is None:
            depth += {"{": 1, "}": -1}.get(found[0], 0)
            dollars += found[0] == "$"
            columns += found[0] == "&"
            if found[0] in ("%", "#", "^^") or (found[0] == "$" and not depth):
                return False
        elif (argument := allowed.arguments.get(name)) is not None:
            if (match := argument.match(tex, at)) is None:
                return False
            at = match.end()
            depth += {"begin": 1, "end": -1}.get(name, 0)
            if name == "\\":
                rows, columns = rows + 1, 1
        elif name not in allowed.names:
            return False
        limited += name in allowed.limited
        widest = max(widest, columns)  # short rows are padded with cells
        if (
            not 0 <= depth <= allowed.most_nested
            or limited > allowed.most_limited
            or rows * widest > allowed.most_cells
        ):
            return False
    return depth == 0 and dollars % 2 == 0 and len(tex) <= MAX_LENGTH


def may_typeset_more(text: str) -> bool:
    r"""Return whether MathJax could find a macro that is not allowed, wherever it takes formulas to be in the Markdown.

    >>> may_typeset_more(r"It costs $5, and $\frac{a}{b}$"), may_typeset_more(r"a&#36; &bsol;href{a}{b} $")
    (False, True)
    """
    shown = unescape(text)
    if not DELIMITER.search(shown):
        return False
    allowed = _allowed()
    harmless = allowed.names - allowed.limited - {"\\"}
    return bool(_DEEP.search(shown)) or any(found[1] not in harmless for found in _MACRO.finditer(shown))


def has_other_macro(text: str) -> bool:
    r"""Return whether the text contains the name of a macro that is not allowed in a formula.

    >>> has_other_macro(r"\frac{a}{b}"), has_other_macro(r"\input{a}")
    (False, True)
    """
    return any(found[1] not in _allowed().names for found in _NAME.finditer(text))


def formulas_plugin(parser: MarkdownIt) -> None:
    r"""Make the parser find formulas: `$…$`, `$$…$$`, `\(…\)` and `\[…\]`.

    A formula in a text is a token `formula`, one on lines of its own is a `formula_block`. The token's content is the
    LaTeX, and its markup is the opening delimiter that MathJax recognizes.
    """
    parser.inline.ruler.before("escape", "formula", _inline)
    parser.block.ruler.before(
        "fence", "formula_block", _block, {"alt": ["paragraph", "reference", "blockquote", "list"]}
    )


def _end_of(text: str, start: int, close: str) -> int:
    """Return where the closing delimiter is in the same paragraph, or -1."""
    found = _UNESCAPED[close].search(text, start, start + MAX_LENGTH)
    if found is None:
        return -1
    end = found.end() - len(close)
    return -1 if _EMPTY_LINE.search(text, start, end) or not text[start:end].strip() else end


def find_formula(text: str, start: int) -> tuple[int, str, str] | None:
    """Return the end, the LaTeX and the opening delimiter of the formula that starts here; None if none does.

    Prices are not formulas, and code takes precedence.
    """
    opening = _OPENING.match(text, start)
    if opening is None:
        return None
    mark = opening[0]
    if mark == "$" and (re.match(r"[A-Za-z0-9\\$]", text[start - 1 : start]) or text[start + 1 : start + 2].isspace()):
        return None
    end = _end_of(text, opening.end(), _CLOSING[mark])
    if end < 0:
        return None
    tex = text[opening.end() : end]
    if mark == "$" and (tex[-1].isspace() or re.match(r"[0-9$]", text[end + 1 : end + 2]) or "`" in tex):
        return None
    return end + len(mark), tex, mark


def _inline(state: StateInline, silent: bool) -> bool:
    found = find_formula(state.src, state.pos)
    if found is None:
        return False
    end, tex, mark = found
    if not silent:
        _push(state, "formula", tex, display=mark in ("$$", r"\["))
    state.pos = end
    return True


def _block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Find a display formula on lines of its own."""
    if state.is_code_block(start):
        return False
    first = state.bMarks[start] + state.tShift[start]
    opening = _BLOCK.match(state.src, first, state.eMarks[start])
    if opening is None or _end_of(state.src, opening.end(), _CLOSING[opening[1]]) < 0:
        return False
    last = state.bMarks[start] + MAX_LENGTH
    after = next((line for line in range(start, end) if state.isEmpty(line) or state.bMarks[line] > last), end)
    text = state.getLines(start, after, state.blkIndent, keepLastLF=False)
    begin = _BLOCK.match(text)
    if begin is None:
        return False
    close = _end_of(text, begin.end(), _CLOSING[begin[1]])
    rest = re.match(r"[ \t]*(?:\n|\Z)", text[close + 2 :]) if close >= 0 else None
    if rest is None:
        return False
    if not silent:
        state.line = start + text.count("\n", 0, close) + 1
        token = _push(state, "formula_block", text[begin.end() : close], display=True)
        token.block, token.map = True, [start, state.line]
    return True


def _push(state: Any, kind: str, tex: str, *, display: bool) -> Any:
    token = state.push(kind, "", 0)
    token.content = tex.strip()
    token.markup = r"\[" if display else r"\("
    return token
