"""The view of several answers for a page that may be unable to draw widgets: their text, one answer below the other.

Unlike in a terminal, all of them grow at once, because each update of the output contains the whole text.
"""

from __future__ import annotations

import threading

from mm_magics.display.comparison_page import ComparisonPageView
from mm_magics.display.comparison_terminal import failure_lines, title_lines
from mm_magics.display.page_output import PageOutput
from mm_magics.display.text_fallback import TextFallback, TurnText, needs_text
from mm_magics.display.verdict import verdict_text
from mm_magics.endpoint.call import Idle
from mm_magics.events import PromptSent
from mm_magics.turn.checks import AnswerChecked
from mm_magics.turn.comparison import AnswerEvent, AnswerFailed, Comparison, ComparisonEvent

Event = ComparisonEvent | AnswerChecked


def comparison_view(
    stop: threading.Event, comparison: Comparison, output: PageOutput
) -> ComparisonPageView | TextFallback[Event]:
    """Return the view for an output; the arguments are those of `ComparisonPageView`."""
    view = ComparisonPageView(stop, comparison, output)
    if needs_text(output):
        return TextFallback(view, output, comparison.so_far, ComparisonText(comparison))
    return view


class ComparisonText:
    """The text of several answers, each below its title."""

    def __init__(self, comparison: Comparison) -> None:
        self._comparison = comparison
        self._answers = [TurnText() for _ in comparison.parts]
        self._verdicts: list[str] = []

    def show(self, event: Event) -> None:
        """Add what the event adds."""
        match event:
            case AnswerEvent(number, received):
                if not isinstance(received, PromptSent):  # its notes are those of the comparison
                    self._answers[number].show(received)
            case AnswerFailed(number, turn):
                for line in failure_lines(turn):
                    self._answers[number].write_line(line)
            case AnswerChecked(number, turn):
                self._verdicts.append(f"Version {number}: {verdict_text(turn)}")
            case Idle():
                pass

    def __str__(self) -> str:
        titles = title_lines(self._comparison)
        titled = (f"{title}\n{answer}".rstrip("\n") for title, answer in zip(titles, self._answers, strict=True))
        return "\n".join([*self._comparison.notes, *titled, *self._verdicts])
