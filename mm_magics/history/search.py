"""Find turns by the words in them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from mm_magics.api.messages import blocks, result_text, written
from mm_magics.history.turn import Turn

CONTEXT = 40
"""Characters that are shown on each side of a match."""

MATCHES = 3
"""Matches that are shown of each part of a turn."""


class Match(NamedTuple):
    """A part of a turn that contains one of the words, and the text around the first matches in it."""

    part: str
    text: str


def patterns_of(words: str) -> list[re.Pattern[str]]:
    """Return a pattern for each word; words in quotation marks are one phrase.

    >>> [each.pattern for each in patterns_of('reef "coral  fish"')]
    ['reef', 'coral\\\\s+fish']
    """
    phrases = re.findall(r'"([^"]*)"|([^\s"]+)', unicodedata.normalize("NFC", words))
    parts = ["".join(each).split() for each in phrases]
    return [re.compile(r"\s+".join(map(re.escape, part)), re.IGNORECASE) for part in parts if part]


def matches_in(turn: Turn, patterns: Sequence[re.Pattern[str]]) -> list[Match]:
    """Return the parts of the turn with the words, in order; none unless every word is in the turn."""
    parts = [(name, unicodedata.normalize("NFC", text)) for name, text in _parts(turn)]
    if not all(any(pattern.search(text) for _, text in parts) for pattern in patterns):
        return []
    either = re.compile("|".join(f"(?:{each.pattern})" for each in patterns), re.IGNORECASE)
    return [Match(name, _around(text, either)) for name, text in parts if either.search(text)]


def _parts(turn: Turn) -> Iterator[tuple[str, str]]:
    """Yield the texts of a turn, each with what it is."""
    if isinstance(turn.system, str):
        yield "system", turn.system
    for message in turn.messages:
        for block in blocks(message):
            kind, texts = block.get("type"), [block.get(name) for name in ("text", "thinking")]
            if kind in ("text", "thinking"):
                name = "prompt" if message.get("role") == "user" else "answer" if kind == "text" else "thinking"
                yield from ((name, text) for text in texts if isinstance(text, str))
            elif kind == "tool_use":
                yield f"call of {block.get('name')}", written(block.get("input"))
            elif kind == "tool_result":
                yield "result", result_text(block)


def _around(text: str, pattern: re.Pattern[str]) -> str:
    """Return the text around the first matches, on one line."""
    spans: list[tuple[int, int]] = []
    for found in islice(pattern.finditer(text), MATCHES):
        start, end = max(0, found.start() - CONTEXT), min(len(text), found.end() + CONTEXT)
        if spans and start <= spans[-1][1]:
            spans[-1] = spans[-1][0], end
        else:
            spans.append((start, end))
    shown = [" ".join(text[start:end].split()) for start, end in spans]
    before = "…" if spans[0][0] else ""
    after = "…" if spans[-1][1] < len(text) else ""
    return f"{before}{' … '.join(shown)}{after}"
