"""Parse HTML as a browser does: find its elements, and anything that could act or load by itself."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import urlsplit

import nh3

from mm_magics.display.mime_bundle import BOX, DIRECTIONS, STYLE

PLAIN = (
    *("abbr", "b", "blockquote", "br", "caption", "code", "dd", "del", "div", "dl"),
    *("dt", "em", "footer", "h1", "h2", "h3", "h4", "h5", "h6", "hr"),
    *("i", "ins", "kbd", "li", "mark", "p", "pre", "q", "s", "samp"),
    *("small", "span", "strong", "sub", "summary", "sup", "table", "tbody", "tfoot", "thead"),
    *("tr", "u", "ul", "var"),
)
ALLOWED: dict[str, set[str]] = {
    **{tag: {"dir"} for tag in PLAIN},
    "a": {"href", "title", "rel"},
    "details": {"open"},
    "ol": {"start", "reversed"},
    "td": {"align", "colspan", "rowspan", "dir"},
    "th": {"align", "colspan", "rowspan", "dir"},
}
CLASSES = {"mm-saved"}


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[str, dict[str, str]]] = []
        self.odd: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def handle_comment(self, data: str) -> None:
        self.odd.append(f"<!--{data}")

    def handle_decl(self, decl: str) -> None:
        self.odd.append(f"<!{decl}")

    def handle_pi(self, data: str) -> None:
        self.odd.append(f"<?{data}")

    def unknown_decl(self, data: str) -> None:
        self.odd.append(f"<![{data}")


def without_styles(html: str) -> str:
    return html.replace(STYLE, "").replace(DIRECTIONS, "")


def elements(html: str) -> list[tuple[str, dict[str, str]]]:
    parser = _Elements()
    parser.feed(html)
    parser.close()
    return parser.found


def text(html: str) -> str:
    parser = _Elements()
    parser.feed(html)
    parser.close()
    return "".join(parser.text)


def dangers(html: str) -> list[str]:
    """Return everything not known to be safe, by two parsers; one uses the algorithm of browsers (html5ever)."""
    parser = _Elements()
    parser.feed(html)
    parser.close()
    out = list(parser.odd)
    for tag, attributes in parser.found:
        if tag not in ALLOWED:
            out.append(f"<{tag}>")
            continue
        for name, value in attributes.items():
            if name == "class":
                out += [f"class {each}" for each in value.split() if each not in CLASSES]
            elif name not in ALLOWED[tag] and (name, value) != ("style", BOX):
                out.append(f"<{tag} {name}={value}>")
            elif name == "href" and urlsplit(value.strip()).scheme not in ("", "http", "https", "mailto"):
                out.append(f"<a href={value}>")
        if tag == "a" and "href" in attributes and "noopener" not in attributes.get("rel", ""):
            out.append("a link without noopener")
    again = nh3.clean(html, tags=set(ALLOWED), attributes={"*": {"class"}, **ALLOWED}, link_rel=None)
    if text(again) != text(html):
        out.append("a browser reads it differently")
    return out
