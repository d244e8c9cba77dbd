"""Making text from a model, a tool or a file harmless, whoever shows it.

Always true: what leaves `visible` holds no control character but tab and newline, and no bidi override; what leaves
`clean` holds no script, event handler, form, style or anything that is fetched without a click.
"""

from __future__ import annotations

import re

import nh3

_BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_UNSEEN = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_BIDI}\ud800-\udfff]")

_TAGS = {
    "a",
    "b",
    "blockquote",
    "br",
    "code",
    "del",
    "details",
    "div",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
} | {
    *(
        "i",
        "input",
        "li",
        "ol",
        "p",
        "pre",
        "s",
        "span",
        "strong",
        "summary",
        "table",
        "tbody",
        "td",
        "th",
        "thead",
        "tr",
        "ul",
    )
}
_ATTRIBUTES = {
    "*": {"class"},
    "a": {"href", "title"},
    "details": {"open"},
    "input": {"type", "checked", "disabled"},
    "ol": {"start"},
    "td": {"align"},
    "th": {"align"},
}


def visible(text: str) -> str:
    """Control characters, bidi overrides and halves of characters as something that is seen: `␛`, `[U+202E]`.

    >>> visible("a\\x1b[31mb\\u202ec")
    'a␛[31mb[U+202E]c'
    """
    return _UNSEEN.sub(_seen, text.replace("\r\n", "\n"))


def _seen(match: re.Match[str]) -> str:
    code = ord(match[0])
    return chr(0x2400 + code) if code < 0x20 else "\u2421" if code == 0x7F else f"[U+{code:04X}]"


def clean(html: str) -> str:
    """The HTML with only what a text needs left in it; links go to http, https or mailto only."""
    return nh3.clean(
        html,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        url_relative="deny",
        link_rel="noopener noreferrer",
        strip_comments=True,
    )
