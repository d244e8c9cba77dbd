"""What each thread of a notebook shares with the one that it was forked from.

A thread begins with turns of its parent's, up to the last shared turn. If that is gone, they are the parent's turns
above the first cell of the fork. Threads whose forks form a circle, which only a file can contain, share nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from heapq import heappop, heappush
from typing import NamedTuple

from mm_magics.history.turn import Turn
from mm_magics.history.versions import all_versions


class Placed(NamedTuple):
    """A turn, and the number of its cell in the order of the cells."""

    number: int
    turn: Turn


class Path(NamedTuple):
    """The turns of a thread. Those before `own` are shared.

    `turns` is changed by the next step of `paths`. The first `own` of them were part of the path before this one.
    """

    thread: str
    turns: list[Placed]
    own: int


def paths(
    own: Mapping[str, Sequence[Placed]], bases: Mapping[str, Mapping[str, str]], only: str | None = None
) -> Iterator[Path]:
    """Yield the path of each thread, in time linear in the number of turns.

    A thread comes after the one that it was forked from, and forks of one thread in the order in which they share less.

    Args:
        own: The turns of each thread, in order.
        bases: Where threads were forked from: `thread`, the last shared `turn`, and its `cell`.
        only: The only thread that is needed; the last path is that of this thread.
    """
    parents = _parents(own.keys() | bases.keys() if only is None else [only], bases)
    forks: dict[str, list[str]] = {}
    for name in parents:
        if (parent := parents[name]) is not None:
            forks.setdefault(parent, []).append(name)
    for root in [name for name, parent in parents.items() if parent is None]:
        yield from _Walk(own, bases, forks).below(root)


def _parents(names: Collection[str], bases: Mapping[str, Mapping[str, str]]) -> dict[str, str | None]:
    """Return the thread that each of these was forked from, and that these were, and so on."""
    parents: dict[str, str | None] = {}
    for name in names:
        chain: dict[str, int] = {}
        while name not in parents and name not in chain:
            chain[name] = len(chain)
            if name not in bases:
                parents[name] = None
                break
            name = bases[name]["thread"]
        in_circle = [*chain][chain[name] :] if name in chain and name not in parents else []
        parents |= dict.fromkeys(in_circle)
        for link in chain:
            parents.setdefault(link, bases[link]["thread"] if link in bases else None)
    return parents


class _Walk:
    """Follows the forks from one thread. The turns of a path are appended to it and removed again."""

    def __init__(
        self,
        own: Mapping[str, Sequence[Placed]],
        bases: Mapping[str, Mapping[str, str]],
        forks: Mapping[str, Sequence[str]],
    ) -> None:
        self._own, self._bases, self._forks = own, bases, forks
        self._path: list[Placed] = []
        self._ids: dict[str, int] = {}
        self._cells: dict[str, int] = {}
        """The number of the first turn of the path with each id, and with each cell."""

    def below(self, root: str) -> Iterator[Path]:
        """Yield the path of this thread and of all that were forked from it."""
        waiting: list[tuple[int, int, str]] = [(0, 0, root)]
        count = 0
        while waiting:  # those that share most come first, so that what the next one shares is still on the path
            shared, _, name = heappop(waiting)
            self._shorten(-shared)
            for placed in self._own.get(name, ()):
                self._append(placed)
            yield Path(name, self._path, -shared)
            for fork in self._forks.get(name, ()):
                count += 1
                heappush(waiting, (-self._shared(fork, name, -shared), count, fork))

    def _append(self, placed: Placed) -> None:
        number = len(self._path)
        self._path.append(placed)
        self._ids.setdefault(placed.turn.id, number)
        if placed.turn.cell_id:
            self._cells.setdefault(placed.turn.cell_id, number)

    def _shorten(self, length: int) -> None:
        while len(self._path) > length:
            turn = self._path.pop().turn
            if self._ids.get(turn.id) == len(self._path):
                del self._ids[turn.id]
            if turn.cell_id and self._cells.get(turn.cell_id) == len(self._path):
                del self._cells[turn.cell_id]

    def _shared(self, fork: str, parent: str, shared: int) -> int:
        """Return how many turns of the path of its parent a fork shares; the first `shared` are not its own."""
        base = self._bases[fork]
        found = [self._ids.get(base["turn"]), self._cells.get(base.get("cell") or "")]
        if last := [number for number in found if number is not None]:
            return min(last) + 1
        above, own = self._own.get(parent, ()), self._own.get(fork, ())
        return shared + (bisect_left(above, own[0].number, key=lambda placed: placed.number) if own else len(above))


def seen_by(path: Path, number: int, uncertain: Collection[str | None]) -> list[Turn]:
    """Return the turns that the turn with this number of the path sees by its `context`.

    Args:
        path: The turns of its thread.
        number: Its number, from 0.
        uncertain: The cells whose turns are in no context.
    """
    at, turn = path.turns[number]
    if turn.context in ("none", 0):
        return []
    last = turn.context if isinstance(turn.context, int) and turn.context > 0 and not uncertain else number
    before = path.turns[max(0, number - last) : number]
    if turn.context == "all":
        own = [each for each in path.turns[path.own :] if each.number != at]
        same_cell = [each for each in path.turns[path.own : number] if each.number == at]
        before = [*path.turns[: path.own], *own, *same_cell]
    certain = [each.turn for each in before if each.turn.cell_id not in uncertain]
    return certain[-turn.context :] if isinstance(turn.context, int) else certain


def find_asked(
    all_paths: Iterable[Path], id_: str, uncertain: Collection[str | None]
) -> tuple[Turn, list[Turn]] | None:
    """Return the turn or version with this id, and the turns that it sees; None if it is unknown."""
    for path in all_paths:
        for number, placed in enumerate(path.turns[path.own :], path.own):
            for version in all_versions(placed.turn):
                if version.id == id_:
                    turns = [*path.turns[:number], placed._replace(turn=version), *path.turns[number + 1 :]]
                    return version, seen_by(path._replace(turns=turns), number, uncertain)
    return None
