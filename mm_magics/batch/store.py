"""The answer store: one SQLite file that maps the hash of each request to its answer.

An answer is in the file before the next event of the run is handled, and is never changed afterwards. A file that is
not a store of this schema is never modified. Several processes can use one store at the same time (WAL mode).
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Collection, Iterator
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

APPLICATION_ID = 0x4D4D6167
"""SQLite's `application_id` of a store, which tells it from any other database."""
SCHEMA = 1
MAX_KEYS = 999
"""Hashes per query: the limit of SQLite's older versions."""
LOCK_TIMEOUT_S = 30.0
"""How long to wait while another process writes."""

_TABLE = """
CREATE TABLE answers (
  sha256 BLOB PRIMARY KEY, created TEXT NOT NULL, model TEXT NOT NULL, messages TEXT NOT NULL, responses TEXT NOT NULL
) WITHOUT ROWID
"""


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

    Raises:
        StoreError: The file is not a store, is damaged, or cannot be read or written. Every method raises it as well.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with self._translated_errors():
            self._create_file()
            self._connection = sqlite3.connect(self.path, timeout=LOCK_TIMEOUT_S, isolation_level=None)
        try:
            with self._translated_errors():
                self._open()
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
            return {digest: _reply(messages, responses) for digest, messages, responses in rows}

    def put(self, digest: bytes, model: str, reply: Reply) -> None:
        """Store a reply. If the request has a stored reply already, that one is kept."""
        values = (digest, now(), model, _json(reply.messages), _json(reply.responses))
        with self._translated_errors():
            self._connection.execute("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?)", values)

    def models(self) -> set[str]:
        """Return the names of the models that gave the answers."""
        with self._translated_errors():
            return {str(name) for (name,) in self._connection.execute("SELECT DISTINCT model FROM answers")}

    def __len__(self) -> int:
        with self._translated_errors():
            return int(self._connection.execute("SELECT count(*) FROM answers").fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    @property
    def other_owner(self) -> str:
        """The name of the file's owner if that is not the user of this process; else ""."""
        try:
            owner = self.path.stat().st_uid
        except OSError:
            return ""
        if not hasattr(os, "getuid") or owner == os.getuid():
            return ""
        import pwd

        try:
            return pwd.getpwuid(owner).pw_name
        except KeyError:
            return f"user {owner}"

    def _create_file(self) -> None:
        """Create the file for its owner only. SQLite gives its other files the same mode."""
        if str(self.path) != ":memory:":
            with suppress(OSError):  # it exists, or SQLite says why it cannot be used
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))

    def _open(self) -> None:
        execute = self._connection.execute
        execute("BEGIN")  # one consistent view: another process may be creating the file
        (application_id,) = execute("PRAGMA application_id").fetchone()
        (schema,) = execute("PRAGMA user_version").fetchone()
        empty = not execute("SELECT 1 FROM sqlite_schema").fetchone()
        execute("COMMIT")
        if application_id == 0 and schema == 0 and empty:
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


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
