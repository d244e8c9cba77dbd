"""Run one model call and yield its events until the message is complete.

`Call.assembler` holds the content received so far, at every moment and after every exit.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from typing import Any, NamedTuple

from mm_magics.endpoint.assembler import Assembler
from mm_magics.endpoint.error_body import error_from_base_resp, error_from_body
from mm_magics.endpoint.error_hints import ASK_BASE_URL
from mm_magics.endpoint.error_mapping import no_response
from mm_magics.endpoint.reader import STOP_POLL_S, Chunk, Ended, Opened, ReaderEvent, ResponseReader, Retrying
from mm_magics.endpoint.sse import SSEDecoder, parse, too_large
from mm_magics.endpoint.stream_events import BlockStart, BlockStop, Delta, StreamEvent
from mm_magics.errors import EndpointError, MiniMaxError, ProtocolError
from mm_magics.interrupts import StoppedError
from mm_magics.json_size import MAX_BYTES, JSONSizeError, read_json

END_WAIT_S = 0.02
"""How long to wait for the end of the body after `message_stop`, so that the connection can be reused."""

STOP_WAIT_S = 2.0
"""How long to wait for `message_stop` once nothing else is missing."""

MAX_HEAD_BYTES = 65_536
"""How much of a stream without any message is kept, to describe it in an error."""


class Idle(NamedTuple):
    """Nothing was received for a moment. A view can use it to show text that it holds back."""


CallEvent = StreamEvent | Retrying | Idle
Wake = Callable[[], float | None]
"""Returns when (by `time.monotonic`) an `Idle` is needed at the latest; None if at no particular time."""


class Call:
    """One model call, as an iterator of events.

    `first_token_s` and `seconds` count from `begin`; `thinking_s` is how long the thinking blocks took.

    Args:
        reader: Sends the request and reads the response.
        timeout: Seconds without data from the endpoint after which the call fails.
        max_seconds: Seconds after which the whole call fails, retries included.
        stop: Cancels the call once it is set.
    """

    def __init__(self, reader: ResponseReader, timeout: float, max_seconds: float, stop: threading.Event) -> None:
        self.assembler = Assembler()
        self.first_token_s: float | None = None
        self.thinking_s = 0.0
        self.opened: Opened | None = None
        self._reader, self._timeout, self._max_seconds, self._stop = reader, timeout, max_seconds, stop
        self._began = self._progress = time.monotonic()
        self._begun = False
        self._seconds: float | None = None
        self._thinking_since: float | None = None
        self._head = bytearray()

    @property
    def seconds(self) -> float:
        """How long the call took, or has taken so far."""
        return self._seconds if self._seconds is not None else time.monotonic() - self._began

    @property
    def has_begun(self) -> bool:
        """Whether the request was sent."""
        return self._begun

    def begin(self) -> None:
        """Send the request, unless it was sent already. `end` must follow."""
        if not self._begun:
            self._begun = True
            self._began = self._progress = time.monotonic()
            self._reader.start()

    def events(self, wake: Wake) -> Iterator[CallEvent]:
        """Yield the events of the call.

        Raises:
            StoppedError: If `stop` was set.
            EndpointError: If the call fails. Open blocks are closed before it is raised.
        """
        failure: Exception | None = None
        try:
            self.begin()
            failure = yield from self._received(wake)
        except MiniMaxError as error:
            failure = error
        finally:
            self.end()
        if failure is not None:
            failure = self._reader.errors.translate(failure)
            # without the frames below: they hold what the endpoint sent, which may include the key
            raise failure.with_traceback(None) from None

    def _received(self, wake: Wake) -> Generator[CallEvent, None, Exception | None]:
        """Yield the events of the call, and return the exception that ended its response."""
        decoder = SSEDecoder()
        while not self.assembler.stopped:
            event = self._next(wake)
            match event:
                case None:
                    yield Idle()
                case Chunk(data):
                    yield from self._chunk(decoder, data)
                case Retrying():
                    yield event
                case Opened():
                    self.opened = event
                    if event.content_type == "text/html":
                        raise _not_the_api(event.content_type, b"")
                case Ended(None):
                    yield from self._end(decoder)
                case Ended(error):
                    if not self.assembler.is_complete:
                        return error
                    yield self.assembler.stop()
        self._reader.next(END_WAIT_S)
        return None

    def end(self) -> None:
        """Cancel the call if it is still running, and close its open blocks as they are."""
        if self._seconds is None:
            self._seconds = self.seconds
        self._reader.close()
        list(self.assembler.close())
        self._end_thinking()

    def _next(self, wake: Wake) -> ReaderEvent | None:
        if self._stop.is_set():
            raise StoppedError
        moment = time.monotonic()
        if self.assembler.is_complete and moment - self._progress >= STOP_WAIT_S:
            return Ended(None)
        if self._timed_out():
            raise no_response(self._timeout)
        if moment - self._began >= self._max_seconds:
            raise EndpointError(
                f"The response was not complete after {self._max_seconds:g} s and was cancelled.",
                "The partial response is kept. To allow more time, use %minimax set max_seconds.",
            )
        due = wake()
        wait = STOP_POLL_S if due is None else min(STOP_POLL_S, due - moment)
        return self._reader.next(wait)

    def _timed_out(self) -> bool:
        """Whether nothing but pings was received for the whole timeout, counted from the latest attempt."""
        sent_at = self._reader.sent_at
        if sent_at is None or self._reader.has_event:
            return False
        return time.monotonic() - max(self._progress, sent_at) >= self._timeout

    def _chunk(self, decoder: SSEDecoder, data: bytes) -> Iterator[StreamEvent]:
        if not self.assembler.started:
            self._head += data
            if len(self._head) > MAX_BYTES:
                raise too_large(f"more than {MAX_BYTES // 1_000_000} MB")
            if self._is_stream():
                del self._head[MAX_HEAD_BYTES:]
        if self._is_stream():
            yield from self._feed(decoder.decode(data))
        else:
            self._progress = time.monotonic()

    def _is_stream(self) -> bool:
        return self.opened is None or self.opened.content_type != "application/json"

    def _feed(self, events: list[bytes]) -> Iterator[StreamEvent]:
        for data in events:
            if self._stop.is_set():
                raise StoppedError
            if data.strip() == b"[DONE]":
                continue
            event = parse(data)
            if event.get("type") != "ping":
                self._progress = time.monotonic()
            yield from self._timed(self.assembler.feed(event))

    def _timed(self, events: Iterator[StreamEvent]) -> Iterator[StreamEvent]:
        """Pass the events on, and measure the time to the first token and the time of thinking."""
        for event in events:
            if isinstance(event, Delta):
                if self.first_token_s is None:
                    self.first_token_s = self.seconds
            elif isinstance(event, BlockStart | BlockStop):
                self._end_thinking()
                if isinstance(event, BlockStart) and event.block.get("type") == "thinking":
                    self._thinking_since = self.seconds
            yield event

    def _end_thinking(self) -> None:
        if self._thinking_since is not None:
            self.thinking_s += self.seconds - self._thinking_since
            self._thinking_since = None

    def _end(self, decoder: SSEDecoder) -> Iterator[StreamEvent]:
        if self._is_stream():
            yield from self._feed(decoder.flush())
        if self.assembler.stopped:
            return
        if self.assembler.is_complete:
            yield self.assembler.stop()
            return
        if self.assembler.started:
            raise ProtocolError(
                "The response ended before it was complete.", "The partial response is kept. Run the cell again."
            )
        message = message_in(self._head, self.opened.content_type if self.opened else "")
        yield from self._timed(self.assembler.whole(message))


def message_in(body: bytes | bytearray, content_type: str) -> dict[str, Any]:
    """Return the message that a body without a stream contains.

    Raises:
        StatusError: If the body is an error.
        ProtocolError: If it is neither a message nor an error, or too large.
    """
    found = _json(body)
    if found is None:
        raise _not_the_api(content_type, body)
    if "error" in found or found.get("type") == "error":
        raise error_from_body(found)
    if (error := error_from_base_resp(found)) is not None:
        raise error
    return found


def _not_the_api(content_type: str, body: bytes | bytearray) -> ProtocolError:
    what = content_type if (content_type and body) or content_type == "text/html" else "an empty body"
    return ProtocolError(
        f"The endpoint responded with {what}, not with a Messages API response.",
        ASK_BASE_URL,
    )


def _json(data: bytes | bytearray) -> dict[str, Any] | None:
    try:
        body = read_json(data)
    except JSONSizeError as error:
        raise too_large(str(error)) from None
    except ValueError:
        return None
    return body if isinstance(body, dict) else None
