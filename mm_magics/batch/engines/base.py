"""The interface of the engines: each sends the requests of a batch run and reports the outcome of every request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from mm_magics.batch.progress import Throttled
from mm_magics.batch.rate_limit import RateLimits
from mm_magics.batch.store import Reply
from mm_magics.endpoint.reader import Retrying

NOT_SENT = "Not sent: "
RUN_ENDED = f"{NOT_SENT}the run was ended."


class Request(NamedTuple):
    """One request: its hash, and its body, whose last message is the user's.

    `is_checked` is False if its answer need not match the schema of the run: the answer of a pack is checked later.
    """

    digest: bytes
    body: bytes
    is_checked: bool = True


class Answered(NamedTuple):
    """The endpoint answered the request with this hash. `fresh` is False if another task counts its calls."""

    digest: bytes
    reply: Reply
    fresh: bool = True


class Failed(NamedTuple):
    """The request with this hash has no answer. `sent` is False if it never left.

    `responses` are those of the answers that were received before, if the request took several. `refused_model` says
    that the endpoint does not offer the model. `lost` says that an answer may have been paid for and was not received.
    """

    digest: bytes
    reason: str
    sent: bool
    responses: Sequence[dict[str, Any]] = ()
    refused_model: bool = False
    lost: bool = False


class OtherCall(NamedTuple):
    """A call that belongs to no row: a probe, or a pack whose answers do not fit. `responses` is empty if it failed."""

    responses: Sequence[dict[str, Any]]


SenderEvent = Answered | Failed | OtherCall | Throttled | Retrying
"""What an engine reports. Each request is reported as `Answered` or `Failed` exactly once."""


@dataclass(frozen=True)
class SendOptions:
    """How requests are sent. `timeout` is in seconds, for one whole answer; `limits` are those of the whole run."""

    base_url: str
    timeout: float
    limits: RateLimits
    max_retries: int


class Engine(Protocol):
    """Sends requests concurrently, away from the caller's thread.

    `room` is how many requests to put in before waiting for the first to be answered. `note` is what the user must know
    about how it sends; "" if nothing.
    """

    note: str

    @property
    def room(self) -> int: ...

    def put(self, request: Request) -> None:
        """Queue a request."""

    def next(self, timeout: float) -> SenderEvent | None:
        """Return the next event; None if nothing happens for `timeout` seconds."""

    def stop(self) -> bool:
        """Send nothing more, and return whether the answers of calls in flight will still be reported."""

    def close(self) -> None:
        """Cancel all calls in flight. Events that are already there can still be taken with `next`."""
