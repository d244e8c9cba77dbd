"""Make text from a model, a tool or a file safe to display in a terminal, a notebook or a web page.

The output of `sanitize_html` contains no script, event handler, form, style, class or id, and nothing that loads
without a click.
"""

from __future__ import annotations

from mm_magics.display.gfm import markup

_MARKED = ("div", "var")


def sanitize_html(html: str, *, directions: bool = False) -> str:
    """Remove everything but text markup from the HTML; links may use http, https and mailto only.

    Each `div` and `var` has the attribute `dir="auto"` in the result.

    Args:
        directions: Let each block have the direction of its text.
    """
    import nh3

    allowed = markup()
    blocks = allowed["blocks"].split() if directions else ()
    return nh3.clean(
        html,
        tags=set(allowed["shown"].split()) - {"img"},
        attributes={tag: set(names.split()) for tag, names in allowed["attributes"].items()},
        set_tag_attribute_values={tag: {"dir": "auto"} for tag in (*_MARKED, *blocks)},
        url_schemes={"http", "https", "mailto"},
        url_relative="deny",
        link_rel="noopener noreferrer",
        strip_comments=True,
    )
