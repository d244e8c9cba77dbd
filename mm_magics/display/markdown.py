"""Render Markdown as static HTML for the saved answer.

The HTML is sanitized and readable without a style sheet or script. It is at most about twice as long as the text, so
code is highlighted with the shortest tags. Rendering takes about a second at most, even for hostile text: text that
would take longer to parse is shown as source.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Sequence
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any

from mm_magics.display import formulas, gfm, sanitize
from mm_magics.text import escape_controls

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_core import StateCore
    from markdown_it.token import Token

_BETWEEN_TAGS = re.compile(r"(</?(?:table|thead|tbody|tr|th|td|ul|ol|li)\b[^>]*>)\n+")

MAX_HIGHLIGHTED = 20_000
"""Longest code block that is highlighted, in characters."""

HIGHLIGHT_S = 0.4
"""Seconds of CPU time for highlighting one answer; the remaining code stays plain."""

LANGUAGES = frozenset(
    {"bash", "sh", "shell", "console", "pycon", "c", "cpp", "css", "diff", "go", "html", "ini", "java", "javascript"}
    | {"js", "json", "julia", "latex", "tex", "make", "makefile", "python", "py", "python3", "ipython", "ipython3"}
    | {"r", "rust", "rs", "sql", "toml", "typescript", "ts", "xml", "yaml", "yml"}
)
"""Languages that are highlighted. Pygments has 500 lexers, and many of their regular expressions are slow on hostile
text."""

MAX_LENGTH = 400_000
MAX_MARKS = 25_000
MAX_FORMULAS = 2_000
MAX_CELLS = 10_000
MAX_URL = 2_000
"""Limits for parsing a text as Markdown: its characters, its Markdown marks and lines, the delimiters that may start a
formula, the cells of one table, the characters of one link definition. Text beyond a limit is shown as source. A link
definition is repeated wherever it is used, and short table rows are padded with cells, so a few kilobytes could become
megabytes. Each start of a formula costs time, here and in the front end's MathJax."""

_ACTING = re.compile(r"\W*(?:javascript|vbscript|data)\W", re.IGNORECASE)
_FORMULA = re.compile(r"\$|\\[(\[]")
_MARKS = re.compile(r"[*_\[\]<`~$!|&>\n\\]")


class MarkdownLimitError(Exception):
    """The text would take too long to parse as Markdown."""


def render_html(text: str) -> str:
    """Render Markdown as sanitized HTML: GFM, footnotes, formulas for MathJax, highlighted code."""
    text = escape_controls(text)
    parser = _answer_parser()
    try:
        tokens, env = _parse(parser, text)
    except MarkdownLimitError:
        return render_code(text)
    env["formula place"] = secrets.token_hex(8)  # the text must not contain it
    html = str(parser.renderer.render(tokens, parser.options, env))
    html = escape_controls(html)  # again: rendering turns `&#27;` into the character
    html = sanitize.sanitize_html(html, directions=gfm.has_right_to_left(html))
    html = _BETWEEN_TAGS.sub(r"\1", html)
    return break_delimiters(_insert_formulas(html, env))


def parse_answer(text: str) -> list[Token]:
    """Parse Markdown with all that answers may contain. Raises `MarkdownLimitError`."""
    return _parse(_answer_parser(), text)[0]


def parse_markdown(text: str) -> tuple[list[Token], dict[str, Any]]:
    """Parse what every viewer understands into tokens and the parser's environment. Raises `MarkdownLimitError`."""
    return _parse(_parser(), text)


def parse_blocks(text: str) -> list[Token]:
    """Parse the paragraphs, lists, tables and code, but not the text in them. Raises `MarkdownLimitError`."""
    return _parse(_block_parser(), text)[0]


def _parse(parser: MarkdownIt, text: str) -> tuple[list[Token], dict[str, Any]]:
    if len(text) > MAX_LENGTH or has_too_many_formulas(text) or len(_MARKS.findall(text)) > MAX_MARKS:
        raise MarkdownLimitError
    env: dict[str, Any] = {}
    return parser.parse(text, env), env


def has_acting_link(text: str) -> bool:
    """Return whether a link of the Markdown would run or contain something, in a viewer that allows it."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.validateLink = bool  # type: ignore[method-assign, assignment]
    links = (child for token in parser.parse(text) for child in token.children or ())
    return any(_ACTING.match(str(link.attrs.get("href", ""))) for link in links)


def loads(text: str, unsafe: re.Pattern[str]) -> bool:
    """Return whether the Markdown has an image, or an element that matches, in a viewer that allows HTML."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    tokens = parser.parse(text)
    parts = [*tokens, *(child for token in tokens for child in token.children or ())]
    return any(
        part.type == "image" or (part.type in ("html_inline", "html_block") and unsafe.search(part.content))
        for part in parts
    )


def has_too_many_formulas(text: str) -> bool:
    return len(_FORMULA.findall(text)) > MAX_FORMULAS


