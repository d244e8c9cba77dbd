"""One model call: what the line brings becomes events, until the message is complete or the call is over.

Always true: `assembler` holds what has come, at every moment and after every exit; no wait is longer than POLL_S, so
a stop is noticed within it whatever the socket does.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from mm_magics.endpoint.assembler import Assembler
from mm_magics.endpoint.error_body import error_from_body
from mm_magics.endpoint.reader import Chunk, Ended, Exchange, Opened, Retrying, silence
from mm_magics.endpoint.sse import SSEDecoder, parse
from mm_magics.endpoint.stream_events import BlockStart, BlockStop, Delta, StreamEvent
from mm_magics.errors import EndpointError, MiniMaxError, ProtocolError, StatusError
from mm_magics.interrupts import StoppedError

POLL_S = 0.1
END_S = 0.02
"""How long to wait after `message_stop` for the body's end, so that the connection can be used again."""

SNIFF = 65_536


class Idle(NamedTuple):
    """Nothing came for a moment; a view may use it to show what it holds back."""


CallEvent = StreamEvent | Retrying | Idle
Wake = Callable[[], float | None]
"""When (by `time.monotonic`) an `Idle` is wanted at the latest; None for whenever."""


class Call:
    """One exchange, as an iterator of events.

    `timeout` bounds each silence, `max_seconds` the whole, both in seconds; `stop`, once set, ends it.
    `first_token_s` and `seconds` count from `begin`; `thinking_s` is how long thinking blocks took to come.
    """

    def __init__(self, exchange: Exchange, timeout: float, max_seconds: float, stop: threading.Event) -> None:
        self.assembler = Assembler()
        self.first_token_s: float | None = None
        self.thinking_s = 0.0
        self.opened: Opened | None = None
        self._exchange, self._timeout, self._max_seconds, self._stop = exchange, timeout, max_seconds, stop
        self._began = self._progress = time.monotonic()
        self._begun = False
        self._seconds: float | None = None
        self._thinking_since: float | None = None
        self._head = bytearray()

    @property
    def seconds(self) -> float:
        return self._seconds if self._seconds is not None else time.monotonic() - self._began

    def begin(self) -> None:
        """Send, if that is still to be done; after that, `end` has to follow."""
        if not self._begun:
            self._begun = True
            self._began = self._progress = time.monotonic()
            self._exchange.begin()

    def events(self, wake: Wake) -> Iterator[CallEvent]:
        """Yield the events of the call. Raises `StoppedError` or `EndpointError`, after closing the open blocks."""
        try:
            self.begin()
            yield from self._received(wake)
        except MiniMaxError as error:  # the frames below hold what the endpoint sent, which may be the key
            raise self._exchange.translate(error).with_traceback(None) from None
        finally:
            self.end()

    def _received(self, wake: Wake) -> Iterator[CallEvent]:
        decoder = SSEDecoder()
        while not self.assembler.stopped:
            news = self._next(wake)
            match news:
                case None:
                    yield Idle()
                case Chunk(data):
                    yield from self._chunk(decoder, data)
                case Retrying():
                    yield news
                case Opened():
                    self.opened = news
                    if news.content_type == "text/html":
                        raise _not_the_api(news.content_type, b"")
                case Ended(error):
                    yield from self._end(decoder, error)
        self._exchange.next(END_S)

    def end(self) -> None:
        """End the call if it is not over: the connection is cut, and blocks left open are closed as they are."""
        if self._seconds is None:
            self._seconds = self.seconds
        self._exchange.close()
        list(self.assembler.close())
        self._thought()

    def _next(self, wake: Wake) -> Opened | Retrying | Chunk | Ended | None:
        if self._stop.is_set():
            raise StoppedError
        if self._silent():
            raise silence(self._timeout)
        moment = time.monotonic()
        if moment - self._began >= self._max_seconds:
            raise EndpointError(
                f"The answer was not over after {self._max_seconds:g} s, and was ended.",
                "What came is kept; %minimax set max_seconds allows more.",
            )
        due = wake()
        wait = POLL_S if due is None else min(POLL_S, due - moment)
        return self._exchange.next(wait)

    def _silent(self) -> bool:
        """Whether nothing (pings aside) came for the whole time-out, counted from the last try's sending."""
        tried = self._exchange.tried
        if tried is None or self._exchange.waiting:
            return False
        return time.monotonic() - max(self._progress, tried) >= self._timeout

    def _chunk(self, decoder: SSEDecoder, data: bytes) -> Iterator[StreamEvent]:
        if not self.assembler.started:
            self._head += data
            if self._is_stream():
                del self._head[SNIFF:]
        if self._is_stream():
            yield from self._feed(decoder.decode(data))
        else:
            self._progress = time.monotonic()

    def _is_stream(self) -> bool:
        return self.opened is None or self.opened.content_type != "application/json"

    def _feed(self, events: list[bytes]) -> Iterator[StreamEvent]:
        for data in events:
            if data.strip() == b"[DONE]":
                continue
            event = parse(data)
            if event.get("type") != "ping":
                self._progress = time.monotonic()
            for out in self.assembler.feed(event):
                self._time(out)
                yield out

    def _time(self, event: StreamEvent) -> None:
        if isinstance(event, Delta):
            if self.first_token_s is None:
                self.first_token_s = self.seconds
        elif isinstance(event, BlockStart | BlockStop):
            self._thought()
            if isinstance(event, BlockStart) and event.block.get("type") == "thinking":
                self._thinking_since = self.seconds

    def _thought(self) -> None:
        if self._thinking_since is not None:
            self.thinking_s += self.seconds - self._thinking_since
            self._thinking_since = None

    def _end(self, decoder: SSEDecoder, error: MiniMaxError | None) -> Iterator[StreamEvent]:
        if error is not None:
            raise error
        if self._is_stream():
            yield from self._feed(decoder.flush())
        if self.assembler.stopped:
            return
        if self.assembler.started:
            raise ProtocolError("The answer broke off before its end.", "What came is kept; run the cell again.")
        for out in self.assembler.whole(message_in(self._head, self.opened.content_type if self.opened else "")):
            self._time(out)
            yield out


def message_in(body: bytes | bytearray, content_type: str) -> dict[str, Any]:
    """The message that a body without a stream is. Raises `StatusError` for an error in it, else `ProtocolError`."""
    found = _json(body)
    if found is None:
        raise _not_the_api(content_type, body)
    if "error" in found or found.get("type") == "error":
        raise error_from_body(found)
    base = found.get("base_resp")
    if isinstance(base, dict) and base.get("status_code"):
        raise StatusError(f"{base.get('status_msg')} ({base['status_code']})", status=200)
    return found


def _not_the_api(kind: str, body: bytes | bytearray) -> ProtocolError:
    what = f"with {kind}" if (kind and body) or kind == "text/html" else "with nothing"
    return ProtocolError(
        f"The endpoint answered {what}, not with the Messages API.", "Does the base URL end in /anthropic?"
    )


def _json(data: bytes | bytearray) -> dict[str, Any] | None:
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None
