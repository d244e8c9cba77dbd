"""`%minimax history`, `undo`, `clear`, `thread`, `fork`, `save`, `load`, `export`, `usage`: working on the threads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mm_magics.api.usage import TOKEN_COUNTERS
from mm_magics.display import usage_line
from mm_magics.display.html_page import render_page
from mm_magics.display.table import Table
from mm_magics.errors import ArgumentError, UsageError
from mm_magics.history import export as exports
from mm_magics.history.turn import Turn
from mm_magics.ipython import frontend
from mm_magics.session import Session


def undo(session: Session, _shell: Any, _rest: str) -> Table:
    thread = session.settings.value("thread")
    turns = session.history.turns(thread)
    if not turns:
        raise UsageError(f"The thread {thread} has no turns: there is nothing to undo.")
    session.history.forget(turns[-1])
    return Table(lines=[f"The turn that began with {_short(turns[-1].prompt)!r} is forgotten in this kernel."])


def thread(session: Session, _shell: Any, rest: str) -> Table:
    if rest:
        session.settings.assign("thread", rest)
    threads, active = session.history.threads(), session.settings.value("thread")
    names = dict.fromkeys([active, *threads])
    rows = [("*" if name == active else "", name, str(len(threads.get(name, ())))) for name in names]
    return Table(
        "", ("", "thread", "turns"), rows, [f"Prompts go to the thread {session.settings.describe('thread')}."]
    )


def fork(session: Session, shell: Any, rest: str) -> Table:
    if not rest:
        raise ArgumentError("A fork needs a name.", "%minimax fork NAME")
    cell_id = session.place(frontend.cell_id(shell), frontend.source(shell))
    before = session.settings.value("thread")
    shared = session.history.fork(before, rest, cell_id)
    session.settings.assign("thread", rest)
    return Table(lines=[f"Prompts now go to the thread {rest}, which shares the {shared} turns of {before} so far."])


def save(session: Session, _shell: Any, rest: str) -> Table:
    path, (thread, turns) = _path(rest, "save FILE.json"), _active_turns(session)
    exports.write_file(path, exports.to_json(turns))
    return Table(lines=[f"{len(turns)} turns of the thread {thread} are in {path}."])


def load(session: Session, _shell: Any, rest: str) -> Table:
    turns = exports.load_turns(_path(rest, "load FILE.json"))
    session.history.load(turns)
    threads = ", ".join(dict.fromkeys(turn.thread for turn in turns)) or "none"
    return Table(lines=[f"{len(turns)} turns were read, of these threads: {threads}."])


def export(session: Session, _shell: Any, rest: str) -> Table:
    path, (thread, turns) = _path(rest, "export FILE.md, .html, .json or .py"), _active_turns(session)
    writers = {
        ".md": lambda: exports.to_markdown(turns),
        ".html": lambda: render_page(turns, thread, session.history.stale()),
        ".json": lambda: exports.to_messages_json(turns),
        ".py": lambda: exports.to_script(turns, session.config.base_url),
    }
    if path.suffix not in writers:
        raise ArgumentError(f"{path.name} ends in none of {', '.join(writers)}.", "The ending says what is written.")
    exports.write_file(path, writers[path.suffix]())
    return Table(lines=[f"{len(turns)} turns of the thread {thread} are in {path}."])


def _path(rest: str, usage: str) -> Path:
    if not rest:
        raise ArgumentError("A file's name is needed.", f"%minimax {usage}")
    return Path(rest).expanduser()


def _active_turns(session: Session) -> tuple[str, list[Turn]]:
    """Return the name and the turns of the thread that prompts go to. Raises `UsageError` if it has none."""
    thread = session.settings.value("thread")
    turns = session.history.turns(thread)
    if not turns:
        raise UsageError(f"The thread {thread} has no turns.", "%minimax thread lists those that have.")
    return thread, turns


def history(session: Session, _shell: Any, rest: str) -> Table:
    thread = rest or session.settings.value("thread")
    turns = session.history.turns(thread)
    if not turns:
        others = ", ".join(session.history.threads()) or "none"
        return Table(lines=[f"The thread {thread} has no turns; threads that have: {others}."])
    stale = session.history.stale()
    rows = [_turn_row(number, turn, turn.place in stale) for number, turn in enumerate(turns, 1)]
    return Table(f"Thread {thread}", ("", "asked", "answered", "state", "tokens in / out"), rows)


def _turn_row(number: int, turn: Turn, stale: bool) -> tuple[str, ...]:
    usage = usage_line.usage_of([turn]).tokens
    state = ", ".join([turn.status, *(["stale"] if stale else [])])
    total = sum(usage.values()) - usage["output_tokens"]
    return str(number), _short(turn.prompt), _short(turn.text), state, f"{total:,} / {usage['output_tokens']:,}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else f"{line[:59]}…"


def clear(session: Session, _shell: Any, rest: str) -> Table:
    thread = rest or session.settings.value("thread")
    return Table(lines=[f"{session.history.clear(thread)} turns of the thread {thread} are forgotten in this kernel."])


def usage(session: Session, _shell: Any, _rest: str) -> Table:
    rows = []
    every = [turn for turns in session.history.threads().values() for turn in turns]
    for name in sorted({turn.model for turn in every}):
        rows.append(_usage_row(name, usage_line.usage_of(turn for turn in every if turn.model == name)))
    if len(rows) > 1:
        rows.append(_usage_row("all", usage_line.usage_of(every)))
    columns = ("model", "calls", "seconds", "tokens in", "out", "cache read", "cache written", "cost")
    return Table("", columns, rows, () if rows else ("Nothing was asked yet.",))


def _usage_row(name: str, usage: usage_line.Usage) -> tuple[str, ...]:
    counts = tuple(f"{usage.tokens[counter]:,}" for counter in TOKEN_COUNTERS)
    return name, str(usage.calls), f"{usage.seconds:.1f}", *counts, usage_line.cost_text(usage)
