"""Several answers to one prompt, asked for at once: of several models, or of one model several times.

Each answer is a turn of its own, with a call, usage and an end of its own. Together they become one turn of the cell
and its versions (`mm_magics.history.versions`). The first complete answer is active until the user chooses one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from types import TracebackType
from typing import NamedTuple, Self

from mm_magics import interrupts
from mm_magics.endpoint.call import Idle, Wake
from mm_magics.errors import EndpointError
from mm_magics.history.thread import History
from mm_magics.history.turn import Turn, new_id
from mm_magics.history.versions import has_content, together
from mm_magics.tools.approval import Approve, deny_all
from mm_magics.turn.answer import TurnEvent
from mm_magics.turn.driver import TurnStream
from mm_magics.turn.prepared import PreparedPrompt, Summarized, Summarizing
from mm_magics.turn.replayed import ReplayedAnswer

POLL_S = 0.01
"""How long to wait if no answer has an event."""
MAX_EVENTS = 50
"""How many events of an answer are read before those of the next."""


PartEvent = TurnEvent | Summarizing | Summarized


class AnswerEvent(NamedTuple):
    """An event of one of the answers, which are numbered from 0."""

    number: int
    event: PartEvent


class AnswerFailed(NamedTuple):
    """The endpoint failed to give one of the answers. The others continue."""

    number: int
    turn: Turn


ComparisonEvent = AnswerEvent | AnswerFailed | Idle


Begin = Callable[[PreparedPrompt, History, Sequence[str]], TurnStream[PartEvent]]
"""Begins an answer, whose turn is put into a history, and which replays no recording with one of the ids."""


class Comparison:
    """The answers to some prompts, as one turn. The prompts differ in nothing but their model.

    Args:
        prompts: One for each answer.
        begin: Begins an answer.
        history: Where the turn is put once it ends.
    """

    def __init__(self, prompts: Sequence[PreparedPrompt], begin: Begin, history: History) -> None:
        self.turn: Turn | None = None
        self._history = history
        self._failures: dict[int, EndpointError] = {}
        streams: list[TurnStream[PartEvent]] = []
        for prompt in prompts:
            used = [stream.so_far().id for stream in streams]
            # Each turn is in a history of its own until all have ended.
            streams.append(begin(prompt, History(), used))
        recorded = [stream.recorded for stream in streams if isinstance(stream, ReplayedAnswer)]
        self._chosen: Turn | None = None
        self._id = new_id()
        self.is_replayed = len(recorded) == len(streams)
        if len({prompt.request.sha256 for prompt in prompts}) < len(prompts):
            streams.sort(key=_recorded_number)
        if self.is_replayed and len(ids := {_id_of(turn) for turn in recorded}) == 1:
            (self._id,) = ids
            self._chosen = next((turn for turn in recorded if turn.versions), None)
        self._streams = streams
        self.prompt = streams[0].prompt
        self.notes = list(dict.fromkeys(note for stream in streams for note in stream.notes))

    @property
    def has_content(self) -> bool:
        """Whether anything was received that is worth keeping."""
        return any(stream.has_content for stream in self._streams)

    @property
    def parts(self) -> list[Turn]:
        """The answers so far, without the messages that are being received."""
        return [self._numbered(number, stream.so_far()) for number, stream in enumerate(self._streams)]

    def so_far(self) -> Turn:
        """Return the turn as if it were stopped now, without the messages that are being received."""
        return self.turn or self._history.with_versions(self._joined(self.parts))

    def events(self, _wake: Wake, approve: Approve = deny_all) -> Iterator[ComparisonEvent]:
        """Yield the events of all answers as they are received, and an `Idle` after each wait for more.

        Raises:
            EndpointError: The endpoint gave none of the answers; `error.turn` is the partial turn.
        """
        running = {number: stream.events(_now, approve) for number, stream in enumerate(self._streams)}
        while running:
            is_idle = True
            for number in [*running]:
                for _ in range(MAX_EVENTS):
                    try:
                        event = next(running[number], None)
                    except EndpointError as error:
                        self._failures[number] = error
                        event = None
                        yield AnswerFailed(number, self._streams[number].close())
                    if event is None:
                        del running[number]
                    if event is None or isinstance(event, Idle):
                        break
                    is_idle = False
                    yield AnswerEvent(number, event)
            if running and is_idle:
                time.sleep(POLL_S)
                yield Idle()
        turn = self.close()
        if len(self._failures) == len(self._streams):
            failure = self._failures[min(self._failures)]
            failure.turn = turn
            raise failure

    def close(self) -> Turn:
        """End the answers that are still running, and return the turn."""
        with interrupts.deferred():
            if self.turn is None:
                turn = self._joined([self._numbered(at, stream.close()) for at, stream in enumerate(self._streams)])
                is_first = turn.cell_id is None or self._history.shown_turn(turn.thread, turn.cell_id) is None
                self.turn = self._history.put(turn) if self.has_content or is_first else turn
            return self.turn

    def __enter__(self) -> Self:
        try:
            for stream in self._streams:
                stream.__enter__()
            return self
        except BaseException:
            self.close()
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def _numbered(self, at: int, turn: Turn) -> Turn:
        return replace(turn, comparison={"id": self._id, "number": at + 1}, versions=[], newer=0)

    def _joined(self, turns: Sequence[Turn]) -> Turn:
        """Return one turn, whose versions are the others: the first complete one, or the one that was chosen."""
        if self._chosen is not None:
            active = next(at for at, turn in enumerate(turns) if turn.id == self._chosen.id)
            return replace(together(turns, active), undecided=self._chosen.undecided)
        ranks = [(turn.status != "complete", turn.status != "truncated", not has_content(turn)) for turn in turns]
        return together(turns, ranks.index(min(ranks)))


def _now() -> float:
    """Ask for an `Idle` instead of waiting: another answer may have an event."""
    return 0.0


def _recorded_number(stream: TurnStream[PartEvent]) -> float:
    """Return the number that the answer had when it was recorded; those that are sent come last."""
    recorded = stream.recorded.comparison if isinstance(stream, ReplayedAnswer) else None
    return int(recorded["number"]) if recorded else float("inf")


def _id_of(turn: Turn) -> str:
    return str(turn.comparison["id"]) if turn.comparison else turn.id
