"""The view for a terminal: text as it comes, thinking dimmed.

Always true: it only ever appends, and no character from the model can move the cursor or change the terminal's state.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mm_magics.client import Retrying
from mm_magics.display import figures
from mm_magics.display.inert import visible
from mm_magics.session import Asked, Event, TurnEnd
from mm_magics.stream import BlockStart, BlockStop, Delta

if TYPE_CHECKING:
    from rich.console import Console


class TerminalView:
    """Writes to `console`, by default the one of `sys.stdout` as it is now."""

    due: float | None = None

    def __init__(self, console: Console | None = None) -> None:
        if console is None:
            from rich.console import Console

            console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
        self._console = console
        self._at_line_start = True

    def show(self, event: Event) -> None:
        match event:
            case Asked(prompt):
                for note in prompt.notes:
                    self.say(note)
            case Retrying(attempt):
                self.say(f"trying again ({attempt})")
            case BlockStart(_, {"type": "tool_use", "name": name}):
                self._write(f"[{name}] ", "cyan")
            case Delta(_, kind, text):
                self._write(text, {"thinking": "dim italic", "input": "cyan"}.get(kind, ""))
            case BlockStop():
                self._end_line()
            case TurnEnd(turn):
                self.say(figures.line(turn))

    def finish(self, bundle: dict[str, Any]) -> None:
        """Nothing: what was written stays."""

    def say(self, line: str) -> None:
        """A line of our own, dimmed."""
        self._end_line()
        self._write(line, "dim")
        self._end_line()

    def _write(self, text: str, style: str) -> None:
        if text:
            text = visible(text)
            self._console.print(text, style=style, end="", soft_wrap=True)
            self._at_line_start = text.endswith("\n")

    def _end_line(self) -> None:
        if not self._at_line_start:
            self._console.print()
            self._at_line_start = True
