"""The text of a tool call, as every front end and every saved view shows it, before and after approval.

The text is complete and has nothing that a reader cannot see: invisible and bidirectional characters are named, long
runs of blanks and of empty lines are counted. Numbers are as exact as the kernel has them. `labextension/src/renderer/
call-text.ts` is the twin of this module for saved turns; `tests/display/call_text.json` has the cases of both.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from mm_magics.wording import counted

CODE_ARGUMENTS: Mapping[str, str] = {"code": "python", "source": "python", "command": "bash", "sql": "sql"}
"""The arguments that are code in any tool, and their language."""
FILE_LANGUAGES: Mapping[str, str] = {"py": "python", "sh": "bash", "json": "json", "sql": "sql", "yaml": "yaml"} | {
    "yml": "yaml",
    "js": "javascript",
    "ts": "typescript",
    "html": "xml",
    "css": "css",
    "r": "r",
}
"""The languages of the files that `write_file` writes, by the end of their name."""

MAX_BLANKS = 80
"""A longer run of spaces and tabs is counted instead of shown."""
MAX_EMPTY_LINES = 10
"""A longer run of lines without a visible character is counted instead of shown."""
MAX_MARKS = 2
"""Combining marks after one character; further ones would cover other text."""

_LOOKS_EMPTY = "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
"""Letters and marks without a shape."""
_PLAIN = re.compile(r"[\n\t -~]*")
_BLANKS = re.compile(rf"[ \t]{{{MAX_BLANKS + 1},}}")
_EMPTY_LINES = re.compile(rf"(?<=\n)(?:[ \t]*\n){{{MAX_EMPTY_LINES + 1},}}")


class CallPart(NamedTuple):
    """A part of a call as it is shown.

    Attributes:
        label: The name of the argument.
        language: What it is written in, "" for plain text.
        text: The text to show, all of it and unchanged.
        size: How long the argument is, such as "2 lines, 17 characters".
    """

    label: str
    language: str
    text: str
    size: str


def call_parts(name: str, arguments: Mapping[str, Any]) -> list[CallPart]:
    r"""Return what a call of the tool does, in the parts that a reader needs: code as code, the rest as JSON.

    >>> for part in call_parts("python", {"code": "print(1)\nprint(2)", "n": 1}):
    ...     print(part)
    CallPart(label='arguments', language='json', text='{\n  "n": 1\n}', size='3 lines, 12 characters')
    CallPart(label='code', language='python', text='print(1)\nprint(2)', size='2 lines, 17 characters')
    """
    code = {each: value for each, value in sorted(arguments.items()) if _is_code(name, each, value)}
    rest = {each: value for each, value in arguments.items() if each not in code}
    parts = [shown_part(each, _language(name, each, arguments), value) for each, value in code.items()]
    return [shown_part("arguments", "json", json_text(rest)), *parts] if rest or not parts else parts


def shown_part(label: str, language: str, text: str) -> CallPart:
    """Return the part that shows this text."""
    size = f"{counted(text.count(chr(10)) + 1, 'line')}, {counted(len(text), 'character')}"
    return CallPart(visible(label), language, visible(text), size)


def call_hash(name: str, arguments: Mapping[str, Any]) -> str:
    """Return the SHA-256 of exactly this call."""
    return hashlib.sha256(json.dumps([name, arguments], sort_keys=True).encode()).hexdigest()


def json_text(value: Any) -> str:
    """Return a JSON value as indented text with sorted names."""
    return json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True)


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
        elif category[0] in "CZ" or marks > MAX_MARKS or char in _LOOKS_EMPTY or "\ufe00" <= char <= "\ufe0f":
            yield _name(char)
        else:
            yield char


def _name(char: str) -> str:
    return f"[U+{ord(char):04X}]"


def _is_code(tool: str, argument: str, value: Any) -> bool:
    """Return whether the argument is shown on its own: code, the text of a file, and whatever has several lines."""
    return isinstance(value, str) and (
        argument in CODE_ARGUMENTS or "\n" in value or (tool, argument) == ("write_file", "text")
    )


def _language(tool: str, argument: str, arguments: Mapping[str, Any]) -> str:
    if (tool, argument) == ("write_file", "text"):
        return FILE_LANGUAGES.get(str(arguments.get("path")).rpartition(".")[2].lower(), "")
    return CODE_ARGUMENTS.get(argument, "")
