"""`%minimax versions` and `use`: the earlier answers of a prompt cell, and which one is active."""

from __future__ import annotations

from mm_magics.display.table import Table
from mm_magics.display.verdict import verdict_text
from mm_magics.errors import ArgumentError, UsageError
from mm_magics.history.turn import Turn
from mm_magics.history.versions import all_versions, has_content, version_number
from mm_magics.ipython import frontend
from mm_magics.ipython.commands.command import Context
from mm_magics.ipython.commands.threads import shown_thread
from mm_magics.text import excerpt
from mm_magics.wording import counted

EXCERPT = 50
"""Characters of a prompt or an answer in the list of versions."""


def versions(context: Context, rest: str) -> Table:
    """List the versions of a turn."""
    turn = find_turn(context, rest)
    active = version_number(turn)
    columns: tuple[str, ...] = ("", "version", "model", "status", "time (UTC)", "prompt", "answer")
    rows = [_row(number, version, number == active) for number, version in enumerate(all_versions(turn), 1)]
    if any(version.check for version in all_versions(turn)):
        rows = [(*row, verdict_text(version)) for row, version in zip(rows, all_versions(turn), strict=True)]
        columns = (*columns, "check")
    lines = ["%minimax use N makes another version the active one." if turn.versions else "It was answered once."]
    return Table("", columns, rows, lines)


def _row(number: int, version: Turn, active: bool) -> tuple[str, ...]:
    time = version.created.replace("T", " ").rstrip("Z")
    texts = (excerpt(version.prompt, EXCERPT), excerpt(version.text, EXCERPT))
    return "*" if active else "", str(number), version.model, version.status, time, *texts


def use(context: Context, rest: str) -> Table:
    """Make another version of a turn the active one, on the page or, if the page cannot be updated, in this kernel."""
    number, _, place = rest.partition(" ")
    if not number.isdecimal():
        raise ArgumentError("The number of a version is required.", "%minimax versions lists them.")
    turn = find_turn(context, place.strip())
    count, active = len(turn.versions) + 1, version_number(turn)
    if not 1 <= int(number) <= count:
        raise ArgumentError(f"Version {number} does not exist: the turn has {counted(count, 'version')}.")
    name = f"Version {number} of {count} of {excerpt(turn.prompt, EXCERPT)!r}"
    if not has_content(all_versions(turn)[int(number) - 1]):
        raise ArgumentError(f"Version {number} contains no answer.", "%minimax versions lists them.")
    if int(number) == active and not turn.undecided:
        return Table(lines=[f"{name} is active already."])
    page, history = context.page, context.session.history
    is_live = page is not None and page.shows(turn.cell_id)
    chosen = history.use_version(turn, int(number), pinned=not is_live)
    if page is not None and is_live:
        page.replace_turn(chosen)
        return Table(lines=[f"{name} is active now."])
    _display(chosen)
    if turn.cell_id is None:
        return Table(lines=[f"{name} is active now."])
    return Table(
        lines=[
            f"{name} is active until this kernel ends. Its cell still shows version {active}: only the mm_magics "
            "extension can change the page."
        ]
    )


def _display(turn: Turn) -> None:
    """Display the turn without its record, which belongs to the output of its own cell."""
    from IPython.display import display

    from mm_magics.display.mime_bundle import make_bundle
    from mm_magics.history.turn import MIME_TYPE

    bundle = make_bundle(turn)
    del bundle[MIME_TYPE]
    display(bundle, raw=True)  # type: ignore[no-untyped-call]


def find_turn(context: Context, number: str) -> Turn:
    """Return the turn with this number in the thread, or the last one above the running cell."""
    session, shell = context.session, context.shell
    thread = session.settings.value("thread")
    if not number:
        cell_id = session.cells.find_id(frontend.execution(shell))
        above = session.history.context_turns(thread, cell_id)
        if not above:
            raise UsageError(
                f"No turn of the thread {shown_thread(session)} is above this cell.",
                "%minimax history lists the turns.",
            )
        return above[-1]
    turns = session.history.turns(thread)
    if not number.isdecimal() or not 1 <= int(number) <= len(turns):
        raise ArgumentError(
            f"The thread {shown_thread(session)} has no turn {number}.", "%minimax history lists the turns."
        )
    return turns[int(number) - 1]
