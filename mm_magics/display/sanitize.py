"""Make text from a model, a tool or a file safe to display in a terminal, a notebook or a web page.

The output of `escape_controls` contains no control character except tab and newline, and no bidi override. The output
of `sanitize_html` contains no script, event handler, form or style, and nothing that loads without a click.
"""

from __future__ import annotations

import re

_BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_INVISIBLE = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_BIDI}\ud800-\udfff]")

_TEXT_TAGS = {"a", "b", "br", "code", "del", "em", "i", "s", "span", "strong"}
_BLOCK_TAGS = {"blockquote", "details", "div", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "p", "pre", "summary"}
_LIST_TAGS = {"input", "li", "ol", "ul"}
_TABLE_TAGS = {"table", "tbody", "td", "th", "thead", "tr"}
_ATTRIBUTES = {
    "*": {"class"},
    "a": {"href", "title"},
    "details": {"open"},
    "input": {"type", "checked", "disabled"},
    "ol": {"start"},
    "td": {"align"},
    "th": {"align"},
}


def escape_controls(text: str) -> str:
    r"""Replace control characters, bidi overrides and lone surrogates with visible symbols: `␛`, `[U+202E]`.

    >>> escape_controls("a\x1b[31mb\u202ec")
    'a␛[31mb[U+202E]c'
    """
    return _INVISIBLE.sub(_symbol, text.replace("\r\n", "\n"))


def _symbol(match: re.Match[str]) -> str:
    code = ord(match[0])
    return chr(0x2400 + code) if code < 0x20 else "\u2421" if code == 0x7F else f"[U+{code:04X}]"


def sanitize_html(html: str) -> str:
    """Remove everything but text markup from the HTML; links may use http, https and mailto only."""
    import nh3

    return nh3.clean(
        html,
        tags=_TEXT_TAGS | _BLOCK_TAGS | _LIST_TAGS | _TABLE_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        url_relative="deny",
        link_rel="noopener noreferrer",
        strip_comments=True,
    )
