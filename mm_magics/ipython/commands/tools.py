"""`%minimax tools`: the built-in tools with their risks, and the rules that decide which calls require approval."""

from __future__ import annotations

import re
from pathlib import Path

from mm_magics.display.table import Table
from mm_magics.errors import ArgumentError
from mm_magics.history.notebook import current_path
from mm_magics.ipython import frontend
from mm_magics.ipython.arguments import split
from mm_magics.ipython.commands.command import Context
from mm_magics.ipython.standing_rules import rule_text
from mm_magics.session import Session
from mm_magics.tools.approval import VERDICTS, Verdict
from mm_magics.tools.builtin.catalogue import TOOL_NAMES, any_turn, builtin_tools
from mm_magics.tools.builtin.paths import folder_of
from mm_magics.tools.tool import Tool
from mm_magics.wording import counted, similar_name

USAGE = "%minimax tools allow|ask|deny NAME [ARGUMENT=PATTERN …], or forget NUMBER|NAME|all"

_NAME_PATTERN = re.compile(r"[a-zA-Z0-9_\-*?\[\]!]+")


def tools(context: Context, rest: str) -> Table:
    """Add or remove a rule; without arguments, list the tools and the rules."""
    if not rest.isprintable():
        raise ArgumentError("A rule cannot contain control characters.", "Write * or ? instead.")
    verb, *words = split(rest) or [""]
    for verdict in VERDICTS:
        if verb == verdict:
            return _add(context.session, verdict, words)
    if verb == "forget":
        return _forget(context.session, words)
    if verb:
        similar = similar_name(verb, (*VERDICTS, "forget"))
        hint = f"Did you mean {similar}?" if similar else USAGE
        raise ArgumentError(f"{verb!r} is not allow, ask, deny or forget.", hint)
    return _list(context)


def _list(context: Context) -> Table:
    session = context.session
    folder = folder_of(
        session.settings.value("tools_folder"), current_path(session.notebook, frontend.notebook_path(context.shell))
    )
    rows = [(name, "ask" if tool.asks else "allow", tool.risk) for name, tool in _builtin().items()]
    rules = [
        f"Rule {number}: {rule_text(rule)} · to forget it: %minimax tools forget {number}"
        for number, rule in enumerate(session.rules, 1)
    ]
    lines = (f"File tools work in {folder}.", *(rules or ["There are no rules."]), USAGE)
    return Table("", ("tool", "default", "risk"), rows, lines)


def _add(session: Session, verdict: Verdict, words: list[str]) -> Table:
    if not words:
        raise ArgumentError("A rule needs a tool name.", f"%minimax tools {verdict} NAME; * matches every name.")
    name, *pairs = words
    if not _NAME_PATTERN.fullmatch(name):
        raise ArgumentError(f"{name!r} is not a valid tool name.", USAGE)
    patterns = _patterns(name, pairs)
    rule = session.rules.add(verdict, name, patterns, known=session.servers.known)
    lines = [f"Until this kernel ends: {rule_text(rule)}."]
    if not _exists(session, name) and not set(name) & set("*?["):
        similar = similar_name(name, TOOL_NAMES, 0.7)
        lines.append(f"There is no tool {name} yet{f': did you mean {similar}?' if similar else '.'}")
    if verdict == "allow" and "*" in patterns.get("code", ""):
        lines.append("Note that a pattern of code matches text: 'print*' also allows any code after a print.")
    return Table(lines=lines)


def _exists(session: Session, name: str) -> bool:
    server = name.partition("__")[0]
    return name in TOOL_NAMES or callable(session.namespace.get(name)) or server in session.servers.names


def _patterns(name: str, pairs: list[str]) -> dict[str, str]:
    """Parse ARGUMENT=PATTERN words for the tool."""
    known = _builtin()[name].schema["properties"] if name in TOOL_NAMES else None
    patterns: dict[str, str] = {}
    for pair in pairs:
        argument, equals, pattern = pair.partition("=")
        if not equals or not argument:
            raise ArgumentError(f"{pair!r} is not ARGUMENT=PATTERN.", "Put quotes around a pattern with spaces.")
        if argument in patterns:
            raise ArgumentError(f"{argument} is given twice.", "Add a rule for each pattern.")
        if known is not None and argument not in known:
            raise ArgumentError(f"{name} has no argument {argument!r}.", f"Its arguments are: {', '.join(known)}.")
        patterns[argument] = pattern
    return patterns


def _forget(session: Session, words: list[str]) -> Table:
    if len(words) != 1:
        raise ArgumentError(
            "forget takes the number of a rule, its tool name, or all.", "%minimax tools lists the rules."
        )
    if words[0].isdecimal():
        if (rule := session.rules.remove_number(int(words[0]))) is None:
            raise ArgumentError(f"There is no rule {words[0]}.", "%minimax tools lists the rules.")
        return Table(lines=[f"Removed the rule: {rule_text(rule)}."])
    count = session.rules.clear() if words == ["all"] else session.rules.remove(words[0])
    if not count:
        missing = "There are no rules." if words == ["all"] else f"There is no rule for {words[0]!r}."
        raise ArgumentError(missing, "%minimax tools lists the rules.")
    return Table(lines=[f"Removed {counted(count, 'rule')}."])


def _builtin() -> dict[str, Tool]:
    return builtin_tools({}, Path(), tuple, page=tuple, turn=any_turn())
