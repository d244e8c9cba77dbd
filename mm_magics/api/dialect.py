"""What models of this family sometimes write into text: thinking in `<think>` tags, and tool calls as XML.

Nothing here changes a message: the text is kept and sent back as it is. `labextension/src/renderer/dialect.ts` is the
twin of `ThinkingSplitter`; both are tested with `tests/api/dialect.json`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

OPEN, CLOSE = "<think>", "</think>"
SENTENCE_ENDS = ".!?:…。！？："
CALL_OPEN = "<minimax:tool_call>"

WHITE = " \t\r\n\f\v"
"""The characters that separate words here. Python and JavaScript have different lists of all others."""

MAX_RUN = 1_000
"""White space or backticks in a row that are looked at together."""

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
    """Where in Markdown a text has arrived: in a code fence, in inline code, in which line.

    `last` is the last character of the line, and `last_word` the last one that is not white space; "" without one.
    """

    def __init__(self) -> None:
        self._fence = ""
        self._ticks = 0
        self._start_line()

    def _start_line(self) -> None:
        self.last = self.last_word = self._first = self._lead = self._run = ""
        self._pieces: list[str] = []

    def advance(self, text: str) -> None:
        *lines, rest = text.split("\n")
        for line in lines:
            self._add(line)
            self._end_line()
        self._add(rest)

    @property
    def is_code(self) -> bool:
        """Whether the next character is code: in a fence, between backticks, or indented by four spaces or a tab."""
        indented = not self._first and (self._lead.startswith("    ") or "\t" in self._lead)
        return bool(self._fence) or indented or _open_ticks(self._run, self._ticks) > 0

    @property
    def is_quoted(self) -> bool:
        return self._first == ">"

    @property
    def is_blank(self) -> bool:
        return not self._first

    def _add(self, text: str) -> None:
        if not text:
            return
        self._pieces.append(text)
        words = text.strip(WHITE)
        if not self._first:
            self._lead = (self._lead + text[: len(text) - len(text.lstrip(WHITE))])[:MAX_RUN]
            self._first = words[:1]
        self.last, self.last_word = text[-1], words[-1:] or self.last_word
        text = self._run + text
        end = len(text) - min(len(text) - len(text.rstrip("\\`")), MAX_RUN)
        self._ticks, self._run = _open_ticks(text[:end], self._ticks), text[end:]

    def _end_line(self) -> None:
        line = "".join(self._pieces)
        found = _FENCE.fullmatch(line)
        if self._fence:
            if found and found["marks"].startswith(self._fence) and not found["rest"].strip(WHITE):
                self._fence = ""
            self._ticks = 0
        elif found and not (found["marks"][0] == "`" and "`" in found["rest"]):
            self._fence, self._ticks = found["marks"], 0
        else:
            self._ticks = _open_ticks(self._run, self._ticks) if self._first else 0
        self._start_line()


def _open_ticks(text: str, ticks: int) -> int:
    """Return how many backticks opened the inline code after the text; 0 if none is open. `ticks` is before it."""
    for found in _TICKS.finditer(text):
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
        start = position = 0
        while True:
            tag = CLOSE if self._thinks else OPEN
            at = text.find(tag, position)
            end = at if at >= 0 else len(text) - _overlap(text, tag)
            if not self._thinks:
                self._place.advance(text[position : max(end, position)])
            if at < 0:
                self._held = text[max(end, position) :]
                yield from self._part(text[start : max(end, position)])
                return
            position = at + len(tag)
            if not self._thinks and not self._opens():
                self._place.advance(tag)
                continue
            yield from self._part(text[start:at])
            start = position
            self._thinks = not self._thinks
            self._skips_newlines = True

    def end(self) -> Iterator[Part]:
        """Yield what was held back."""
        held, self._held = self._held, ""
        if not self._thinks:
            self._place.advance(held)
        yield from self._part(held)

    def _opens(self) -> bool:
        """Whether a tag at this place starts thinking."""
        place = self._place
        if place.is_code or place.is_quoted:
            return False
        return place.is_blank or place.last not in WHITE or place.last_word in SENTENCE_ENDS

    def _part(self, text: str) -> Iterator[Part]:
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
    while 0 <= start <= MAX_CHECKED:
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
    if not place.is_blank or place.is_code or len(before) > MAX_CHECKED:
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
