"""The answer store: one SQLite file that maps the hash of each request to its answer.

An answer is in the file as soon as `COMMIT_ROWS` answers or `COMMIT_S` seconds have passed, and is never changed
afterwards, unless it is damaged. A file that is not a store of this schema is never modified. Several processes can use
one store at the same time (WAL mode). A store that is only read can be on a file system that cannot be written.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from jiter import from_json

from mm_magics.api.messages import Message
from mm_magics.errors import StoreError
from mm_magics.history.turn import is_message_list, now
from mm_magics.json_size import check_size
from mm_magics.system import other_owner

APPLICATION_ID = 0x4D4D6167
"""SQLite's `application_id` of a store, which tells it from any other database."""
SCHEMA = 1
MAX_KEYS = 999
"""Hashes per query: the limit of SQLite's older versions."""
LOCK_TIMEOUT_S = 30.0
"""How long to wait while another process writes."""

COMMIT_ROWS = 100
COMMIT_S = 0.1
RETRY_S = 0.02
"""How long to wait before another attempt to open a file that another process is creating."""

_TABLE = """
CREATE TABLE answers (
  sha256 BLOB PRIMARY KEY, created TEXT NOT NULL, model TEXT NOT NULL, messages TEXT NOT NULL, responses TEXT NOT NULL
) WITHOUT ROWID
"""


_Row = tuple[bytes, str, str, str]
"""A row of the table, without the time of its creation."""


@dataclass(frozen=True)
class Reply:
    """What the endpoint sent for one request.

    Attributes:
        messages: The messages that follow the user's, verbatim. There is more than one if an answer did not match its
            schema and was corrected.
        responses: One dict per call, as in the turn record: `id`, `model`, `stop_reason`, `usage` and `seconds`.

    >>> answer = {"role": "assistant", "content": [{"type": "text", "text": "good"}]}
    >>> Reply([answer], [{"stop_reason": "end_turn", "usage": {"output_tokens": 1}}]).messages[0]["content"][0]["text"]
    'good'
    """

    messages: list[Message]
    responses: list[dict[str, Any]]

    @property
    def instead_of(self) -> str:
        """The default model that was not offered, as `Turn.instead_of`."""
        return str(self.responses[0].get("instead_of") or "") if self.responses else ""


