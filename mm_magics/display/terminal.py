"""The view for terminals: it writes text as it streams, with dimmed thinking.

It only appends; a line of progress replaces the one before it. No character from the model can move the cursor or
change the terminal's state.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mm_magics.api.dialect import Part, ThinkingSplitter
from mm_magics.api.messages import result_text
from mm_magics.batch.progress import MapEvent, Progress, Throttled
from mm_magics.display import usage_line
from mm_magics.display.approval_prompt import prompt_for_approval
from mm_magics.display.verdict import verdict_text
from mm_magics.events import (
    ApprovalRequested,
    BlockStart,
    BlockStop,
    Delta,
    Idle,
    PromptSent,
    Retrying,
    Summarized,
    Summarizing,
    ToolFinished,
    ToolStarted,
    TurnEnd,
)
from mm_magics.prompt.values import cut
from mm_magics.text import escape_controls
from mm_magics.tools.approval import Decision, Question, question_about
from mm_magics.tools.tool import ToolCall
from mm_magics.turn.checks import AnswerChecked
from mm_magics.turn.prepared import Waiting

if TYPE_CHECKING:
    from rich.console import Console


MAX_RESULT = 2_000
"""Characters of a tool's result that are shown."""

THINKING = "dim italic"

FLUSH_S = 1 / 30
"""Seconds after which buffered text is flushed: in a kernel, stdout has a buffer of its own."""


def console(*, styled: bool | None = None) -> Console:
    """Return a console on the current `sys.stdout`. By default it uses styles if that is a terminal."""
    from rich.console import Console

    return Console(
        force_terminal=styled, force_jupyter=False, highlight=False, markup=False, emoji=False, soft_wrap=True
    )


class TerminalView:
    """Writes a turn to a `rich` console. `due` is when buffered text must be flushed."""

    def __init__(self, console: Console) -> None:
        self.due: float | None = None
        self._console = console
        self._at_line_start = True
        self._splitters: dict[int, ThinkingSplitter] = {}
        self._part = "text"
        self._question: Question | None = None
        self._is_recorded = True
        """Whether nothing was received: the whole turn is shown at its end."""

    def show(self, event: MapEvent | AnswerChecked) -> None:
        """Write what the event adds."""
        self._is_recorded = self._is_recorded and isinstance(event, PromptSent | TurnEnd | Idle)
        match event:
            case PromptSent(prompt):
                for note in prompt.notes:
                    self.write_line(note)
            case Retrying() | Throttled() | Summarizing() | Summarized() | Waiting():
                self.write_line(str(event))
            case Progress():
                self._write_progress(str(event))
            case BlockStart(_, {"type": "tool_use", "name": name}):
                self._write(f"[{name}] ", "cyan")
            case BlockStart(number, _):
                self._splitters[number] = ThinkingSplitter()
            case Delta(number, "text", text):
                self._write_parts(self._splitters.setdefault(number, ThinkingSplitter()).feed(text))
            case Delta(_, kind, text):
                self._write(text, {"input": "cyan"}.get(kind, THINKING))
            case BlockStop(number, _):
                self._write_parts(self._splitters.pop(number, ThinkingSplitter()).end())
                self._end_line()
            case ApprovalRequested(call, tool):
                self._question = question_about(call, tool)
            case ToolStarted(call):
                self.write_line(f"{call.name} is running")
            case ToolFinished(call, result):
                self.write_line(f"{call.name} {result.outcome} in {result.seconds:.1f} s")
                self._write(cut(result_text(result.block), MAX_RESULT), "cyan")
                self._end_line()
            case AnswerChecked(_, turn):
                self.write_line(verdict_text(turn))
            case TurnEnd(turn):
                if self._is_recorded:
                    self._write_parts([Part("text", turn.text)])
                    self._end_line()
                for line in (usage_line.summary_line(turn), *turn.notes):
                    self.write_line(line)
        if self.due is not None and (time.monotonic() >= self.due or isinstance(event, TurnEnd)):
            self._console.file.flush()
            self.due = None

    def approve(self, call: ToolCall) -> Decision:
        """Ask for approval with a text prompt."""
        self._end_line()
        self._console.file.flush()
        return prompt_for_approval(call, self._question)

    def finish(self, bundle: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
        """Do nothing: the answer is written already."""

    def write_line(self, line: str) -> None:
        """Write a line that is not part of the answer, dimmed."""
        self._end_line()
        self._write(line, "dim")
        self._end_line()

    def _write_progress(self, line: str) -> None:
        """Replace the last line of progress; only terminals can."""
        if self._console.is_terminal:
            self._console.file.write(f"\r{line[: self._console.width - 1]}\x1b[K")
            self._console.file.flush()
            self._at_line_start = False

    def _write_parts(self, parts: Iterable[Part]) -> None:
        """Write parts of a text, with the thinking in it dimmed and on lines of its own."""
        for kind, text in parts:
            if kind != self._part:
                self._end_line()
            self._part = kind
            self._write(text, THINKING if kind == "thinking" else "")

    def _write(self, text: str, style: str) -> None:
        if text:
            text = escape_controls(text)
            self._console.print(text, style=style, end="", soft_wrap=True)
            self._at_line_start = text.endswith("\n")
            self.due = self.due or time.monotonic() + FLUSH_S

    def _end_line(self) -> None:
        if not self._at_line_start:
            self._console.print()
            self._at_line_start = True
