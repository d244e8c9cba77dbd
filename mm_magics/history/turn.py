"""A turn, and its stored form: the turn record, schema 2.

A record contains what was received, verbatim, complete or not; `Turn.closed` is the part that may be sent again.
`turn.schema.json` beside this file specifies the record. A turn of a schema 1 record is written as schema 1 again, with
its versions if it has some: older releases ignore them.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Literal, cast

from mm_magics.api import messages
from mm_magics.api.messages import Message, System
from mm_magics.api.outside import outside_blocks
from mm_magics.api.request import PreparedMessage
from mm_magics.api.sendable import invented_fields, sent_form
from mm_magics.api.size import SentSize, sent_size
from mm_magics.errors import RecordError
from mm_magics.history.compaction import Compaction, is_compaction
from mm_magics.history.exact_json import exact_texts, restore
from mm_magics.text import replace_surrogates

MIME_TYPE = "application/vnd.minimax.turn+json"
SCHEMA = 2

Status = Literal["complete", "stopped", "truncated", "failed"]
STATUSES = ("complete", "stopped", "truncated", "failed")
VERDICTS = ("pass", "fail", "text", "error")


def new_id() -> str:
    return str(uuid.uuid4())


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def prompt_text(messages_: Sequence[Message]) -> str:
    """Return the user's text: the last text of the first message, after what `--sees` adds."""
    texts = [block for message in messages_[:1] for block in messages.blocks(message) if block.get("type") == "text"]
    return str(texts[-1].get("text", "")) if texts else ""


