"""A turn, and its record: the stored form, schema 1.

Always true: a record holds what arrived, verbatim, finished or not; `Turn.closed` is what of it may be sent again.
`turn.schema.json` beside this file is the contract of the stored form.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Literal, cast

from mm_magics.api import messages
from mm_magics.api.messages import Message
from mm_magics.api.request import PreparedMessage
from mm_magics.errors import RecordError

MIME_TYPE = "application/vnd.minimax.turn+json"
SCHEMA = 1

Status = Literal["complete", "stopped", "truncated", "failed"]
STATUSES = ("complete", "stopped", "truncated", "failed")


def new_id() -> str:
    return str(uuid.uuid4())


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Turn:
    """What one run of a prompt cell produced.

    `messages` are this turn's only. `responses` has one entry per model call: `id`, `model`, `stop_reason`, `usage`
    (verbatim), `first_token_s`, `thinking_s`, `seconds`; `calls` where it sums up so many; `unfinished` (the index of
    the block that was cut) and `partial_json` (a cut tool input) where the answer was cut; `tools` (`id`, `outcome`,
    `seconds` of each call) where it called some. `context` says which turns it was to see, if not
    those above; `base` what the thread was forked from: `thread`, and the last `turn` (with its `cell`) of both.
    """

    thread: str
    status: Status
    model: str
    messages: list[Message]
    system: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    responses: list[dict[str, Any]] = field(default_factory=list)
    request_sha256: str = ""
    error: str | None = None
    cell_id: str | None = None
    context: str | int = "above"
    base: Mapping[str, str] | None = None
    id: str = field(default_factory=new_id)
    created: str = field(default_factory=now)

    @cached_property
    def closed(self) -> list[Message]:
        """The turn as context: valid by the API's rules, `[]` if nothing of an answer is left."""
        cut = (response.get("unfinished") for response in self.responses)
        return messages.closed(self.messages, (each if isinstance(each, int) else None for each in cut))

    @cached_property
    def prepared(self) -> list[PreparedMessage]:
        """The messages of `closed`, prepared once: a long context is sent many times."""
        return [PreparedMessage.of(message) for message in self.closed]

    @property
    def text(self) -> str:
        """The answer's text; the JSON of it where it was given in a shape that was wanted."""
        return messages.text_of(self.messages) or self._given()

    def _given(self) -> str:
        last = next((messages.blocks(each) for each in reversed(self.messages) if each["role"] == "assistant"), [])
        given = [block.get("input") for block in last if block.get("name") == messages.ANSWER]
        return json.dumps(given[0], ensure_ascii=False, indent=2, sort_keys=True) if given else ""

    @property
    def prompt(self) -> str:
        """The user's text: the last text of the first message (what `--sees` adds stands before it)."""
        texts = (
            [block for block in messages.blocks(self.messages[0]) if block.get("type") == "text"]
            if self.messages
            else []
        )
        return str(texts[-1].get("text", "")) if texts else ""

    @property
    def place(self) -> tuple[str, str]:
        """Its cell and its id: a copied cell has a turn of the same id."""
        return self.cell_id or "", self.id

    def record(self) -> dict[str, Any]:
        """The stored form, keys in a fixed order."""
        return {
            "schema": SCHEMA,
            "id": self.id,
            "thread": self.thread,
            "cell_id": self.cell_id,
            "created": self.created,
            "status": self.status,
            "model": self.model,
            "system": self.system,
            "params": dict(self.params),
            "messages": self.messages,
            "responses": self.responses,
            "request_sha256": self.request_sha256,
            "error": self.error,
            **({"context": self.context} if self.context != "above" else {}),
            **({"base": dict(self.base)} if self.base else {}),
        }

    @classmethod
    def from_record(cls, record: object) -> Turn:
        """The turn of a record. Raises `RecordError` for a damaged one and for one of a newer schema."""
        if not isinstance(record, dict):
            raise RecordError("The turn record is not an object.")
        schema = record.get("schema")
        if isinstance(schema, int) and schema > SCHEMA:
            raise RecordError(f"The record is of schema {schema}; this version reads {SCHEMA}.", "Update mm_magics.")
        wrong = [key for key, ok in _CHECKS.items() if not ok(record.get(key))]
        if schema != SCHEMA or wrong:
            raise RecordError(f"The turn record is damaged: {', '.join(wrong) or 'schema'}.")
        if not messages.is_writable(record):
            raise RecordError("The turn record is damaged: it holds what JSON cannot hold, or is nested too deep.")
        return cls(**{key: value for key, value in record.items() if key in _FIELDS})


def _strings(value: object) -> bool:
    return isinstance(value, str)


def _maybe(value: object) -> bool:
    return value is None or isinstance(value, str)


def _messages(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(each, dict)
        and each.get("role") in ("user", "assistant")
        and isinstance(each.get("content"), str | list)
        for each in cast("list[object]", value)
    )


def _base(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(key), str) for key in ("thread", "turn"))


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "id": _strings,
    "thread": _strings,
    "cell_id": _maybe,
    "created": _strings,
    "status": lambda value: value in STATUSES,
    "model": _strings,
    "system": _maybe,
    "params": lambda value: isinstance(value, dict),
    "messages": _messages,
    "responses": lambda value: isinstance(value, list) and all(isinstance(each, dict) for each in value),
    "request_sha256": _strings,
    "error": _maybe,
    "context": lambda value: value in (None, "above", "all", "none") or type(value) is int,
    "base": lambda value: value is None or _base(value),
}
_FIELDS = frozenset(_CHECKS)
