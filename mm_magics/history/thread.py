"""The threads of one notebook: which turns there are, in which order, and what a prompt cell sees of them.

Always true: a cell has one turn per thread, and running it again replaces that turn where it stands; a turn without a
cell (a terminal, a script) is only ever added. The order is the document's where it is known (`follow`); cells that it
does not hold yet stand behind the one that was run before them, so that without a document the order is that of the
first runs.
"""

from __future__ import annotations

import math
import operator
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mm_magics.api import messages, request
from mm_magics.api.messages import Message
from mm_magics.errors import UsageError
from mm_magics.history.notebook import Document
from mm_magics.history.turn import Turn

Context = str | int
"""`above`, `all`, `none`, or the last N above."""


@dataclass(frozen=True)
class _Entry:
    turn: Turn
    put_at: float


class History:
    """Turns by thread name. `History()` is empty; nothing here is shared between instances."""

    def __init__(self) -> None:
        self._order: list[str] = []
        self._entries: dict[tuple[str, str], _Entry] = {}
        self._forgotten: set[str] = set()
        self._bases: dict[str, dict[str, str]] = {}
        self._verdicts: dict[tuple[str, str], tuple[int, bool]] = {}
        self.documented = False

    # Reading

    def threads(self) -> Mapping[str, list[Turn]]:
        """The turns of each thread that has some, in order."""
        return {name: self.turns(name) for name in dict.fromkeys(name for name, _ in self._entries)}

    def turns(self, thread: str) -> list[Turn]:
        """The thread's turns in order, a fork's shared past first; a thread that nobody wrote to has none."""
        return [*self._past(thread, {thread}), *self._own(thread, self._order)]

    def base(self, thread: str) -> dict[str, str] | None:
        """Where the thread was forked from: `thread`, and the last `turn` that it shares, with its `cell`."""
        return self._bases.get(thread)

    def _own(self, thread: str, order: list[str]) -> list[Turn]:
        return [self._entries[thread, key].turn for key in order if (thread, key) in self._entries]

    def _past(self, thread: str, visited: set[str]) -> list[Turn]:
        """What the thread shares with the one it was forked from; `visited` ends a circle that a file may hold."""
        base = self._bases.get(thread)
        if base is None or base["thread"] in visited:
            return []
        of = base["thread"]
        shared = [*self._past(of, visited | {of}), *self._own(of, self._order)]
        for number, turn in enumerate(shared):
            if turn.id == base["turn"] or (turn.cell_id and turn.cell_id == base.get("cell")):
                return shared[: number + 1]
        return self._above_first_of(thread, of, visited)

    def _above_first_of(self, thread: str, of: str, visited: set[str]) -> list[Turn]:
        """Where the last shared turn is gone: what stands above the fork's own first cell."""
        first = next((number for number, key in enumerate(self._order) if (thread, key) in self._entries), None)
        return [*self._past(of, visited | {of}), *self._own(of, self._order[:first])]

    def of_cell(self, thread: str, cell_id: str | None) -> Turn | None:
        """The cell's turn in the thread; None without one."""
        entry = self._entries.get((thread, cell_id)) if cell_id else None
        return entry.turn if entry else None

    def seen(self, thread: str, cell_id: str | None, context: Context = "above") -> list[Turn]:
        """The turns that a prompt cell sees: those above it, all others, none, or the last N above."""
        return self._seen(thread, cell_id, context)

    def _seen(self, thread: str, key: str | None, context: Context) -> list[Turn]:
        if context == "none" or context == 0:
            return []
        if context == "all":
            return [*self._past(thread, {thread}), *self._own(thread, [each for each in self._order if each != key])]
        order = self._order[: self._order.index(key)] if key in self._order else self._order
        above = [*self._past(thread, {thread}), *self._own(thread, order)]
        return above[-context:] if isinstance(context, int) else above

    def stale(self) -> set[tuple[str, str]]:
        """The places of the turns that answered another past than the one that now stands above them."""
        return {turn.place for thread in self.threads() for turn in self._stale(thread)}

    def _stale(self, thread: str) -> Iterator[Turn]:
        """The thread's own stale turns. What was found of a turn holds until what it sees changes."""
        seen = self._past(thread, {thread})
        own = self._own(thread, self._order)
        past = _Past(seen, own)
        for turn in own:
            known = self._verdicts.get(turn.place)
            if not turn.request_sha256:
                stale = False
            elif turn.context != "above":
                stale = turn.request_sha256 != digest(self._seen(thread, self._key(turn), turn.context), turn)
            elif known and known[0] == past.chain:
                stale = known[1]
            else:
                stale = turn.request_sha256 != (past.digest(turn) or digest(seen, turn))
                self._verdicts[turn.place] = (past.chain, stale)
            if stale:
                yield turn
            seen.append(turn)
            past.add(turn)

    def _key(self, turn: Turn) -> str:
        return next(key for (_, key), each in self._entries.items() if each.turn is turn)

    # Writing

    def put(self, turn: Turn) -> None:
        """Add the turn, or put it in the place of its cell's earlier one."""
        key = turn.cell_id or f"turn {turn.id}"
        if key not in self._order:
            self._order.append(key)
        self._entries[turn.thread, key] = _Entry(turn, time.time())

    def load(self, turns: Sequence[Turn]) -> None:
        """Put turns from elsewhere before all others; they have no cell here."""
        loaded = [replace(turn, cell_id=None, base=None) for turn in turns]
        keys = [f"turn {turn.id}" for turn in loaded]
        self._order = [*keys, *(key for key in self._order if key not in keys)]
        for turn in loaded:
            self.put(turn)

    def clear(self, thread: str) -> int:
        """Forget the thread; how many turns it had."""
        own = self._own(thread, self._order)
        for turn in own:
            self.forget(turn)
        shared = len(self._past(thread, {thread}))
        self._bases.pop(thread, None)
        return len(own) + shared

    def forget(self, turn: Turn) -> None:
        """Forget one turn, also if the document still shows it."""
        self._forgotten.add(turn.id)
        self._entries = {place: entry for place, entry in self._entries.items() if entry.turn.id != turn.id}

    def fork(self, thread: str, name: str, cell_id: str | None = None) -> int:
        """Begin a thread that shares the past of this one, as it is above the cell; how many turns that is.

        Forking again under the same name only moves the point. Raises `UsageError` if there is nothing to share, or a
        thread of that name that is no fork of this one.
        """
        turns = self.seen(thread, cell_id)
        forked = self._bases.get(name, {}).get("thread") == thread
        if not turns or name == thread or (self.turns(name) and not forked):
            reason = f"The thread {name} has turns already." if turns else f"The thread {thread} has no turns."
            raise UsageError(f"{reason} Nothing was forked.", "%minimax history THREAD shows one.")
        self._bases[name] = {"thread": thread, "turn": turns[-1].id, "cell": turns[-1].cell_id or ""}
        return len(turns)

    def follow(self, document: Document) -> int:
        """Take order and turns from the document; how many turns it brought that were not known.

        A turn that is younger than the document stays; one that should be in it and is not is forgotten.
        """
        self._order = _merged([cell.id for cell in document.cells], self._order)
        self.documented = True
        shown = {(turn.thread, str(turn.cell_id)): turn for turn in document.turns() if turn.id not in self._forgotten}
        known = {entry.turn.id for entry in self._entries.values()}
        younger = {
            place: entry
            for place, entry in self._entries.items()
            if entry.put_at + document.grace >= document.saved_at
            or place[1].startswith("turn ")
            or place[1] in document.pending
        }
        self._bases |= {turn.thread: dict(turn.base) for turn in shown.values() if turn.base}
        self._entries = {place: _Entry(turn, -math.inf) for place, turn in shown.items()} | younger
        return sum(turn.id not in known for place, turn in shown.items() if place not in younger)


