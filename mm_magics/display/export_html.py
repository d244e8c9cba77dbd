"""Export a thread as one static HTML page that shows its turns in order, as the cells do."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from html import escape

from mm_magics.display.markdown import break_delimiters
from mm_magics.display.mathml import with_mathml
from mm_magics.display.mime_bundle import make_bundle
from mm_magics.history.turn import Turn
from mm_magics.text import escape_controls

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>body{{max-width:60em;margin:2em auto;padding:0 1em;font:16px/1.5 system-ui,sans-serif}}
.prompt{{white-space:pre-wrap;background:#8882;padding:.5em 1em;border-radius:.3em}}pre{{overflow-x:auto}}
small+pre{{margin-top:.2em}}</style>
</head><body><h1>{title}</h1>
{turns}
</body></html>
"""

STALE = "stale: the turns above have changed since this answer"
EDITED = "edited: the cell has another text now than the prompt that was answered"


def render_page(
    turns: Sequence[Turn],
    title: str,
    stale: Collection[tuple[str, str]] = (),
    edited: Collection[tuple[str, str]] = (),
) -> str:
    """Return the page: static, sanitized, and complete without other files.

    Args:
        stale: `Turn.place` of each turn to mark as stale.
        edited: The same for turns to mark as edited.
    """
    marks = {STALE: stale, EDITED: edited}
    bodies = []
    for turn in turns:
        bundle = make_bundle(turn, notes=[note for note, places in marks.items() if turn.place in places])
        prompt = break_delimiters(escape(escape_controls(turn.prompt)))
        bodies.append(f'<div class="prompt">{prompt}</div>\n{with_mathml(bundle["text/html"])}')
    return PAGE.format(title=break_delimiters(escape(escape_controls(title))), turns="\n".join(bodies))
