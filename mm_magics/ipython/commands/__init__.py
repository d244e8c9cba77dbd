"""What `%minimax` does: one function a command, each giving a `Table`.

Always true: a command changes nothing unless its whole line was understood.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

from mm_magics import doctor
from mm_magics.config import checked_base_url
from mm_magics.display import usage_line
from mm_magics.display.table import Table
from mm_magics.errors import ArgumentError, MiniMaxError, UsageError
from mm_magics.history.notebook import LiveNotebook
from mm_magics.ipython import arguments, frontend
from mm_magics.ipython.commands import mcp, settings, threads, tools
from mm_magics.session import Session


def run(session: Session, shell: Any, line: str) -> Table:
    """Do what the line says. Raises `ArgumentError` for a command that there is not."""
    name, _, rest = line.strip().partition(" ")
    rest = rest.strip()
    if not name:
        return _standing(session)
    if name in ("-h", "--help"):
        name = "help"
    command = _COMMANDS.get(name)
    if command is None:
        like = get_close_matches(name, _COMMANDS, 1, 0.5)
        hint = f"Did you mean %minimax {like[0]}?" if like else "%minimax help lists the commands."
        raise ArgumentError(f"There is no command {name!r}.", hint)
    return command(session, shell, rest)


def _standing(session: Session) -> Table:
    settings = session.settings
    thread = settings.value("thread")
    turns = session.history.turns(thread)
    try:
        key = session.keys.find(checked_base_url(settings.value("base_url")))
        key_is = f"from {key.source}"
    except MiniMaxError as error:
        key_is = f"none: {error.hint}"
    order = "in document order" if session.history.has_document else "in the order first run"
    stale = len(session.history.stale() & {turn.place for turn in turns})
    stale_too = f", {stale} stale" if stale else ""
    rows = [
        ("model", settings.describe("model")),
        ("endpoint", settings.describe("base_url")),
        ("key", key_is),
        ("system prompt", settings.describe("system")),
        ("thread", f"{thread}: {len(turns)} turns, {order}{stale_too} ({settings.source('thread')})"),
        ("notebook", _notebook(session)),
        ("replay", settings.describe("replay")),
        ("spent", _spent(usage_line.usage_of(turns))),
    ]
    return Table("mm_magics", ("what", "how it stands"), rows, ("%minimax help lists the commands.",))


def _notebook(session: Session) -> str:
    if session.notebook is None:
        return "not known: this kernel remembers, no file"
    if session.notebook.error is not None:
        return str(session.notebook.error).replace("\n", " ")
    faults = session.notebook.document.faults if session.notebook.document else []
    passed = f"; {len(faults)} records passed over: %minimax doctor" if faults else ""
    live = ", as the front end holds it" if isinstance(session.notebook, LiveNotebook) else ", as it was saved"
    return f"{session.notebook.name}{live}{passed}"


def _spent(usage: usage_line.Usage) -> str:
    tokens = sum(usage.tokens.values())
    return f"{usage.calls} calls, {tokens:,} tokens {usage_line.cost_text(usage)}".rstrip()


def _help(_session: Session, _shell: Any, rest: str) -> Table:
    if rest.lstrip("%") in ("minimax", "%minimax") or rest.startswith("-"):
        return Table(lines=arguments.help_text().splitlines())
    known = [command for command in arguments.COMMANDS if not rest or command.name == rest]
    if not known:
        raise ArgumentError(f"There is no command {rest!r}.", "%minimax help lists the commands.")
    rows = [(f"%minimax {each.name} {each.usage}".rstrip(), each.help) for each in known]
    return Table(
        "", ("command", "what it does"), rows, () if rest else ("%%minimax --help lists the flags of a cell.",)
    )


def _picker(session: Session, shell: Any, _rest: str) -> Any:
    if frontend.kind(shell) in ("terminal", "console"):
        raise UsageError("The picker needs a notebook.", "%minimax set lists the settings here.")
    from mm_magics.display.picker import picker

    return picker(session)


def _doctor(session: Session, shell: Any, _rest: str) -> Table:
    found = list(doctor.examine(session, frontend.kind(shell)))
    return doctor_report(found)


def doctor_report(found: list[doctor.Finding]) -> Table:
    """The findings as a table, and what to do about each that is not well."""
    bad = [finding for finding in found if finding.well is False]
    lines = [f"{finding.what}: {finding.detail} {finding.hint}" for finding in bad] or ["All is well."]
    return Table("", ("", "what", "found"), [(each.mark, each.what, each.detail) for each in found], lines)


_COMMANDS: dict[str, Callable[[Session, Any, str], Table]] = {
    "help": _help,
    "picker": _picker,
    "model": settings.model_,
    "models": settings.models,
    "system": settings.system,
    "set": settings.set_,
    "login": settings.login,
    "history": threads.history,
    "undo": threads.undo,
    "clear": threads.clear,
    "thread": threads.thread,
    "fork": threads.fork,
    "save": threads.save,
    "load": threads.load,
    "export": threads.export,
    "usage": threads.usage,
    "tools": tools.tools,
    "mcp": mcp.mcp,
    "doctor": _doctor,
}
