"""Turns for tests, and the JSON Schema that every record matches."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files
from typing import Any

import jsonschema

from mm_magics.api.legacy_hash import legacy_message_sha256, legacy_request_sha256s
from mm_magics.api.request import message_sha256, request_sha256
from mm_magics.history.context_messages import context_messages
from mm_magics.history.replay import RecordedRequest
from mm_magics.history.thread import History
from mm_magics.history.turn import Turn

SCHEMA = json.loads((files("mm_magics.history") / "turn.schema.json").read_text("utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

RESPONSE = {
    "id": "0" * 32,
    "model": "MiniMax-M2.7",
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 9, "output_tokens": 3},
    "first_token_s": 0.1,
    "thinking_s": 0.2,
    "seconds": 0.5,
}


def broken_rules(record: object) -> list[str]:
    """Return the rules of the schema that the record breaks."""
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(record)]


def turn(prompt: str = "hi", answer: Any = "hello", above: list[Turn] | None = None, **fields: Any) -> Turn:
    """Make a turn that was answered with these turns above it."""
    content = [{"type": "text", "text": answer}] if isinstance(answer, str) else answer
    messages: list[Any] = [
        {"role": "user", "content": [{"type": "text", "text": prompt}]},
        {"role": "assistant", "content": content},
    ]
    settings: dict[str, Any] = {
        "thread": "main",
        "status": "complete",
        "model": "MiniMax-M2.7",
        "messages": messages,
        "params": {"max_tokens": 8192},
        "responses": [dict(RESPONSE)],
    }
    made = Turn(**{**settings, **fields})
    array = context_messages(above or [], made.messages[0])
    return replace(
        made, request_sha256=request_sha256(made.model, made.system, made.params, map(message_sha256, array))
    )


def schema_1(asked: Turn, above: list[Turn] | None = None) -> Turn:
    """Return the turn as mm_magics 0.1 recorded it, with these turns above it."""
    hashes = map(legacy_message_sha256, context_messages(above or [], asked.messages[0]))
    (sha256, *_) = legacy_request_sha256s(asked.model, asked.system, asked.params, hashes)
    return replace(asked, schema=1, request_sha256=sha256)


def recorded_request(asked: Turn, above: list[Turn] | None = None) -> RecordedRequest:
    """Return the request that the turn answered, with these turns above it."""
    sent = context_messages(above or [], asked.messages[0])
    sha256 = request_sha256(asked.model, asked.system, asked.params, map(message_sha256, sent))
    return RecordedRequest(asked.messages[0], asked.model, asked.system, asked.params, sent, sha256)


def history_of(*cells: str | None, thread: str = "main") -> tuple[History, list[Turn]]:
    """Return a history in which these cells ran in this order, each seeing those above it, and its turns."""
    history = History()
    for number, cell in enumerate(cells):
        above = history.context_turns(thread, cell)
        history.put(turn(f"q{number}", f"a{number}", above, cell_id=cell, thread=thread))
    return history, history.turns(thread)


def texts(history: History, thread: str) -> list[str]:
    return [each.text for each in history.turns(thread)]