def source_sha256(source: str) -> str:
    """Return the hash of a text as the user typed it, by which a later edit is noticed.

    Line ends and the newlines at the end do not matter: front ends change them.
    """
    text = replace_surrogates(source.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n"))
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Turn:
    """Everything that one run of a prompt cell produced.

    >>> question = {"role": "user", "content": [{"type": "text", "text": "What is a reef?"}]}
    >>> answer = {"role": "assistant", "content": [{"type": "text", "text": "A ridge near the surface of the sea."}]}
    >>> turn = Turn("main", "complete", "MiniMax-M2.7", [question, answer])
    >>> turn.prompt, turn.text
    ('What is a reef?', 'A ridge near the surface of the sea.')
    >>> Turn.from_record(turn.record()) == turn
    True

    Attributes:
        thread: The thread that it belongs to.
        status: `complete`, `stopped` by the user, `truncated` by a token limit, or `failed`.
        model: The model that was requested.
        messages: The messages of this turn only, the user's first.
        system: The system prompt, if there was one: a text, or content blocks.
        params: The other parameters of the request: `max_tokens`, `temperature`, `tools` …
        responses: One entry per model call: `id`, `model`, `stop_reason`, `usage` (verbatim), and the times
            `first_token_s`, `thinking_s` and `seconds`. `calls` if it stands for several calls; `unfinished` (the index
            of the block that was cut) and `partial_json` (a cut tool input) if the response was cut; `tools` (`id`,
            `outcome` and `seconds` of each call) if it called tools; `max_tokens` if a lower value was sent than the
            one in `params`; `invented` (names by the index of the block) if deltas of unknown types added fields;
            `instead_of` (the default model) if that is not offered and `model` answered for it; `cost` in US dollars if
            the price of the model does not tell it.
        request_sha256: The hash of the first request; replay finds the turn by it.
        error: Why the turn failed.
        cell_id: The prompt cell; None in a terminal or a script.
        context: Which turns it sees: `above`, `all`, `none`, or the number of turns above.
        base: Where the thread was forked from: `thread`, and the last shared `turn` with its `cell`.
        id: A UUID.
        created: When the request was sent, in UTC.
        source_sha256: The hash of the text that the user typed, before `{{ }}` was filled in; "" if it is unknown.
        endpoint: The host that answered, with its port if the base URL has one; "" if it is unknown.
        notes: What the user must know about how the turn ended.
        compacted: The summary in its context, if the turns above do not say the same.
        versions: The other turns of the cell, the most recent first.
        newer: How many of `versions`, the first ones, are more recent than this turn.
        comparison: Which answers were asked for at once: the `id` that they share, and the `number` of this one.
        undecided: Whether the user has not chosen one of these answers yet: all are shown.
        check: What a function of the user's found: its `name`, the `verdict` (`pass`, `fail`, `text` or `error`), and
            the `text` of it.
        changes: The changes of the notebook that it requested, each with `id`, `kind`, `cell`, `state`, a line of
            `text` for the reader, and what undoing it needs.
        schema: The schema of its record.
    """

    thread: str
    status: Status
    model: str
    messages: list[Message]
    system: System = None
    params: Mapping[str, Any] = field(default_factory=dict)
    responses: list[dict[str, Any]] = field(default_factory=list)
    request_sha256: str = ""
    error: str | None = None
    cell_id: str | None = None
    context: str | int = "above"
    base: Mapping[str, str] | None = None
    id: str = field(default_factory=new_id)
    created: str = field(default_factory=now)
    source_sha256: str = ""
    endpoint: str = ""
    notes: list[str] = field(default_factory=list)
    compacted: Compaction | None = None
    versions: list[Turn] = field(default_factory=list)
    newer: int = 0
    comparison: Mapping[str, Any] | None = None
    undecided: bool = False
    check: Mapping[str, str] | None = None
    changes: list[dict[str, Any]] = field(default_factory=list)
    schema: int = SCHEMA

    @cached_property
    def closed(self) -> list[Message]:
        """The turn as context, valid by the rules of the Messages API; `[]` if no part of the answer can be sent."""
        cut = (response.get("unfinished") for response in self.responses)
        return messages.repair_turn(self.messages, (each if isinstance(each, int) else None for each in cut))

    @cached_property
    def sent(self) -> Sequence[Message]:
        """The messages of `closed` in the form in which they are sent; `closed` itself if that is the same."""
        invented = invented_fields(self.messages, self.responses)
        return sent_form(self.closed, invented, outside_blocks(self.messages, self.responses))

    @cached_property
    def prepared(self) -> list[PreparedMessage]:
        """The messages of `closed`, prepared once: a long context is sent many times."""
        return [PreparedMessage.of(message, sent) for message, sent in zip(self.closed, self.sent, strict=True)]

    @cached_property
    def size(self) -> SentSize:
        """The size of its messages in a request."""
        return sent_size(",".join(each.json for each in self.prepared))

    @property
    def text(self) -> str:
        """The text of the answer; its JSON if the answer is structured output."""
        return messages.text_of(self.messages) or self._structured_output()

    def _structured_output(self) -> str:
        last = next((messages.blocks(each) for each in reversed(self.messages) if each["role"] == "assistant"), [])
        inputs = [block.get("input") for block in last if block.get("name") == messages.ANSWER]
        return json.dumps(inputs[0], ensure_ascii=False, indent=2, sort_keys=True) if inputs else ""

    @property
    def prompt(self) -> str:
        """The user's text."""
        return prompt_text(self.messages)

    @property
    def instead_of(self) -> str:
        """The default model that was not offered when this turn was answered; "" if the requested model answered."""
        name = self.responses[0].get("instead_of") if self.responses else None
        return name if isinstance(name, str) else ""

    @property
    def change_lines(self) -> list[str]:
        """A line about each change of the notebook."""
        return [each["text"] for each in self.changes]

    @property
    def place(self) -> tuple[str, str]:
        """Its cell and its id: a copied cell contains a turn with the same id."""
        return self.cell_id or "", self.id

    def record(self) -> dict[str, Any]:
        """Return the turn record, with its keys in a fixed order."""
        record = {
            "schema": self.schema,
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
        added: dict[str, Any] = {"versions": [version.record() for version in self.versions], "newer": self.newer}
        if self.schema > 1:
            added = {
                "source_sha256": self.source_sha256,
                "endpoint": self.endpoint,
                "notes": self.notes,
                "compacted": self.compacted.record() if self.compacted else None,
                **added,
                "comparison": dict(self.comparison) if self.comparison else None,
                "undecided": self.undecided,
                "check": dict(self.check) if self.check else None,
                "changes": self.changes,
                "json": exact_texts(self.params, self.messages),
            }
        return record | {key: value for key, value in added.items() if value}

    @classmethod
    def from_record(cls, record: object) -> Turn:
        """Return the turn of a record. Raises `RecordError` if it is damaged or has a newer schema."""
        if not isinstance(record, dict):
            raise RecordError("The turn record is not an object.")
        schema = record.get("schema")
        if isinstance(schema, int) and schema > SCHEMA:
            raise RecordError(
                f"The record has schema {schema}; this version reads schema {SCHEMA}.", "Update mm_magics."
            )
        added = _ADDED_CHECKS if schema == SCHEMA else _VERSION_CHECKS
        wrong = [key for key, ok in _CHECKS.items() if not ok(record.get(key))]
        wrong += [key for key, ok in added.items() if key in record and not ok(record[key])]
        if type(schema) is not int or schema < 1 or wrong:
            raise RecordError(f"The turn record is damaged: {', '.join(wrong) or 'schema'}.")
        if not messages.is_writable(record):
            raise RecordError("The turn record is damaged: JSON cannot represent it, or it is nested too deeply.")
        fields = {key: value for key, value in record.items() if key in _CHECKS or key in added}
        exact = record.get("json") if schema == SCHEMA else None
        fields["params"], fields["messages"] = restore(record["params"], record["messages"], exact)
        if "compacted" in fields:
            fields["compacted"] = Compaction.from_record(fields["compacted"])
        fields["versions"] = list(_versions(record.get("versions", ())))
        fields["newer"] = min(record.get("newer", 0), len(fields["versions"]))
        return cls(**fields, schema=schema)


def _versions(records: list[Any]) -> Iterator[Turn]:
    """Yield the other turns of a record; one that is damaged is left out, because the turn itself is usable."""
    for record in records:
        if isinstance(record, dict):
            with suppress(RecordError):
                yield Turn.from_record({**record, "versions": [], "newer": 0, "undecided": False})


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_text_or_none(value: object) -> bool:
    return value is None or isinstance(value, str)


def is_message_list(value: object) -> bool:
    """Return whether the value has the form of messages; blocks in them are not looked at."""
    return isinstance(value, list) and all(
        isinstance(each, dict)
        and each.get("role") in ("user", "assistant")
        and isinstance(each.get("content"), str | list)
        for each in cast("list[object]", value)
    )


def _is_block_list(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) for each in cast("list[object]", value))


def _is_comparison(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("id"), str) and type(value.get("number")) is int


def _is_check(value: object) -> bool:
    return (
        isinstance(value, dict)
        and value.get("verdict") in VERDICTS
        and all(isinstance(value.get(key), str) for key in ("name", "text"))
    )


def _is_change(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(value.get(key), str) for key in ("id", "kind", "cell", "state", "text")
    )


def _is_base(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(key), str) for key in ("thread", "turn"))


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "id": _is_text,
    "thread": _is_text,
    "cell_id": _is_text_or_none,
    "created": _is_text,
    "status": lambda value: value in STATUSES,
    "model": _is_text,
    "system": lambda value: _is_text_or_none(value) or (bool(value) and _is_block_list(value)),
    "params": lambda value: isinstance(value, dict),
    "messages": is_message_list,
    "responses": lambda value: isinstance(value, list) and all(isinstance(each, dict) for each in value),
    "request_sha256": _is_text,
    "error": _is_text_or_none,
    "context": lambda value: value in (None, "above", "all", "none") or type(value) is int,
    "base": lambda value: value is None or _is_base(value),
}
_VERSION_CHECKS: dict[str, Callable[[Any], bool]] = {
    "versions": lambda value: isinstance(value, list),
    "newer": lambda value: type(value) is int and value >= 0,
}
_ADDED_CHECKS: dict[str, Callable[[Any], bool]] = {
    "source_sha256": _is_text,
    "endpoint": _is_text,
    "notes": lambda value: isinstance(value, list) and all(map(_is_text, value)),
    "compacted": is_compaction,
    "comparison": _is_comparison,
    "undecided": lambda value: isinstance(value, bool),
    "check": _is_check,
    "changes": lambda value: isinstance(value, list) and all(map(_is_change, value)),
    **_VERSION_CHECKS,
}
