"""The corpus of `rendering.json`, and its normal form of HTML, in which all viewers must agree."""

from __future__ import annotations

import json
import re
from html import escape, unescape
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup, NavigableString, Tag

from mm_magics.display.mathml import to_mathml

_CORPUS = json.loads(Path(__file__).with_name("rendering.json").read_text("utf-8"))
ROWS: list[dict[str, Any]] = _CORPUS["rows"]
SANITIZED: list[tuple[str, str]] = _CORPUS["sanitized"]
"""Markdown with HTML, and what is left of it."""

_ATTRIBUTES = ("href", "start", "align", "dir", "open", "colspan", "rowspan")
_BLOCKS = "blockquote|br|dd|details|dl|dt|h[1-6]|hr|li|ol|p|pre|summary|table|tbody|td|th|thead|tr|ul|math display"
_FORMULA = re.compile(r"\\([(\[])(.*)\\[)\]]", re.DOTALL)


def normalize(html: str) -> str:
    """Return the HTML of a saved answer in its normal form."""
    text = _children(BeautifulSoup(html, "html.parser"))
    text = re.sub(r"<small>([\w+-]+)</small>\s*<pre>", r'<pre lang="\1">', text)
    text = re.sub(r"<p>\s*(<math display>[^<]*</math>)\s*</p>", r"\1", text)
    return re.sub(rf"\s*(</?(?:{_BLOCKS})\b[^>]*>)\s*", r"\1", text).strip()


def _children(node: Tag) -> str:
    return "".join(_node(each) for each in node.children)


def _node(node: Any) -> str:
    if isinstance(node, NavigableString):
        return escape(re.sub(r"\s+", " ", str(node)), quote=False) if type(node) is NavigableString else ""
    if not isinstance(node, Tag) or node.name in ("style", "footer"):
        return ""
    formula = _FORMULA.fullmatch(node.get_text()) if node.name in ("var", "div") and not node.attrs else None
    if formula:
        name = "math" if formula[1] == "(" else "math display"
        return f"<{name}>{escape(formula[2], quote=False)}</math>"
    if node.name == "math":
        name = "math display" if node.get("display") else "math"
        return f"<{name}>{escape(node.get_text(), quote=False)}</math>"
    if node.name == "pre":
        return f"<pre>{escape(node.get_text(), quote=False)}</pre>".replace("\n", "⏎")
    inner = _children(node)
    if node.name in ("div", "span") or (node.name == "var" and not node.attrs):
        return inner
    name = "del" if node.name == "s" else node.name
    attributes = "".join(
        f' {key}="{node[key]}"' for key in _ATTRIBUTES if key in node.attrs and (node.name, key) != ("var", "dir")
    )
    return f"<{name}{attributes}>" if node.name in ("br", "hr") else f"<{name}{attributes}>{inner}</{name}>"


def with_mathml_text(html: str) -> str:
    """Return the HTML of a row with the text of each formula as MathML has it."""

    def text_of(found: re.Match[str]) -> str:
        made = to_mathml(unescape(found[2]), display=bool(found[1])) or ""
        return f"<math{found[1] or ''}>{escape(BeautifulSoup(made, 'html.parser').get_text(), quote=False)}</math>"

    return re.sub(r"<math( display)?>([^<]*)</math>", text_of, html)
