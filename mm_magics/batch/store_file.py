"""The SQLite file of an answer store: how it is opened, created and locked, and what its errors mean.

A file that is not a store is never modified. Several processes can use one file at the same time (WAL mode). A file
that is only read can be on a file system that cannot be written.
"""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mm_magics.errors import StoreError

APPLICATION_ID = 0x4D4D6167
"""SQLite's `application_id` of a store, which tells it from any other database."""
SCHEMA = 2
LOCK_TIMEOUT_S = 30.0
"""How long to wait while another process writes."""
RETRY_S = 0.02
"""How long to wait before another attempt to open a file that another process is creating."""

_TABLES = """
CREATE TABLE answers (
  id INTEGER PRIMARY KEY, sha256 BLOB NOT NULL, created TEXT NOT NULL, model TEXT NOT NULL, messages TEXT NOT NULL,
  responses TEXT NOT NULL, checksum INTEGER NOT NULL, damaged INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE hashes (hash INTEGER NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (hash, id)) WITHOUT ROWID;
CREATE TABLE indexed (id INTEGER NOT NULL);
INSERT INTO indexed VALUES (0);
CREATE TABLE claims (hash INTEGER PRIMARY KEY, owner INTEGER NOT NULL);
CREATE TABLE owners (id INTEGER PRIMARY KEY, beats INTEGER NOT NULL)
"""
"""Answers are appended, so few pages are written for each. `hashes` has the answers up to `indexed`."""


class StoreFile:
    """An open file. Raises `StoreError` if it cannot be opened. Several threads may use it, one at a time.

    Attributes:
        schema: The schema of the file. One of schema 1 that is only read has its answers in `first_table`.
        first_table: The table with the answers that were stored with schema 1; "" without any.
    """

    def __init__(self, path: Path, *, read_only: bool) -> None:
        self.path, self._read_only = path, read_only
        self.schema, self.first_table = SCHEMA, ""
        with self.translated_errors():
            self.connection = self._connect()
        try:
            with self.translated_errors():
                self._retried(self._open)
        except BaseException:
            self.connection.close()
            raise

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Write what the block writes, or nothing of it."""
        execute = self.connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            yield
            execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                execute("ROLLBACK")
            raise

    @contextmanager
    def translated_errors(self) -> Iterator[None]:
        """Raise `StoreError` for the errors of SQLite."""
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

    def _create_file(self) -> None:
        """Create the file for its owner only. SQLite gives its other files the same mode."""
        if str(self.path) != ":memory:":
            with suppress(OSError):  # it exists, or SQLite says why it cannot be used
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))

    def _connect(self) -> sqlite3.Connection:
        if not self._read_only or str(self.path) == ":memory:":
            self._create_file()
            return sqlite3.connect(self.path, timeout=LOCK_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        uri = f"{self.path.absolute().as_uri()}?mode=ro"
        connection = sqlite3.connect(
            uri, timeout=LOCK_TIMEOUT_S, isolation_level=None, uri=True, check_same_thread=False
        )
        log = self.path.with_name(f"{self.path.name}-wal")
        try:
            connection.execute("SELECT 1 FROM sqlite_schema").fetchone()
        except sqlite3.OperationalError:
            connection.close()
            if log.exists() and log.stat().st_size:
                raise  # answers in it would be missing
            # WAL mode needs files beside this one, which cannot be created here. So nobody else can write to it either.
            return sqlite3.connect(f"{uri}&immutable=1", isolation_level=None, uri=True, check_same_thread=False)
        return connection

    def _retried(self, action: Callable[[], None]) -> None:
        """Repeat while another process creates the file: to change the journal mode, SQLite does not wait."""
        deadline = time.monotonic() + LOCK_TIMEOUT_S
        while True:
            try:
                return action()
            except sqlite3.OperationalError as error:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                    raise
                if time.monotonic() > deadline:
                    raise
            time.sleep(RETRY_S * random.uniform(0.5, 1.5))

    def _open(self) -> None:
        execute = self.connection.execute
        execute("BEGIN")  # one consistent view: another process may be creating the file
        (application_id,) = execute("PRAGMA application_id").fetchone()
        (self.schema,) = execute("PRAGMA user_version").fetchone()
        empty = not execute("SELECT 1 FROM sqlite_schema").fetchone()
        execute("COMMIT")
        if application_id == 0 and self.schema == 0 and empty and not self._read_only:
            self._create()
        elif application_id != APPLICATION_ID:
            raise StoreError(
                f"{self.path} is a database, but not an answer store.", "Name another file. This one was not changed."
            )
        elif self.schema not in (1, SCHEMA):
            raise StoreError(
                f"{self.path} is an answer store of schema {self.schema}; this version of mm_magics reads schema "
                f"{SCHEMA}.",
                "Update mm_magics, or name another file. This one was not changed.",
            )
        if not self._read_only:
            execute("PRAGMA synchronous = NORMAL")
            self._update()
        if self.schema == 1:
            self.first_table = "answers"
        elif execute("SELECT 1 FROM sqlite_schema WHERE name = 'first_answers'").fetchone():
            self.first_table = "first_answers"

    def _create(self) -> None:
        self.connection.execute("PRAGMA journal_mode = WAL")
        with self.transaction():
            if not self.connection.execute("SELECT 1 FROM sqlite_schema").fetchone():  # else another was faster
                self.connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                self._add_tables()
        self.schema = SCHEMA

    def _update(self) -> None:
        """Add the tables of this schema to a file of schema 1, whose answers stay where they are."""
        if self.schema == 1:
            self.connection.execute("SELECT messages FROM answers LIMIT 1").fetchone()  # raises an error if damaged
            with self.transaction():
                (self.schema,) = self.connection.execute("PRAGMA user_version").fetchone()
                if self.schema == 1:  # else another process was faster
                    self.connection.execute("ALTER TABLE answers RENAME TO first_answers")
                    self._add_tables()
        self.schema = SCHEMA

    def _add_tables(self) -> None:
        for statement in _TABLES.split(";"):
            self.connection.execute(statement)
        self.connection.execute(f"PRAGMA user_version = {SCHEMA}")
