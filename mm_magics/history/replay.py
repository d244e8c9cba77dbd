"""Replay: answer a request with the turn that was recorded for exactly the same request.

A recording is found by the hash of its request alone, and is only read. Turns that were stopped or failed are not
recordings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mm_magics.errors import MiniMaxError
from mm_magics.history.notebook import Cell, Document, read_notebook
from mm_magics.history.thread import History
from mm_magics.history.turn import Turn

ReplayMode = Literal["off", "auto", "only"]


class Recordings:
    """The recordings in notebooks and folders of notebooks. A file is read when it is needed and when it changed."""

    def __init__(self) -> None:
        self._cache: dict[Path, tuple[int, dict[str, Turn]]] = {}

    def find(self, request_sha256: str, sources: Iterable[str | Path]) -> Turn | None:
        """Return the first recording for this request in the notebooks and folders of notebooks, if there is one."""
        for path in _notebooks(sources):
            turn = self._turns_in(path).get(request_sha256)
            if turn is not None:
                return turn
        return None

    def _turns_in(self, path: Path) -> dict[str, Turn]:
        """Return the recordings of a notebook by the hash of their request; {} if it cannot be read."""
        try:
            version = path.stat().st_mtime_ns
            if path not in self._cache or self._cache[path][0] != version:
                turns = filter(is_replayable, read_notebook(path).turns())
                self._cache[path] = (version, {turn.request_sha256: turn for turn in turns})
        except (MiniMaxError, OSError):
            return {}
        return self._cache[path][1]


def is_replayable(turn: Turn) -> bool:
    """Return whether the turn is a recording: the endpoint ended it."""
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
class CellState:
    """Whether a prompt cell has a recording that still applies; `reason` says why not."""

    number: int
    cell: Cell
    state: Literal["recorded", "stale", "missing", "damaged"]
    reason: str = ""


def check_cells(document: Document) -> Iterator[CellState]:
    """Yield the state of each prompt cell of a notebook, without running anything.

    A cell is stale if the turns above it changed since it was answered, or if its text changed (which can only be
    checked where the text contains no expressions).
    """
    history = History()
    history.follow(document)
    stale = history.stale()
    for number, cell in enumerate(document.cells, 1):
        if not cell.is_prompt:
            continue
        turn = cell.turn
        if cell.fault:
            yield CellState(number, cell, "damaged", cell.fault)
        elif turn is None:
            yield CellState(number, cell, "missing", "its output contains no turn")
        elif not is_replayable(turn):
            yield CellState(number, cell, "missing", f"its turn is {turn.status}")
        elif turn.place in stale:
            yield CellState(number, cell, "stale", "the turns above it have changed")
        elif _is_edited(cell, turn):
            yield CellState(number, cell, "stale", "its text has changed")
        else:
            yield CellState(number, cell, "recorded")


def _is_edited(cell: Cell, turn: Turn) -> bool:
    first, _, body = cell.source.lstrip().partition("\n")
    return "{{" not in body and "--sees" not in first and body.rstrip("\n") != turn.prompt
