"""Recognize prompt cells by their source, and find the prompt in it.

A prompt cell is a code cell whose first magic is `%%minimax` (or `%minimax explain`, `fix` or `edit`). Above it may be
blank lines, comments, and cell magics that run their text as IPython code, such as `%%time`.

`labextension/src/lab/prompt-cell.ts` is the twin of `is_prompt`; `tests/history/prompt_cells.json` lists cells that
both must recognize alike.
"""

from __future__ import annotations

import re
from textwrap import dedent
from typing import NamedTuple

MAGIC = "%%minimax"

NOT_RUN = frozenset(
    [
        "!",
        "bash",
        "bigquery",
        "cython",
        "file",
        "html",
        "javascript",
        "js",
        "julia",
        "latex",
        "markdown",
        "perl",
        "pypy",
        "python",
        "python2",
        "python3",
        "r",
        "ruby",
        "script",
        "sh",
        "sql",
        "svg",
        "sx",
        "system",
        "writefile",
    ]
)
"""Cell magics, in lower case, whose text is not IPython code: a `%%minimax` line in it is text."""

REPEATED = frozenset(["timeit"])
"""Cell magics that run their text many times, which would send a prompt many times."""

_CELL_MAGIC = re.compile(r"\s*%%(!|[^\W\d][\w.-]*)(?: |\s*$)")
_PROMPT_LINE = re.compile(r"\s*%%minimax(?: |\s*$)")
_ASKING_LINE = re.compile(r"\s*%minimax\s+(?:explain|fix|edit)(?:\s|$)")
_RUNS_MAGIC = re.compile(r"\brun_(?:cell|line)_magic\b|^[^\S\n]*%minimax[^\S\n]+(?:explain|fix|edit)\b", re.MULTILINE)
_HELP_LINE = re.compile(r"\s*(?:\?{1,2}\s*%%minimax|%%minimax\s*\?{1,2})\s*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")


class PromptSource(NamedTuple):
    """The source of a prompt cell.

    `above` is the number of lines above the magic, `wrappers` are the cell magics there, and `text` is what is below.
    """

    above: int
    wrappers: tuple[str, ...]
    magic: str
    text: str


def find_prompt(source: str) -> PromptSource | None:
    """Return the parts of the source of a prompt cell; None if it is not one.

    >>> find_prompt("%%time\\n# A greeting.\\n%%minimax --quiet\\nHello.")
    PromptSource(above=2, wrappers=('time',), magic='%%minimax --quiet', text='Hello.')
    """
    lines = source.splitlines(keepends=True)  # as IPython does
    wrappers: list[str] = []
    for number, line in enumerate(lines):
        if _PROMPT_LINE.match(line) or _ASKING_LINE.match(line):
            return PromptSource(number, tuple(wrappers), line.strip(), "".join(lines[number + 1 :]))
        wrapper = _CELL_MAGIC.match(line)
        if wrapper and wrapper[1].lower() not in NOT_RUN | REPEATED:
            wrappers.append(wrapper[1])
        elif line.strip() and not line.lstrip().startswith("#"):
            return None
    return None


def is_prompt(source: str) -> bool:
    """Return whether running a cell with this source sends a prompt."""
    return find_prompt(source) is not None


def runs_prompts(source: str) -> bool:
    """Return whether code runs prompts: it calls magics by name, or `%minimax explain`, `fix` or `edit` is one
    of its lines."""
    return _RUNS_MAGIC.search(source) is not None


def repeating_magic(source: str) -> str:
    """Return the cell magic at the top of the source that runs its text many times, or ""."""
    for line in source.splitlines():
        magic = _CELL_MAGIC.match(line)
        if magic and magic[1] in REPEATED:
            return magic[1]
        if _PROMPT_LINE.match(line) or (magic is None and line.strip() and not line.lstrip().startswith("#")):
            break
    return ""


def second_magic(text: str) -> int | None:
    """Return the number of the first line of a prompt's text, from 1, that is another `%%minimax` line.

    Lines in a fenced code block are text.

    >>> second_magic("One.\\n%%minimax\\nTwo."), second_magic("```\\n%%minimax\\n```")
    (2, None)
    """
    fence = ""
    for number, line in enumerate(text.splitlines(), 1):
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence) and not line[mark.end() :].strip():
                fence = ""
        elif mark:
            fence = mark[1]
        elif _PROMPT_LINE.match(line):
            return number
    return None


def drop_lines_above(lines: list[str]) -> list[str]:
    """Drop the blank lines and comments above the first magic of a prompt cell, and the indentation of that magic.

    This is an input transformer: IPython takes a line for a cell magic only if it is the first one, and not indented.
    """
    if not is_prompt("".join(lines)):
        return lines
    first = next(number for number, line in enumerate(lines) if line.lstrip().startswith("%"))
    rest = lines[first:]
    if dedent("".join(rest))[0].isspace():
        rest[0] = rest[0].lstrip()
    return rest


def complete_prompt_cell(lines: list[str]) -> list[str]:
    """Add an empty line to a prompt cell without text, and read `%%minimax?` as `%%minimax --help`.

    This is an input transformer: IPython runs no cell magic that has nothing below it.
    """
    first = next((line for line in lines if line.strip()), "")
    if _HELP_LINE.match(first):
        return [f"{MAGIC} --help\n", "\n"]
    return [*lines, "\n"] if len(lines) == 1 and _PROMPT_LINE.match(lines[0]) else lines


complete_prompt_cell.has_side_effects = True  # type: ignore[attr-defined]
"""IPython leaves it out where it only asks whether what was typed so far is complete."""
