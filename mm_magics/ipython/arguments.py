"""Parse the line of a magic, and format the help of its flags.

Parsing raises `ArgumentError`, which says in two lines what is wrong and what to do; it never prints or exits.
"""

from __future__ import annotations

import argparse
import shlex
from typing import TYPE_CHECKING, Any, NoReturn

from mm_magics.errors import ArgumentError
from mm_magics.ipython.flags import FLAGS
from mm_magics.wording import similar_name

if TYPE_CHECKING:
    from mm_magics.display.table import Table

_SEE_HELP = "%%minimax --help lists the flags."


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        message = message.replace("argument ", "", 1)
        raise ArgumentError(f"{message[:1].upper()}{message[1:]}.", _SEE_HELP)


def _parser() -> _Parser:
    parser = _Parser(prog="%%minimax", add_help=False, allow_abbrev=False, argument_default=argparse.SUPPRESS)
    for flag in FLAGS:
        if not flag.metavar:
            parser.add_argument(*flag.names, dest=flag.dest, action="store_true")
            continue
        parser.add_argument(
            *flag.names,
            dest=flag.dest,
            action="append" if flag.repeat else "store",
            type=flag.type,
            choices=flag.choices if flag.closed else None,
            metavar=flag.metavar,
        )
    return parser


def split(line: str) -> list[str]:
    """Split a line into words, respecting quotes. Raises `ArgumentError` for an unclosed quote."""
    try:
        return shlex.split(line)
    except ValueError:
        raise ArgumentError("A quote is not closed.", "Close it, or remove it.") from None


def parse(line: str) -> dict[str, Any]:
    """Parse the flags of a `%%minimax` line. The result has an item for each flag given, by `Flag.dest`.

    >>> parse("-m MiniMax-M2 --context 3 --quiet")
    {'model': 'MiniMax-M2', 'context': 3, 'quiet': True}

    Raises:
        ArgumentError: A flag is unknown (the hint names the most similar one), a value is invalid, or the line contains
            other text.
    """
    values, rest = _parser().parse_known_args(split(line))
    if rest:
        raise _unknown(rest[0])
    given = {flag.dest: getattr(values, flag.dest) for flag in FLAGS if hasattr(values, flag.dest)}
    if "param" in given:
        given["params"] = dict(given.pop("param"))
    return given


def _unknown(word: str) -> ArgumentError:
    if not word.startswith("-"):
        return ArgumentError(f"{word!r} is not a flag.", "The prompt goes below the %%minimax line.")
    name = "".join(each if each.isprintable() else "\ufffd" for each in word.partition("=")[0])
    long_names = [name.lstrip("-") for flag in FLAGS for name in flag.names if name.startswith("--")]
    similar = similar_name(name.lstrip("-"), long_names)
    return ArgumentError(f"Unknown flag {name}.", f"Did you mean --{similar}?" if similar else _SEE_HELP)


def help_table() -> Table:
    """Return the output of `%%minimax --help`."""
    from mm_magics.display.table import Table  # only the help needs it

    rows = [(", ".join(flag.names) + (f" {flag.metavar}" if flag.metavar else ""), flag.help) for flag in FLAGS]
    lines = ["The prompt goes below the %%minimax line. %minimax help lists the commands."]
    return Table("%%minimax [flags]", ("flag", "what it does"), rows, lines)
