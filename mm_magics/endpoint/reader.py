"""Send one request and read its response in a thread of its own.

A `ResponseReader` owns the attempts at one request. Its reader thread alone touches the HTTP response, and only ever
puts events into a queue; the caller's thread takes them out. So a KeyboardInterrupt never lands inside the HTTP
library, and the caller never waits longer than it chooses to, whatever the socket does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import count
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, NamedTuple, Protocol

from mm_magics.endpoint import retries
from mm_magics.endpoint.error_mapping import ErrorMapper, retry_delay
from mm_magics.endpoint.sdk import pace_reads
from mm_magics.errors import ConnectionFailedError, EndpointError, ProtocolError

if TYPE_CHECKING:
    import httpx2

MAX_RESPONSE_BYTES = 256_000_000
"""Limit for one decompressed response, so that an endless one does not fill the memory."""

READ_PAUSE_S = 1 / 20
"""Shortest time between two reads of a slow reader."""

STOP_POLL_S = 0.1
"""Longest wait for an event, so that Stop and Ctrl-C are noticed in time on every system."""


class Opened(NamedTuple):
    """The endpoint responded with 200. `content_type` has no parameters; no other header is passed on."""

    content_type: str


class Retrying(NamedTuple):
    """An attempt failed for the reason `why`. Retry number `attempt`, of at most `of`, follows in `seconds`."""

    attempt: int
    of: int
    seconds: float
    why: str

    def __str__(self) -> str:
        delay = retries.format_duration(self.seconds)
        return f"{self.why.rstrip('.')}; retrying in {delay} ({self.attempt} of {self.of})"


class Chunk(NamedTuple):
    """Bytes of the response body, decompressed."""

    data: bytes


class Ended(NamedTuple):
    """The last event. `error` is the exception that ended the response, as raised; None if it is complete."""

    error: Exception | None


ReaderEvent = Opened | Retrying | Chunk | Ended


class Connection(Protocol):
    """A connection that sends one request at a time, and can be cut from another thread."""

    def prepare(self) -> None:
        """Import and create what sending needs."""

    def send(self) -> httpx2.Response:
        """Send the request once, and return the response with its body unread."""

    def cut(self) -> None:
        """Shut the sockets. Nothing is sent afterwards. Can be repeated."""

    def release(self) -> None:
        """Allow another call to use the sockets."""


class ResponseReader:
    """Reads the response to one request: `start` sends it, `next` returns its events, `close` cancels it.

    `sent_at` is when (by `time.monotonic`) the current attempt was sent, None while no attempt is running. If it
    `is_slow`, it reads at most 20 times a second, which costs other threads less.
    """

    def __init__(self, connect: Callable[[], Connection], errors: ErrorMapper, max_retries: int) -> None:
        self.errors = errors
        self.sent_at: float | None = None
        self.is_slow = False
        self._connect, self._max_retries = connect, max_retries
        self._connection: Connection | None = None
        self._events: SimpleQueue[ReaderEvent] = SimpleQueue()
        self._closed = threading.Event()
        self._ended = False

    def start(self) -> None:
        """Send the request. The caller already owns the reader, so an interrupt in here leaves no call behind."""
        self._connection = self._connect()
        threading.Thread(target=self._read, args=(self._connection,), name="mm_magics-reader", daemon=True).start()

    def next(self, timeout: float) -> ReaderEvent | None:
        """Return the next event, or None if none arrives within `timeout` seconds; `Ended(None)` after the end."""
        if self._ended:
            return Ended(None)
        try:
            event = self._events.get(timeout=timeout) if timeout > 0 else self._events.get_nowait()
        except Empty:
            return None
        self._ended = isinstance(event, Ended)
        return event

    @property
    def has_event(self) -> bool:
        """Whether `next` would return an event at once."""
        return not self._events.empty()

    def close(self) -> None:
        """Cancel the call. The connection is cut unless the whole response was read. Can be repeated if interrupted."""
        if not self._ended:
            self._closed.set()
            if self._connection is not None:
                self._connection.cut()
            self._ended = True

    # In the reader thread

    def _read(self, connection: Connection) -> None:
        ended = Ended(EndpointError("The call failed."))  # the caller receives an end whatever happens here
        try:
            self._receive(connection)
        except Exception as error:
            ended = Ended(error)
        else:
            ended = Ended(None)
        finally:
            connection.release()
            self._events.put(ended)

    def _receive(self, connection: Connection) -> None:
        response = self._response(connection)
        try:
            content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            self._events.put(Opened(content_type))
            if self.is_slow:
                pace_reads(response, READ_PAUSE_S, self._closed.wait)
            size = 0
            for data in response.iter_bytes():
                size += len(data)
                if size > MAX_RESPONSE_BYTES:
                    raise ProtocolError(
                        f"The response exceeded {MAX_RESPONSE_BYTES // 1_000_000} MB and was cancelled."
                    )
                self._events.put(Chunk(data))
                if self._closed.is_set():
                    break
        finally:
            response.close()

    def _response(self, connection: Connection) -> httpx2.Response:
        """Send until an attempt succeeds, fails for good, or is the last one allowed."""
        connection.prepare()
        for attempt in count(1):
            if self._closed.is_set():
                raise ConnectionFailedError("The call was cancelled before it was sent.")
            self.sent_at = time.monotonic()
            try:
                return connection.send()
            except Exception as error:
                if attempt > self._max_retries or (seconds := retry_delay(error, attempt)) is None:
                    raise
                reason = self.errors.translate(error).message
            self.sent_at = None
            self._events.put(Retrying(attempt, self._max_retries, seconds, reason))
            self._closed.wait(seconds)
        raise AssertionError
