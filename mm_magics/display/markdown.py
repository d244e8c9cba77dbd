"""Markdown to static HTML, for the saved answer.

Always true: the result is clean (`inert.clean`), reads well without any style sheet or script, and is never more than
about twice the text: code is coloured with the shortest tags there are. However hostile the text, it takes about a
second at most: text that would take longer to read as Markdown is shown as its source.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any

from mm_magics.display import sanitize

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_core import StateCore
    from markdown_it.token import Token

_BETWEEN_TAGS = re.compile(r"(</?(?:table|thead|tbody|tr|th|td|ul|ol|li)\b[^>]*>)\n+")

MAX_COLOURED = 20_000
"""Characters of one code block beyond which it is not coloured."""

COLOURING_S = 0.4
"""Processor time for the colours of one answer; code that is left when it is used up stays plain."""

LANGUAGES = frozenset(
    {"bash", "sh", "shell", "console", "pycon", "c", "cpp", "css", "diff", "go", "html", "ini", "java", "javascript"}
    | {"js", "json", "julia", "latex", "tex", "make", "makefile", "python", "py", "python3", "ipython", "ipython3"}
    | {"r", "rust", "rs", "sql", "toml", "typescript", "ts", "xml", "yaml", "yml"}
)
"""What is coloured. Pygments has 500 lexers, and many of their expressions were never meant for hostile text."""

MAX_READ = 400_000
MAX_MARKS = 25_000
MAX_DOLLARS = 2_000
MAX_CELLS = 10_000
MAX_ADDRESS = 2_000
"""Characters of a text, marks and lines in it, dollar signs, cells of a table, characters of a link definition: beyond
these a text is shown as its source. A definition is written once and shown wherever it is named, a short row is filled
up with cells, so that a few kilobytes could become megabytes; and it is the front end's MathJax that reads formulas."""

_OUTSIDE = re.compile(r"https?://|mailto:", re.IGNORECASE)
_MARKS = re.compile(r"[*_\[\]<`~$!|&>\n\\]")


class TooMuch(Exception):
    """The text would take too long to read as Markdown."""


def html(text: str) -> str:
    """The Markdown as clean HTML: tables, task lists, `$…$` and `$$…$$` kept for MathJax, code coloured."""
    text = sanitize.visible(text)
    try:
        tokens, env = parsed(text)
    except TooMuch:
        return code(text)
    parser = _parser()
    rendered = sanitize.visible(
        str(parser.renderer.render(tokens, parser.options, env))
    )  # `&#27;` is a character only now
    return _BETWEEN_TAGS.sub(r"\1", sanitize.clean(rendered))


def parsed(text: str) -> tuple[list[Token], dict[str, Any]]:
    """The tokens of the Markdown. Raises `TooMuch`."""
    if len(text) > MAX_READ or text.count("$") > MAX_DOLLARS or len(_MARKS.findall(text)) > MAX_MARKS:
        raise TooMuch
    env: dict[str, Any] = {}
    return _parser().parse(text, env), env


def code(text: str, language: str = "", until: float | None = None) -> str:
    """A code block as HTML: keywords in `<b>`, comments in `<i>`, literals in `<span>`.

    It is coloured as long as this thread's processor time is not past `until`; None gives it COLOURING_S.
    """
    text = sanitize.visible(text)
    plain = escape(text, quote=False)
    inner = plain
    if language.lower() in LANGUAGES and len(text) <= MAX_COLOURED:
        inner = _coloured(text, language, time.thread_time() + COLOURING_S if until is None else until) or plain
    return f"<pre><code>{inner if len(inner) < 1.6 * len(plain) else plain}</code></pre>\n"


def _coloured(text: str, language: str, until: float) -> str | None:
    """The code in colours, or None if that took too long."""
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None
    out: list[str] = []
    last = ""
    for kind, value in lexer.get_tokens(text):
        if time.thread_time() > until:
            return None
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
    parser.block.ruler.before("table", "wide_table", _refuse_wide_table)
    parser.core.ruler.after("block", "long_address", _refuse_long_address)
    parser.add_render_rule("fence", _fence)
    parser.add_render_rule("image", _image)
    parser.add_render_rule("link_open", _link)
    parser.add_render_rule("text", _plain_text)
    for kind in ("math_inline", "math_inline_double", "math_block", "math_block_label"):
        parser.add_render_rule(kind, _math)
    return parser


def _refuse_wide_table(state: StateBlock, start: int, end: int, _silent: bool) -> bool:
    """Looks, before a table is read, at how many cells it would have once each row is filled up."""
    columns = state.src.count("|", state.bMarks[start], state.eMarks[start]) + 1
    if columns > 2:
        rows = next((line for line in range(start, end) if state.isEmpty(line)), end) - start
        if columns * rows > MAX_CELLS:
            raise TooMuch
    return False


def _refuse_long_address(state: StateCore) -> None:
    for definition in state.env.get("references", {}).values():
        if len(definition["href"]) + len(definition["title"]) > MAX_ADDRESS:
            raise TooMuch


def _math(_self: Any, tokens: Sequence[Token], index: int, _options: Any, _env: Any) -> str:
    """The formula between the marks that MathJax looks for."""
    token = tokens[index]
    left, right = (r"\(", r"\)") if token.type == "math_inline" else (r"\[", r"\]")
    inner = f"{left}{escape(token.content.strip(), quote=False)}{right}"
    return inner if token.type.startswith("math_inline") else f"<p>{inner}</p>\n"


def _plain_text(_self: Any, tokens: Sequence[Token], index: int, _options: Any, _env: Any) -> str:
    """A dollar sign outside a formula stands in an element of its own, where MathJax does not pair it with another."""
    return escape(tokens[index].content).replace("$", "<span>$</span>")


def _fence(_self: Any, tokens: Sequence[Token], index: int, _options: Any, env: Any) -> str:
    token = tokens[index]
    until = env.setdefault("coloured until", time.thread_time() + COLOURING_S)
    return code(token.content, token.info.split()[0] if token.info.strip() else "", until)


def _link(_self: Any, tokens: Sequence[Token], index: int, _options: Any, _env: Any) -> str:
    """A link says where it leads. What is relative would lead into the server that shows the notebook."""
    return _leading_to(str(tokens[index].attrs.get("href", "")))


def _leading_to(address: str) -> str:
    if not _OUTSIDE.match(address):
        return "<a>"
    shown = escape(sanitize.visible(address))
    return f'<a href="{shown}" title="{shown}">'


def _image(_self: Any, tokens: Sequence[Token], index: int, _options: Any, _env: Any) -> str:
    """An image is a link to it: nothing is fetched without a click."""
    token = tokens[index]
    source = str(token.attrs.get("src", ""))
    return f"{_leading_to(source)}image: {escape(token.content or source)}</a>"
