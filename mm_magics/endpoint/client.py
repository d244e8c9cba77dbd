"""The HTTP client of one endpoint, built on the `anthropic` SDK.

The key is sent to the host it was given for and nowhere else (redirects are not followed), in the `Authorization`
header and in no other; only a list of models that is refused with it is requested again with `X-Api-Key`.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from mm_magics.endpoint.error_hints import base_url_hint
from mm_magics.endpoint.error_mapping import ErrorMapper
from mm_magics.endpoint.keys import Key
from mm_magics.endpoint.network_errors import network_environment
from mm_magics.endpoint.reader import STOP_POLL_S, Chunk, Ended, ResponseReader
from mm_magics.endpoint.sdk import http_options, import_sdk, opened_socket, raw_response, sdk_options, strip_sdk_headers
from mm_magics.errors import ConnectionFailedError, EndpointError, ProtocolError, StatusError
from mm_magics.interrupts import StoppedError
from mm_magics.json_size import read_json

if TYPE_CHECKING:
    import anthropic
    import httpx2

X_API_KEY = "X-Api-Key"
MAX_MODEL_PAGES = 100
MAX_MODEL_PAGE_BYTES = 10_000_000


class Client:
    """A client for one endpoint that keeps its connections open between calls. Each call that runs has its own.

    `reads_slowly` lets the readers of messages be slow (`ResponseReader.is_slow`).
    """

    def __init__(self, base_url: str, key: Key, *, timeout: float, max_retries: int) -> None:
        self.base_url = base_url
        self.key = key
        self.timeout = timeout
        self.max_retries = max_retries
        self.reads_slowly = False
        self._errors = ErrorMapper(base_url, key, timeout)
        self._pools: list[_Pool] = []

    def message_reader(self, body: bytes) -> ResponseReader:
        """Return a reader for `POST /v1/messages` with this body, not started yet."""
        reader = self._reader(lambda sdk: _post_message(sdk, body), self.max_retries)
        reader.is_slow = self.reads_slowly
        return reader

    def models(self, stop: threading.Event | None = None) -> list[dict[str, Any]]:
        """Return all entries of `GET /v1/models`, received within `timeout`. Failed pages are not retried.

        Raises:
            EndpointError: If the endpoint cannot be reached, or its list is invalid or endless.
            StoppedError: If `stop` is set.
        """
        until, stop = time.monotonic() + self.timeout, stop or threading.Event()
        try:
            try:
                return list(self._models(until, stop, "Authorization"))
            except StatusError as error:
                if error.status not in (401, 403):
                    raise
                with suppress(StatusError):
                    return list(self._models(until, stop, X_API_KEY))
                raise
        except KeyboardInterrupt:
            raise KeyboardInterrupt from None  # without the frames below, which hold what the endpoint sent
        except EndpointError as error:
            raise error.with_traceback(None) from None

    def _models(self, until: float, stop: threading.Event, header: str) -> Iterator[dict[str, Any]]:
        query: dict[str, object] = {"limit": 100}
        for _ in range(MAX_MODEL_PAGES):
            page = self._model_page(query, until, stop, header)
            data = page.get("data") if isinstance(page, dict) else None
            if not isinstance(data, list):
                raise ProtocolError("The endpoint's list of models is invalid.", base_url_hint(self.base_url))
            yield from (entry for entry in data if isinstance(entry, dict) and isinstance(entry.get("id"), str))
            if not data or not page.get("has_more") or page.get("last_id") == query.get("after_id"):
                return
            query["after_id"] = page.get("last_id")
        raise _endless()

    def _model_page(self, query: dict[str, object], until: float, stop: threading.Event, header: str) -> Any:
        """Return one page of the list as JSON, None if it is not JSON."""
        reader = self._reader(lambda sdk: _get_models(sdk, query, header), max_retries=0)
        body = bytearray()
        try:
            reader.start()
            while True:
                if stop.is_set():
                    raise StoppedError
                if (left := until - time.monotonic()) <= 0:
                    raise ConnectionFailedError(
                        f"The endpoint's list of models did not arrive within {self.timeout:g} s.",
                        "Try again, or allow more time with %minimax set timeout.",
                    )
                match reader.next(min(left, STOP_POLL_S)):
                    case Chunk(data):
                        body += data
                        if len(body) > MAX_MODEL_PAGE_BYTES:
                            raise _endless()
                    case Ended(None):
                        return read_json(body)
                    case Ended(Exception() as error):
                        raise self._errors.translate(error)
        except ValueError:
            return None
        finally:
            reader.close()

    def close(self) -> None:
        """Close the connections. The next call opens a new one."""
        pools, self._pools = self._pools, []
        for pool in pools:
            pool.cut()

    def _reader(self, send: Callable[[anthropic.Anthropic], Any], max_retries: int) -> ResponseReader:
        return ResponseReader(lambda: _Connection(self._free_pool(), send), self._errors, max_retries)

    def _free_pool(self) -> _Pool:
        """Return a pool that no call uses. To cut a call, all sockets of its pool are shut."""
        environment = network_environment()
        for pool in [*self._pools]:
            if pool.environment != environment and pool.claim():
                pool.cut()
            if pool.is_cut:
                with suppress(ValueError):  # another thread has removed it
                    self._pools.remove(pool)
        free = next((pool for pool in [*self._pools] if pool.claim()), None)
        if free is None:
            free = _Pool(self.base_url, self.key, self.timeout)
            free.claim()
            self._pools.append(free)
        return free


class LastClient:
    """The client for the options that were used last. It stays open until they change."""

    def __init__(self) -> None:
        self._client: Client | None = None

    def get(self, base_url: str, key: Key, *, timeout: float, max_retries: int) -> Client:
        """Return the client for these options."""
        options, old = (base_url, key, timeout, max_retries), self._client
        if old is not None and (old.base_url, old.key, old.timeout, old.max_retries) == options:
            return old
        self.close()
        self._client = Client(base_url, key, timeout=timeout, max_retries=max_retries)
        return self._client

    def close(self) -> None:
        """Close its connections."""
        if self._client is not None:
            self._client.close()
        self._client = None


class _Pool:
    """One SDK client and the sockets it has opened, for one call at a time.

    Once cut, it sends nothing, even from a thread that is late.
    """

    def __init__(self, base_url: str, key: Key, timeout: float) -> None:
        self.is_cut = False
        self.environment = network_environment()
        self._base_url, self._key, self._timeout = base_url, key, timeout
        self._sdk: anthropic.Anthropic | None = None
        self._sockets: list[socket.socket] = []
        self._creating = threading.Lock()
        self._in_use = threading.Lock()

    def claim(self) -> bool:
        """Take the pool for a call, in one step that no interrupt can divide. Return whether it was free."""
        return self._in_use.acquire(blocking=False)

    def release(self) -> None:
        """Allow another call to use it."""
        self._in_use.release()

    def sdk(self) -> anthropic.Anthropic:
        with self._creating:
            if self._sdk is None:
                self._sdk = self._new_sdk_client()
            return self._sdk

    def cut(self) -> None:
        """Shut every socket: a thread that reads from one wakes up, and the endpoint stops generating."""
        self.is_cut = True
        for opened in self._sockets:
            _shut(opened)
        if self._sdk is not None:
            self._sdk.close()

    def _new_sdk_client(self) -> anthropic.Anthropic:
        import_sdk()
        import httpx2
        from anthropic import Anthropic

        from mm_magics.endpoint.http_clients import BoundedErrorClient

        http = http_options(self._base_url, self._timeout, httpx2.HTTPTransport)
        http["event_hooks"] = {"request": [self._before_request]}
        return Anthropic(**sdk_options(self._base_url, self._timeout), http_client=BoundedErrorClient(**http))

    def _before_request(self, request: httpx2.Request) -> None:
        if self.is_cut:
            raise ConnectionFailedError("The call was cancelled before it was sent.")
        strip_sdk_headers(request.headers)
        if X_API_KEY in request.headers:
            request.headers[X_API_KEY] = self._key.reveal()
        else:
            request.headers["Authorization"] = f"Bearer {self._key.reveal()}"
        request.extensions["trace"] = self._trace

    def _trace(self, _event: str, info: Mapping[str, Any]) -> None:
        """Remember each socket as it opens, so that a call can be cut at any moment."""
        if (opened := opened_socket(info)) is not None:
            self._sockets = [*(known for known in self._sockets if known.fileno() >= 0), opened]
            if self.is_cut:
                _shut(opened)


class _Connection:
    """Sends one request over a pool; the `Connection` of a `ResponseReader`."""

    def __init__(self, pool: _Pool, send: Callable[[anthropic.Anthropic], Any]) -> None:
        self._pool, self._send = pool, send

    def prepare(self) -> None:
        self._pool.sdk()

    def send(self) -> httpx2.Response:
        return cast("httpx2.Response", self._send(self._pool.sdk()))

    def cut(self) -> None:
        self._pool.cut()

    def release(self) -> None:
        self._pool.release()


def _post_message(sdk: anthropic.Anthropic, body: bytes) -> Any:
    import anthropic

    headers = {"Content-Type": "application/json", "Accept": "text/event-stream, application/json"}
    return sdk.post(
        "/v1/messages", content=body, options={"headers": headers}, **raw_response(anthropic.Stream[object])
    )


def _get_models(sdk: anthropic.Anthropic, query: dict[str, object], header: str) -> Any:
    import anthropic

    headers = {X_API_KEY: "-", "Authorization": anthropic.Omit()} if header == X_API_KEY else {}
    options: Any = {"params": query, "headers": headers}
    return sdk.get("/v1/models", options=options, **raw_response(anthropic.Stream[object]))


def _endless() -> ProtocolError:
    return ProtocolError(
        "The endpoint's list of models does not end.", "You can use any model name: %minimax model NAME."
    )


def _shut(opened: socket.socket) -> None:
    try:
        opened.shutdown(socket.SHUT_RDWR)
    except OSError:  # already closed
        return
