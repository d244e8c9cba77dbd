"""`%minimax history`, `undo`, `clear`, `thread`, `fork`, `save`, `load` and `export`: commands for threads."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from mm_magics.api.usage import input_tokens
from mm_magics.display import usage_line
from mm_magics.display.export_html import render_page
from mm_magics.display.export_markdown import render_markdown
from mm_magics.display.table import Table
from mm_magics.errors import ArgumentError, UsageError
from mm_magics.history import export as exports
from mm_magics.history.compaction import Compaction
from mm_magics.history.thread import History
from mm_magics.history.turn import Turn
from mm_magics.ipython import frontend
from mm_magics.ipython.commands.command import Context
from mm_magics.session import Session
from mm_magics.text import excerpt, visible
from mm_magics.wording import counted

COLUMNS = ("", "prompt", "answer", "status", "tokens in / out")
EXCERPT = 60
"""Characters of a prompt or an answer in a list of turns."""


def history(context: Context, name: str) -> Table:
    """List the turns of a thread."""
    session = context.session
    thread = name or session.settings.value("thread")
    turns = session.history.turns(thread)
    if not turns:
        others = visible(", ".join(session.history.names()) or "none")
        return Table(lines=[f"The thread {shown_thread(session, name)} has no turns. Threads with turns: {others}."])
    rows = _turn_rows(session.history, turns, {**_marks(session.history), **_compaction_marks(session, thread)})
    return Table(f"Thread {shown_thread(session, name)}", COLUMNS, rows)


def all_threads(session: Session) -> Iterator[Table]:
    """List the turns of each thread. Those that a fork shares are only counted."""
    marks = _marks(session.history)
    for name, shared, own in session.history.forks():
        base = session.history.base(name) or {}
        lines = [f"It begins with {counted(shared, 'turn')} of the thread {visible(base['thread'])}."] if shared else []
        yield Table(f"Thread {visible(name)}", COLUMNS, _turn_rows(session.history, own, marks, shared + 1), lines)


def _marks(history: History) -> Mapping[str, Collection[tuple[str, str]]]:
    return {"stale": history.stale(), "edited": history.edited()}


def _compaction_marks(session: Session, thread: str) -> Mapping[str, Collection[tuple[str, str]]]:
    context = session.budget.context(thread, None)
    compaction = context.compaction or Compaction()
    ids = {"summarized": compaction.turns, "pinned": compaction.pinned}
    return {mark: {turn.place for turn in context.all if turn.id in marked} for mark, marked in ids.items()}


def _turn_rows(
    history: History, turns: Sequence[Turn], marks: Mapping[str, Collection[tuple[str, str]]], first: int = 1
) -> list[tuple[str, ...]]:
    """Return a row for each turn; `first` is the number of the first of them in its thread."""
    return [
        _turn_row(
            number,
            turn,
            [mark for mark, places in marks.items() if turn.place in places]
            + ["not sent: unsaved edits"] * (turn.cell_id in history.uncertain),
        )
        for number, turn in enumerate(turns, first)
    ]


def _turn_row(number: int, turn: Turn, marks: list[str]) -> tuple[str, ...]:
    tokens = usage_line.usage_of([turn]).tokens
    status = ", ".join([turn.status, *marks])
    counts = f"{input_tokens(tokens):,} / {tokens['output_tokens']:,}"
    return str(number), excerpt(turn.prompt, EXCERPT), excerpt(turn.text, EXCERPT), status, counts


def undo(context: Context, _rest: str) -> Table:
    """Remove the last turn of the thread from the kernel's history."""
    session = context.session
    thread = session.settings.value("thread")
    turns = session.history.turns(thread)
    if not turns:
        running = " ".join(["", *_still_running(context, thread)])
        raise UsageError(f"The thread {shown_thread(session)} has no turns: there is nothing to undo.{running}")
    session.history.forget(turns[-1])
    prompt = excerpt(turns[-1].prompt, EXCERPT)
    removed = f"Removed the turn {prompt!r} from this kernel's history."
    return Table(lines=[removed, *_still_shown(turns[-1:]), *_still_running(context, thread)])


def clear(context: Context, name: str) -> Table:
    """Remove all turns of a thread from the kernel's history."""
    thread = name or context.session.settings.value("thread")
    own = [turn for turn in context.session.history.turns(thread) if turn.thread == thread]
    count = context.session.history.clear(thread)
    whose = f"of the thread {shown_thread(context.session, name)}"
    removed = f"Removed {counted(count, 'turn')} {whose} from this kernel's history."
    return Table(lines=[removed, *_still_shown(own), *_still_running(context, thread)])


