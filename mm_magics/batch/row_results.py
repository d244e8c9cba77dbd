"""The results of a map run, row by row: a value, or the reason why it is missing.

Every row has a value, an error, or is still open. The usage of each call is counted once, however many rows share its
answer; stored answers are not counted.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mm_magics.api import messages, models, usage
from mm_magics.batch.engines.base import NOT_SENT
from mm_magics.batch.store import Reply
from mm_magics.errors import ProtocolError
from mm_magics.text import excerpt
from mm_magics.tools.schema.output_schema import KEY, OutputSchema
from mm_magics.tools.schema.structured_output import value_of
from mm_magics.wording import counted

EXCERPT_CHARACTERS = 200
"""How much of an answer is shown that does not match its schema."""
TRUNCATED = "The answer was cut off by max_tokens or by the model's context window."


class RowError(NamedTuple):
    """A row without a complete answer: its number, from 0, and the reason."""

    row: int
    why: str


class RowUsage(NamedTuple):
    """What one row used. `cost` is in US dollars, None if the model's price is unknown."""

    tokens_in: int
    tokens_out: int
    cost: float | None


class Outcome(NamedTuple):
    """What a reply is worth: its value, what is wrong with it ("" if nothing), and whether it should be stored."""

    value: Any
    error: str
    storable: bool


def ended_early(reason: str, rows: int) -> str:
    """Return the note about rows that were not sent for this reason."""
    return f"The run ended early. {counted(rows, 'row')} not sent: {reason.removeprefix(NOT_SENT)}"


class RowResults:
    """The results of `count` rows.

    Args:
        count: The number of rows.
        model: The model that answers, for its price.
        schema: The schema that answers must match; None for text.
        with_usage: Whether to record the usage of each row.
    """

    def __init__(self, count: int, model: str, schema: OutputSchema | None = None, *, with_usage: bool = False) -> None:
        self.values: list[Any] = [None] * count
        self.errors: dict[int, str] = {}
        self.not_sent: Counter[str] = Counter()
        self.with_usage = with_usage
        self.row_usage: list[RowUsage | None] | None = [None] * count if with_usage else None
        self.calls = self.stored = self.done = 0
        self.matched = self.misfits = 0
        self.usage = dict.fromkeys(usage.TOKEN_COUNTERS, 0)
        self.cost = 0.0
        self.seconds = 0.0
        self.notes: list[str] = []
        self.last_error = ""
        self._schema = schema
        self._open = bytearray(b"\1") * count
        self.use_model(model)

    def use_model(self, name: str, price: models.Price | None = None) -> None:
        """Count what follows as answers of this model. `price` is set by the user."""
        self._model, self.is_price_known = name, (price or models.model(name).price) is not None

    @property
    def failed(self) -> int:
        """How many rows have an error."""
        return len(self.errors)

    @property
    def has_rows_to_show(self) -> bool:
        """Whether there are rows that somebody waits for."""
        return False

    def is_done(self, _row: int, _digest: bytes) -> bool:
        """Return whether a row needs no answer, because an earlier run wrote the answer to this request."""
        return False

    def add(self, rows: Sequence[int], digest: bytes, reply: Reply, *, fresh: bool) -> bool:
        """Add the reply to the request with this hash to these rows.

        Args:
            rows: The numbers of the rows.
            digest: The hash of the request.
            reply: The reply.
            fresh: False if it is from the store.

        Returns:
            Whether it should be stored.
        """
        outcome = self._read(reply)
        row_usage = self._usage_of(reply) if self.with_usage else None
        self.last_error = outcome.error
        for row in rows:
            self._set(row, digest, outcome, row_usage)
            self._close(row)
        self.stored += 0 if fresh else len(rows)
        return outcome.storable

    def fail(self, row: int, reason: str) -> None:
        """Record that a row has no answer."""
        if reason.startswith(NOT_SENT):
            self.not_sent[reason] += 1
        self._set(row, b"", Outcome(None, reason, False), None)
        self._close(row)

    def _set(self, row: int, _digest: bytes, outcome: Outcome, row_usage: RowUsage | None) -> None:
        if outcome.value is not None:
            self.values[row] = outcome.value
        if self.row_usage is not None and row_usage is not None:
            self.row_usage[row] = row_usage
        if outcome.error:
            self.errors[row] = outcome.error

    def finish(self, reason: str) -> None:
        """Record that all open rows have no answer."""
        self.errors |= {row: reason for row, is_open in enumerate(self._open) if is_open}
        self._open = bytearray(len(self._open))

    def columns(self, into: str) -> dict[str, list[Any]]:
        """Return the new columns: those of `answers`, `into_error`, and the usage, if it is recorded."""
        columns = self.answers(into)
        columns[f"{into}_error"] = [self.errors.get(row) for row in range(len(self.values))]
        if self.row_usage is not None:
            for position, name in enumerate(RowUsage._fields):
                columns[f"{into}_{name}"] = [None if row is None else row[position] for row in self.row_usage]
        return columns

    def answers(self, into: str) -> dict[str, list[Any]]:
        """Return the columns of the answers: `into`, or the schema's fields."""
        if fields := fields_of(self._schema):
            return {name: [_field(value, name) for value in self.values] for name in fields}
        return {into: [_plain(value) for value in self.values]}

    def _close(self, row: int) -> None:
        self.done += self._open[row]
        self._open[row] = 0

    def count(self, responses: Sequence[Mapping[str, Any]]) -> float:
        """Add the usage of calls that were made, whether or not a row has an answer from them.

        Returns:
            What they cost in US dollars; 0 if the price is unknown.
        """
        usages = [usage.reported(response) for response in responses]
        for each in usages:
            for name in usage.TOKEN_COUNTERS:
                self.usage[name] += models.tokens(each, name)
        self.calls += sum(int(response.get("calls", 1)) for response in responses)  # a pack is one call
        cost = usage.total_cost(self._model, responses) or 0.0
        self.cost += cost
        return cost

    def _usage_of(self, reply: Reply) -> RowUsage:
        usages = [usage.reported(response) for response in reply.responses]
        cost = usage.total_cost(self._model, reply.responses)
        tokens_out = sum(models.tokens(each, "output_tokens") for each in usages)
        return RowUsage(sum(map(usage.input_tokens, usages)), tokens_out, cost)

    def _read(self, reply: Reply) -> Outcome:
        """Read the value of a reply. What is cut off, refused or of another schema is stored: it was paid for."""
        reason = reply.responses[-1].get("stop_reason") if reply.responses else None
        text = messages.text_of(reply.messages[-1:])
        partial = None if self._schema else text or None
        if reason in ("max_tokens", "model_context_window_exceeded"):
            return Outcome(partial, TRUNCATED, True)
        if reason == "error":
            return Outcome(None, "The endpoint ended the answer with an error.", False)
        if reason == "refusal":
            return Outcome(partial, "The model refused to answer.", True)
        if self._schema is not None:
            try:
                value = value_of(reply.messages, self._schema)
            except ProtocolError as error:
                self.misfits += 1
                return Outcome(None, f"{error.message} The answer: {_shown(reply)}", True)
            self.matched += 1
            return Outcome(value, "", True)
        return Outcome(text, "", True) if text else Outcome(None, "The answer is empty.", False)


