"""A thread as one HTML page: what the cells show, one turn after the other."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from html import escape

from mm_magics.display import sanitize
from mm_magics.display.bundle import bundle
from mm_magics.history.turn import Turn

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>body{{max-width:60em;margin:2em auto;padding:0 1em;font:16px/1.5 system-ui,sans-serif}}
.prompt{{white-space:pre-wrap;background:#8882;padding:.5em 1em;border-radius:.3em}}pre{{overflow-x:auto}}</style>
</head><body><h1>{title}</h1>
{turns}
</body></html>
"""


STALE = "stale: the turns above have changed since this was answered"


def page(turns: Sequence[Turn], title: str, stale: Collection[tuple[str, str]] = ()) -> str:
    """The page: static, inert, complete in itself. `stale` are the places of turns that are marked so."""
    shown = [
        f'<div class="prompt">{escape(sanitize.visible(turn.prompt))}</div>\n'
        + bundle(turn, notes=[STALE] if turn.place in stale else ())["text/html"]
        for turn in turns
    ]
    return PAGE.format(title=escape(sanitize.visible(title)), turns="\n".join(shown))
