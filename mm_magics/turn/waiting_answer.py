"""A turn whose prompt is sent when the prompts above it are answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from mm_magics import interrupts
from mm_magics.endpoint.call import Idle, Wake
from mm_magics.endpoint.reader import STOP_POLL_S
from mm_magics.errors import MiniMaxError, UsageError
from mm_magics.history.thread import History
from mm_magics.history.turn import Status, Turn, new_id, now
from mm_magics.tools.approval import Approve, deny_all
from mm_magics.turn.context_budget import ContextBudget
from mm_magics.turn.driver import TurnStream
from mm_magics.turn.prepared import PreparedPrompt, TurnEnd, Waiting
from mm_magics.turn.running_prompts import RunningPrompt, RunningPrompts

if TYPE_CHECKING:
    from mm_magics.turn.compacting_answer import CompactingEvent

ABOVE_FAILED = "The prompt above failed, so this one was not sent."


class WaitingAnswer:
    """The turn of a prompt that waits, and then of its answer.

    Args:
        prompt: The prompt with the earlier turns that it has so far.
        running: The prompt among the others that are being answered.
        others: All of them.
        budget: Returns the earlier turns that it has in the end.
        history: Where the turn is put if the wait ends without an answer.
        begin: Returns the answer to a prompt.
    """

    def __init__(
        self,
        prompt: PreparedPrompt,
        running: RunningPrompt,
        others: RunningPrompts,
        budget: ContextBudget,
        history: History,
        begin: Callable[[PreparedPrompt], TurnStream[CompactingEvent]],
    ) -> None:
        self._prompt = replace(prompt, turn_id=prompt.turn_id or new_id())
        self._running, self._others, self._budget, self._history = running, others, budget, history
        self._begin, self._created = begin, now()
        self._turn: Turn | None = None
        self.answer: TurnStream[CompactingEvent] | None = None

    @property
    def prompt(self) -> PreparedPrompt:
        return self.answer.prompt if self.answer else self._prompt

    @property
    def notes(self) -> list[str]:
        return self.prompt.notes

    @property
    def has_content(self) -> bool:
        return self.answer is not None and self.answer.has_content

    def events(self, wake: Wake, approve: Approve = deny_all) -> Iterator[CompactingEvent | Waiting]:
        """Yield the events of the turn, after a `Waiting`.

        Raises:
            UsageError: A prompt above failed while this one waited.
            EndpointError: As in `Answer.events`.
        """
        yield Waiting(self._prompt)
        try:
            while above := self._others.above(self._running):
                if self._running.stop.is_set():
                    yield TurnEnd(self.close())
                    return
                wait_for(above)
                yield Idle()
            self.answer = self._answer_in_context()
        except MiniMaxError as error:
            self._settle("failed", error)
            raise
        self.answer.__enter__()
        yield from self.answer.events(wake, approve)

    def _answer_in_context(self) -> TurnStream[CompactingEvent]:
        with self._history.lock:
            return self._begin(in_context(self._prompt, self._budget))

    def so_far(self) -> Turn:
        """Return the turn as if it were stopped now, without the message that is being received."""
        return self.answer.so_far() if self.answer else self._history.with_versions(self._unsent("stopped"))

    def close(self) -> Turn:
        """End the turn, if it is still running, and return it."""
        return self.answer.close() if self.answer else self._turn or self._settle("stopped")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.answer:
            self.answer.__exit__(kind, error, trace)
        self.close()

    def _unsent(self, status: Status, error: MiniMaxError | None = None) -> Turn:
        prompt = self._prompt
        fields: dict[str, Any] = {
            "id": prompt.turn_id,
            "created": self._created,
            "error": str(error) if error else None,
        }
        return prompt.turn(status, [prompt.message], [], **fields)

    def _settle(self, status: Status, error: MiniMaxError | None = None) -> Turn:
        with interrupts.deferred():
            self._turn, at = self._unsent(status, error), self._prompt.position
            if at.cell_id is not None and self._history.shown_turn(at.thread, at.cell_id) is None:
                self._turn = self._history.put(self._turn)
            return self._turn


def wait_for(above: RunningPrompt) -> None:
    """Wait a moment for a prompt above. Raises `UsageError` if it has failed."""
    above.ended.wait(STOP_POLL_S)
    if above.failed:
        raise UsageError(ABOVE_FAILED, "Run both cells again.")


def in_context(prompt: PreparedPrompt, budget: ContextBudget) -> PreparedPrompt:
    """Return the prompt with the earlier turns that it has by now, and with the notes that it has."""
    at = prompt.position
    found = budget.context(at.thread, at.cell_id, at.context)
    if prompt.in_context is None or found == prompt.context:
        return prompt
    changed = prompt.in_context(found)
    notes = [note for note in prompt.notes if note not in prompt.request.notes] + changed.request.notes
    return replace(changed, notes=notes, call_notes=prompt.call_notes, turn_id=prompt.turn_id)