class Store:
    """An answer store in a SQLite file.

    A map run opens its store by itself; open it here to look into it. Use a store only in the thread that opened it.

    >>> import tempfile
    >>> from mm_magics import Session, map_prompts
    >>> from mm_magics.simulator import Simulator
    >>> with tempfile.TemporaryDirectory() as folder, Simulator() as endpoint:
    ...     with Session(base_url=endpoint.base_url, api_key=endpoint.key) as session:
    ...         path = f"{folder}/answers.sqlite"
    ...         _ = map_prompts("Translate: {{ row }}", ["one", "two"], session=session, store=path, progress=False)
    ...         digest = bytes.fromhex(session.prepare("Translate: one", context="none").request.sha256)
    ...     with Store(path) as store:
    ...         len(store), store.get(digest).responses[0]["stop_reason"]
    (2, 'end_turn')

    Args:
        path: The file; it is created if it does not exist.
        read_only: Only read it, and create nothing.

    Attributes:
        damaged: The hashes of answers that were looked up and cannot be read. They count as missing, and are replaced.

    Raises:
        StoreError: The file is not a store, is damaged, or cannot be read or written. Every method raises it as well.
    """

    def __init__(self, path: str | Path, *, read_only: bool = False) -> None:
        self.path = Path(path)
        self.damaged: set[bytes] = set()
        self._read_only = read_only
        self._buffer: dict[bytes, _Row] = {}
        self._buffered_at = 0.0
        with self._translated_errors():
            self._connection = self._connect()
        try:
            with self._translated_errors():
                self._retried(self._open)
        except BaseException:
            self._connection.close()
            raise

    def get(self, digest: bytes) -> Reply | None:
        """Return the reply to the request with this hash (`request_sha256` as bytes); None if it is not stored."""
        return self.get_many([digest]).get(digest)

    def get_many(self, digests: Collection[bytes]) -> dict[bytes, Reply]:
        """Return the stored replies to the requests with these hashes, by hash. Takes up to `MAX_KEYS` hashes."""
        marks = ",".join("?" * len(digests))
        query = f"SELECT sha256, messages, responses FROM answers WHERE sha256 IN ({marks})"  # noqa: S608
        with self._translated_errors():
            rows = self._connection.execute(query, tuple(digests))
            found = {}
            for digest, messages, responses in rows:
                try:
                    found[digest] = _reply(messages, responses)
                except ValueError:
                    self.damaged.add(digest)
            for digest in digests if self._buffer else ():
                if digest in self._buffer and digest not in found:
                    found[digest] = _reply(*self._buffer[digest][-2:])
            return found

    def put(self, digest: bytes, model: str, reply: Reply) -> None:
        """Store a reply, at the latest with the next `flush`. A reply that is stored already stays."""
        if not self._buffer:
            self._buffered_at = time.monotonic()
        row = (digest, model, _json(reply.messages), _json(reply.responses))
        self._buffer.setdefault(digest, row)
        if len(self._buffer) >= COMMIT_ROWS:
            self.flush()

    def flush(self, *, only_if_due: bool = False) -> None:
        """Write all replies to the file; with `only_if_due`, only if the oldest has waited for `COMMIT_S`."""
        if not self._buffer or (only_if_due and time.monotonic() - self._buffered_at < COMMIT_S):
            return
        created = now()
        rows, self._buffer = [(digest, created, *rest) for digest, *rest in self._buffer.values()], {}
        with self._translated_errors():
            execute = self._connection.execute
            execute("BEGIN IMMEDIATE")
            try:
                damaged = [(row[0],) for row in rows if row[0] in self.damaged]
                self._connection.executemany("DELETE FROM answers WHERE sha256 = ?", damaged)
                self._connection.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?)", rows)
                execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    execute("ROLLBACK")
                raise

    def models(self) -> set[str]:
        """Return the names of the models that gave the answers."""
        with self._translated_errors():
            return {str(name) for (name,) in self._connection.execute("SELECT DISTINCT model FROM answers")}

    def __len__(self) -> int:
        self.flush()
        with self._translated_errors():
            return int(self._connection.execute("SELECT count(*) FROM answers").fetchone()[0])

    def close(self) -> None:
        """Write what is left and close the file."""
        try:
            self.flush()
        finally:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    @property
    def other_owner(self) -> str:
        """The name of the file's owner if that is not the user of this process; else ""."""
        return other_owner(self.path)

    def _create_file(self) -> None:
        """Create the file for its owner only. SQLite gives its other files the same mode."""
        if str(self.path) != ":memory:":
            with suppress(OSError):  # it exists, or SQLite says why it cannot be used
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))

    def _connect(self) -> sqlite3.Connection:
        if not self._read_only or str(self.path) == ":memory:":
            self._create_file()
            return sqlite3.connect(self.path, timeout=LOCK_TIMEOUT_S, isolation_level=None)
        uri = f"{self.path.absolute().as_uri()}?mode=ro"
        connection = sqlite3.connect(uri, timeout=LOCK_TIMEOUT_S, isolation_level=None, uri=True)
        log = self.path.with_name(f"{self.path.name}-wal")
        try:
            connection.execute("SELECT 1 FROM sqlite_schema").fetchone()
        except sqlite3.OperationalError:
            connection.close()
            if log.exists() and log.stat().st_size:
                raise  # answers in it would be missing
            # WAL mode needs files beside this one, which cannot be created here. So nobody else can write to it either.
            return sqlite3.connect(f"{uri}&immutable=1", isolation_level=None, uri=True)
        return connection

    def _retried(self, action: Callable[[], None]) -> None:
        """Repeat while another process creates the file: to change the journal mode, SQLite does not wait."""
        deadline = time.monotonic() + LOCK_TIMEOUT_S
        while True:
            try:
                return action()
            except sqlite3.OperationalError as error:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                    raise
                if time.monotonic() > deadline:
                    raise
            time.sleep(RETRY_S * random.uniform(0.5, 1.5))

    def _open(self) -> None:
        execute = self._connection.execute
        execute("BEGIN")  # one consistent view: another process may be creating the file
        (application_id,) = execute("PRAGMA application_id").fetchone()
        (schema,) = execute("PRAGMA user_version").fetchone()
        empty = not execute("SELECT 1 FROM sqlite_schema").fetchone()
        execute("COMMIT")
        if application_id == 0 and schema == 0 and empty and not self._read_only:
            self._create()
        elif application_id != APPLICATION_ID:
            raise StoreError(
                f"{self.path} is a database, but not an answer store.", "Name another file. This one was not changed."
            )
        elif schema != SCHEMA:
            raise StoreError(
                f"{self.path} is an answer store of schema {schema}; this version of mm_magics reads schema {SCHEMA}.",
                "Update mm_magics, or name another file. This one was not changed.",
            )
        if not self._read_only:
            execute("PRAGMA synchronous = NORMAL")

    def _create(self) -> None:
        execute = self._connection.execute
        execute("PRAGMA journal_mode = WAL")
        execute("BEGIN IMMEDIATE")
        if not execute("SELECT 1 FROM sqlite_schema").fetchone():  # else another process was faster
            execute(_TABLE)
            execute(f"PRAGMA application_id = {APPLICATION_ID}")
            execute(f"PRAGMA user_version = {SCHEMA}")
        execute("COMMIT")

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise StoreError(
                f"Cannot use the answer store {self.path}: {error}.",
                "Check that the disk has space and that the file can be written, or name another file: "
                "%minimax set store FILE, or the argument `store`. Stored answers are not lost.",
            ) from error
        except (sqlite3.DatabaseError, ValueError) as error:
            raise StoreError(
                f"The answer store {self.path} is damaged: {error}.",
                "Name another file, or move this one away. It was not changed.",
            ) from error


def open_store(path: Path, *, read_only: bool) -> Store:
    """Open a store. If it does not exist and is only read, it is empty."""
    return Store(path if path.exists() or not read_only else ":memory:", read_only=read_only and path.exists())


def _parsed(text: str) -> Any:
    check_size(text)
    return from_json(text.encode())


def _reply(messages: object, responses: object) -> Reply:
    """Read what is stored. Raises `ValueError` if it does not have the form of a reply."""
    if not isinstance(messages, str) or not isinstance(responses, str):
        raise ValueError("an answer is not text")
    reply = Reply(_parsed(messages), _parsed(responses))
    if not (is_message_list(reply.messages) and all(map(_has_blocks, reply.messages))):
        raise ValueError("an answer has no messages")
    if not (isinstance(reply.responses, list) and all(map(_is_response, reply.responses))):
        raise ValueError("an answer has no list of responses")
    return reply


def _has_blocks(message: Message) -> bool:
    content = message["content"]
    return isinstance(content, str) or all(isinstance(each, dict) for each in content)


def _is_response(value: object) -> bool:
    if not isinstance(value, dict):
        return False
    texts = (value.get(name) for name in ("id", "model", "stop_reason", "instead_of"))
    usage = value.get("usage")
    return all(each is None or isinstance(each, str) for each in texts) and (usage is None or isinstance(usage, dict))


_json = json.JSONEncoder(separators=(",", ":")).encode
