"""The view for a terminal: text as it comes, thinking dimmed.

Always true: it only ever appends, a line of progress aside, which takes the place of the one before; no character from
the model can move the cursor or change the terminal's state.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from mm_magics.batch.progress import MapEvent, Progress, Throttled
from mm_magics.display import usage_line
from mm_magics.display.approval_prompt import by_input
from mm_magics.display.sanitize import escape_controls
from mm_magics.events import BlockStart, BlockStop, Delta, PromptSent, Retrying, ToolFinished, ToolStarted, TurnEnd
from mm_magics.prompt.values import cut
from mm_magics.tools.approval import Decision
from mm_magics.tools.tool import ToolCall

if TYPE_CHECKING:
    from rich.console import Console


SHOWN = 2_000
"""Characters of a tool's result that are shown."""

FLUSH_S = 1 / 30
"""The longest that text stays in a buffer: in a kernel, standard output has one of its own."""


def console(*, styled: bool | None = None) -> Console:
    """A console on `sys.stdout` as it is now; `styled` None means: where that is a terminal."""
    from rich.console import Console

    return Console(
        force_terminal=styled, force_jupyter=False, highlight=False, markup=False, emoji=False, soft_wrap=True
    )


class TerminalView:
    """Writes to a `rich` console."""

    def __init__(self, console: Console) -> None:
        self.due: float | None = None
        self._console = console
        self._at_line_start = True

    def show(self, event: MapEvent) -> None:
        match event:
            case PromptSent(prompt):
                for note in prompt.notes:
                    self.say(note)
            case Retrying() | Throttled():
                self.say(str(event))
            case Progress():
                self._over(str(event))
            case BlockStart(_, {"type": "tool_use", "name": name}):
                self._write(f"[{name}] ", "cyan")
            case Delta(_, kind, text):
                self._write(text, {"thinking": "dim italic", "input": "cyan"}.get(kind, ""))
            case BlockStop():
                self._end_line()
            case ToolStarted(call):
                self.say(f"{call.name} runs")
            case ToolFinished(call, result):
                self.say(f"{call.name} {result.outcome} in {result.seconds:.1f} s")
                self._write(cut(str(result.block["content"]), SHOWN), "cyan")
                self._end_line()
            case TurnEnd(turn):
                self.say(usage_line.summary_line(turn))
        if self.due is not None and (time.monotonic() >= self.due or isinstance(event, TurnEnd)):
            self._console.file.flush()
            self.due = None

    def approve(self, call: ToolCall) -> Decision:
        """What is typed."""
        self._end_line()
        self._console.file.flush()
        return by_input(call)

    def finish(self, bundle: dict[str, Any], metadata: dict[str, Any]) -> None:
        """Nothing: what was written stays."""

    def say(self, line: str) -> None:
        """A line of our own, dimmed."""
        self._end_line()
        self._write(line, "dim")
        self._end_line()

    def _over(self, line: str) -> None:
        """A line of our own in the place of the one before it, on a terminal alone."""
        if self._console.is_terminal:
            self._console.file.write(f"\r{line[: self._console.width - 1]}\x1b[K")
            self._console.file.flush()
            self._at_line_start = False

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
