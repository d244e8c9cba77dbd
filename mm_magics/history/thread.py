"""The threads of one notebook: their turns, the order of the turns, and what a prompt cell sees of them.

A prompt cell has one turn per thread. Running it again replaces that turn in place, and keeps it as a version. A code
cell that runs several prompts has one turn for each, in order. A turn without a cell (from a terminal or a script) is
only ever appended. The order is that of the document, where there is one (`follow`); a cell that the document does not
contain yet comes after the cell that was run before it (`insert`). Without a document, the order is that of the first
runs.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from mm_magics.config import MAX_VERSIONS
from mm_magics.errors import UsageError
from mm_magics.history.cell_alignment import merged_order
from mm_magics.history.context_checks import ContextChecks
from mm_magics.history.context_messages import Context, ContextHash
from mm_magics.history.edits import is_edited
from mm_magics.history.forks import Path, Placed, find_asked, paths
from mm_magics.history.notebook import Document
from mm_magics.history.shared import SharedByThreads, locked
from mm_magics.history.turn import Turn
from mm_magics.history.versions import all_versions, succeed, use_version, version_number


@dataclass(frozen=True)
class _Entry:
    """The turns of a cell, all answered in the same execution of it.

    `run` identifies the execution, and `replaced` are the turns that the cell showed before. Turns that were forgotten
    stay in it as long as the cell shows them.
    """

    turns: tuple[Turn, ...]
    put_at: float
    run: str = ""
    replaced: tuple[Turn, ...] = ()


class History(SharedByThreads):
    """The turns of a notebook, by thread.

    >>> history = History()
    >>> _ = history.put(Turn("main", "complete", "MiniMax-M2.7", [{"role": "user", "content": "Hi."}], cell_id="a"))
    >>> [turn.prompt for turn in history.context_turns("main", "b")]
    ['Hi.']

    Attributes:
        max_versions: How many earlier turns a cell keeps.
        run: The execution request that this thread handles; "" in a script. A cell keeps all turns of one execution.
        uncertain: The cells that may have been edited on a page that the kernel does not see. Their turns are in no
            context.
        has_document: Whether the order is that of a document.
    """

    def __init__(self) -> None:
        super().__init__()
        self.max_versions = MAX_VERSIONS
        self._entries: dict[tuple[str, str], _Entry] = {}
        self._forgotten: set[str] = set()
        self._bases: dict[str, dict[str, str]] = {}
        self._checks = ContextChecks()
        self._sources: dict[str, str] = {}
        """The text of the cells in the document, by cell id, without those that ran since."""
        self._edited: dict[tuple[str, str], bool] = {}
        self._pinned: dict[tuple[str, str], tuple[str, str]] = {}
        """By place: the id of the turn that the document shows, and of its version that is active nevertheless."""
        self.uncertain: frozenset[str] = frozenset()
        self.has_document = False

    def threads(self) -> Mapping[str, list[Turn]]:
        """Return the turns of every thread that has some, in order. Those that forks share are in each of them."""
        found = {path.thread: [placed.turn for placed in path.turns] for path in paths(self._placed(), self._bases)}
        return {name: found[name] for name in self.names() if name in found}

    def names(self) -> list[str]:
        """Return the names of the threads that have turns of their own."""
        return [*dict.fromkeys(name for (name, _), entry in self._entries.items() if self._active(entry))]

    def forks(self) -> Iterator[tuple[str, int, list[Turn]]]:
        """Yield each thread that has turns of its own, how many it shares with its parent, and its own."""
        found = {path.thread: path for path in paths(self._placed(), self._bases)}
        for path in (found[name] for name in self.names() if name in found):
            if own := [placed.turn for placed in path.turns[path.own :]]:
                yield path.thread, path.own, own

    def turns(self, thread: str) -> list[Turn]:
        """Return the turns of the thread in order, the turns that a fork shares first."""
        return [placed.turn for placed in self._path(thread).turns]

    def all_turns(self) -> list[Turn]:
        """Return the turns of all threads, each once."""
        return [placed.turn for own in self._placed().values() for placed in own]

    def base(self, thread: str) -> dict[str, str] | None:
        """Return where the thread was forked from: the `thread`, and the last shared `turn` with its `cell`."""
        return self._bases.get(thread)

    def _active(self, entry: _Entry | None) -> tuple[Turn, ...]:
        """Return the turns of the entry that were not forgotten."""
        return tuple(turn for turn in entry.turns if turn.id not in self._forgotten) if entry else ()

    def _placed(self) -> dict[str, list[Placed]]:
        """Return the turns that each thread has of its own, in order."""
        numbers = {key: number for number, key in enumerate(self._order)}
        placed: dict[str, list[Placed]] = {}
        for (thread, key), entry in self._entries.items():
            if key in numbers and (active := self._active(entry)):
                placed.setdefault(thread, []).extend(Placed(numbers[key], turn) for turn in active)
        for own in placed.values():
            own.sort(key=lambda each: each.number)
        return placed

    def _path(self, thread: str) -> Path:
        """Return the turns of the thread, those that a fork shares first."""
        return list(paths(self._placed(), self._bases, thread))[-1]

    def turn_of_cell(self, thread: str, cell_id: str | None) -> Turn | None:
        """Return the cell's last turn in the thread, if it has one from before the current execution."""
        entry = self._entries.get((thread, cell_id)) if cell_id else None
        return next(reversed(self._active(entry)), None) if entry and not self._is_current(entry) else None

    def shown_turn(self, thread: str, cell_id: str | None) -> Turn | None:
        """Return the turn that the cell shows until its next answer replaces it, if there is one.

        Unlike `turn_of_cell`, it may have been forgotten, or be in another thread.
        """
        entry = self._current_entry((thread, cell_id or ""))
        number = len(entry.turns)
        return entry.replaced[number] if number < len(entry.replaced) else None

    def _is_current(self, entry: _Entry) -> bool:
        return self.run != "" and entry.run == self.run

    def keys(self) -> dict[str, str]:
        """Return the id of the cell of each turn by turn id, for turns that have a cell."""
        return {turn.id: key for (_, key), entry in self._entries.items() for turn in entry.turns if turn.cell_id}

    def context_turns(self, thread: str, cell_id: str | None, context: Context = "above") -> list[Turn]:
        """Return the turns that a prompt in this cell sees.

        Args:
            thread: The thread of the prompt.
            cell_id: The cell of the prompt; None or an unknown one comes after all others.
            context: `above`: the turns above the cell; `all`: those of all other cells; `none`; or the last N above.
        """
        entry = self._entries.get((thread, cell_id or ""))
        return self._seen(thread, cell_id, context, self._active(entry) if entry and self._is_current(entry) else ())

    def with_context(self, id_: str) -> tuple[Turn, list[Turn]] | None:
        """Return the turn or version with this id, and the turns that it sees now; None if it is unknown."""
        return find_asked(paths(self._placed(), self._bases), id_, self.uncertain)

    def uncertain_turns(self, thread: str, context: Context = "above") -> list[Turn]:
        """Return the turns that `context_turns` leaves out because their cells are uncertain."""
        if not self.uncertain or context == "none" or context == 0:
            return []
        return [turn for turn in self.turns(thread) if turn.cell_id in self.uncertain]

    def _seen(self, thread: str, cell_id: str | None, context: Context, earlier: Sequence[Turn]) -> list[Turn]:
        """Return the turns that a prompt sees; `earlier` are those of the same execution."""
        if context == "none" or context == 0:
            return []
        path = self._path(thread)
        shared, own = path.turns[: path.own], path.turns[path.own :]
        number = self._order.index(cell_id) if cell_id in self._order else len(self._order)
        own = [each for each in own if (each.number != number if context == "all" else each.number < number)]
        turns = [*(each.turn for each in (*shared, *own)), *earlier]
        certain = [turn for turn in turns if turn.cell_id not in self.uncertain]
        return certain[-context:] if isinstance(context, int) else certain

    def stale(self) -> set[tuple[str, str]]:
        """Return the places of the turns that answered a context other than the one they have now."""
        return {turn.place for turn, is_current, _ in self._checked() if not is_current}

    def edited(self) -> set[tuple[str, str]]:
        """Return the places of the turns whose cell has another text in the document than the one they answered."""
        turns = (turn for entry in self._entries.values() for turn in self._active(entry))
        return {turn.place for turn in turns if self._is_edited(turn)}

    def removed(self) -> set[tuple[str, str]]:
        """Return the places of the turns that were forgotten although their cells show them: they are not sent."""
        turns = (turn for entry in self._entries.values() for turn in entry.turns if turn.cell_id)
        return {turn.place for turn in turns if turn.id in self._forgotten}

    def _is_edited(self, turn: Turn) -> bool:
        source = self._sources.get(turn.cell_id or "")
        if source is None:
            return False
        if turn.place not in self._edited:
            self._edited[turn.place] = is_edited(source, turn)
        return self._edited[turn.place]

    def _checked(self) -> Iterator[tuple[Turn, bool, ContextHash]]:
        return self._checks.checked(self._placed(), self._bases, self.uncertain)

    def answered_sha256s(self) -> dict[tuple[str, str], str]:
        """Return the hash of the request that each turn answered, in its form of today, by the place of the turn.

        A record of schema 1 has a hash of another form. If its context is still the one it answered, the hash is
        computed from that; otherwise it is unknown.
        """
        found: dict[tuple[str, str], str] = {}
        for turn, is_current, above in self._checked():
            if turn.schema > 1:
                found[turn.place] = turn.request_sha256
            elif is_current and turn.context == "above":
                found[turn.place] = above.digest(turn)
        return found

    @locked
    def put(self, turn: Turn) -> Turn:
        """Add the turn, or replace what its cell shows from an earlier execution, which becomes a version of it.

        Returns:
            The turn with its versions.
        """
        place = turn.thread, turn.cell_id or f"turn {turn.id}"
        if place[1] not in self._order:
            self._order.append(place[1])
        entry = self._current_entry(place)
        turn = self.with_versions(turn)
        for other in self._other_threads(place):  # the cell shows this answer, and none of another thread any more
            hidden = _Entry((), time.time(), self.run, replaced=self._entries[other].turns)
            self._entries = {**self._entries, other: hidden}
        self._pinned.pop(place, None)
        self._sources.pop(place[1], None)
        self._forgotten -= {version.id for version in all_versions(turn)}
        added = {place: replace(entry, turns=self.as_shown((*entry.turns, turn)), put_at=time.time())}
        self._entries = self._entries | added
        return turn

    @locked
    def update(self, turn: Turn) -> None:
        """Replace a turn by itself with more in its record, if it is in the history."""
        for place, entry in self._entries.items():
            if any(each.id == turn.id for each in entry.turns):
                turns = tuple(turn if each.id == turn.id else each for each in entry.turns)
                self._entries[place] = replace(entry, turns=turns)

    def with_versions(self, turn: Turn) -> Turn:
        """Return the turn as `put` would store it now, with what it replaces among its versions."""
        shown = self.shown_turn(turn.thread, turn.cell_id or f"turn {turn.id}")
        return succeed(turn, shown, self.max_versions) if shown else turn

    def _current_entry(self, place: tuple[str, str]) -> _Entry:
        """Return the entry of the current execution. It replaces what the cell shows, if need be in other threads."""
        entry = self._entries.get(place)
        if entry is not None and self._is_current(entry):
            return entry
        shown = entry.turns if entry else ()
        others = (turn for other in self._other_threads(place) for turn in self._entries[other].turns)
        return _Entry((), 0.0, self.run, replaced=shown or tuple(others))

    def _other_threads(self, place: tuple[str, str]) -> list[tuple[str, str]]:
        """Return the places of the cell in other threads that it has from an earlier execution."""
        if not self.has_document or place[1].startswith("turn "):
            return []
        places = self._entries.items()
        return [each for each, entry in places if each[1] == place[1] and each != place and not self._is_current(entry)]

    @locked
    def use_version(self, turn: Turn, number: int, *, pinned: bool = False) -> Turn:
        """Make another version of a turn of this history active, and return it.

        Args:
            turn: One of the turns that `turns` returns.
            number: The number of the version, as in `all_versions`.
            pinned: Keep the version active while the document still shows the turn as it was.
        """
        place, entry = next(each for each in self._entries.items() if any(own is turn for own in each[1].turns))
        shown, _ = self._pinned.pop(place, (turn.id, ""))
        chosen = use_version(turn, number)
        if pinned and chosen.id != shown:
            self._pinned[place] = shown, chosen.id
        turns = tuple(chosen if each is turn else each for each in entry.turns)
        self._entries[place] = replace(entry, turns=turns, put_at=time.time())
        return chosen

    def insert(self, cell_id: str, after: str | None) -> None:
        """Give a cell that the document does not contain its position: after another one, or None for the end.

        If the other one is missing, it is put before all others.
        """
        if cell_id not in self._order:
            number = len(self._order) if after is None else 0
            self._order.insert(self._order.index(after) + 1 if after in self._order else number, cell_id)

    def load(self, turns: Sequence[Turn]) -> None:
        """Put turns from a file before all others. They have no cell in this notebook."""
        loaded = [replace(turn, cell_id=None, base=None) for turn in turns]
        keys = dict.fromkeys(f"turn {turn.id}" for turn in loaded)
        self._order = [*keys, *(key for key in self._order if key not in keys)]
        for turn in loaded:
            self.put(turn)

    @locked
    def clear(self, thread: str) -> int:
        """Forget all turns of the thread, and return how many there were."""
        path = self._path(thread)
        self._forget([placed.turn for placed in path.turns[path.own :]])
        self._bases.pop(thread, None)
        return len(path.turns)

    @locked
    def forget(self, turn: Turn) -> None:
        """Forget one turn with its versions, even if its cell still shows it. The cell's next answer keeps it.

        Without a cell, nothing shows it, so nothing of it stays.
        """
        self._forget([turn])

    def _forget(self, turns: Iterable[Turn]) -> None:
        alone = {turn.id for turn in turns if not turn.cell_id}
        self._forgotten |= {version.id for turn in turns if turn.cell_id for version in all_versions(turn)}
        gone = [place for place, entry in self._entries.items() if any(own.id in alone for own in entry.turns)]
        for place in gone:
            del self._entries[place]
        keys = {key for _, key in gone}
        self._order = [key for key in self._order if key not in keys]

    def fork(self, thread: str, name: str, cell_id: str | None = None) -> int:
        """Start a thread that shares the turns of another one above the cell, and return how many it shares.

        Forking again under the same name moves the fork.

        Raises:
            UsageError: There is nothing to share, or the name belongs to a thread that is not a fork of this one.
        """
        turns = self.context_turns(thread, cell_id)
        forked = self._bases.get(name, {}).get("thread") == thread
        if not turns or name == thread or (self.turns(name) and not forked):
            reason = f"The thread {name} already has turns." if turns else f"The thread {thread} has no turns."
            raise UsageError(f"{reason} Nothing was forked.", "%minimax history THREAD shows a thread.")
        self._bases[name] = {"thread": thread, "turn": turns[-1].id, "cell": turns[-1].cell_id or ""}
        return len(turns)

    @locked
    def follow(self, document: Document, moved: Mapping[str, str] | None = None) -> int:
        """Take the order and the turns from the document, and return how many of the turns were new.

        A turn that is newer than the document is kept; an older one that the document does not contain is forgotten.
        `moved` are the cells that have another id in the document, by the id that the history has for them.
        """
        self.rename(moved or {})
        self._order = merged_order([cell.id for cell in document.cells], self._order)
        self.has_document = True
        self.uncertain = frozenset()
        saved: dict[tuple[str, str], list[Turn]] = {}
        for turn in filter(None, map(self.in_document, document.turns())):
            place = turn.thread, str(turn.cell_id)
            saved.setdefault(place, []).append(self._pinned_version(place, turn))
        in_document = {(turn.thread, turn.id) for turn in document.turns()}

        def elsewhere(place: tuple[str, str], entry: _Entry) -> bool:
            """Whether the document has the turns in another cell, which means that this one was taken for it."""
            return place not in saved and all((place[0], turn.id) in in_document for turn in entry.turns)

        entries = self._entries.values()
        known = {version.id for entry in entries for turn in entry.turns for version in all_versions(turn)}
        newer = {
            place: entry
            for place, entry in self._entries.items()
            if place[1] not in document.deleted
            and (
                place[1].startswith("turn ")
                or place[1] in document.pending | document.remembered | self.answering_in(document)
                or (entry.put_at + document.grace >= document.saved_at and not elsewhere(place, entry))
            )
        }
        newer_cells = {key for _, key in newer} - document.remembered
        self._sources = {cell.id: cell.source for cell in document.cells if cell.id not in newer_cells}
        self._edited = {}
        shown = {place: _Entry(tuple(turns), -math.inf) for place, turns in saved.items()}
        active = {place: self._active(entry) for place, entry in shown.items()}
        self._bases |= {turn.thread: dict(turn.base) for turns in active.values() for turn in turns if turn.base}
        self._entries = shown | newer
        return sum(turn.id not in known for place in active.keys() - newer.keys() for turn in active[place])

    @locked
    def rename(self, moved: Mapping[str, str]) -> None:
        """Move the turns of cells to the ids that the cells have in the document."""
        for (thread, key), entry in [*self._entries.items()]:
            if key not in moved:
                continue
            del self._entries[thread, key]
            place = thread, moved[key]
            turns = tuple(replace(turn, cell_id=moved[key]) for turn in entry.turns)
            if place not in self._entries or self._entries[place].put_at < entry.put_at:
                self._entries[place] = replace(entry, turns=turns)
        self._order = [key for key in self._order if key not in moved]

    def _pinned_version(self, place: tuple[str, str], turn: Turn) -> Turn:
        shown, chosen = self._pinned.get(place, ("", ""))
        numbers = (number for number, version in enumerate(all_versions(turn), 1) if version.id == chosen)
        return use_version(turn, next(numbers, version_number(turn))) if turn.id == shown else turn
