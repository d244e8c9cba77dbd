"""Directives: what a prompt in any client can ask of the simulator, by name, anywhere in its text.

    [[simulator: deltas=10000 size=8 rate=100]]
    [[simulator: say="Hello, world" thinking="Let me see."]]
    [[simulator: fault=overloaded times=2 retry_after=1]]

Always true: directives are read from the last user message that has text, later ones win, and an unknown key, a value
of the wrong kind or an unknown fault is a 400 that lists what is known (`KEYS`). `say`, `thinking`, `deltas` and
`tokens` replace the generated answer; without a `thinking` its thinking is then one short delta. `max_tokens` still
holds. Deltas are counted over the whole answer: thinking, text and a tool's input.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from mm_magics.api.messages import Block
from mm_magics.simulator.answer import SHORT_THINKING, Answer, Fault, Spot, text, thinking
from mm_magics.simulator.tokens import CHARACTERS_PER_TOKEN

MOST_CHARACTERS = 50_000_000
PARTS = ("before", "during", "after")
_DAY = 86_400.0


class DirectiveError(ValueError):
    """A directive that cannot be followed; its text says what is known."""


def _whole(least: int) -> Callable[[str], int]:
    def kind(value: str) -> int:
        number = int(value)
        if number < least:
            raise ValueError
        return number

    return kind


def _seconds(value: str) -> float:
    number = float(value)
    if not 0 <= number <= _DAY:
        raise ValueError
    return number


def _part(value: str) -> str:
    if value not in PARTS:
        raise ValueError
    return value


KEYS: Mapping[str, tuple[Callable[[str], Any], str]] = {
    "say": (str, "the answer's text"),
    "thinking": (str, 'the answer\'s thinking; "" for none'),
    "deltas": (_whole(0), "an answer of so many text deltas"),
    "tokens": (_whole(0), "an answer of so many tokens of text"),
    "size": (_whole(1), "characters a delta (4)"),
    "fragments": (_whole(1), "characters a delta of a tool's input (all in one)"),
    "rate": (_seconds, "deltas a second (0: as fast as it goes)"),
    "wait": (_seconds, "seconds before the first byte"),
    "stall": (_seconds, "seconds of silence, at `after`/`at`"),
    "after": (_whole(0), "a stall's or fault's place: after so many deltas"),
    "at": (str, "a stall's or fault's place: the next event of this name"),
    "part": (_part, "with `at`: before, during or after that event (before)"),
    "fault": (str, "a fault by name"),
    "times": (_whole(1), "how often the fault strikes the same request (always)"),
    "retry_after": (str, "a retry-after header for the fault"),
    "to": (str, "where the fault redirects to"),
    "stop_reason": (str, "the answer's stop reason"),
    "rounds": (_whole(0), "how many responses of the turn call tools (one a step, where `then` parts the prompt)"),
    "round": (_whole(1), "which response of the turn the directive is for (1)"),
}

_OPENING = "[[simulator:"
_PAIR = re.compile(r'\s*([^\s=\]]+)=("(?:[^"\\]|\\.)*"|(?:(?!\]\])\S)*)', re.DOTALL)


def parse(prompt: str) -> dict[str, Any]:
    """The directives in a prompt, as one mapping.

    >>> parse('Hi [[simulator: say="a ]] b" size=2]]')
    {'say': 'a ]] b', 'size': 2}
    """
    found: dict[str, Any] = {}
    position = prompt.find(_OPENING)
    while position >= 0:
        position += len(_OPENING)
        while pair := _PAIR.match(prompt, position):
            key, value = pair.groups()
            found[key] = _value(key, value)
            position = pair.end()
        rest = prompt[position:].lstrip()
        if not rest.startswith("]]"):
            raise DirectiveError(f"a directive is [[simulator: key=value …]], not '{_OPENING}{rest[:40]}'")
        position = prompt.find(_OPENING, position)
    return found


def _value(key: str, value: str) -> Any:
    if key not in KEYS:
        raise DirectiveError(f"unknown directive '{key}', known are {', '.join(KEYS)}")
    kind, meaning = KEYS[key]
    try:
        return kind(json.loads(value, strict=False) if value.startswith('"') else value)
    except ValueError:
        raise DirectiveError(f"'{value[:40]}' is no value for the directive {key}: {meaning}") from None


def stripped(prompt: str) -> str:
    """The prompt without its directives, which are no part of what is asked."""
    out, position = [], 0
    while (start := prompt.find(_OPENING, position)) >= 0:
        out.append(prompt[position:start])
        position = start + len(_OPENING)
        while pair := _PAIR.match(prompt, position):
            position = pair.end()
        position = prompt.index("]]", position) + 2
    return "".join((*out, prompt[position:])).strip()


def applied(answer: Answer, asked: Mapping[str, Any]) -> Answer:
    """The answer as the directives want it."""
    if asked.keys() & {"say", "thinking", "deltas", "tokens"}:
        answer = _told(answer, asked)
    spot = None
    if asked.keys() & {"after", "at"}:
        spot = Spot(asked.get("after", 0), asked.get("at"), asked.get("part", "before"))
    fault = None
    if "fault" in asked:
        fault = Fault(asked["fault"], spot, asked.get("times"), asked.get("retry_after"), asked.get("to"))
    return replace(
        answer,
        size=asked.get("size", answer.size),
        fragments=asked.get("fragments", answer.fragments),
        rate=asked.get("rate", answer.rate),
        wait=asked.get("wait", answer.wait),
        stall=asked.get("stall", answer.stall),
        stop_reason=asked.get("stop_reason", answer.stop_reason),
        spot=spot,
        fault=fault,
    )


def _told(answer: Answer, asked: Mapping[str, Any]) -> Answer:
    """An answer of literal or filling text."""
    rest = [block for block in answer.blocks if block["type"] not in ("text", "thinking")]
    blocks: list[Block] = []
    if asked.get("thinking") != "":
        blocks.append(thinking(asked.get("thinking", SHORT_THINKING)))
    if "say" in asked:
        blocks.append(text(asked["say"]))
    elif asked.keys() & {"deltas", "tokens"}:
        size = asked.get("size", CHARACTERS_PER_TOKEN)
        length = asked["deltas"] * size if "deltas" in asked else asked["tokens"] * CHARACTERS_PER_TOKEN
        if length > MOST_CHARACTERS:
            raise DirectiveError(f"an answer has at most {MOST_CHARACTERS:,} characters")
        blocks.append(text(filling(length)))
    else:
        blocks += [block for block in answer.blocks if block["type"] == "text"]
    return replace(
        answer, blocks=[*blocks, *rest], thinking_size=asked.get("size", answer.size) if "thinking" in asked else None
    )


def filling(length: int) -> str:
    """Markdown paragraphs of numbered sentences, of exactly that many characters.

    >>> filling(24)
    'Sentence 1 of this answe'
    """
    parts: list[str] = []
    size = number = 0
    while size < length:
        number += 1
        parts.append(f"Sentence {number} of this answer passes the time." + ("\n\n" if number % 5 == 0 else " "))
        size += len(parts[-1])
    return "".join(parts)[:length]
