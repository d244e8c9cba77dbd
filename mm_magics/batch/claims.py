"""Claims: which process sends a request, so that processes with one store pay for an answer once.

A process claims the hash of a request before it sends it, and gives the claim up with the answer or the failure. Each
process has one lease for all its claims, which it renews by counting up. Another process takes the claims over once it
has seen the same count for `EXPIRY_S` by its own monotonic clock. No times are compared, so it does not matter whether
clocks jump or differ.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Iterable

from mm_magics.batch.store_file import StoreFile

RENEW_S = 1.0
EXPIRY_S = 5.0
"""After how long without a renewal a lease is taken over."""


class Claims:
    """The claims of this process in a file. `held` are the hashes that it claims."""

    def __init__(self, file: StoreFile) -> None:
        self.held: set[int] = set()
        self._execute, self._executemany = file.connection.execute, file.connection.executemany
        self._owner = secrets.randbits(62)
        self._renewed_at: float | None = None
        self._seen: dict[int, tuple[int, float]] = {}

    @property
    def must_renew(self) -> bool:
        return self._renewed_at is not None and time.monotonic() - self._renewed_at >= RENEW_S

    def renew(self) -> None:
        """Show the other processes that this one is alive. Call it in a transaction."""
        self._renewed_at = time.monotonic()
        self._execute(
            "INSERT INTO owners VALUES (?, 0) ON CONFLICT (id) DO UPDATE SET beats = beats + 1", (self._owner,)
        )

    def take(self, hashes: Collection[int]) -> set[int]:
        """Claim these hashes and return those that another process claims. Call it in a transaction."""
        if self._renewed_at is None:
            self.renew()
        marks = ",".join("?" * len(hashes))
        found = dict(self._execute(f"SELECT hash, owner FROM claims WHERE hash IN ({marks})", tuple(hashes)))  # noqa: S608
        expired = {owner for owner in set(found.values()) - {self._owner} if self._is_expired(owner)}
        for owner in expired:
            self._drop(owner)
        others = {each for each, owner in found.items() if owner not in expired and owner != self._owner}
        mine = set(hashes) - others
        self._executemany("INSERT OR REPLACE INTO claims VALUES (?, ?)", ((each, self._owner) for each in mine))
        self.held |= mine
        return others

    def give_up(self, hashes: Iterable[int]) -> None:
        """Give claims up. Call it in a transaction, that of the answers if there are answers."""
        given = [(each, self._owner) for each in hashes if each in self.held]
        self._executemany("DELETE FROM claims WHERE hash = ? AND owner = ?", given)
        self.held.difference_update(each for each, _ in given)

    def end(self) -> None:
        """Give up everything. Call it in a transaction."""
        if self._renewed_at is not None:
            self._drop(self._owner)
        self.held.clear()
        self._renewed_at = None

    def _is_expired(self, owner: int) -> bool:
        row = self._execute("SELECT beats FROM owners WHERE id = ?", (owner,)).fetchone()
        if row is None:
            return True
        beats, now = row[0], time.monotonic()
        seen, since = self._seen.get(owner, (None, now))
        if seen != beats:
            self._seen[owner] = (beats, now)
            return False
        return now - since >= EXPIRY_S

    def _drop(self, owner: int) -> None:
        self._execute("DELETE FROM claims WHERE owner = ?", (owner,))
        self._execute("DELETE FROM owners WHERE id = ?", (owner,))
