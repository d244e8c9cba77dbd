r"""Formulas of a saved answer as MathML, for pages without MathJax.

Only formulas that `formulas.is_allowed` accepts are in a saved answer, and the MathML is sanitized like any other HTML.
"""

from __future__ import annotations

import re
from html import unescape

TAGS = {
    *("math", "menclose", "mfrac", "mi", "mn", "mo", "mover", "mpadded", "mphantom"),
    *("mroot", "mrow", "mspace", "msqrt", "mstyle", "msub", "msubsup", "msup", "mtable"),
    *("mtd", "mtext", "mtr", "munder", "munderover"),
}
ATTRIBUTES = {
    *("accent", "columnalign", "columnlines", "columnspacing", "depth", "display", "displaystyle", "fence", "form"),
    *(
        "height",
        "linethickness",
        "lspace",
        "mathbackground",
        "mathcolor",
        "mathsize",
        "mathvariant",
        "maxsize",
        "minsize",
    ),
    *("movablelimits", "notation", "rowlines", "rowspacing", "rspace", "scriptlevel", "stretchy", "voffset", "width"),
}
_FORMULA = re.compile(r"<(var|div)>\\(?P<mark>[(\[])(?P<tex>[^<]*)\\[)\]]</\1>")
"""No HTML of a model makes these elements: see `sanitize_html`."""
_COMPARISON = re.compile(r"(?P<text>\\(?:text[a-z]*|operatorname)\s*\{[^{}]*\})|(?P<mark>[<>])")
_HIDDEN = {"<": "\ue000", ">": "\ue001"}
"""latex2mathml does not escape text."""


def with_mathml(html: str) -> str:
    """Return the HTML of a saved answer with its formulas as MathML; others stay as they are."""
    return _FORMULA.sub(_element, html)


def _element(found: re.Match[str]) -> str:
    converted = to_mathml(unescape(found["tex"]), display=found["mark"] == "[")
    return f"<{found[1]}>{converted}</{found[1]}>" if converted else found[0]


def to_mathml(tex: str, *, display: bool) -> str | None:
    """Return the formula as sanitized MathML, or None if it cannot be converted."""
    import nh3
    from latex2mathml.converter import convert

    try:
        made = convert(_COMPARISON.sub(_hide, tex), display="block" if display else "inline")
    except Exception:  # its errors have no common class
        return None
    made = nh3.clean(made, tags=TAGS, attributes={"*": ATTRIBUTES}, clean_content_tags=set())
    for mark, hidden in _HIDDEN.items():
        made = made.replace(hidden, "&lt;" if mark == "<" else "&gt;")
    return made.replace(' display="inline"', "")


def _hide(found: re.Match[str]) -> str:
    if found["mark"]:
        return r"\lt " if found["mark"] == "<" else r"\gt "
    return re.sub("[<>]", lambda mark: _HIDDEN[mark[0]], found["text"])
