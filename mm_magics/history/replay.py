"""Replay: answer a request with the turn that was recorded for exactly the same request.

A recording is found by the hash of its request, and is only read. Turns that were stopped or failed are not recordings.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from mm_magics.api import request
from mm_magics.api.legacy_hash import legacy_message_sha256, legacy_request_sha256s
from mm_magics.api.messages import Message, System
from mm_magics.errors import MiniMaxError
from mm_magics.history.compaction import Compaction
from mm_magics.history.notebook import Cell, Document, read_notebook
from mm_magics.history.notebook_files import notebooks_in
from mm_magics.history.thread import History
from mm_magics.history.turn import Turn

ReplayMode = Literal["off", "auto", "only"]


@dataclass(frozen=True)
class RecordedRequest:
    """A request that a recording may have answered.

    The hash in a record is only a claim: anybody can write one. A recording must also have the same prompt, model,
    system prompt and parameters.

    `prompt` is the new user message. In `messages` it can be a part of the last message, after the results of tools.
    """

    prompt: Message
    model: str
    system: System
    params: Mapping[str, Any]
    messages: Sequence[Message]
    sha256: str

    def has_legacy_hash(self, turn: Turn) -> bool:
        """Return whether the record is of schema 1 and has the hash that this request had then."""
        return turn.schema == 1 and turn.request_sha256 in self._legacy_sha256s

    def is_answered_by(self, turn: Turn) -> bool:
        """Return whether the turn is a recording with the same prompt, model, system prompt and parameters."""
        if not is_replayable(turn) or not turn.messages:
            return False
        return self._contents == _contents(turn.model, turn.system, turn.params, turn.messages[0])

    @cached_property
    def _contents(self) -> bytes:
        return _contents(self.model, self.system, self.params, self.prompt)

    @cached_property
    def _legacy_sha256s(self) -> frozenset[str]:
        hashes = [legacy_message_sha256(message) for message in self.messages]
        return frozenset(legacy_request_sha256s(self.model, self.system, self.params, hashes))


def _contents(model: str, system: System, params: Mapping[str, Any], prompt: Message) -> bytes:
    return request.hash_input(model, system, params, [request.message_sha256(prompt)])


class Recordings:
    """The recordings in notebooks and folders of notebooks. A file is read when it is needed and when it changed."""

    def __init__(self) -> None:
        self._cache: dict[Path, tuple[int, dict[str, list[Turn]]]] = {}

    def find(
        self, requested: RecordedRequest, sources: Iterable[str | Path], used: Collection[str] = ()
    ) -> Turn | None:
        """Return the first recording for this request in the notebooks and folders of notebooks, if there is one.

        Recordings with an id in `used` are left out.
        """
        for path in notebooks_in(sources):
            turns = self._turns_in(path)
            exact = turns.get(requested.sha256)
            for turn in exact or filter(requested.has_legacy_hash, _all(turns)):
                if turn.id not in used and requested.is_answered_by(turn):
                    return turn
        return None

    def substitutes(self, default_model: str, sources: Iterable[str | Path]) -> set[str]:
        """Return the models that answered for this default model in the notebooks and folders of notebooks."""
        turns = (turn for path in notebooks_in(sources) for turn in _all(self._turns_in(path)))
        return {turn.model for turn in turns if turn.instead_of == default_model}

    def compactions(self, sources: Iterable[str | Path]) -> list[Compaction]:
        """Return the summaries that are recorded in the notebooks and folders of notebooks."""
        turns = (turn for path in notebooks_in(sources) for turn in _all(self._turns_in(path)))
        return [turn.compacted for turn in turns if turn.compacted]

    def _turns_in(self, path: Path) -> dict[str, list[Turn]]:
        """Return the recordings of a notebook by the hash of their request; {} if it cannot be read."""
        try:
            version = path.stat().st_mtime_ns
            if path not in self._cache or self._cache[path][0] != version:
                self._cache[path] = (version, _recordings(read_notebook(path)))
        except (MiniMaxError, OSError):
            return {}
        return self._cache[path][1]


def _all(turns: Mapping[str, list[Turn]]) -> Iterator[Turn]:
    return (turn for same in turns.values() for turn in same)


def _recordings(document: Document) -> dict[str, list[Turn]]:
    """Return the recordings of a document by the hash of their request, the active ones first, from the last cell."""
    history = History()
    history.follow(document)
    active = [*document.turns()][::-1]
    turns = [*active, *(version for turn in active for version in turn.versions)]
    sha256s = history.answered_sha256s() if any(turn.schema == 1 for turn in turns) else {}
    found: dict[str, list[Turn]] = {}
    for turn in filter(is_replayable, turns):
        found.setdefault(sha256s.get(turn.place) or turn.request_sha256, []).append(turn)
    return found


def find_in_history(
    history: History, requested: RecordedRequest, own: Turn | None, used: Collection[str] = ()
) -> Turn | None:
    """Return the recording of the request among the turns of a notebook and their versions, the cell's own first.

    Recordings with an id in `used` are left out.
    """
    turns = [*([own] if own else []), *history.all_turns()]
    versions = [version for turn in turns for version in (turn, *turn.versions)]
    sha256s = history.answered_sha256s() if any(turn.schema == 1 for turn in turns) else {}
    unused = (turn for turn in versions if turn.id not in used)
    return next((turn for turn in unused if _answers(turn, requested, sha256s.get(turn.place))), None)


def _answers(turn: Turn, requested: RecordedRequest, sha256: str | None) -> bool:
    """Return whether the turn is a recording of the request; `sha256` is the hash of a turn of schema 1, if known."""
    if turn.schema > 1:
        return turn.request_sha256 == requested.sha256 and requested.is_answered_by(turn)
    return (requested.has_legacy_hash(turn) or sha256 == requested.sha256) and requested.is_answered_by(turn)


def is_replayable(turn: Turn) -> bool:
    """Return whether the turn is a recording: the endpoint ended it."""
    return turn.status in ("complete", "truncated")


@dataclass(frozen=True)
class CellState:
    """Whether a prompt cell has a recording that still applies; `reason` says why not."""

    number: int
    cell: Cell
    state: Literal["recorded", "stale", "edited", "missing", "damaged"]
    reason: str = ""


def check_cells(document: Document) -> Iterator[CellState]:
    """Yield the state of each prompt cell of a notebook, without running anything.

    A cell is stale if the turns above it changed since it was answered, and edited if its own text did. A code cell
    that runs prompts has one state for all of its turns.
    """
    history = History()
    history.follow(document)
    stale, edited = history.stale(), history.edited()
    for number, cell in enumerate(document.cells, 1):
        if not cell.is_prompt and not cell.turns:
            continue
        unfinished = next((turn for turn in cell.turns if not is_replayable(turn)), None)
        if cell.fault:
            yield CellState(number, cell, "damaged", cell.fault)
        elif not cell.turns:
            yield CellState(number, cell, "missing", "its output contains no turn")
        elif unfinished:
            yield CellState(number, cell, "missing", f"its turn is {unfinished.status}")
        elif any(turn.place in edited for turn in cell.turns):
            yield CellState(number, cell, "edited", "its text was edited since it was answered")
        elif any(turn.place in stale for turn in cell.turns):
            yield CellState(number, cell, "stale", "the turns above it have changed")
        else:
            yield CellState(number, cell, "recorded")
