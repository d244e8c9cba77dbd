"""The line to an endpoint: the `anthropic` client, one key in one header, and every fault as one of our errors.

The HTTP response is touched by the reader thread of its `Exchange` alone.

Always true: the key goes to the host that it was given for and nowhere else (no redirect is followed), in
`Authorization`, and in no other header.
"""

from __future__ import annotations

import gc
import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from itertools import count
from typing import TYPE_CHECKING, Any

from mm_magics.endpoint.error_mapping import Faults, pause_after
from mm_magics.endpoint.keys import Key
from mm_magics.endpoint.reader import Chunk, Ended, Exchange, Retrying
from mm_magics.errors import ConnectionFailedError, MiniMaxError, ProtocolError

if TYPE_CHECKING:
    import anthropic
    import httpx2

API_VERSION = "2023-06-01"
CONNECT_TIMEOUT = 10.0
NO_PROXY = ("all://localhost", "all://127.0.0.1", "all://[::1]")
"""No proxy of the environment gets a key that is for this machine."""

MOST_PAGES, MOST_LIST = 100, 10_000_000
"""What a list of models may have: pages, and bytes a page."""

POLL_S = 0.1
"""No wait is longer, so that an interrupt is noticed on every system."""


class Client:
    """A connection to one endpoint, kept open between calls. Not for concurrent calls."""

    def __init__(self, base_url: str, key: Key, *, timeout: float, max_retries: int) -> None:
        self.base_url = base_url
        self.key = key
        self.timeout = timeout
        self.max_retries = max_retries
        self._faults = Faults(base_url, key, timeout)
        self._sdk: anthropic.Anthropic | None = None
        self._making = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._reader = threading.local()

    def exchange(self, body: bytes) -> Exchange:
        """`POST /v1/messages` with this body, still to begin; the answer comes as news."""
        return Exchange(lambda exchange: self._tried(body, exchange), self._faults.translate, self._cut)

    def models(self) -> list[dict[str, Any]]:
        """All entries of `GET /v1/models`: each page in one try, all within `timeout`. Raises `EndpointError`."""
        try:
            return list(self._models(time.monotonic() + self.timeout))
        except KeyboardInterrupt:
            raise KeyboardInterrupt from None  # without the frames below, which hold what the endpoint sent
        except MiniMaxError as error:
            raise self._faults.translate(error).with_traceback(None) from None

    def _models(self, until: float) -> Iterator[dict[str, Any]]:
        query: dict[str, object] = {"limit": 100}
        for _ in range(MOST_PAGES):
            page = self._page(query, until)
            data = page.get("data") if isinstance(page, dict) else None
            if not isinstance(data, list):
                raise ProtocolError("The endpoint's list of models is not one.", "Does the base URL end in /anthropic?")
            yield from (entry for entry in data if isinstance(entry, dict) and isinstance(entry.get("id"), str))
            if not data or not page.get("has_more") or page.get("last_id") == query.get("after_id"):
                return
            query["after_id"] = page.get("last_id")
        raise _endless()

    def _page(self, query: dict[str, object], until: float) -> Any:
        """One page of the list, None if it is no JSON."""
        exchange = Exchange(lambda each: self._get(query, each), self._faults.translate, self._cut)
        body = bytearray()
        try:
            exchange.begin()
            while True:
                if (left := until - time.monotonic()) <= 0:
                    raise ConnectionFailedError(
                        f"The endpoint's list of models did not come within {self.timeout:g} s.",
                        "Ask for it again, or allow more: %minimax set timeout.",
                    )
                match exchange.next(min(left, POLL_S)):
                    case Chunk(data):
                        body += data
                        if len(body) > MOST_LIST:
                            raise _endless()
                    case Ended(error):
                        if error is not None:
                            raise error
                        return json.loads(body)
        except (ValueError, RecursionError):
            return None
        finally:
            exchange.close()

    def close(self) -> None:
        self._cut()

    def _sdk_client(self) -> anthropic.Anthropic:
        with self._making:
            if self._sdk is None:
                self._sdk = self._new_sdk_client()
            return self._sdk

    def _new_sdk_client(self) -> anthropic.Anthropic:
        import_sdk()
        from anthropic import Anthropic

        from mm_magics.endpoint.http_clients import RefusalReader

        http = http_options(self.base_url, self.timeout)
        http["event_hooks"] = {"request": [self._before_request]}
        return Anthropic(**sdk_options(self.base_url, self.timeout), http_client=RefusalReader(**http))

    def _tried(self, body: bytes, exchange: Exchange) -> httpx2.Response:
        """The response, after as many tries as it takes and the settings allow."""
        import_sdk()
        self._reader.exchange = exchange
        for attempt in count(1):
            try:
                return self._post(body)
            except Exception as error:
                if attempt > self.max_retries or (seconds := pause_after(error, attempt)) is None:
                    raise
                exchange.waits(Retrying(attempt, self.max_retries, seconds, self._faults.translate(error).message))
        raise AssertionError

    def _post(self, body: bytes) -> httpx2.Response:
        import anthropic
        import httpx2

        response: object = self._sdk_client().post(
            "/v1/messages",
            cast_to=httpx2.Response,
            content=body,
            options={
                "headers": {"Content-Type": "application/json", "Accept": "text/event-stream, application/json"},
            },
            stream=True,
            stream_cls=anthropic.Stream[object],  # never made: the response itself is asked for
        )
        assert isinstance(response, httpx2.Response)
        return response

    def _get(self, query: dict[str, object], exchange: Exchange) -> httpx2.Response:
        import_sdk()
        import anthropic
        import httpx2

        self._reader.exchange = exchange
        response: object = self._sdk_client().get(
            "/v1/models",
            cast_to=httpx2.Response,
            options={"params": query},
            stream=True,
            stream_cls=anthropic.Stream[object],
        )
        assert isinstance(response, httpx2.Response)
        return response

    def _before_request(self, request: httpx2.Request) -> None:
        request.headers["Authorization"] = f"Bearer {self.key.reveal()}"
        request.extensions["trace"] = self._trace
        if (exchange := self._exchange_here()) is not None:
            exchange.starts()

    def _exchange_here(self) -> Exchange | None:
        """The exchange whose reader thread this is; None in any other."""
        return getattr(self._reader, "exchange", None)

    def _trace(self, _event: str, info: Mapping[str, Any]) -> None:
        """Remember each socket that is opened, so that a call can be cut at any moment."""
        stream: Any = info.get("return_value")
        if hasattr(stream, "get_extra_info") and (opened := stream.get_extra_info("socket")) is not None:
            self._sockets = [*(known for known in self._sockets if known.fileno() >= 0), opened]
            if (exchange := self._exchange_here()) is not None and exchange.closed:
                _shut(opened)

    def _cut(self) -> None:
        """Shut every socket: a reader that waits on one wakes, and the endpoint stops generating."""
        for opened in self._sockets:
            _shut(opened)
        if self._sdk is not None:
            self._sdk.close()
        self._sdk, self._sockets = None, []


