"""Replay: answering a request from a turn that was recorded for exactly the same request.

Always true: a recording is found by the request's hash alone, is only ever read, and replaying it runs nothing. Turns
that were stopped or failed are no recordings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mm_magics.errors import MiniMaxError
from mm_magics.history.notebook import Cell, Document, read
from mm_magics.history.thread import History
from mm_magics.history.turn import Turn

Mode = Literal["off", "auto", "only"]
MODES: tuple[Mode, ...] = ("off", "auto", "only")


class Recordings:
    """The recordings of some notebooks and folders of notebooks, read when first asked for and when they change."""

    def __init__(self) -> None:
        self._read: dict[Path, tuple[int, dict[str, Turn]]] = {}

    def find(self, request_sha256: str, sources: Iterable[str | Path]) -> Turn | None:
        """The first recording for this request in these notebooks and folders; None if there is none."""
        for path in _notebooks(sources):
            turn = self._of(path).get(request_sha256)
            if turn is not None:
                return turn
        return None

    def _of(self, path: Path) -> dict[str, Turn]:
        try:
            version = path.stat().st_mtime_ns
            if path not in self._read or self._read[path][0] != version:
                self._read[path] = (version, recorded(read(path).turns()))
        except (MiniMaxError, OSError):
            return {}
        return self._read[path][1]


def recorded(turns: Iterable[Turn]) -> dict[str, Turn]:
    """The turns that can be replayed, by the hash of their request."""
    return {turn.request_sha256: turn for turn in turns if replayable(turn)}


def replayable(turn: Turn) -> bool:
    """Whether the turn is a recording: one that the endpoint ended."""
    return turn.status in ("complete", "truncated")


def _notebooks(sources: Iterable[str | Path]) -> Iterator[Path]:
    for source in sources:
        path = Path(source).expanduser()
        if not path.is_dir():
            yield path
            continue
        found = sorted(path.rglob("*.ipynb"))
        yield from (each for each in found if ".ipynb_checkpoints" not in each.parts)


@dataclass(frozen=True)
class Checked:
    """What a prompt cell holds: `recorded`, `stale`, `missing` or `damaged`, with the reason for the last three."""

    number: int
    cell: Cell
    state: Literal["recorded", "stale", "missing", "damaged"]
    why: str = ""


def check(document: Document) -> Iterator[Checked]:
    """The state of each prompt cell of a notebook, without running anything.

    A cell is stale if the turns above it are no longer those it answered, or (where nothing is interpolated) if its
    text is no longer what was asked.
    """
    history = History()
    history.follow(document)
    stale = history.stale()
    for number, cell in enumerate(document.cells, 1):
        if not cell.is_prompt:
            continue
        turn = cell.turn
        if cell.fault:
            yield Checked(number, cell, "damaged", cell.fault)
        elif turn is None:
            yield Checked(number, cell, "missing", "its output holds no turn")
        elif not replayable(turn):
            yield Checked(number, cell, "missing", f"its turn is {turn.status}")
        elif turn.place in stale:
            yield Checked(number, cell, "stale", "the turns above it have changed")
        elif _edited(cell, turn):
            yield Checked(number, cell, "stale", "its text has changed")
        else:
            yield Checked(number, cell, "recorded")


def _edited(cell: Cell, turn: Turn) -> bool:
    first, _, body = cell.source.lstrip().partition("\n")
    return "{{" not in body and "--sees" not in first and body.rstrip("\n") != turn.prompt