class _Past:
    """What a turn sees, as the hashes of the messages, grown turn by turn; `chain` tells one past from another.

    It can only be grown so where joining the turns changes no message, which is nearly always.
    """

    def __init__(self, seen: list[Turn], own: list[Turn]) -> None:
        closed = [turn.closed for turn in (*seen, *own)]
        apart = [message for turn in closed for message in turn]
        joined = messages.join(closed)
        self._plain = len(joined) == len(apart) and all(map(operator.is_, joined, apart))
        self._hashes: list[str] = []
        self.chain = 0
        for turn in seen:
            self.add(turn)

    def add(self, turn: Turn) -> None:
        self.chain = hash((self.chain, turn.id))
        if self._plain:
            self._hashes += [each.sha256 for each in turn.prepared]

    def digest(self, turn: Turn) -> str | None:
        """The hash of the request that the turn would make now; None where it has to be worked out in full."""
        if not self._plain or not turn.closed:
            return None
        hashes = [*self._hashes, request.message_sha256(turn.messages[0])]
        return request.request_sha256(turn.model, turn.system, turn.params, hashes)


def _merged(document: list[str], before: list[str]) -> list[str]:
    """The document's order; keys that it does not hold stay behind the one that they stood behind."""
    order = list(document)
    for number, key in enumerate(before):
        if key not in order:
            order.insert(order.index(before[number - 1]) + 1 if number else 0, key)
    return order


def context_messages(turns: list[Turn], prompt: Message) -> list[Message]:
    """The `messages` array of a request: the turns, closed, then the new user message."""
    return messages.join([*(turn.closed for turn in turns), [prompt]])


def digest(above: list[Turn], turn: Turn) -> str:
    """The hash of the request that the turn would make if it were asked with these turns above it."""
    array = context_messages(above, turn.messages[0]) if turn.messages else []
    return digest_of(turn.model, turn.system, turn.params, array, above)


def digest_of(
    model: str, system: str | None, params: Mapping[str, Any], array: list[Message], seen: Sequence[Turn] = ()
) -> str:
    """The hash of a request for this array; those of messages that come from the turns seen are taken from them."""
    known = {id(each.message): each.sha256 for turn in seen for each in turn.prepared}
    hashes = (known.get(id(message)) or request.message_sha256(message) for message in array)
    return request.request_sha256(model, system, params, hashes)
