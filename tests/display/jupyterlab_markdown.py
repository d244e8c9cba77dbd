"""What MathJax typesets where JupyterLab shows Markdown: the same steps, for tests.

JupyterLab takes formulas out of the Markdown, renders the rest, puts them back, and lets MathJax search the texts.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser

from markdown_it import MarkdownIt

_SPLIT = re.compile(r"(\$\$?|\\(?:begin|end)\{[a-z]*\*?\}|\\[{}$]|[{}]|(?:\n\s*)+|@@\d+@@|\\\\[()\[\]])", re.IGNORECASE)
_FENCE = re.compile(r"^(?P<fence>`{3,}|(?:~T){3,})[^`\n]*\n([\s\S]*?)^(?P=fence)`*$", re.MULTILINE)
_SPAN = re.compile(r"(^|[^\\])(`+)([^\n]*?[^`\n])\2(?!`)", re.MULTILINE)
_OPEN = re.compile(r"\$\$?|\\[(\[]|\\begin\s*\{([^}]*)\}|\\([\\$])|(\\(?:eq)?ref\s*\{[^}]*\})")
_CLOSE = {"$": "$", "$$": "$$", r"\(": r"\)", r"\[": r"\]"}
_SKIPPED = {"code", "pre", "script", "style", "textarea", "noscript"}


def typeset(markdown: str) -> list[str]:
    """Return the formulas that MathJax finds in the Markdown."""
    text, formulas = _take_formulas(markdown)
    html = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text)
    html = re.sub(r"@@(\d+)@@", lambda found: _restored(formulas, int(found[1]), found[0]), html)
    return typeset_html(html)


def typeset_html(html: str) -> list[str]:
    """Return the formulas that MathJax finds in the texts of the HTML."""
    parser = _Texts()
    parser.feed(html)
    parser.close()
    return [formula for text in parser.texts for formula in _search(text)]


class _Texts(HTMLParser):
    """Collects the texts in which MathJax searches: each ends where an element begins or ends, except `<br>`."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.texts = [""]
        self._skipped: list[str] = []

    def handle_starttag(self, tag: str, _attributes: object) -> None:
        if tag in _SKIPPED:
            self._skipped.append(tag)
        self._end(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._skipped:
            self._skipped.remove(tag)
        self._end(tag)

    def _end(self, tag: str) -> None:
        if tag == "br":
            self.texts[-1] += "\n"
        else:
            self.texts.append("")

    def handle_data(self, data: str) -> None:
        if not self._skipped:
            self.texts[-1] += data


def _search(text: str) -> list[str]:
    """Return the formulas that MathJax's FindTeX finds."""
    found, at = [], 0
    while (opening := _OPEN.search(text, at)) is not None:
        at = opening.end()
        if opening[2]:
            continue
        if opening[3]:
            found.append(opening[0])
            continue
        name = opening[1]
        close = rf"\\end\s*\{{{re.escape(name)}\}}" if name is not None else re.escape(_CLOSE[opening[0]])
        depth = 0
        for part in re.finditer(rf"(?P<close>{close})|\\(?:[a-zA-Z]|.)|[{{}}]", text[at:]):
            if part["close"] and depth == 0:
                inner = text[at : at + part.start()]
                found.append(inner if name is None else opening[0] + inner + part[0])
                at += part.end()
                break
            depth += {"{": 1, "}": -1}.get(part[0], 0) if part[0] != "}" or depth else 0
    return found


def _take_formulas(text: str) -> tuple[str, list[str]]:
    """Replace formulas by marks, as JupyterLab's `removeMath`."""
    if "`" in text or "~~~" in text:
        text = text.replace("~", "~T")
        for code in (_FENCE, _SPAN):
            text = code.sub(lambda found: found[0].replace("$", "~D"), text)
    blocks = _SPLIT.split(text.replace("\r\n", "\n"))
    formulas: list[str] = []
    start = last = None
    end, braces, at = "", 0, 1

    def take(first: int, final: int) -> None:
        formula = "".join(blocks[first : final + 1])
        blocks[first : final + 1] = [f"@@{len(formulas)}@@"] + [""] * (final - first)
        formulas.append(formula.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))

    while at < len(blocks):
        block = blocks[at]
        if block.startswith("@"):
            blocks[at] = f"@@{len(formulas)}@@"
            formulas.append(block)
        elif start is not None:
            if block == end:
                if braces:
                    last = at
                else:
                    take(start, at)
                    start = last = None
            elif re.search(r"\n.*\n", block):
                if last is not None:
                    at = last
                    take(start, at)
                start, last, braces = None, None, 0
            elif block == "{":
                braces += 1
            elif block == "}" and braces:
                braces -= 1
        elif block in ("$", "$$", r"\\(", r"\\[") or block[1:6] == "begin":
            start, braces = at, 0
            end = {r"\\(": r"\\)", r"\\[": r"\\]"}.get(block, block if block[0] == "$" else r"\end" + block[6:])
        at += 2
    if start is not None and last is not None:
        take(start, last)
    restored = [each.replace("~D", "$").replace("~T", "~") for each in formulas]
    return "".join(blocks).replace("~D", "$").replace("~T", "~"), restored


def _restored(formulas: list[str], number: int, mark: str) -> str:
    if number >= len(formulas):
        return mark
    formula = formulas[number]
    for left, right in (("(", ")"), ("[", "]")):
        if formula.startswith("\\\\" + left) and formula.endswith("\\\\" + right):
            return f"\\{left}{formula[3:-3]}\\{right}"
    return formula
