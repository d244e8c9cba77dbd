"""What answers may contain beyond CommonMark: HTML, footnotes, task lists, bare addresses, emphasis without spaces.

`markup.json` lists the HTML, and `markup.ts`, `footnotes.ts` and `emphasis.ts` are the twins of this module. Only what
`sanitize_html` leaves of the HTML is shown.
"""

from __future__ import annotations

import json
import re
from functools import cache
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from types import MethodType
from typing import TYPE_CHECKING, Any

from mm_magics.text import escape_controls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markdown_it import MarkdownIt
    from markdown_it.rules_core import StateCore
    from markdown_it.rules_inline import StateInline
    from markdown_it.rules_inline.state_inline import Scanned
    from markdown_it.token import Token

_EXTERNAL = re.compile(r"https?://|mailto:", re.IGNORECASE)
_FOREIGN_AUTOLINK = re.compile(r"<(?!https?:|mailto:)[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_TAG_OR_MARK = re.compile(r"</?([a-z][^\s<>/]*)(?:[\s/][^<>]*)?>|<", re.IGNORECASE)


@cache
def markup() -> dict[str, Any]:
    """Return the contents of `markup.json`."""
    found: dict[str, Any] = json.loads(Path(__file__).with_name("markup.json").read_text("utf-8"))
    return found


def has_right_to_left(text: str) -> bool:
    """Return whether the text has letters of a script that is written from right to left."""
    return re.search(f"[{markup()['rightToLeft']}]", text) is not None


def gfm_plugin(parser: MarkdownIt) -> None:
    """Let the parser find and render all of it."""
    from mdit_py_plugins.footnote import footnote_plugin
    from mdit_py_plugins.gfm_autolink import gfm_autolink_plugin

    parser.options.update(html=True, tasklists=True, strikethrough_single_tilde=True)
    parser.validateLink = bool  # type: ignore[method-assign, assignment]  # `_link_tag` checks it
    parser.use(gfm_autolink_plugin)
    parser.use(footnote_plugin, inline=False, move_to_end=False)
    parser.core.ruler.after("inline", "footnote_label", _label_footnotes)
    parser.inline.ruler.at("strikethrough", _strikethrough)
    parser.inline.ruler.at("emphasis", _emphasis)
    for kind, rule in {
        "html_block": _html,
        "html_inline": _html,
        "image": _image,
        "link_open": _link,
        "list_item_open": _list_item,
        "td_open": _cell,
        "th_open": _cell,
        "footnote_ref": _footnote_reference,
        "footnote_reference_open": _nothing,
        "footnote_reference_close": _nothing,
    }.items():
        parser.add_render_rule(kind, rule)


def _html(_self: Any, tokens: Sequence[Token], index: int, _options: Any, _env: Any) -> str:
    """Show as text what looks like a tag but is none, and what would load or run something."""
    return _TAG_OR_MARK.sub(_tag, tokens[index].content)


def _tag(found: re.Match[str]) -> str:
    name = (found[1] or "").lower()
    if name not in _elements():
        return escape(found[0], quote=False)
    if name not in ("a", "img") or found[0][1] == "/":
        return found[0]
    parser = _FirstTag()
    parser.feed(found[0])
    values = parser.attributes
    if name == "a":
        return _link_tag(values.get("href", ""))
    return _image_link(values.get("src", ""), values.get("alt", ""))


@cache
def _elements() -> frozenset[str]:
    return frozenset(f"{markup()['shown']} {markup()['dropped']}".split())


class _FirstTag(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.attributes: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self.attributes = {name: value or "" for name, value in attrs}


def _image(_self: Any, tokens: Sequence[Token], index: int, _options: Any, _env: Any) -> str:
    return _image_link(str(tokens[index].attrs.get("src", "")), tokens[index].content)


def _image_link(source: str, alternative: str) -> str:
    """Render an image as a link: nothing loads without a click."""
    return f"{_link_tag(source)}image: {escape(alternative or source)}</a>"


def _link(_self: Any, tokens: Sequence[Token], index: int, _options: Any, _env: Any) -> str:
    return _link_tag(str(tokens[index].attrs.get("href", "")))


def _link_tag(url: str) -> str:
    """Show the target of a link in its title, and disable relative links: they point into the Jupyter server."""
    if not _EXTERNAL.match(url):
        return "<a>"
    target = escape(escape_controls(url))
    return f'<a href="{target}" title="{target}">'


def autolink(state: StateInline, silent: bool) -> bool:
    """Make a link of an address in angle brackets, but not of an element of XML with a prefix."""
    from markdown_it import rules_inline

    return not _FOREIGN_AUTOLINK.match(state.src, state.pos) and rules_inline.autolink(state, silent)


def _list_item(self: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    """Show the state of a task as a character: viewers remove checkboxes."""
    checked = (tokens[index].meta or {}).get("checked")
    item = str(self.renderToken(tokens, index, options, env))
    return item if checked is None else f"{item}{'☑' if checked else '☐'} "


def _cell(self: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    """Align a cell with an attribute: styles are removed."""
    style = str(tokens[index].attrs.pop("style", ""))
    if style:
        tokens[index].attrSet("align", style.removeprefix("text-align:"))
    return str(self.renderToken(tokens, index, options, env))


def _nothing(_self: Any, _tokens: Sequence[Token], _index: int, _options: Any, _env: Any) -> str:
    return ""


def _footnote_reference(_self: Any, tokens: Sequence[Token], index: int, _options: Any, _env: Any) -> str:
    """Show the label instead of a link: two answers on a page may have the same label."""
    return f"<sup>[{escape(tokens[index].meta['label'])}]</sup>{tokens[index].info}"


def _label_footnotes(state: StateCore) -> None:
    """Start each footnote with its label."""
    from markdown_it.token import Token

    for index, token in reversed(list(enumerate(state.tokens))):
        if token.type != "footnote_reference_open":
            continue
        label = Token("footnote_ref", "", 0, meta=token.meta, info=" ")
        if state.tokens[index + 1].type == "paragraph_open":
            state.tokens[index + 2].children = [label, *(state.tokens[index + 2].children or [])]
        else:
            own = Token("inline", "", 0, content="", children=[label])
            state.tokens[index + 1 : index + 1] = [
                Token("paragraph_open", "p", 1, block=True),
                own,
                Token("paragraph_close", "p", -1, block=True),
            ]


def _emphasis(state: StateInline, silent: bool) -> bool:
    from markdown_it.rules_inline import emphasis

    state.scanDelims = MethodType(_scan_delimiters, state)  # type: ignore[method-assign]
    return emphasis.tokenize(state, silent)


def _strikethrough(state: StateInline, silent: bool) -> bool:
    from markdown_it.rules_inline import strikethrough

    state.scanDelims = MethodType(_scan_delimiters, state)  # type: ignore[method-assign]
    return strikethrough.tokenize(state, silent)


@cache
def _cjk() -> re.Pattern[str]:
    return re.compile(f"[{markup()['cjk']}]")


def _scan_delimiters(state: StateInline, start: int, can_split_word: bool) -> Scanned:
    """Let emphasis begin and end beside a Chinese, Japanese or Korean character: no spaces are written there.

    This is the rule of https://github.com/tats-u/markdown-cjk-friendly.
    """
    from markdown_it.rules_inline import StateInline
    from markdown_it.rules_inline.state_inline import Scanned

    found = StateInline.scanDelims(state, start, can_split_word)
    before = state.src[start - 1] if start else " "
    end = start + found.length
    after = state.src[end] if end < state.posMax else " "
    if not can_split_word or not (_cjk().match(before) or _cjk().match(after)):
        return found
    return Scanned(not after.isspace(), not before.isspace(), found.length)
