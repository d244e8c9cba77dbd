"""Text from models, tools and programs: invisible characters, surrogates, code fences and one-line excerpts."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from typing import TypeVar

MAX_BLANKS = 80
"""A longer run of spaces and tabs is counted instead of shown."""
MAX_EMPTY_LINES = 10
"""A longer run of lines without a visible character is counted instead of shown."""
MAX_MARKS = 2
"""Combining marks after one character; further ones would cover other text."""

_LOOKS_EMPTY = "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u2d7f\u3164\uffa0\ufffc"
_LOOKS_EMPTY += "\U00013441\U00013442\U00016fe4\U0001107f\U0001d159"
"""Letters and marks without a shape."""
_PLAIN = re.compile(r"[\n\t -~]*")
_BLANKS = re.compile(rf"[ \t]{{{MAX_BLANKS + 1},}}")
_EMPTY_LINES = re.compile(rf"(?<=\n)(?:[ \t]*\n){{{MAX_EMPTY_LINES + 1},}}")
T = TypeVar("T")
_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b")
_BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_INVISIBLE = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_BIDI}\ud800-\udfff]+")
_FENCE = re.compile(r"`{3,}(?=[^`]*$)|~{3,}")


def decode_json(data: bytes) -> str:
    r"""Decode JSON text: UTF-8, UTF-16 or UTF-32, with or without a byte order mark. Raises `UnicodeDecodeError`.

    >>> decode_json(b"\xef\xbb\xbf{}"), decode_json("{}".encode("utf-16"))
    ('{}', '{}')
    """
    return data.decode(json.detect_encoding(data))


def strip_ansi(text: str) -> str:
    r"""Remove terminal escape sequences.

    >>> strip_ansi("\x1b[31mred\x1b[0m")
    'red'
    """
    return _ANSI.sub("", text)


def escape_controls(text: str) -> str:
    r"""Replace control characters, bidi overrides and lone surrogates with visible symbols: `␛`, `[U+202E]`.

    >>> escape_controls("a\x1b[31mb\u202ec")
    'a␛[31mb[U+202E]c'
    """
    return _INVISIBLE.sub(lambda run: run[0].translate(_SYMBOLS), text.replace("\r\n", "\n"))


class _Symbols(dict[int, str]):
    """The symbols of invisible characters by their codes, each made when it is first needed."""

    def __missing__(self, code: int) -> str:
        symbol = chr(0x2400 + code) if code < 0x20 else "\u2421" if code == 0x7F else f"[U+{code:04X}]"
        self[code] = symbol
        return symbol


_SYMBOLS = _Symbols()


def visible(text: str) -> str:
    r"""Return the text such that a reader sees each character of it, or its name.

    >>> visible("a\u202eb\u200b"), visible("a" + " " * 200 + "b")
    ('a[U+202E]b[U+200B]', 'a[200 blanks]b')
    """
    if not _PLAIN.fullmatch(text):
        text = "".join(_visible_characters(text))
    text = _BLANKS.sub(lambda found: f"[{len(found[0]):,} blanks]", text)
    return _EMPTY_LINES.sub(lambda found: f"[{found[0].count(chr(10)):,} empty lines]\n", text)


def _visible_characters(text: str) -> Iterator[str]:
    marks = 0
    for char in text:
        if "\x20" <= char <= "\x7e" or char in "\n\t":
            marks = 0
            yield char
            continue
        category = unicodedata.category(char)
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if category == "Cc":
            yield chr(0x2400 + ord(char)) if char < "\x20" else "\u2421" if char == "\x7f" else _name(char)
        elif category[0] in "CZ" or marks > MAX_MARKS or char in _LOOKS_EMPTY or _is_selector(char):
            yield _name(char)
        else:
            yield char


def _is_selector(char: str) -> bool:
    """Return whether the character only selects a shape for the one before it."""
    return "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef"


def _name(char: str) -> str:
    return f"[U+{ord(char):04X}]"


def fenced_code(text: str, *, indented: bool = False) -> list[str]:
    r"""Return the contents of the text's Markdown code fences, in order.

    >>> fenced_code("Here:\n```json\n[1, 2]\n```")
    ['[1, 2]\n']

    Args:
        indented: Also find fences that are indented, as in list items.
    """
    found: list[str] = []
    code: list[str] | None = None
    marks = ""
    for line in text.split("\n"):
        content = line.lstrip(" \t") if indented else line
        fence_ = _FENCE.match(content)
        if code is None:
            if fence_:
                code, marks = [], fence_[0]
        elif fence_ and fence_[0].startswith(marks) and not content[fence_.end() :].strip():
            found.append("".join(code))
            code = None
        else:
            code.append(f"{line}\n")
    return found


def fence(text: str, language: str = "") -> str:
    """Wrap the text in a Markdown code fence that is longer than any fence inside it."""
    marks = "`" * (1 + max([2, *map(len, re.findall("`+", text))]))
    return f"{marks}{language}\n{text}\n{marks}"


def excerpt(text: str, limit: int) -> str:
    r"""Return the text on one line of at most `limit` characters.

    >>> excerpt("Two\n  lines", 8)
    'Two lin…'
    """
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


MARKDOWN_ESCAPES = str.maketrans(
    {mark: f"\\{mark}" for mark in "`*_[]|#~!\\$"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
)


def escape_markdown(line: str) -> str:
    """Return a text of one line with all Markdown and HTML escaped."""
    return line.translate(MARKDOWN_ESCAPES)


def quoted(text: str, limit: int = 60) -> str:
    r"""Return a text from outside in quotation marks, on one line, with its length if it is shortened.

    >>> print(quoted('Say "hi".'), quoted("Be\n\u200bbrief, and polite.", 10))
    "Say \"hi\"." "Be [U+200…", 22 characters
    """
    shown = visible(text[: 10 * limit])
    line = " ".join(shown.split()) or shown
    if len(line) <= limit and len(text) <= 10 * limit:
        return json.dumps(line, ensure_ascii=False)
    return f"{json.dumps(line[: limit - 1] + '…', ensure_ascii=False)}, {len(text):,} characters"


def join_surrogates(text: str) -> str:
    r"""Join the two halves of a character that arrived separately; lone surrogates stay as they are.

    >>> join_surrogates("\ud83d" + "\ude00") == "\U0001f600"
    True
    """
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def replace_surrogates(text: str) -> str:
    r"""Replace lone surrogates, which UTF-8 cannot encode, with U+FFFD.

    >>> replace_surrogates("half \ud83d")
    'half �'
    """
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def without_surrogates(value: T) -> T:
    r"""Return a JSON value with lone surrogates replaced, as messages and files require; the same value if it has none.

    >>> without_surrogates({"text": "half \ud83d"})
    {'text': 'half �'}
    """
    if not has_surrogates(value):
        return value
    replaced: T = json.loads(replace_surrogates(json.dumps(value, ensure_ascii=False)))
    return replaced


def has_surrogates(value: object) -> bool:
    """Return whether a text anywhere in a JSON value contains a lone surrogate."""
    pending = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, str):
            if not (each.isascii() or is_utf8(each)):
                return True
        elif isinstance(each, dict):
            pending += [*each.keys(), *each.values()]
        elif isinstance(each, list | tuple):
            pending += each
    return False


def is_utf8(text: str) -> bool:
    """Return whether UTF-8 can encode the text, which is so unless it contains lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
