"""Directives: a prompt controls the simulator's answer, from any client and anywhere in its text.

    [[simulator: deltas=10000 size=8 rate=100]]
    [[simulator: say="Hello, world" thinking="Let me see."]]
    [[simulator: fault=overloaded times=2 retry_after=1]]

`KEYS` lists every key with its meaning. Directives are read from the last user message that has text; a later value
overrides an earlier one. An unknown key, a value of the wrong type or an unknown fault is a 400 error that lists the
valid ones. `say`, `thinking`, `deltas` and `tokens` replace the generated answer; its thinking is then one short delta,
unless `thinking` is given. `max_tokens` still applies. Deltas are counted over the whole answer: thinking, text and the
input of tool calls.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from mm_magics.api.messages import Block
from mm_magics.simulator.answer import SHORT_THINKING, Fault, ScriptedAnswer, StreamPosition, text, thinking
from mm_magics.simulator.tokens import CHARACTERS_PER_TOKEN

MAX_CHARACTERS = 50_000_000
PARTS = ("before", "during", "after")
_DAY_S = 86_400.0


class DirectiveError(ValueError):
    """An invalid directive. The text lists the valid keys or the meaning of the value."""


def _integer_from(least: int) -> Callable[[str], int]:
    def kind(value: str) -> int:
        number = int(value)
        if number < least:
            raise ValueError
        return number

    return kind


def _seconds(value: str) -> float:
    number = float(value)
    if not 0 <= number <= _DAY_S:
        raise ValueError
    return number


def _part(value: str) -> str:
    if value not in PARTS:
        raise ValueError
    return value


KEYS: Mapping[str, tuple[Callable[[str], Any], str]] = {
    "say": (str, "the answer's text"),
    "thinking": (str, 'the answer\'s thinking; "" for none'),
    "deltas": (_integer_from(0), "an answer of this many text deltas"),
    "tokens": (_integer_from(0), "an answer of this many tokens of text"),
    "size": (_integer_from(1), "characters per delta (4)"),
    "fragments": (_integer_from(1), "characters per delta of a tool's input (all in one)"),
    "rate": (_seconds, "deltas per second (0: as fast as possible)"),
    "wait": (_seconds, "seconds before the first byte"),
    "stall": (_seconds, "seconds of silence, at `after`/`at`"),
    "after": (_integer_from(0), "position of the stall or fault: after this many deltas"),
    "at": (str, "position of the stall or fault: the next event of this name"),
    "part": (_part, "with `at`: before, during or after that event (before)"),
    "fault": (str, "a fault by name"),
    "times": (_integer_from(1), "how often the fault occurs for the same request (always)"),
    "retry_after": (str, "a retry-after header for the fault"),
    "to": (str, "where the fault redirects to"),
    "stop_reason": (str, "the answer's stop reason"),
    "rounds": (
        _integer_from(0),
        "how many responses of the turn call tools (one per step; `then` separates the steps of a prompt)",
    ),
    "round": (_integer_from(1), "the response of the turn that the directive applies to (1)"),
}

_OPENING = "[[simulator:"
_PAIR = re.compile(r'\s*([^\s=\]]+)=("(?:[^"\\]|\\.)*"|(?:(?!\]\])\S)*)', re.DOTALL)


def parse(prompt: str) -> dict[str, Any]:
    """Read the directives of a prompt.

    Raises:
        DirectiveError: If a directive is malformed, or a key or value is not valid.

    Example:
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
        raise DirectiveError(f"unknown directive '{key}'; the directives are {', '.join(KEYS)}")
    kind, meaning = KEYS[key]
    try:
        return kind(json.loads(value, strict=False) if value.startswith('"') else value)
    except ValueError:
        raise DirectiveError(f"'{value[:40]}' is not a value for the directive {key}: {meaning}") from None


def strip_directives(prompt: str) -> str:
    """Return the prompt without its directives."""
    out, position = [], 0
    while (start := prompt.find(_OPENING, position)) >= 0:
        out.append(prompt[position:start])
        position = start + len(_OPENING)
        while pair := _PAIR.match(prompt, position):
            position = pair.end()
        position = prompt.index("]]", position) + 2
    return "".join((*out, prompt[position:])).strip()


def apply_directives(answer: ScriptedAnswer, directives: Mapping[str, Any]) -> ScriptedAnswer:
    """Return the answer with the directives applied."""
    if directives.keys() & {"say", "thinking", "deltas", "tokens"}:
        answer = _with_content(answer, directives)
    spot = None
    if directives.keys() & {"after", "at"}:
        spot = StreamPosition(directives.get("after", 0), directives.get("at"), directives.get("part", "before"))
    fault = None
    if "fault" in directives:
        fault = Fault(
            directives["fault"], spot, directives.get("times"), directives.get("retry_after"), directives.get("to")
        )
    return replace(
        answer,
        size=directives.get("size", answer.size),
        fragments=directives.get("fragments", answer.fragments),
        rate=directives.get("rate", answer.rate),
        wait=directives.get("wait", answer.wait),
        stall=directives.get("stall", answer.stall),
        stop_reason=directives.get("stop_reason", answer.stop_reason),
        spot=spot,
        fault=fault,
    )


def _with_content(answer: ScriptedAnswer, directives: Mapping[str, Any]) -> ScriptedAnswer:
    """Replace the text and thinking by those of the directives."""
    rest = [block for block in answer.blocks if block["type"] not in ("text", "thinking")]
    blocks: list[Block] = []
    if directives.get("thinking") != "":
        blocks.append(thinking(directives.get("thinking", SHORT_THINKING)))
    if "say" in directives:
        blocks.append(text(directives["say"]))
    elif directives.keys() & {"deltas", "tokens"}:
        size = directives.get("size", CHARACTERS_PER_TOKEN)
        length = directives["deltas"] * size if "deltas" in directives else directives["tokens"] * CHARACTERS_PER_TOKEN
        if length > MAX_CHARACTERS:
            raise DirectiveError(f"an answer has at most {MAX_CHARACTERS:,} characters")
        blocks.append(text(filler_text(length)))
    else:
        blocks += [block for block in answer.blocks if block["type"] == "text"]
    return replace(
        answer,
        blocks=[*blocks, *rest],
        thinking_size=directives.get("size", answer.size) if "thinking" in directives else None,
    )


def filler_text(length: int) -> str:
    """Return Markdown paragraphs of numbered sentences with exactly this many characters.

    >>> filler_text(24)
    'Sentence 1 of this answe'
    """
    parts: list[str] = []
    size = number = 0
    while size < length:
        number += 1
        parts.append(f"Sentence {number} of this answer passes the time." + ("\n\n" if number % 5 == 0 else " "))
        size += len(parts[-1])
    return "".join(parts)[:length]
