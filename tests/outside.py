"""Strategies for input from outside: any JSON, and JSON that is almost a turn record, a notebook or a stream."""

from __future__ import annotations

import json
import math
from typing import Any

from hypothesis import strategies as st

TEXT = st.one_of(
    st.text(max_size=12),
    st.text(st.characters(exclude_categories=()), max_size=12),
    st.text(st.sampled_from("<>\"'&/!-=`[]()*_$\\ \nabs:#|~%{}\x1b"), max_size=30),
    st.sampled_from(["text", "a", "main", "%%minimax\nx", "https://e.org", "é" * 40, "[" * 2_000]),
)
JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.sampled_from([-1, 0, 1, 2**64, -(10**400), 1e308]),
        st.floats(allow_nan=False, allow_infinity=False),
        TEXT,
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)),
    max_leaves=8,
)

WILD = st.one_of(JSON, st.sampled_from([math.inf, -math.inf, math.nan]), st.just([math.inf]))
"""Any JSON, and the constants that Python's `json` reads and writes in addition."""


def nearly(*good: Any) -> st.SearchStrategy[Any]:
    """One of these strategies, and sometimes any JSON instead."""
    return st.one_of(*good, *good, JSON)


def fields(**known: Any) -> st.SearchStrategy[dict[str, Any]]:
    """An object with some of these fields."""
    return st.fixed_dictionaries({}, optional=known)


COUNT = st.integers(0, 5_000)
SECONDS = st.floats(0, 100)
IDS = st.sampled_from(["a", "b", "c", "call_1", "call_2"])
KINDS = st.sampled_from(["text", "thinking", "redacted_thinking", "tool_use", "tool_result", "image", "hologram"])
BLOCKS: st.SearchStrategy[Any] = fields(
    type=nearly(KINDS),
    text=nearly(TEXT),
    thinking=nearly(TEXT),
    signature=nearly(TEXT),
    id=nearly(IDS),
    name=nearly(st.sampled_from(["lookup", "final_answer"])),
    input=nearly(st.dictionaries(TEXT, JSON, max_size=2)),
    tool_use_id=nearly(IDS),
    content=JSON,
    citations=JSON,
)
MESSAGES = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant"]), "content": st.one_of(TEXT, st.lists(nearly(BLOCKS), max_size=4))}
)
USAGE = fields(
    input_tokens=nearly(COUNT),
    output_tokens=nearly(COUNT),
    cache_read_input_tokens=nearly(COUNT),
    cache_creation_input_tokens=nearly(COUNT),
)
RESPONSES = fields(
    id=nearly(TEXT),
    model=nearly(TEXT),
    stop_reason=nearly(st.sampled_from(["end_turn", "tool_use", "max_tokens", "refusal"])),
    usage=nearly(USAGE),
    seconds=nearly(SECONDS),
    first_token_s=nearly(SECONDS),
    thinking_s=nearly(SECONDS),
    unfinished=nearly(st.integers(0, 3)),
    partial_json=nearly(TEXT),
    tools=nearly(
        st.lists(nearly(fields(id=IDS, outcome=nearly(st.just("done")), seconds=nearly(SECONDS))), max_size=2)
    ),
)
_RECORD: dict[str, st.SearchStrategy[Any]] = {
    "schema": st.just(1),
    "id": IDS,
    "thread": st.sampled_from(["main", "other"]),
    "cell_id": st.one_of(st.none(), IDS),
    "created": TEXT,
    "status": st.sampled_from(["complete", "stopped", "truncated", "failed"]),
    "model": st.one_of(TEXT, st.just("MiniMax-M2")),
    "system": st.one_of(st.none(), TEXT),
    "params": st.dictionaries(TEXT, JSON, max_size=2),
    "messages": st.lists(MESSAGES, max_size=4),
    "responses": st.lists(RESPONSES, max_size=2),
    "request_sha256": st.one_of(st.just(""), st.text(max_size=5)),
    "error": st.one_of(st.none(), TEXT),
}
_MORE: dict[str, st.SearchStrategy[Any]] = {
    "context": nearly(st.sampled_from(["above", "all", "none"]), st.integers(-3, 3)),
    "base": nearly(st.fixed_dictionaries({"thread": st.sampled_from(["main", "other"]), "turn": IDS, "cell": IDS})),
}