def _endless() -> ProtocolError:
    return ProtocolError("The endpoint's list of models has no end.", "Any name can be tried: %minimax model NAME.")


def sdk_options(base_url: str, timeout: float) -> dict[str, Any]:
    """What every client of the SDK is made with. It knows no key, and looks for none."""
    import anthropic

    return {
        "base_url": base_url,
        "api_key": "-",  # the SDK shows what it holds, so the key is put into each request as it leaves
        "timeout": _seconds(timeout),
        "max_retries": 0,  # new tries are our own
        "default_headers": {
            "anthropic-version": API_VERSION,  # these outrank ANTHROPIC_CUSTOM_HEADERS, which may hold another key
            "Authorization": "-",
            "X-Api-Key": anthropic.Omit(),
        },
    }


def http_options(base_url: str, timeout: float) -> dict[str, Any]:
    """What every HTTP client is made with."""
    from http.cookiejar import CookieJar, DefaultCookiePolicy

    return {
        "timeout": _seconds(timeout),
        "follow_redirects": False,
        "cookies": CookieJar(DefaultCookiePolicy(allowed_domains=())),  # one of a hostile endpoint stops all calls
        "mounts": dict.fromkeys(NO_PROXY),
        "verify": base_url.startswith("https:"),  # reading certificates takes 25 ms, and http has none
    }


def _seconds(timeout: float) -> Any:
    """Half the time-out at most to connect, so that a host that is not there is told from one that is silent."""
    import anthropic

    return anthropic.Timeout(timeout, connect=min(CONNECT_TIMEOUT, timeout / 2))


def import_sdk() -> None:
    """Import the SDK, if that is still to be done.

    The import makes 130,000 objects that stay; not looking for garbage meanwhile saves a tenth of its time.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        import anthropic  # noqa: F401
    finally:
        if collecting:
            gc.enable()


def _shut(opened: socket.socket) -> None:
    try:
        opened.shutdown(socket.SHUT_RDWR)
    except OSError:  # it is closed already
        return