def render_code(text: str, language: str = "", until: float | None = None) -> str:
    """Render a code block as HTML: keywords in `<b>`, comments in `<i>`, literals in `<span>`.

    Args:
        until: Highlight only until this thread's CPU time (`time.thread_time()`) reaches this value. By default
            `HIGHLIGHT_S` from now.
    """
    text = escape_controls(text)
    plain = escape(text, quote=False)
    inner = plain
    if language.lower() in LANGUAGES and len(text) <= MAX_HIGHLIGHTED:
        inner = _highlight(text, language, time.thread_time() + HIGHLIGHT_S if until is None else until) or plain
    return f"<pre><code>{inner if len(inner) < 1.6 * len(plain) else plain}</code></pre>\n"


def _highlight(text: str, language: str, until: float) -> str | None:
    """Return the highlighted code, or None if it takes too long."""
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
    """Return a parser of what every viewer understands, and formulas."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.use(formulas.formulas_plugin)
    parser.block.ruler.before("table", "wide_table", _reject_wide_table)
    parser.core.ruler.after("block", "long_url", _reject_long_url)
    parser.inline.ruler.at("autolink", gfm.autolink)
    return parser


@cache
def _block_parser() -> MarkdownIt:
    parser: MarkdownIt = _parser.__wrapped__()
    return parser.disable(["inline", "text_join"])


@cache
def _answer_parser() -> MarkdownIt:
    """Return a parser of all that answers may contain."""
    parser: MarkdownIt = _parser.__wrapped__()
    parser.use(gfm.gfm_plugin)
    parser.add_render_rule("fence", _fence)
    for kind in ("formula", "formula_block"):
        parser.add_render_rule(kind, _formula)
    return parser


def _reject_wide_table(state: StateBlock, start: int, end: int, _silent: bool) -> bool:
    """Reject a table that would have too many cells after each row is padded, before it is parsed."""
    columns = state.src.count("|", state.bMarks[start], state.eMarks[start]) + 1
    if columns > 2:
        rows = next((line for line in range(start, end) if state.isEmpty(line)), end) - start
        if columns * rows > MAX_CELLS:
            raise MarkdownLimitError
    return False


def _reject_long_url(state: StateCore) -> None:
    for definition in state.env.get("references", {}).values():
        if len(definition["href"]) + len(definition["title"]) > MAX_URL:
            raise MarkdownLimitError


def _formula(_self: Any, tokens: Sequence[Token], index: int, _options: Any, env: Any) -> str:
    """Reserve the place of an allowed formula; show any other as its source."""
    token = tokens[index]
    if not formulas.is_allowed(token.content):
        tex = escape(token.content, quote=False)
        return f"<p><code>{tex}</code></p>\n" if token.block else f"<code>{tex}</code>"
    found = env.setdefault("formulas", [])
    found.append(token)
    place = f"{env['formula place']}x{len(found) - 1}x"
    return f"<div>{place}</div>\n" if token.block else place


def _insert_formulas(html: str, env: dict[str, Any]) -> str:
    """Put the formulas between the delimiters that MathJax recognizes, in elements that no HTML of an answer makes."""
    found = env.get("formulas", [])
    if not found:
        return html

    def element(match: re.Match[str]) -> str:
        token = found[int(match["number"])]
        tex = escape(token.content, quote=False)
        if match["block"]:
            return f"<div>\\[{tex}\\]</div>"
        return rf"<var>\({tex}\)</var>" if token.markup == r"\(" else rf"<var>\[{tex}\]</var>"

    place = rf'(?P<block><div dir="auto">)?{env["formula place"]}x(?P<number>\d+)x(?(block)</div>)'
    return re.sub(place, element, html)


_UNTYPESET = re.compile(
    r"""(?P<kept><(pre|code|var|div|style)>.*?</\2>|<span>[$\\]</span>|<[a-z/!](?:"[^"]*"|[^">])*>)"""
    r"""|(?P<mark>\$|\\(?=[()\[\]$\\]|begin|(?:eq)?ref))""",
    re.DOTALL,
)


def break_delimiters(html: str) -> str:
    r"""Put each delimiter of MathJax outside code and our own formulas into its own element: MathJax ignores it there.

    >>> print(break_delimiters(r"<i>$a$</i> <code>$b$</code> \(c\)"))
    <i><span>$</span>a<span>$</span></i> <code>$b$</code> <span>\</span>(c<span>\</span>)
    """
    return _UNTYPESET.sub(lambda found: found["kept"] or f"<span>{found['mark']}</span>", html)


def _fence(_self: Any, tokens: Sequence[Token], index: int, _options: Any, env: Any) -> str:
    token = tokens[index]
    until = env.setdefault("highlight until", time.thread_time() + HIGHLIGHT_S)
    language = token.info.split()[0].lower() if token.info.strip() else ""
    label = f"<small>{escape(language)}</small>\n" if language else ""
    return label + render_code(token.content, language, until)
