r"""Write formulas in Markdown as every viewer of Markdown reads them.

Models write `\(…\)` and `\[…\]`. For JupyterLab, VS Code, GitHub and pandoc these are escaped brackets, which show a
formula as its source without the backslashes. They all read `$…$` and `$$…$$`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mm_magics.display import formulas
from mm_magics.display.rewrite_markdown import rewrite

if TYPE_CHECKING:
    from markdown_it.token import Token

_BRACKET = re.compile(r"\\[(\[]")
_SIGNS = {r"\(": "$", r"\[": "$$"}


def with_dollars(text: str) -> str:
    r"""Return the Markdown with its formulas between dollar signs. Raises `MarkdownLimitError`.

    >>> with_dollars(r"Let \(x^2\) be, not `\(x\)` or \(5")
    'Let $x^2$ be, not `\\(x\\)` or \\(5'
    """
    return rewrite(text, r"\$|\\[(\[]", _inline, _block) if _BRACKET.search(text) else text


def _block(raw: str, token: Token) -> str:
    before, _, rest = raw.partition(r"\[")
    inner, _, after = rest.rpartition(r"\]")
    if before.strip(" >") or after.strip() or not _is_plain(token.content):
        return raw
    return f"{before}$${inner}$${after}"


def _inline(found: re.Match[str]) -> tuple[str, int]:
    """Return the formula that begins here between dollar signs, if it is the same formula there."""
    text, start = found.string, found.start()
    formula = formulas.find_formula(text, start)
    if formula is None:
        return found[0], found.end()
    end, tex, mark = formula
    sign = _SIGNS.get(mark)
    if sign is None or "\n" in tex or not _is_plain(tex):
        return text[start:end], end
    changed, before = f"{sign}{tex.strip()}{sign}", text[start - 1 : start]
    again = formulas.find_formula(f"{before}{changed}{text[end : end + 1]}", len(before))
    return (changed if again and again[1] == tex.strip() else text[start:end]), end


def _is_plain(tex: str) -> bool:
    return "$" not in tex and "`" not in tex and formulas.is_allowed(tex.strip())
