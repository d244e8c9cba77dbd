"""The results of a map run, row by row: a value, or the reason why it is missing.

Every row has a value, an error, or is still open. The usage of each call is counted once, however many rows share its
answer; stored answers are not counted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mm_magics.api import messages, models, usage
from mm_magics.batch.store import Reply
from mm_magics.errors import ProtocolError
from mm_magics.text import excerpt
from mm_magics.tools.schema.output_schema import OutputSchema
from mm_magics.tools.schema.structured_output import value_of

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


class _Outcome(NamedTuple):
    """What a reply is worth: its value, what is wrong with it ("" if nothing), and whether it should be stored."""

    value: Any
    error: str
    storable: bool


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

    def add(self, rows: Sequence[int], reply: Reply, *, fresh: bool) -> bool:
        """Add the reply to these rows and return whether it should be stored. `fresh` is False if it is from there."""
        row_usage = self._usage_of(reply) if self.row_usage is not None else None
        value, error, storable = self._read(reply)
        self.last_error = error
        for row in rows:
            self.values[row] = value
            if self.row_usage is not None:
                self.row_usage[row] = row_usage
            if error:
                self.errors[row] = error
            self._close(row)
        self.stored += 0 if fresh else len(rows)
        return storable

    def fail(self, row: int, reason: str) -> None:
        """Record that a row has no answer."""
        self.errors[row] = reason
        self._close(row)

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

    def _read(self, reply: Reply) -> _Outcome:
        """Read the value of a reply. What is cut off, refused or of another schema is stored: it was paid for."""
        reason = reply.responses[-1].get("stop_reason") if reply.responses else None
        text = messages.text_of(reply.messages[-1:])
        partial = None if self._schema else text or None
        if reason in ("max_tokens", "model_context_window_exceeded"):
            return _Outcome(partial, TRUNCATED, True)
        if reason == "error":
            return _Outcome(None, "The endpoint ended the answer with an error.", False)
        if reason == "refusal":
            return _Outcome(partial, "The model refused to answer.", True)
        if self._schema is not None:
            try:
                value = value_of(reply.messages, self._schema)
            except ProtocolError as error:
                self.misfits += 1
                return _Outcome(None, f"{error.message} The answer: {_shown(reply)}", True)
            self.matched += 1
            return _Outcome(value, "", True)
        return _Outcome(text, "", True) if text else _Outcome(None, "The answer is empty.", False)


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
