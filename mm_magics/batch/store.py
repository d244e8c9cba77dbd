"""The answer store: one SQLite file that maps the hash of each request to its answer.

An answer is in the file as soon as `COMMIT_ROWS` answers or `COMMIT_S` seconds have passed, and is never changed
afterwards. One that is damaged is marked, and another answer takes its place. Processes that share a store claim the
requests that they send.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from jiter import from_json

from mm_magics.api.messages import Message
from mm_magics.batch.claims import Claims
from mm_magics.batch.store_file import StoreFile
from mm_magics.history.turn import is_message_list, now
from mm_magics.json_size import check_size
from mm_magics.system import other_owner

MAX_KEYS = 999
"""Hashes per query: the limit of SQLite's older versions."""
COMMIT_ROWS = 100
COMMIT_S = 0.1
INDEX_ROWS = 4_096
"""The index of hashes is extended by at least this many answers at once, and by an eighth of those that it has."""


class _Row(NamedTuple):
    """An answer that is not written yet."""

    digest: bytes
    model: str
    messages: str
    responses: str

    @property
    def checksum(self) -> int:
        return checksum(self.messages, self.responses)


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

    A map run opens its store by itself; open it here to look into it. Several threads may use it, one at a time.

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
        self._recent: dict[bytes, int] = {}
        """The answers that are not in the index yet, as far as this process knows them."""
        self._known = 0
        self._file = StoreFile(self.path, read_only=read_only)
        self._claims = Claims(self._file)
        self._connection = self._file.connection

    def get(self, digest: bytes) -> Reply | None:
        """Return the reply to the request with this hash (`request_sha256` as bytes); None if it is not stored."""
        return self.get_many([digest]).get(digest)

    def get_many(self, digests: Collection[bytes]) -> dict[bytes, Reply]:
        """Return the stored replies to the requests with these hashes, by hash. Takes up to `MAX_KEYS` hashes."""
        with self._file.translated_errors():
            return self._find(digests)

    def claim(self, digests: Collection[bytes]) -> tuple[dict[bytes, Reply], set[bytes]]:
        """Claim the requests with these hashes. Takes up to `MAX_KEYS` hashes.

        Returns:
            The replies that are stored, and the hashes that another process claims: it sends those requests. All others
            are claimed until their reply is written, or until `give_up`.
        """
        with self._file.translated_errors(), self._file.transaction():
            found = self._find(digests)
            missing = {hash_of(digest): digest for digest in digests if digest not in found}
            others = self._claims.take(missing) if missing else set()
            return found, {missing[each] for each in others}

    def give_up(self, digests: Iterable[bytes]) -> None:
        """Give up claims of requests whose replies are not stored."""
        with self._file.translated_errors(), self._file.transaction():
            self._claims.give_up(map(hash_of, digests))

    def put(self, digest: bytes, model: str, reply: Reply) -> None:
        """Store a reply, at the latest with the next `flush`. A reply that is stored already stays."""
        if not self._buffer:
            self._buffered_at = time.monotonic()
        self._buffer.setdefault(digest, _Row(digest, model, _json(reply.messages), _json(reply.responses)))
        if len(self._buffer) >= COMMIT_ROWS:
            self.flush()

    def flush(self, *, only_if_due: bool = False) -> None:
        """Write all replies to the file; with `only_if_due`, only if the oldest has waited for `COMMIT_S`.

        The lease of the claims is renewed if it is time.
        """
        is_due = self._buffer and not (only_if_due and time.monotonic() - self._buffered_at < COMMIT_S)
        if not is_due and not self._claims.must_renew:
            return
        rows, self._buffer = (self._buffer, {}) if is_due else ({}, self._buffer)
        try:
            with self._file.translated_errors(), self._file.transaction():
                self._write(rows)
                if self._claims.must_renew:
                    self._claims.renew()
        except BaseException:  # nothing was written, so what is known of the file is read again
            self._buffer = rows | self._buffer
            self._recent.clear()
            self._known = 0
            raise

    def _write(self, rows: dict[bytes, _Row]) -> None:
        if not rows:
            return
        ids = self._ids(rows)
        found = self._read(ids, rows)
        damaged = [(each,) for each, digest in self._digests(ids) if digest in rows and digest not in found]
        self._connection.executemany("UPDATE answers SET damaged = 1 WHERE id = ?", damaged)
        created, new = now(), [row for row in rows.values() if row.digest not in found]
        self._connection.executemany(
            "INSERT INTO answers (sha256, created, model, messages, responses, checksum) VALUES (?, ?, ?, ?, ?, ?)",
            ((row.digest, created, row.model, row.messages, row.responses, row.checksum) for row in new),
        )
        last = self._last_id()
        self._recent.update(zip((row.digest for row in new), range(last - len(new) + 1, last + 1), strict=True))
        self._known = last
        self._claims.give_up(map(hash_of, rows))
        self._extend_index(last)

    def _last_id(self) -> int:
        (last,) = self._connection.execute("SELECT max(id) FROM answers").fetchone()
        return last or 0

    def _find(self, digests: Collection[bytes]) -> dict[bytes, Reply]:
        found = self._read(self._ids(digests), digests) if self._file.schema > 1 else {}
        if self._file.first_table and (missing := [each for each in digests if each not in found]):
            query = f"SELECT sha256, messages, responses FROM {self._file.first_table} WHERE sha256 IN"  # noqa: S608
            for digest, messages, responses in self._connection.execute(f"{query} ({_marks(missing)})", missing):
                self._add(found, digest, messages, responses)
        for digest in digests if self._buffer else ():
            if digest in self._buffer and digest not in found:
                found[digest] = _reply(self._buffer[digest].messages, self._buffer[digest].responses)
        return found

    def _ids(self, digests: Collection[bytes]) -> list[int]:
        """Return where the answers to these requests are, and maybe some others."""
        execute = self._connection.execute
        (indexed,) = execute("SELECT id FROM indexed").fetchone()
        self._known = max(self._known, indexed)
        query = "SELECT id, sha256 FROM answers WHERE id > ? AND NOT damaged ORDER BY id"
        for each, digest in execute(query, (self._known,)):
            self._recent[digest] = self._known = each
        hashes = [hash_of(digest) for digest in digests]
        indexed = execute(f"SELECT id FROM hashes WHERE hash IN ({_marks(hashes)})", hashes)  # noqa: S608
        return [*{each for (each,) in indexed} | {self._recent[each] for each in digests if each in self._recent}]

    def _digests(self, ids: list[int]) -> list[tuple[int, bytes]]:
        query = f"SELECT id, sha256 FROM answers WHERE id IN ({_marks(ids)}) AND NOT damaged"  # noqa: S608
        return self._connection.execute(query, ids).fetchall()

    def _read(self, ids: list[int], digests: Collection[bytes]) -> dict[bytes, Reply]:
        """Return the replies to these requests that are in these rows."""
        found: dict[bytes, Reply] = {}
        query = f"""
            SELECT sha256, messages, responses, checksum FROM answers WHERE id IN ({_marks(ids)}) AND NOT damaged
        """  # noqa: S608
        for digest, messages, responses, expected in self._connection.execute(query, ids) if ids else ():
            if digest in digests:
                self._add(found, digest, messages, responses, expected)
        return found

    def _add(
        self, found: dict[bytes, Reply], digest: bytes, messages: object, responses: object, expected: int | None = None
    ) -> None:
        try:
            if expected is not None and expected != checksum(messages, responses):
                raise ValueError("an answer was changed")
            found[digest] = _reply(messages, responses)
        except ValueError:
            self.damaged.add(digest)

    def _extend_index(self, last: int) -> None:
        """Add the latest answers to the index if there are many. In order of their hashes, few pages are written."""
        execute = self._connection.execute
        (indexed,) = execute("SELECT id FROM indexed").fetchone()
        if last - indexed < max(INDEX_ROWS, indexed // 8):
            return
        rows = execute("SELECT id, sha256 FROM answers WHERE id > ?", (indexed,)).fetchall()
        pairs = sorted((hash_of(digest), each) for each, digest in rows)
        self._connection.executemany("INSERT OR IGNORE INTO hashes VALUES (?, ?)", pairs)
        execute("UPDATE indexed SET id = ?", (last,))
        self._recent.clear()
        self._known = last

    def models(self) -> set[str]:
        """Return the names of the models that gave the answers."""
        with self._file.translated_errors():
            return {str(name) for table in self._tables() for (name,) in self._select("DISTINCT model", table)}

    def __len__(self) -> int:
        self.flush()
        with self._file.translated_errors():
            return sum(int(count) for table in self._tables() for (count,) in self._select("count(*)", table))

    def _tables(self) -> list[str]:
        return list(filter(None, ["answers" if self._file.schema > 1 else "", self._file.first_table]))

    def _select(self, what: str, table: str) -> list[tuple[Any]]:
        return self._connection.execute(f"SELECT {what} FROM {table}").fetchall()  # noqa: S608

    def close(self) -> None:
        """Write what is left, give up all claims and close the file."""
        try:
            self.flush()
            if not self._read_only:
                with self._file.translated_errors(), self._file.transaction():
                    self._claims.end()
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


def checksum(messages: object, responses: object) -> int:
    """Return the checksum of an answer."""
    return zlib.crc32(f"{messages}\n{responses}".encode("utf-8", "surrogatepass"))


def hash_of(digest: bytes) -> int:
    """Return the part of a hash that the index has."""
    return int.from_bytes(digest[:8], "big", signed=True)


def _marks(values: Collection[Any]) -> str:
    return ",".join("?" * len(values))