def _shown(reply: Reply) -> str:
    """Return the beginning of the last answer: its text, and the input of its tool calls."""
    answers = [each for each in reply.messages if each["role"] == "assistant"]
    content = answers[-1]["content"] if answers else ""
    blocks = [{"text": content}] if isinstance(content, str) else content
    parts = [json.dumps(each["input"], ensure_ascii=False) if "input" in each else each.get("text") for each in blocks]
    return excerpt(" ".join(str(each) for each in parts if each), EXCERPT_CHARACTERS) or "empty"


def columns_of(into: str, schema: OutputSchema | None, *, with_usage: bool) -> list[str]:
    """Return the names of the columns that a map run adds."""
    return list(RowResults(0, "", schema, with_usage=with_usage).columns(into))


def answer_fields(schema: OutputSchema | None, into: str) -> dict[str, str]:
    """Return the columns of the answers, and the type that the JSON schema gives to each of them; "" for several."""
    properties = {} if schema is None else schema.schema["properties"]
    if fields := fields_of(schema):
        return {name: _type_of(properties[name]) for name in fields}
    return {into: "string" if schema is None else _type_of(properties.get(KEY, {}))}


def answer_values(value: Any, schema: OutputSchema | None, into: str) -> dict[str, Any]:
    """Return an answer as the values of its columns."""
    if fields := fields_of(schema):
        return {name: _field(value, name) for name in fields}
    return {into: _plain(value)}


def _type_of(property_: Any) -> str:
    """Return the type of a property of a JSON schema, which may also be null; "" for several types."""
    if not isinstance(property_, Mapping):
        return ""
    given = property_.get("type") or [_type_of(each) for each in property_.get("anyOf", ())]
    types = {given} if isinstance(given, str) else {*given} - {"null"}
    return str(types.pop()) if len(types) == 1 else ""


def fields_of(schema: OutputSchema | None) -> list[str]:
    """Return the fields of a schema that is an object; empty for any other schema."""
    properties = schema.schema.get("properties") if schema is not None and not schema.wrapped else None
    return list(properties) if isinstance(properties, Mapping) else []


def _field(value: Any, name: str) -> Any:
    if value is None:
        return None
    return _plain(value.get(name) if isinstance(value, Mapping) else getattr(value, name, None))


def _plain(value: Any) -> Any:
    """Convert a value to what a column can hold: text, numbers, lists and dicts."""
    if value is None or (isinstance(value, str | int | float) and type(value).__module__ == "builtins"):
        return value
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(value, fallback=str)
