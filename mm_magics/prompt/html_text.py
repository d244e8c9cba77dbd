"""HTML as the text that a reader sees: tables as Markdown tables, without scripts, styles and hidden elements.

Libraries lose cells that span rows, or take quadratic time for hostile HTML; this takes linear time (ADR 69).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from itertools import zip_longest

from mm_magics.prompt.values import table_row

MAX_CELLS = 100_000
"""Cells of a table that are repeated because they span rows or columns, at most."""

MAX_HEADS = 20
"""Rows of titles that are joined."""

_LINE_TAGS = """
address article aside blockquote br caption dd details div dl dt fieldset figcaption figure footer form h1 h2 h3 h4 h5
h6 header hr legend li main nav ol p pre section summary table ul"""
_NOT_SHOWN = frozenset(["head", "math", "noscript", "script", "style", "svg", "template", "textarea", "title"])
_LINES = frozenset(re.findall(r"\w+", _LINE_TAGS))
_VOID = frozenset(["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track"])
_RAW_ENDS = {tag: re.compile(f"</{tag}", re.IGNORECASE) for tag in ("script", "style", "textarea", "title")}
"""Where elements end whose content has no tags."""
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9-]*+)([^<>]*+)>|<!(?!--)[^<>]*+>|<!--|[^<]++|<")
_ATTRIBUTE = re.compile(r"""([^\s=/"']++)(?:\s*+=\s*+(?:"([^"]*+)"|'([^']*+)'|([^\s"']++)))?""")
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)


def html_text(html: str) -> str:
    r"""Return the text of an HTML document or fragment.

    >>> print(html_text("<p>Two:</p><table><tr><th>a<th>b</tr><tr><td rowspan=2>1<td>x</tr><tr><td>y</tr></table>"))
    Two:
    <BLANKLINE>
    | a | b |
    | --- | --- |
    | 1 | x |
    | 1 | y |
    """
    reader = _Reader()
    reader.feed(html)
    return reader.text()


class _Table:
    """The rows of a table as they are read. A cell that spans rows or columns is repeated in each of them."""

    def __init__(self) -> None:
        self.rows: list[list[str]] = []
        self.headers: list[bool] = []
        self.cell: list[str] | None = None
        self._spans: dict[int, tuple[int, str]] = {}
        """The cells that span rows, by column: the number of their last row, and their text."""
        self._size = (1, 1)
        self._repeated = 0
        self._in_head = False

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.end_cell()
        if tag in ("thead", "tbody", "tfoot"):
            self._in_head = tag == "thead"
        elif tag == "tr":
            self.end_row()
            self.rows.append([])
            self.headers.append(True)
        elif tag in ("td", "th"):
            if not self.rows:
                self.start("tr", {})
            self.headers[-1] = self.headers[-1] and (tag == "th" or self._in_head)
            self.cell = []
            self._size = _span(attributes.get("rowspan", "")), _span(attributes.get("colspan", ""))

    def end_cell(self) -> None:
        if self.cell is None:
            return
        text, (height, width) = _one_line("".join(self.cell)), self._size
        self.cell = None
        row = self.rows[-1]
        self._fill()
        width = min(width, 1 + MAX_CELLS - self._repeated)
        if height > 1:
            self._spans |= dict.fromkeys(range(len(row), len(row) + width), (len(self.rows) + height - 2, text))
        row += [text] * width
        self._repeated += width - 1

    def end_row(self) -> None:
        if self.rows:
            self._fill()

    def _fill(self) -> None:
        """Repeat the cells of earlier rows that span this place."""
        row = self.rows[-1]
        while self._repeated < MAX_CELLS:
            last, text = self._spans.get(len(row), (-1, ""))
            if last < len(self.rows) - 1:
                return
            row.append(text)
            self._repeated += 1

    def markdown(self) -> str:
        self.end_cell()
        self.end_row()
        columns = max(map(len, self.rows), default=0)
        if not columns:
            return ""
        heads = next((number for number, is_header in enumerate(self.headers) if not is_header), len(self.rows))
        merged = zip_longest(*self.rows[: min(heads, MAX_HEADS)], fillvalue="")
        titles = [" / ".join(dict.fromkeys(filter(None, column))) for column in merged]
        titles += [""] * (columns - len(titles))
        return "\n".join(map(table_row, [titles, ["---"] * columns, *filter(None, self.rows[heads:])]))


class _Reader:
    def __init__(self) -> None:
        self._parts: list[str] = []
        self._tables: list[_Table] = []
        self._hidden = ""
        self._depth = 0
        self._preformatted = 0

    def feed(self, html: str) -> None:
        at = 0
        while at >= 0 and (match := _TAG.match(html, at)):
            at = match.end()
            end, tag, attributes = match.groups("")
            tag = tag.lower()
            if match[0] == "<!--":
                at = close + 3 if (close := html.find("-->", at)) >= 0 else -1
            elif not tag:
                self._text("" if match[0].startswith("<!") else match[0])
            elif end:
                self._end(tag)
            else:
                self._start(tag, attributes)
                if raw_end := _RAW_ENDS.get(tag):
                    at = found.start() if (found := raw_end.search(html, at)) else -1

    def _start(self, tag: str, text: str) -> None:
        attributes = {
            name.lower(): unescape(double or single or bare) for name, double, single, bare in _ATTRIBUTE.findall(text)
        }
        if self._hidden:
            self._depth += tag == self._hidden
        elif tag not in _VOID and (tag in _NOT_SHOWN or _is_hidden(attributes)):
            self._hidden, self._depth = tag, 1
        elif tag == "table":
            self._tables.append(_Table())
        elif self._tables and tag in ("thead", "tbody", "tfoot", "tr", "td", "th"):
            self._tables[-1].start(tag, attributes)
        elif tag == "img":
            self._add(f"[image: {alt}]" if (alt := _one_line(attributes.get("alt", ""))) else "[image]")
        elif tag in _LINES:
            self._add("\n- " if tag == "li" else "\n")
            self._preformatted += tag == "pre"

    def _end(self, tag: str) -> None:
        if self._hidden:
            self._depth -= tag == self._hidden
            self._hidden = self._hidden if self._depth else ""
        elif tag == "table" and self._tables:
            self._end_table()
        elif self._tables and tag in ("td", "th"):
            self._tables[-1].end_cell()
        elif tag in _LINES and tag != "li":
            self._add("\n")
            self._preformatted -= tag == "pre" and self._preformatted > 0

    def _text(self, text: str) -> None:
        data = unescape(text)
        if not self._hidden:
            self._add(data if self._preformatted and not self._tables else re.sub(r"\s+", " ", data))

    def _add(self, text: str) -> None:
        if not self._tables:
            self._parts.append(text)
        elif (cell := self._tables[-1].cell) is not None:
            cell.append(text)
        elif text.strip():  # a caption, or text that is not in a cell
            self._parts.append(f"{text.strip()}\n")

    def _end_table(self) -> None:
        table = self._tables.pop()
        if self._tables:  # a table in a cell becomes its text
            table.end_cell()
            self._add(" ".join(cell for row in table.rows for cell in row))
        elif text := table.markdown():
            self._parts.append(f"\n\n{text}\n\n")

    def text(self) -> str:
        while self._tables:
            self._end_table()
        lines = [line.rstrip() for line in "".join(self._parts).split("\n")]
        return "\n".join(_without_repeated_blanks(lines)).strip()


def _without_repeated_blanks(lines: list[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        if line or (number and lines[number - 1]):
            yield line


def _is_hidden(attributes: dict[str, str]) -> bool:
    return "hidden" in attributes or _HIDDEN.search(attributes.get("style", "")) is not None


def _span(value: str) -> int:
    return min(max(int(value[:9]), 1), 1_000) if value[:9].isdecimal() else 1


def _one_line(text: str) -> str:
    return " ".join(text.split())
