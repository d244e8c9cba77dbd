"""Export a thread as Markdown, which a preview shows as safely as a saved answer."""

from __future__ import annotations

from collections.abc import Sequence

from mm_magics.display.footnote_labels import with_different_labels
from mm_magics.display.safe_markdown import sanitize_markdown
from mm_magics.history.turn import Turn
from mm_magics.text import escape_controls, fence


def render_markdown(turns: Sequence[Turn]) -> str:
    """Return prompts as block quotes, answers as Markdown, and notes as code."""
    parts = []
    for turn, answer in zip(turns, with_different_labels([turn.text for turn in turns]), strict=True):
        parts += [_prompt(turn.prompt), sanitize_markdown(answer) or f"*({turn.status})*"]
        if turn.notes:
            parts.append(fence(escape_controls("\n".join(turn.notes))))
    return "\n\n".join(parts) + "\n"


def _prompt(prompt: str) -> str:
    """Quote the prompt, as code if it contains anything that must be escaped."""
    shown = escape_controls(prompt)
    lines = (shown if sanitize_markdown(shown) == shown else fence(shown)).splitlines()
    return "\n".join(f"> {line}".rstrip() for line in lines or [""])  # a quote ends the list or code before it
