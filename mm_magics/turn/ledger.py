"""The ledger of a session: every model call that it made, with what is known of its usage.

Nothing is ever removed, so neither a second answer to a cell nor a deleted cell changes what was spent. An answer that
is replayed makes no call.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from mm_magics.api import models
from mm_magics.api.usage import TOKEN_COUNTERS, reported, response_cost, total_tokens
from mm_magics.history.turn import Turn

OWN_SESSIONS = "your own sessions"
"""Stands in the place of a notebook for the calls of each `Session` that code in the kernel created."""


@dataclass
class Account:
    """The sums of some calls.

    Attributes:
        calls: How many calls were made.
        tokens: One count per token counter, as far as it was reported.
        seconds: How long they took.
        streaming: How much of this time is known to have passed between the first token and the end of an answer.
        cost: The known part of the cost in US dollars.
        unpriced: How many calls reported usage for a model without a known price.
        unknown: How many calls have a cost that is not completely known: the price of the model is unknown, or the
            answer ended before its usage was reported.
    """

    calls: int = 0
    tokens: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TOKEN_COUNTERS, 0))
    seconds: float = 0.0
    streaming: float = 0.0
    cost: float = 0.0
    unpriced: int = 0
    unknown: int = 0

    def add(self, model: str, response: Mapping[str, Any]) -> None:
        """Add the call of a response, an entry of `Turn.responses`. A call without an answer costs nothing."""
        usage, end = reported(response), response.get("stop_reason")
        number = response.get("calls", 1)  # a map run records one response for all its calls
        calls, seconds = int(models.plausible_number(number)), models.plausible_number(response.get("seconds"))
        self.calls += calls
        self.seconds += seconds
        if usage and response.get("first_token_s") is not None:
            self.streaming += seconds - models.plausible_number(response["first_token_s"])
        for name in TOKEN_COUNTERS:
            self.tokens[name] += models.tokens(usage, name)
        cost = response_cost(model, response)
        self.cost += cost or 0.0
        self.unpriced += calls if usage and cost is None else 0
        is_reported = end is not None and any(models.tokens(usage, name) for name in TOKEN_COUNTERS)
        if (usage or end or response.get("id")) and (cost is None or not is_reported):
            self.unknown += calls

    def __iadd__(self, other: Account) -> Self:
        self.calls += other.calls
        self.tokens = total_tokens([self.tokens, other.tokens])
        self.seconds += other.seconds
        self.streaming += other.streaming
        self.cost += other.cost
        self.unpriced += other.unpriced
        self.unknown += other.unknown
        return self


class Ledger:
    """The calls of a session, by notebook and model.

    Attributes:
        notebook: The name of the notebook that calls are made for; "" if it is unknown.
        replayed: How many answers were replayed, without a call.
        accounts: The sums of the calls for each notebook and model, in the order of the first calls.
        of_kernel: The ledger of the magics, where there are magics: it counts the calls of all other sessions too.
        of_process: The sums of the calls of all sessions in this process.
    """

    of_kernel: ClassVar[Ledger | None] = None
    of_process: ClassVar[Account] = Account()
    _process_lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self) -> None:
        self.notebook = ""
        self.replayed = 0
        self.accounts: dict[tuple[str, str], Account] = {}
        self._lock = threading.Lock()

    def add(self, model: str, responses: Iterable[Mapping[str, Any]]) -> None:
        """Add the calls of these responses."""
        responses = list(responses)
        self._add(self.notebook, model, responses)
        with self._process_lock:
            for each in responses:
                self.of_process.add(model, each)
        if self.of_kernel is not None and self.of_kernel is not self:
            self.of_kernel._add(OWN_SESSIONS, model, responses)

    def _add(self, notebook: str, model: str, responses: Iterable[Mapping[str, Any]]) -> None:
        with self._lock:  # sessions may be used in threads
            for response in responses:
                self.accounts.setdefault((notebook, model), Account()).add(model, response)

    def total(self) -> Account:
        """Return the sums of all calls."""
        return total_of([*self.accounts.values()])  # answers in the background may add one


def total_of(accounts: Iterable[Account]) -> Account:
    """Return the sums of all these calls."""
    total = Account()
    for account in accounts:
        total += account
    return total


def accounts_of(
    turns: Iterable[Turn], group: Callable[[Turn, str], str] = lambda _turn, model: model
) -> dict[str, Account]:
    """Return what these turns and their versions stand for, by model. A turn that was copied or forked counts once.

    Args:
        turns: The turns.
        group: Returns the name of the account for a call of a turn, from the turn and the model that was called.
    """
    accounts: dict[str, Account] = {}
    different = {each.id: each for turn in turns for each in (*turn.versions, turn)}
    for turn in different.values():
        for model, response in calls_of(turn):
            accounts.setdefault(group(turn, model), Account()).add(model, response)
    return accounts


def calls_of(turn: Turn) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the model and the response of each call of a turn, those that wrote the summary in its context first."""
    if turn.compacted is not None:
        yield from ((turn.compacted.model, response) for response in turn.compacted.responses)
    yield from ((turn.model, response) for response in turn.responses)
