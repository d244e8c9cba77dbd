"""What a tooltip (Shift-Tab) shows in a prompt cell: the help of a flag or a command, or the object in `{{ }}`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from mm_magics.config import MiniMax
from mm_magics.display.ipykernel_compat import Inspect
from mm_magics.ipython.cell_cursor import Place, place_of
from mm_magics.ipython.completion import flag_named
from mm_magics.ipython.flags import Flag
from mm_magics.session import Session


def inspector(session: Session) -> Inspect:
    """Return what answers inspections: for an expression it is the kernel, with the expression as the code."""

    def inspect(code: str, cursor: int) -> tuple[str, int] | Mapping[str, str] | None:
        place = place_of(code, cursor)
        if place is None:
            return None
        if place.kind == "expression":
            return place.text, place.cursor
        help_ = _help_at(place, session)
        return None if help_ is None else {"text/plain": help_}

    return inspect


def _help_at(place: Place, session: Session) -> str | None:
    """Return the help of the flag that the cursor is on, or whose value it is on, or of the command."""
    words = [each for each in re.finditer(r"\S+", place.text) if each.start() <= place.cursor]
    if not words or place.cursor > words[-1].end():
        return None
    before, word = [each[0] for each in words[:-1]], words[-1][0]
    if flag := flag_named(word.partition("=")[0]):
        return _flag_help(flag, session)
    if before and (flag := flag_named(before[-1])) and flag.metavar:
        return _flag_help(flag, session)
    return _command_help([*before, word], session)


def _flag_help(flag: Flag, session: Session) -> str:
    values = f"Values: {', '.join(flag.choices)}." if flag.choices and flag.setting != "model" else ""
    unset = f"Without the flag: {session.settings.describe(flag.setting)}." if flag.setting else ""
    return "\n".join(filter(None, [" ".join([", ".join(flag.names), flag.metavar]).strip(), flag.help, values, unset]))


def _command_help(words: list[str], session: Session) -> str | None:
    from mm_magics.ipython.commands import COMMANDS

    if words[:2] == ["%minimax", "set"] and len(words) > 2:
        trait = MiniMax.class_traits(config=True).get(words[2])
        return f"{words[2]}\n{trait.help}\nNow: {session.settings.describe(words[2])}." if trait else None
    if words[0] != "%minimax" or len(words) < 2:
        return None
    found = (each for each in COMMANDS if each.name == words[1])
    return next((f"{each.name} {each.usage}".strip() + f"\n{each.help}" for each in found), None)
