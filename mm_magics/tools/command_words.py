"""Read a shell command as words, if it is a plain simple command, for the rules that allow commands.

Whatever a shell could do beyond running one program with these words (several commands, substitutions, variables,
redirections, globs, assignments, comments) gives None, and such a command is never allowed by a pattern.
"""

from __future__ import annotations

import re
import shlex
from fnmatch import fnmatchcase

from mm_magics import system

_UNQUOTED = r"[A-Za-z0-9_@%+=:,./-]"
_SINGLE = r"'[^'\n\r\x00]*'"
_DOUBLE = r'"[^"\\$`!\n\r\x00]*"'
_WORD = rf"(?:{_UNQUOTED}|{_SINGLE}|{_DOUBLE})+"
_SIMPLE = re.compile(rf"[ \t]*{_WORD}(?:[ \t]+{_WORD})*[ \t]*")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=")
_WINDOWS = re.compile(r"""[^%'^]*""")
"""What no plain command of cmd.exe contains: variables and escapes; single quotes do not quote there."""

_RESERVED = frozenset(
    {"if", "then", "else", "elif", "fi", "do", "done", "case", "esac", "while", "until", "for", "in", "time", "coproc"}
    | {"function", "select", "eval", "exec", "command", "builtin", "source", ".", "trap", "alias", "export", "set"}
    | {"call", "start", "cmd", "rem", "goto", "setlocal", "endlocal", "exit"}
)
"""First words that make the rest something else than arguments of a program."""


def plain_words(command: str) -> list[str] | None:
    r"""Return the words of a plain simple command, or None.

    >>> plain_words("git log --format='%h %s'")
    ['git', 'log', '--format=%h %s']
    >>> plain_words("git status; rm -r data"), plain_words("git log $(rm x)"), plain_words("A=1 git log")
    (None, None, None)
    """
    if not _SIMPLE.fullmatch(command) or (system.WINDOWS and not _WINDOWS.fullmatch(command)):
        return None
    words = shlex.split(command)
    return None if not words or _ASSIGNMENT.match(words[0]) or words[0].lower() in _RESERVED else words


def matches_command(pattern: str, command: str) -> bool:
    """Return whether the command is plain and its words match those of the pattern.

    Each word of the pattern is a pattern of one word; a last word `*` matches one or more words.
    """
    words, patterns = plain_words(command), pattern_words(pattern)
    if not words or not patterns:
        return False
    if patterns[-1] == "*" and len(words) > len(patterns):
        words = words[: len(patterns)]
    return len(words) == len(patterns) and all(map(fnmatchcase, words, patterns))


def pattern_words(pattern: str) -> list[str] | None:
    """Return the words of a pattern, or None if its quotes are not closed."""
    try:
        return shlex.split(pattern)
    except ValueError:
        return None
