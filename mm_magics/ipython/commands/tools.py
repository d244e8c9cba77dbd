"""`%minimax tools`: the built-in tools with their risks, and the rules of which calls need a yes."""

from __future__ import annotations

import re
import shlex
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from mm_magics.display.table import Table
from mm_magics.errors import ArgumentError
from mm_magics.ipython import frontend
from mm_magics.ipython.arguments import split
from mm_magics.session import Session
from mm_magics.tools.approval import VERDICTS, Rule, Verdict
from mm_magics.tools.builtin.catalogue import TOOL_NAMES, builtin_tools
from mm_magics.tools.builtin.paths import folder_of
from mm_magics.tools.tool import Tool

USAGE = "%minimax tools allow|ask|deny NAME [ARGUMENT=PATTERN …], or forget NAME|all"

_PATTERN = re.compile(r"[a-zA-Z0-9_\-*?\[\]!]+")
_SHOWN = 100


def tools(session: Session, shell: Any, rest: str) -> Table:
    if not rest.isprintable():
        raise ArgumentError("A rule cannot hold control characters.", "Write * or ? for them.")
    verb, *words = split(rest) or [""]
    for verdict in VERDICTS:
        if verb == verdict:
            return _add(session, verdict, words)
    if verb == "forget":
        return _forget(session, words)
    if verb:
        like = get_close_matches(verb, (*VERDICTS, "forget"), 1, 0.5)
        raise ArgumentError(
            f"{verb!r} is not allow, ask, deny or forget.", f"Did you mean {like[0]}?" if like else USAGE
        )
    return _listed(session, shell)


def _listed(session: Session, shell: Any) -> Table:
    folder = folder_of(session.config.tools_folder, frontend.notebook_path(shell))
    rows = [(name, "asks" if tool.asks else "runs", tool.risk) for name, tool in _builtin().items()]
    rules = [f"Rule: {_line(rule)}" for rule in session.rules] or ["There are no rules."]
    return Table("", ("tool", "unless a rule matches", "risk"), rows, (f"Files are those of {folder}.", *rules, USAGE))


def _add(session: Session, verdict: Verdict, words: list[str]) -> Table:
    if not words:
        raise ArgumentError("A rule needs a tool's name.", f"%minimax tools {verdict} NAME; * matches every name.")
    name, *pairs = words
    if not _PATTERN.fullmatch(name):
        raise ArgumentError(f"{name!r} cannot be a tool's name.", USAGE)
    arguments = _arguments(name, pairs)
    lines = [f"Until this kernel ends: {_line(session.rules.add(verdict, name, arguments))}."]
    known = (
        name in TOOL_NAMES or callable(session.namespace.get(name)) or name.partition("__")[0] in session.servers.names
    )
    if not known and not set(name) & set("*?["):
        like = get_close_matches(name, TOOL_NAMES, 1, 0.7)
        lines.append(f"No tool is called {name} yet{f': did you mean {like[0]}?' if like else '.'}")
    if verdict == "allow" and "*" in arguments.get("command", "") + arguments.get("code", ""):
        lines.append("Mind that a pattern matches text: 'git *' also allows 'git log; rm -r *'.")
    return Table(lines=lines)


def _arguments(name: str, pairs: list[str]) -> dict[str, str]:
    known = _builtin()[name].schema["properties"] if name in TOOL_NAMES else None
    found: dict[str, str] = {}
    for pair in pairs:
        argument, equals, pattern = pair.partition("=")
        if not equals or not argument:
            raise ArgumentError(f"{pair!r} is not ARGUMENT=PATTERN.", "Put quotes around one with spaces.")
        if argument in found:
            raise ArgumentError(f"{argument} is given twice.", "One pattern for each argument; give two rules.")
        if known is not None and argument not in known:
            raise ArgumentError(f"{name} has no argument {argument!r}.", f"It has: {', '.join(known)}.")
        found[argument] = pattern
    return found


def _forget(session: Session, words: list[str]) -> Table:
    if len(words) != 1:
        raise ArgumentError("forget takes one name, as the rule has it, or all.", "%minimax tools lists the rules.")
    count = session.rules.clear() if words == ["all"] else session.rules.remove(words[0])
    if not count:
        raise ArgumentError(f"There is no rule for {words[0]!r}.", "%minimax tools lists the rules.")
    return Table(lines=[f"{count} rule{'s are' if count > 1 else ' is'} forgotten."])


def _line(rule: Rule) -> str:
    """The rule as it is typed, on one line, cut if it is long."""
    words = [rule.pattern, *(f"{name}={pattern}" for name, pattern in rule.arguments)]
    line = f"{rule.verdict} {' '.join(map(shlex.quote, words))}"
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…"


def _builtin() -> dict[str, Tool]:
    return builtin_tools({}, Path(), tuple)
