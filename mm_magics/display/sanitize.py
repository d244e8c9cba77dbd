"""Make text from a model, a tool or a file safe to display in a terminal, a notebook or a web page.

The output of `sanitize_html` contains no script, event handler, form or style, and nothing that loads without a click.
"""

from __future__ import annotations

_TEXT_TAGS = {"a", "b", "br", "code", "del", "em", "i", "s", "span", "strong", "var"}
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