def _still_running(context: Context, thread: str) -> list[str]:
    """Say that answers in the background are not removed."""
    count = context.prompt_cells.in_background(thread) if context.prompt_cells else 0
    if not count:
        return []
    verb, joins = ("is", "joins") if count == 1 else ("are", "join")
    return [f"{counted(count, 'answer')} {verb} still running and {joins} the thread. Press Stop to end it."]


def _still_shown(turns: Sequence[Turn]) -> list[str]:
    """Say that the notebook still contains the turns that were removed, if they have cells."""
    cells = {turn.cell_id for turn in turns if turn.cell_id}
    if not cells:
        return []
    shown = "Its cell still shows it" if len(cells) == 1 else "Their cells still show them"
    restored = "A new kernel remembers what the notebook contains."
    return [f"{shown}: clear the output or delete the cell to remove it from the notebook too. {restored}"]


def thread(context: Context, name: str) -> Table:
    """List the threads, after switching to one if a name is given."""
    session = context.session
    if name:
        session.settings.assign("thread", name)
    current = session.settings.value("thread")
    sizes = {name: shared + len(own) for name, shared, own in session.history.forks()}
    names = dict.fromkeys([current, *session.history.names()])
    rows = [("*" if name == current else "", visible(name), str(sizes.get(name, 0))) for name in names]
    lines = [f"Prompts go to the thread {session.settings.describe('thread')}."]
    return Table("", ("", "thread", "turns"), rows, lines)


def fork(context: Context, name: str) -> Table:
    """Copy the thread's turns up to this cell into a new thread, and switch to it."""
    if not name:
        raise ArgumentError("The new thread needs a name.", "%minimax fork NAME")
    session, shell = context.session, context.shell
    cell_id = session.cells.find_id(frontend.execution(shell))
    original = session.settings.value("thread")
    turns = counted(session.history.fork(original, name, cell_id), "turn")
    session.settings.assign("thread", name)
    return Table(
        lines=[f"Prompts now go to the thread {visible(name)}, which shares {turns} with {visible(original)}."]
    )


def save(context: Context, rest: str) -> Table:
    """Save the thread's turns to a file."""
    path = _path(rest, "save FILE.json")
    turns = _current_turns(context.session)
    exports.write_file(path, exports.to_json(turns))
    return _written(context.session, turns, path)


def load(context: Context, rest: str) -> Table:
    """Load turns from a file written by `save`."""
    turns = exports.load_turns(_path(rest, "load FILE.json"))
    context.session.history.load(turns)
    threads = ", ".join(dict.fromkeys(turn.thread for turn in turns)) or "none"
    return Table(lines=[f"Loaded {counted(len(turns), 'turn')}. Threads: {threads}."])


def export(context: Context, rest: str) -> Table:
    """Write the thread to a file in the format that its extension names."""
    session = context.session
    path = _path(rest, "export FILE.md, .html, .json or .py")
    thread, turns = session.settings.value("thread"), _current_turns(session)
    writers = {
        ".md": lambda: render_markdown(turns),
        ".html": lambda: render_page(turns, thread, session.history.stale(), session.history.edited()),
        ".json": lambda: exports.to_messages_json(turns),
        ".py": lambda: exports.to_script(turns, session.settings.value("base_url")),
    }
    if path.suffix not in writers:
        raise ArgumentError(f"Cannot export to {path.name}.", f"Use one of these extensions: {', '.join(writers)}.")
    exports.write_file(path, writers[path.suffix]())
    return _written(session, turns, path)


def _written(session: Session, turns: list[Turn], path: Path) -> Table:
    return Table(lines=[f"Wrote {counted(len(turns), 'turn')} of the thread {shown_thread(session)} to {path}."])


def _path(rest: str, usage: str) -> Path:
    if not rest:
        raise ArgumentError("A file name is required.", f"%minimax {usage}")
    return Path(rest).expanduser()


def _current_turns(session: Session) -> list[Turn]:
    """Return the turns of the thread that prompts go to. Raises `UsageError` if it has none."""
    turns = session.history.turns(session.settings.value("thread"))
    if not turns:
        raise UsageError(f"The thread {shown_thread(session)} has no turns.", "%minimax thread lists the threads.")
    return turns


def shown_thread(session: Session, name: str = "") -> str:
    """Return the name of a thread to show; by default the current one, with its source if nobody typed it."""
    settings = session.settings
    if name or settings.source("thread") in ("default", "set in this kernel"):
        return visible(name or settings.value("thread"))
    return settings.describe("thread")
