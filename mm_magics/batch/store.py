"""The store: answers in one SQLite file, under the hash of the request that each answers.

Always true: an answer is in the file before the next news is looked at; one that is there is never changed; a file
that is no store of this schema is left as it is. Several processes may use one store at once (WAL).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from jiter import from_json

from mm_magics.api.messages import Message
from mm_magics.errors import StoreError
from mm_magics.history.turn import now

APPLICATION = 0x4D4D6167
"""SQLite's `application_id` of a store: it tells one from any other database."""
SCHEMA = 1
MOST_KEYS = 999
"""Hashes that one question may have: SQLite's bound, in its older versions."""
LOCKED_S = 30.0
"""How long another process's write is waited for."""

_TABLE = """
CREATE TABLE answers (
  sha256 BLOB PRIMARY KEY, created TEXT NOT NULL, model TEXT NOT NULL, messages TEXT NOT NULL, responses TEXT NOT NULL
) WITHOUT ROWID
"""


@dataclass(frozen=True)
class Reply:
    """What came for one request: the messages after the user's, verbatim, and one response for each call made.

    `responses` are as in the turn record: `id`, `model`, `stop_reason`, `usage`, `seconds`.
    """

    messages: list[Message]
    responses: list[dict[str, Any]]


class Store:
    """The answers in this file, which is made if it is not there. For the thread that opened it alone.

    Raises `StoreError`, here and in every method, with what to do.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with self._said():
            self._base = sqlite3.connect(self.path, timeout=LOCKED_S, isolation_level=None)
        try:
            with self._said():
                self._open()
        except BaseException:
            self._base.close()
            raise

    def get(self, digest: bytes) -> Reply | None:
        """What is stored for the request with this hash; None if nothing is."""
        with self._said():
            row = self._base.execute("SELECT messages, responses FROM answers WHERE sha256 = ?", (digest,)).fetchone()
            return _reply(*row) if row else None

    def among(self, digests: Collection[bytes]) -> dict[bytes, Reply]:
        """What is stored for the requests with these hashes, MOST_KEYS at most."""
        marks = ",".join("?" * len(digests))
        with self._said():
            found = self._base.execute(f"SELECT * FROM answers WHERE sha256 IN ({marks})", tuple(digests))  # noqa: S608
            return {row[0]: _reply(row[3], row[4]) for row in found}

    def put(self, digest: bytes, model: str, reply: Reply) -> None:
        """Store an answer; one that is stored already stays."""
        values = (digest, now(), model, _json(reply.messages), _json(reply.responses))
        with self._said():
            self._base.execute("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?)", values)

    def __len__(self) -> int:
        with self._said():
            return int(self._base.execute("SELECT count(*) FROM answers").fetchone()[0])

    def close(self) -> None:
        self._base.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def _open(self) -> None:
        self._base.execute("BEGIN")  # one look: another process may be making it
        (application,) = self._base.execute("PRAGMA application_id").fetchone()
        (schema,) = self._base.execute("PRAGMA user_version").fetchone()
        empty = not self._base.execute("SELECT 1 FROM sqlite_schema").fetchone()
        self._base.execute("COMMIT")
        if application == 0 and schema == 0 and empty:
            self._make()
        elif application != APPLICATION:
            raise StoreError(f"{self.path} is a database, but no store of answers.", "Name another file; it is kept.")
        elif schema != SCHEMA:
            raise StoreError(
                f"{self.path} is a store of schema {schema}; this version reads {SCHEMA}.",
                "Update mm_magics, or name another file; it is kept.",
            )
        self._base.execute("PRAGMA synchronous = NORMAL")

    def _make(self) -> None:
        self._base.execute("PRAGMA journal_mode = WAL")
        self._base.execute("BEGIN IMMEDIATE")
        if not self._base.execute("SELECT 1 FROM sqlite_schema").fetchone():  # else another process was first
            self._base.execute(_TABLE)
            self._base.execute(f"PRAGMA application_id = {APPLICATION}")
            self._base.execute(f"PRAGMA user_version = {SCHEMA}")
        self._base.execute("COMMIT")

    @contextmanager
    def _said(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise StoreError(
                f"The store {self.path} cannot be used: {error}.",
                "Is there room on the disk, and may the file be written? What is stored is kept.",
            ) from error
        except (sqlite3.DatabaseError, ValueError) as error:
            raise StoreError(
                f"The store {self.path} is damaged: {error}.", "Name another file, or move it away; it is kept."
            ) from error


def _reply(messages: str, responses: str) -> Reply:
    return Reply(from_json(messages.encode()), from_json(responses.encode()))


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
