"""The store as a run uses it: which requests this process sends, and which ones another process answers.

A store that fails is not used again; the run continues without it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from mm_magics.batch.store import MAX_KEYS, Reply, Store
from mm_magics.errors import StoreError

CLAIM_ROWS = 64
"""Rows that are claimed at a time while they are sent fast."""
CLAIM_S = 0.1
"""If the last claim is not older than this, twice as many rows are claimed."""
POLL_S = 0.2
"""How often the answers to requests are looked up that another process sends."""


class Pending(NamedTuple):
    """A request without an answer yet: its text, and the rows that wait for it."""

    text: str
    rows: list[int]


class RunStore:
    """The store of a run.

    Args:
        store: The open store.
        fail: Called with the error once the store has failed. It may raise the error.

    Attributes:
        is_broken: Whether the store has failed.
        elsewhere: Requests that another process sends, by hash.
        freed: Requests that another process had claimed, and that this one must send, by hash. They are claimed.
    """

    def __init__(self, store: Store, fail: Callable[[StoreError], None]) -> None:
        self.is_broken = False
        self.elsewhere: dict[bytes, Pending] = {}
        self.freed: dict[bytes, Pending] = {}
        self._store, self._fail = store, fail
        self._claimed: set[bytes] = set()
        self._given_up: list[bytes] = []
        self._claim_rows, self._claimed_at, self._polled_at = 1, 0.0, 0.0

    def get_many(self, digests: Collection[bytes]) -> dict[bytes, Reply]:
        """Return the stored replies to these requests, by hash."""
        try:
            return {} if self.is_broken else self._store.get_many(digests)
        except StoreError as error:
            self._break(error)
            return {}

    def put(self, digest: bytes, model: str, reply: Reply) -> None:
        """Store the reply to a request that was claimed."""
        self._claimed.discard(digest)  # claimed again for an equal row, which must find this reply
        try:
            self._store.put(digest, model, reply)
        except StoreError as error:
            self._break(error)

    def give_up(self, digest: bytes) -> None:
        """Let another process send a request whose reply will not be stored."""
        self._given_up.append(digest)

    def flush(self) -> None:
        """Write what is due. Call it often: it renews the lease of the claims."""
        if self.is_broken:
            return
        try:
            self._store.flush(only_if_due=True)
            if self._given_up:
                self._store.give_up(self._given_up)
                self._given_up.clear()
        except StoreError as error:
            self._break(error)

    def claim(self, digest: bytes, upcoming: Iterable[bytes]) -> tuple[Reply | None, bool]:
        """Claim a request, and some of the next ones at the same time. Few at a time share the rows best.

        Returns:
            The reply if it is stored, and whether another process sends the request.
        """
        if digest in self._claimed:
            self._claimed.remove(digest)
            return None, False
        before, self._claimed_at = self._claimed_at, time.monotonic()
        self._claim_rows = min(2 * self._claim_rows, CLAIM_ROWS) if self._claimed_at - before < CLAIM_S else 1
        digests = {digest, *islice(upcoming, self._claim_rows - 1)} - self.freed.keys()
        stored, others = self._claim_all(digests)
        self._claimed |= digests - stored.keys() - others - {digest}
        return stored.get(digest), digest in others

    def poll(self) -> Iterator[tuple[list[int], bytes, Reply]]:
        """Yield the answers that another process stored: rows, hash and reply. What it gave up becomes `freed`."""
        if not self.elsewhere or time.monotonic() - self._polled_at < POLL_S:
            return
        self._polled_at = time.monotonic()
        digests = list(self.elsewhere)
        for start in range(0, len(digests), MAX_KEYS):
            part = digests[start : start + MAX_KEYS]
            stored, others = self._claim_all(part)
            for digest in part:
                if digest in stored:
                    yield self.elsewhere.pop(digest).rows, digest, stored[digest]
                elif digest not in others:
                    self.freed[digest] = self.elsewhere.pop(digest)

    def restart(self, waiting: dict[bytes, Pending]) -> None:
        """Claim these requests instead of all others: the model was replaced."""
        self._claimed.clear()
        self.freed.clear()
        self.elsewhere, self._polled_at = waiting, 0.0

    def close(self) -> None:
        """Write what is left, and close the store."""
        try:
            self._store.close()
        except StoreError as error:
            self._break(error)

    def _claim_all(self, digests: Collection[bytes]) -> tuple[dict[bytes, Reply], set[bytes]]:
        try:
            return ({}, set()) if self.is_broken else self._store.claim(digests)
        except StoreError as error:
            self._break(error)
            return {}, set()

    def _break(self, error: StoreError) -> None:
        if not self.is_broken:
            self._fail(error)
            self.is_broken = True
