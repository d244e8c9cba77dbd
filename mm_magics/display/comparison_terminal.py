"""The view of several answers for terminals: one below the other.

An answer is written as it is received. What is received of the next ones before it ends is written afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mm_magics.display import usage_line
from mm_magics.display.approval_prompt import prompt_for_approval
from mm_magics.display.terminal import TerminalView
from mm_magics.display.verdict import choice_text, verdict_text
from mm_magics.endpoint.call import Idle
from mm_magics.events import PromptSent, TurnEnd
from mm_magics.history.turn import Turn
from mm_magics.history.versions import all_versions
from mm_magics.turn.checks import AnswerChecked
from mm_magics.turn.comparison import AnswerEvent, AnswerFailed, Comparison, ComparisonEvent

if TYPE_CHECKING:
    from rich.console import Console


class ComparisonTerminalView:
    """Writes several answers to a `rich` console, in order."""

    approve = staticmethod(prompt_for_approval)

    def __init__(self, console: Console, comparison: Comparison) -> None:
        self._comparison, self._console = comparison, console
        self._view = TerminalView(console)
        self._waiting: list[list[AnswerEvent | AnswerFailed]] = [[] for _ in comparison.parts]
        self._number = 0
        self._begun = False

    @property
    def due(self) -> float | None:
        """When buffered text must be flushed."""
        return self._view.due

    def show(self, event: ComparisonEvent | AnswerChecked) -> None:
        """Write what the event adds, if the answers before have ended."""
        match event:
            case Idle():
                self._view.show(event)
            case AnswerChecked(number, turn):
                self._view.write_line(f"Version {number}: {verdict_text(turn)}")
            case AnswerEvent() | AnswerFailed():
                self._waiting[event.number].append(event)
        while self._number < len(self._waiting) and self._write_waiting():
            self._number += 1
            self._begun = False

    def finish(self, _bundle: Mapping[str, Any], _metadata: Mapping[str, Any]) -> None:
        """Say how to choose an answer."""
        turn = self._comparison.so_far()
        if turn.undecided:
            self._view.write_line(choice_text(turn))

    def _write_waiting(self) -> bool:
        """Write what is waiting of the current answer, and return whether the answer has ended."""
        events, self._waiting[self._number] = self._waiting[self._number], []
        for event in events:
            if not self._begun:
                self._begin()
            if isinstance(event, AnswerFailed):
                for line in failure_lines(event.turn):
                    self._view.write_line(line)
                return True
            if not isinstance(event.event, PromptSent):
                self._view.show(event.event)
            if isinstance(event.event, TurnEnd):
                return True
        return False

    def _begin(self) -> None:
        self._begun = True
        self._view = TerminalView(self._console)
        if self._number == 0:
            for note in self._comparison.notes:
                self._view.write_line(note)
        self._view.write_line(title_lines(self._comparison)[self._number])


def title_lines(comparison: Comparison) -> list[str]:
    """Return the titles of the answers."""
    numbers = {version.id: number for number, version in enumerate(all_versions(comparison.so_far()), 1)}
    return [f"── Version {numbers[part.id]}: {part.model} ──" for part in comparison.parts]


def failure_lines(turn: Turn) -> list[str]:
    """Return what is written at the end of an answer that the endpoint failed to give."""
    return [usage_line.summary_line(turn), *turn.notes, turn.error or ""]
