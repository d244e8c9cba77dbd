"""The text of a tool call, as every front end and every saved view shows it, before and after approval.

The text is complete and has nothing that a reader cannot see: invisible and bidirectional characters are named, long
runs of blanks and of empty lines are counted. Numbers are as exact as the kernel has them. `labextension/src/renderer/
call-text.ts` is the twin of this module for saved turns; `tests/display/call_text.json` has the cases of both.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from mm_magics.text import visible
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


def _is_code(tool: str, argument: str, value: Any) -> bool:
    """Return whether the argument is shown on its own: code, the text of a file, and whatever has several lines."""
    return isinstance(value, str) and (
        argument in CODE_ARGUMENTS or "\n" in value or (tool, argument) == ("write_file", "text")
    )


def _language(tool: str, argument: str, arguments: Mapping[str, Any]) -> str:
    if (tool, argument) == ("write_file", "text"):
        return FILE_LANGUAGES.get(str(arguments.get("path")).rpartition(".")[2].lower(), "")
    return CODE_ARGUMENTS.get(argument, "")
