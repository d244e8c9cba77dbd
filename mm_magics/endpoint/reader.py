"""One call of the endpoint, as news from a thread that reads.

Threads: each `Exchange` has a reader thread, which alone touches the HTTP response and only ever puts into a queue;
the caller's thread takes from that queue. So a KeyboardInterrupt never lands inside the HTTP library, and the caller
can wait for news with a bound, whatever the socket does.

Always true: the last news is `Ended`, and one answer brings no more than MOST_BYTES.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, NamedTuple

from mm_magics.endpoint import retries
from mm_magics.errors import ConnectionFailedError, EndpointError, MiniMaxError, ProtocolError

if TYPE_CHECKING:
    import httpx2

MOST_BYTES = 256_000_000
"""What one answer may have at most, unpacked: an endpoint that never ends fills no memory."""


class Opened(NamedTuple):
    """The endpoint answered with 200; `content_type` without parameters. No other header is passed on."""

    content_type: str


class Retrying(NamedTuple):
    """A try failed, `why` says how; the next one, counted from 1 `of` at most, comes in `seconds`."""

    attempt: int
    of: int
    seconds: float
    why: str

    def __str__(self) -> str:
        return f"{self.why.rstrip('.')}; trying again in {retries.spoken(self.seconds)} ({self.attempt} of {self.of})"


class Chunk(NamedTuple):
    data: bytes


class Ended(NamedTuple):
    """Nothing more comes; `error` says why, None where the answer simply ended."""

    error: MiniMaxError | None


News = Opened | Retrying | Chunk | Ended


def silence(seconds: float) -> ConnectionFailedError:
    return ConnectionFailedError(
        f"The endpoint said nothing for {seconds:g} s.",
        "What came is kept; run the cell again, or give --timeout more.",
    )


class Exchange:
    """One call: `begin` sends it, `next` gives its news in order, `close` ends it from the caller's side at any moment.

    `translate` makes one of our errors, fit to be shown, of any error. `tried` is when (by `time.monotonic`) the last
    try was sent, None where none is under way.
    """

    def __init__(
        self,
        post: Callable[[Exchange], httpx2.Response],
        translate: Callable[[BaseException], MiniMaxError],
        cut: Callable[[], None],
    ) -> None:
        self._news: SimpleQueue[News] = SimpleQueue()
        self._post, self.translate, self._cut = post, translate, cut
        self.tried: float | None = None
        self._closed = threading.Event()
        self._ended = False

    def begin(self) -> None:
        """Send; once. Who calls this has the exchange already, so that an interrupt orphans none."""
        threading.Thread(target=self._read, name="mm_magics-reader", daemon=True).start()

    def next(self, timeout: float) -> News | None:
        """The next news, or None if there is none within `timeout` seconds; after `Ended` always `Ended(None)`."""
        if self._ended:
            return Ended(None)
        try:
            news = self._news.get(timeout=max(timeout, 0.0)) if timeout > 0 else self._news.get_nowait()
        except Empty:
            return None
        self._ended = isinstance(news, Ended)
        return news

    @property
    def waiting(self) -> bool:
        """Whether there is news already."""
        return not self._news.empty()

    @property
    def closed(self) -> bool:
        """Whether the caller has left."""
        return self._closed.is_set()

    def close(self) -> None:
        """End the call; its connection is closed unless the whole answer was read. Can be repeated if interrupted."""
        if not self._ended:
            self._closed.set()
            self._cut()
            self._ended = True

    # In the reader thread

    def starts(self) -> None:
        """A try is about to be sent. Raises if the caller has left meanwhile."""
        if self._closed.is_set():
            raise ConnectionFailedError("The call was ended before it was sent.")
        self.tried = time.monotonic()

    def waits(self, retrying: Retrying) -> None:
        """Tell of the next try, and wait for its time, or until the caller leaves."""
        self.tried = None
        self._news.put(retrying)
        self._closed.wait(retrying.seconds)

    def _read(self) -> None:
        ended = Ended(EndpointError("The call failed."))  # whatever happens here, the caller hears of the end
        try:
            self._receive()
        except Exception as error:
            ended = Ended(self.translate(error))
        else:
            ended = Ended(None)
        finally:
            self._news.put(ended)

    def _receive(self) -> None:
        response = self._post(self)
        try:
            content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            self._news.put(Opened(content_type))
            size = 0
            for data in response.iter_bytes():
                size += len(data)
                if size > MOST_BYTES:
                    raise ProtocolError(f"The answer went on past {MOST_BYTES // 1_000_000} MB, and was ended.")
                self._news.put(Chunk(data))
                if self._closed.is_set():
                    break
        finally:
            response.close()
