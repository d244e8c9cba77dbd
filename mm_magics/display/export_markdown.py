"""Export a thread as Markdown, which a preview shows as safely as a saved answer."""

from __future__ import annotations

from collections.abc import Sequence

from mm_magics.display.footnote_labels import with_different_labels
from mm_magics.display.mime_bundle import notes_below
from mm_magics.display.safe_markdown import sanitize_markdown
from mm_magics.display.verdict import answer_title
from mm_magics.history.turn import Turn
from mm_magics.history.versions import compared
from mm_magics.text import escape_controls, fence


def render_markdown(turns: Sequence[Turn]) -> str:
    """Return prompts as block quotes, answers as Markdown, and notes as code."""
    answers = [(turn, answer) for turn in turns for answer in compared(turn)]
    parts, last = [], None
    for (turn, each), text in zip(answers, with_different_labels([each.text for _, each in answers]), strict=True):
        if turn is not last:
            parts.append(_prompt(turn.prompt))
        last = turn
        if turn.undecided:
            parts.append(f"**{sanitize_markdown(escape_controls(answer_title(each, turn)))}**")
        parts.append(sanitize_markdown(text) or f"*({each.status})*")
        if notes := notes_below(each):
            parts.append(fence(escape_controls("\n".join(notes))))
    return "\n\n".join(parts) + "\n"


def _prompt(prompt: str) -> str:
    """Quote the prompt, as code if it contains anything that must be escaped."""
    shown = escape_controls(prompt)
    lines = (shown if sanitize_markdown(shown) == shown else fence(shown)).splitlines()
    return "\n".join(f"> {line}".rstrip() for line in lines or [""])  # a quote ends the list or code before it
