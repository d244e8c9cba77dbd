"""The budget of a map run: the cost of each call is reserved before it is sent.

A call is expected to cost its input, which is known, and an answer. Until answers tell what they cost, few calls are in
flight. The last `FEW` calls may be in flight on an average answer, any more only if each may cost more than the most
expensive answer so far, because rows are often sorted by length. So a run ends close to its budget.
"""

from __future__ import annotations

from mm_magics.api import models
from mm_magics.api.models import Price

FEW = 8
"""Calls that may be in flight before any answer has told what one costs."""
BYTES_PER_TOKEN = 4.0


class Budget:
    """What may still be spent. `limit` is in US dollars; with None, everything fits.

    `price` is what the model costs; a run that continues with another model sets it. `few` is this budget's part of
    `FEW`, if several share a limit.
    """

    def __init__(self, limit: float | None, price: Price | None, *, few: int = FEW) -> None:
        self._limit, self.price, self._few = limit, price, few
        self._spent = self._input = self._answers_cost = self._dearest = 0.0
        self._answers = 0
        self._reserved: dict[bytes, float] = {}

    @property
    def is_spent(self) -> bool:
        """Whether nothing more may be sent, whatever the calls in flight cost."""
        return self._limit is not None and (self._limit <= self._spent or not (self._reserved or self.fits(b"")))

    def fits(self, body: bytes) -> bool:
        """Return whether a call with this body may be sent now; if not, maybe after calls in flight are answered."""
        if self._limit is None:
            return True
        calls = len(self._reserved) + 1
        if not self.may_send_more or self._spent >= self._limit:
            return False
        average = self._answers_cost / self._answers if self._answers else 0.0
        answer = (
            average if calls <= self._few else self._dearest * (1 + calls / self._answers)
        )  # they may be getting longer
        expected = self._spent + self._input + calls * answer
        return expected + (self._input_cost(body) if self._answers else 0.0) <= self._limit

    def refuses(self, body: bytes) -> bool:
        """Return whether a call with this body may not be sent, whatever the calls in flight cost."""
        return self.is_spent or not (self.fits(body) or self.has_reserved)

    @property
    def has_reserved(self) -> bool:
        """Whether calls are in flight."""
        return bool(self._reserved)

    @property
    def may_send_more(self) -> bool:
        """Whether enough answers tell what a call costs, so that another one may be in flight."""
        return len(self._reserved) < self._few + self._answers

    def raise_by(self, amount: float) -> None:
        """Raise the limit."""
        self._limit = (self._limit or 0.0) + amount

    def reserve(self, digest: bytes, body: bytes) -> None:
        """Reserve the cost of a call, unless another task has."""
        if self._limit is not None and digest not in self._reserved:
            self._reserved[digest] = cost = self._input_cost(body)
            self._input += cost

    def settle(self, digest: bytes, cost: float, *, answered: bool, lost: bool = False) -> None:
        """Replace a reservation by what its calls cost. A lost answer was paid for, and counts as an average one."""
        if self._limit is None or (reserved := self._reserved.pop(digest, None)) is None:
            self._spent += cost
            return
        self._input = self._input - reserved if self._reserved else 0.0
        if lost and self._answers:
            cost += reserved + self._answers_cost / self._answers
        self._spent += cost
        if answered:
            self._answers += 1
            answer = max(0.0, cost - reserved)
            self._answers_cost += answer
            self._dearest = max(self._dearest, answer)

    def _input_cost(self, body: bytes) -> float:
        if self.price is None:
            return 0.0
        return models.cost_at(self.price, {"input_tokens": int(len(body) / BYTES_PER_TOKEN)}) or 0.0
