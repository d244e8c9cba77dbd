"""What models of this family sometimes write into text: thinking in `<think>` tags, and tool calls as XML.

Nothing here changes a message: the text is kept and sent back as it is. `labextension/src/renderer/dialect.ts` is the
twin of `ThinkingSplitter`; both are tested with `tests/api/dialect.json`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import copy
from typing import Literal, NamedTuple

OPEN, CLOSE = "<think>", "</think>"
SENTENCE_ENDS = ".!?:…。！？："
CALL_OPEN = "<minimax:tool_call>"

WHITE = " \t\r\n\f\v"
"""The characters that separate words here. Python and JavaScript have different lists of all others."""

MAX_CHECKED = 100_000
"""A call after more characters than this is not recognized, because checking what is before it takes too long."""

PartKind = Literal["text", "thinking"]

_FENCE = re.compile(r"[ \t>]*(?:(?:[-*+]|[0-9]{1,9}[.)])[ \t]+)*(?P<marks>`{3,}|~{3,})(?P<rest>.*)", re.DOTALL)
_TICKS = re.compile(r"\\`|`+")
_TAG = re.compile(
    r"<(?P<end>/?)(?P<tag>minimax:tool_call|invoke|parameter)"
    r"(?:\s+name=(?:\"(?P<double>[^\"<>\n]*)\"|'(?P<single>[^'<>\n]*)'|(?P<bare>[\w.-]+)))?\s*>"
)


class Part(NamedTuple):
    """A part of a text: what the reader reads, or thinking."""

    kind: PartKind
    text: str


class TextCall(NamedTuple):
    """A tool call in a text: the name, and the arguments as they were written."""

    name: str
    values: dict[str, str]


class _MarkdownPlace:
    """Where in Markdown a text has arrived: in a code fence, in inline code, in which line."""

    def __init__(self) -> None:
        self.line = ""
        self._fence = ""
        self._ticks = 0

    def advance(self, text: str) -> None:
        *lines, rest = text.split("\n")
        for line in lines:
            self.line += line
            self._end_line()
        self.line += rest

    @property
    def is_code(self) -> bool:
        """Whether the next character is code: in a fence, between backticks, or indented by four spaces or a tab."""
        blank = not self.line.strip(WHITE)
        indented = blank and (self.line.startswith("    ") or "\t" in self.line)
        return bool(self._fence) or indented or _open_ticks(self.line, self._ticks) > 0

    @property
    def is_quoted(self) -> bool:
        return self.line.lstrip(WHITE).startswith(">")

    def _end_line(self) -> None:
        found = _FENCE.fullmatch(self.line)
        if self._fence:
            if found and found["marks"].startswith(self._fence) and not found["rest"].strip(WHITE):
                self._fence = ""
        elif found and not (found["marks"][0] == "`" and "`" in found["rest"]):
            self._fence, self._ticks = found["marks"], 0
        else:
            self._ticks = _open_ticks(self.line, self._ticks) if self.line.strip(WHITE) else 0
        self.line = ""


def _open_ticks(line: str, ticks: int) -> int:
    """Return how many backticks opened the inline code at the end of the line; 0 if none is open."""
    for found in _TICKS.finditer(line):
        if found[0][0] == "`":
            ticks = len(found[0]) if not ticks else 0 if len(found[0]) == ticks else ticks
    return ticks


class ThinkingSplitter:
    """Splits a text into what the reader reads and thinking in `<think>` tags, as the text arrives.

    The result does not depend on how the text is split into pieces. A tag counts at the start of a line, next to a word
    or after a sentence, but not in code or in a quote, and not in the middle of a sentence, where it is only mentioned.
    Thinking without an end tag continues to the end of the text. Newlines next to the tags are left out.
    """

    def __init__(self) -> None:
        self._place = _MarkdownPlace()
        self._thinks = False
        self._held = ""
        self._skips_newlines = False

    def feed(self, text: str) -> Iterator[Part]:
        """Yield the parts of the text that are certain. The start of a tag waits for more."""
        text, self._held = self._held + text, ""
        while text:
            tag = CLOSE if self._thinks else OPEN
            at = text.find(tag)
            if at < 0:
                whole = len(text) - _overlap(text, tag)
                text, self._held = text[:whole], text[whole:]
                yield from self._part(text)
                return
            before, text = text[:at], text[at + len(tag) :]
            if not self._thinks and not self._is_tag(before):
                yield from self._part(before + tag)
                continue
            yield from self._part(before)
            self._thinks = not self._thinks
            self._skips_newlines = True

    def end(self) -> Iterator[Part]:
        """Yield what was held back."""
        held, self._held = self._held, ""
        yield from self._part(held)

    def _is_tag(self, before: str) -> bool:
        """Whether a tag that follows this text starts thinking."""
        place = copy(self._place)
        place.advance(before)
        if place.is_code or place.is_quoted:
            return False
        line = place.line
        return not line.strip(WHITE) or line[-1] not in WHITE or line.rstrip(WHITE)[-1] in SENTENCE_ENDS

    def _part(self, text: str) -> Iterator[Part]:
        if not self._thinks:
            self._place.advance(text)
        if self._skips_newlines:
            text = text.lstrip("\r\n")
            self._skips_newlines = not text
        if text:
            yield Part("thinking" if self._thinks else "text", text)


def _overlap(text: str, tag: str) -> int:
    """Return how long the end of the text is that may be the start of the tag."""
    return next((size for size in range(min(len(tag) - 1, len(text)), 0, -1) if text.endswith(tag[:size])), 0)


def split_thinking(text: str) -> list[Part]:
    r"""Split a whole text into what the reader reads and thinking.

    >>> split_thinking("<think>\nLet me see.\n</think>\n\nA reef.")
    [Part(kind='thinking', text='Let me see.\n'), Part(kind='text', text='A reef.')]
    """
    if OPEN not in text:
        return [Part("text", text)] if text else []
    splitter = ThinkingSplitter()
    joined: list[Part] = []
    for part in [*splitter.feed(text), *splitter.end()]:
        if joined and joined[-1].kind == part.kind:
            part = Part(part.kind, joined.pop().text + part.text)
        joined.append(part)
    return joined


def without_thinking(text: str) -> str:
    """Return what the reader reads of a text."""
    return "".join(part.text for part in split_thinking(text) if part.kind == "text") if OPEN in text else text


# Tool calls as XML ------------------------------------------------------------------------------------------------


def calls_at_end(text: str) -> list[TextCall]:
    """Return the tool calls that a text ends with; [] if it ends with anything else.

    A call counts only if it is complete, starts a line of ordinary text, outside of code, quotes, HTML and thinking,
    and only white space follows it. A call that can be read in two ways does not count.
    """
    if CALL_OPEN not in text or not text.rstrip().endswith(CALL_OPEN.replace("<", "</")):
        return []
    start = text.find(CALL_OPEN)
    while start >= 0:
        before = text[:start]
        if before.rfind(OPEN) <= before.rfind(CLOSE) and (calls := _parsed_calls(text[start:])):
            return calls if _is_ordinary(without_thinking(before)) else []
        start = text.find(CALL_OPEN, start + 1)
    return []


def _is_ordinary(before: str) -> bool:
    """Return whether a line after this text is ordinary text in Markdown: not code, not a quote, not HTML."""
    from markdown_it import MarkdownIt

    place = _MarkdownPlace()
    place.advance(before)
    if place.line.strip() or place.is_code or len(before) > MAX_CHECKED:
        return False
    mark = "mmtoolcall"
    for token in reversed(MarkdownIt("commonmark").parse(before + mark)):
        if token.nesting < 0 and token.type != "blockquote_close":
            continue
        children = token.children or []
        return bool(children) and children[-1].type == "text" and children[-1].content.strip() == mark
    return False


def _parsed_calls(text: str) -> list[TextCall]:
    """Return the calls of a text that consists of nothing else; [] otherwise."""
    calls: list[TextCall] = []
    inside: list[str] = []
    parameter, position = "", 0
    for found in _TAG.finditer(text):
        tag, name = found["tag"], found["double"] or found["single"] or found["bare"] or ""
        between, position = text[position : found.start()], found.end()
        is_value = inside[-1:] == ["parameter"]
        if between.strip() and not is_value:
            return []
        if found["end"]:
            if not inside or inside.pop() != tag or name:
                return []
            if is_value:
                calls[-1].values[parameter] = between.removeprefix("\n").removesuffix("\n")
            continue
        expected = {0: "minimax:tool_call", 1: "invoke", 2: "parameter"}.get(len(inside))
        if tag != expected or bool(name) != (tag != "minimax:tool_call"):
            return []
        inside.append(tag)
        if tag == "invoke":
            calls.append(TextCall(name, {}))
        elif tag == "parameter":
            if name in calls[-1].values:
                return []
            parameter = name
    return [] if inside or text[position:].strip() else calls