@st.composite
def records(draw: st.DrawFn) -> Any:
    """Turn records, some of them with one field that is anything, some of them anything."""
    record = draw(st.fixed_dictionaries(_RECORD, optional=_MORE))
    if draw(st.integers(0, 3)) == 0:
        record[draw(st.sampled_from([*record, "more"]))] = draw(WILD)
    return draw(st.sampled_from([record] * 9 + [draw(WILD)]))


def _stored(record: Any) -> Any:
    """The record as nbformat may store it too: text, or lines."""
    written = json.dumps(record)
    return st.sampled_from([record, record, written, written.splitlines(keepends=True)])


OUTPUTS = st.one_of(
    records().flatmap(_stored).map(lambda data: {"data": {"application/vnd.minimax.turn+json": data}}),
    fields(output_type=nearly(st.just("stream")), text=JSON, data=nearly(st.dictionaries(TEXT, JSON, max_size=2))),
)
SOURCES = st.one_of(st.sampled_from(["%%minimax\nx", "%minimax explain", "1 + 1"]), st.lists(TEXT, max_size=2), TEXT)
CELLS = nearly(
    fields(
        cell_type=nearly(st.sampled_from(["code", "markdown"]), st.just("code")),
        id=nearly(IDS),
        source=nearly(SOURCES, st.just("%%minimax\nx")),
        outputs=nearly(st.lists(nearly(OUTPUTS), max_size=2)),
        metadata=JSON,
    )
)
NOTEBOOKS = nearly(
    st.fixed_dictionaries(
        {"cells": nearly(st.lists(CELLS, max_size=4))},
        optional={"nbformat": JSON, "metadata": JSON, "worksheets": JSON},
    )
)
DESCRIPTIONS = fields(
    name=nearly(TEXT),
    order=nearly(st.lists(nearly(IDS), max_size=4)),
    pending=nearly(st.lists(nearly(IDS), max_size=2)),
    changed=nearly(st.dictionaries(IDS, CELLS, max_size=3)),
    settings=nearly(fields(model=JSON, system=JSON, temperature=JSON, max_tokens=JSON, thinking=JSON, thread=JSON)),
    since=nearly(st.floats(0, 2e9)),
)

DELTAS = fields(
    type=nearly(st.sampled_from(["text_delta", "thinking_delta", "input_json_delta", "signature_delta", "aura"])),
    text=nearly(TEXT),
    thinking=nearly(TEXT),
    partial_json=nearly(TEXT, st.sampled_from(['{"a"', ": 1}", "{}", "1e999"])),
    signature=nearly(TEXT),
    citation=JSON,
    citations=JSON,
    stop_reason=nearly(TEXT),
)
EVENTS: st.SearchStrategy[Any] = nearly(
    fields(
        type=nearly(
            st.sampled_from(["content_block_start", "content_block_delta", "content_block_stop"]),
            st.sampled_from(["message_start", "message_delta", "message_stop", "ping"]),
        ),
        index=nearly(st.integers(0, 2), st.integers(0, 2)),
        content_block=nearly(BLOCKS, BLOCKS),
        delta=nearly(DELTAS, DELTAS),
        message=nearly(fields(id=nearly(TEXT), content=nearly(st.lists(nearly(BLOCKS), max_size=2)), usage=JSON)),
        usage=nearly(USAGE),
    )
)
STREAMS = st.lists(EVENTS, max_size=8)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """The bytes of a stream, with some of them changed, cut out or put in."""
    wire = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in draw(STREAMS))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(wire)))
        wire = wire[:at] + draw(st.binary(max_size=4)) + wire[at + draw(st.integers(0, 4)) :]
    return wire
