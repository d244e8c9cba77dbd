"""Markdown to static HTML, for the saved answer.

Always true: the result is clean (`inert.clean`), reads well without any style sheet or script, and is never more than
about twice the text: code is coloured with the shortest tags there are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any

from mm_magics.display import inert

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_BETWEEN_TAGS = re.compile(r"(</?(?:table|thead|tbody|tr|th|td|ul|ol|li)\b[^>]*>)\n+")

MAX_COLOURED = 20_000
"""Characters of one code block beyond which it is not coloured."""


def html(text: str) -> str:
    """The Markdown as clean HTML: tables, task lists, `$…$` and `$$…$$` kept for MathJax, code coloured."""
    return _BETWEEN_TAGS.sub(r"\1", inert.clean(str(_parser().render(inert.visible(text)))))


def code(text: str, language: str = "") -> str:
    """A code block as HTML: keywords in `<b>`, comments in `<i>`, literals in `<span>`."""
    text = inert.visible(text)
    plain = escape(text, quote=False)
    inner = _coloured(text, language) if language and len(text) <= MAX_COLOURED else plain
    return f"<pre><code>{inner if len(inner) < 1.6 * len(plain) else plain}</code></pre>\n"


def _coloured(text: str, language: str) -> str:
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return escape(text, quote=False)
    out: list[str] = []
    last = ""
    for kind, value in lexer.get_tokens(text):
        tag = _tag(kind) if value.strip() else last
        if tag != last:
            out.append(f"{f'</{last}>' if last else ''}{f'<{tag}>' if tag else ''}")
            last = tag
        out.append(escape(value, quote=False))
    return "".join(out) + (f"</{last}>" if last else "")


@cache
def _tag(kind: Any) -> str:
    from pygments.token import Comment, Keyword, Literal, Operator

    for group, tag in ((Comment, "i"), (Literal, "span"), (Keyword, "b"), (Operator.Word, "b")):
        if kind in group:
            return tag
    return ""


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt
    from mdit_py_plugins.dollarmath import dollarmath_plugin
    from mdit_py_plugins.tasklists import tasklists_plugin

    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.use(dollarmath_plugin, allow_space=False, allow_digits=False, double_inline=True)
    parser.use(tasklists_plugin)
    parser.add_render_rule("fence", _fence)
    parser.add_render_rule("image", _image)
    parser.add_render_rule("text", _plain_text)
    for kind in ("math_inline", "math_inline_double", "math_block", "math_block_label"):
        parser.add_render_rule(kind, _math)
    return parser


def _math(_self: Any, tokens: Sequence[Token], index: int, _options: Any, _env: Any) -> str:
    """The formula between the marks that MathJax looks for."""
    token = tokens[index]
    left, right = (r"\(", r"\)") if token.type == "math_inline" else (r"\[", r"\]")
    inner = f"{left}{escape(token.content.strip(), quote=False)}{right}"
    return inner if token.type.startswith("math_inline") else f"<p>{inner}</p>\n"


def _plain_text(_self: Any, tokens: Sequence[Token], index: int, _options: Any, _env: Any) -> str:
    """A dollar sign outside a formula stands in an element of its own, where MathJax does not pair it with another."""
    return escape(tokens[index].content).replace("$", "<span>$</span>")


def _fence(_self: Any, tokens: Sequence[Token], index: int, _options: Any, _env: Any) -> str:
    token = tokens[index]
    return code(token.content, token.info.split()[0] if token.info.strip() else "")


def _image(_self: Any, tokens: Sequence[Token], index: int, _options: Any, _env: Any) -> str:
    """An image is a link to it: nothing is fetched without a click."""
    token = tokens[index]
    source = str(token.attrs.get("src", ""))
    return f'<a href="{escape(source)}">image: {escape(token.content or source)}</a>'
