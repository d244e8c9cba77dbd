"""What a run has brought, row by row: a value, or why there is none.

Always true: every row has a value, an error, or is still to come; the figures count each call once, however many rows
share its answer, and stored answers not at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mm_magics.api import messages, models
from mm_magics.batch.store import Reply
from mm_magics.errors import ProtocolError
from mm_magics.tools.schema.output_schema import OutputSchema
from mm_magics.tools.schema.structured_output import value_of

COUNTERS = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
CUT = "The answer was cut by max_tokens or the model's window."


class RowError(NamedTuple):
    """Row number `row`, from 0, has no answer, or not a whole one: `why`."""

    row: int
    why: str


class Results:
    """The results of `count` rows. `shape` is what an answer has to fit; with `figures`, each row's tokens and cost."""

    def __init__(self, count: int, model: str, shape: OutputSchema | None = None, *, figures: bool = False) -> None:
        self.values: list[Any] = [None] * count
        self.errors: dict[int, str] = {}
        self.figures: list[tuple[int, int, float | None] | None] | None = [None] * count if figures else None
        self.asked = self.stored = self.done = 0
        self.usage = dict.fromkeys(COUNTERS, 0)
        self.cost = 0.0
        self.seconds = 0.0
        self.notes: list[str] = []
        self.last_fault = ""
        self._model, self._shape = model, shape
        self._open = bytearray(b"\1") * count

    def take(self, rows: Sequence[int], reply: Reply, *, fresh: bool) -> bool:
        """An answer for these rows; whether it is one that is worth storing."""
        figures = self._count(reply, fresh=fresh) if fresh or self.figures is not None else None
        value, fault, whole = self._read(reply)
        self.last_fault = fault
        for row in rows:
            self.values[row] = value
            if self.figures is not None:
                self.figures[row] = figures
            if fault:
                self.errors[row] = fault
            self._close(row)
        self.stored += 0 if fresh else len(rows)
        return whole

    def fail(self, row: int, why: str) -> None:
        self.errors[row] = why
        self._close(row)

    def finish(self, why: str) -> None:
        """No more comes: the rows that are open have failed."""
        row = self._open.find(1)
        while row >= 0:
            self.errors[row], self._open[row] = why, 0
            row = self._open.find(1, row)

    def columns(self, into: str) -> dict[str, list[Any]]:
        """What becomes columns: `into`, or the schema's fields; `into_error`; and the figures, if they were wanted."""
        fields = fields_of(self._shape)
        if fields:
            found = {name: [_field(value, name) for value in self.values] for name in fields}
        else:
            found = {into: [_plain(value) for value in self.values]}
        found[f"{into}_error"] = [self.errors.get(row) for row in range(len(self.values))]
        if self.figures is not None:
            for place, name in enumerate(FIGURES):
                found[f"{into}_{name}"] = [each[place] if each else None for each in self.figures]
        return found

    def _close(self, row: int) -> None:
        self.done += self._open[row]
        self._open[row] = 0

    def _count(self, reply: Reply, *, fresh: bool) -> tuple[int, int, float | None]:
        tokens_in = tokens_out = 0
        cost: float | None = 0.0
        for response in reply.responses:
            usage = response.get("usage")
            usage = usage if isinstance(usage, dict) else {}
            tokens_in += sum(models.tokens(usage, name) for name in COUNTERS if name != "output_tokens")
            tokens_out += models.tokens(usage, "output_tokens")
            one = models.cost(self._model, usage)
            cost = None if cost is None or one is None else cost + one
            if fresh:
                for name in COUNTERS:
                    self.usage[name] += models.tokens(usage, name)
        if fresh:
            self.asked += len(reply.responses)
            self.cost += cost or 0.0
        return tokens_in, tokens_out, cost

    def _read(self, reply: Reply) -> tuple[Any, str, bool]:
        """The value, what is wrong with it ("" if nothing is), and whether asking again would bring the same."""
        reason = reply.responses[-1].get("stop_reason") if reply.responses else None
        text = messages.text_of(reply.messages[-1:])
        if reason in ("max_tokens", "model_context_window_exceeded"):
            return (None if self._shape else text or None), CUT, True
        if reason == "error":
            return None, "The endpoint ended the answer with an error.", False
        if reason == "refusal":
            return (None if self._shape else text or None), "The model refused.", True
        if self._shape is not None:
            try:
                return value_of(reply.messages, self._shape), "", True
            except ProtocolError as error:
                return None, error.message, False
        return (text, "", True) if text else (None, "The endpoint's answer says nothing.", False)


FIGURES = ("tokens_in", "tokens_out", "cost")


def columns_of(into: str, shape: OutputSchema | None, *, figures: bool) -> list[str]:
    """The names of the columns that a run makes."""
    return list(Results(0, "", shape, figures=figures).columns(into))


def fields_of(shape: OutputSchema | None) -> list[str]:
    """The fields of a shape that is an object; [] of any other."""
    properties = shape.schema.get("properties") if shape is not None and not shape.wrapped else None
    return list(properties) if isinstance(properties, Mapping) else []


def _field(value: Any, name: str) -> Any:
    if value is None:
        return None
    found = value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
    return _plain(found)


def _plain(value: Any) -> Any:
    """The value as a column can hold it: text, numbers, lists and dicts."""
    if value is None or (isinstance(value, str | int | float) and type(value).__module__ == "builtins"):
        return value
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(value, fallback=str)
