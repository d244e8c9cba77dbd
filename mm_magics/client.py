"""The line to an endpoint: the `anthropic` client, one key in one header, and every fault as one of our errors.

Threads: each `Exchange` has a reader thread, which alone touches the HTTP response and only ever puts into a queue;
the caller's thread takes from that queue. So a KeyboardInterrupt never lands inside the HTTP library, and the caller
can wait for news with a bound, whatever the socket does.

Always true: the key goes to the host that it was given for and nowhere else (no redirect is followed), in
`Authorization`, and in no other header.
"""

from __future__ import annotations

import gc
import socket
import threading
import time
from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from mm_magics import models
from mm_magics.errors import ConnectionFailed, EndpointError, MiniMaxError, ProtocolError, StatusError, reported
from mm_magics.keys import MINIMAX_HOSTS, Key

if TYPE_CHECKING:
    import anthropic
    import httpx2

API_VERSION = "2023-06-01"
CONNECT_TIMEOUT = 10.0
MAX_ERROR_BODY = 2_000
NO_PROXY = ("all://localhost", "all://127.0.0.1", "all://[::1]")
"""No proxy of the environment gets a key that is for this machine."""


class Opened(NamedTuple):
    """The endpoint answered with 200; `content_type` without parameters, header names in lower case."""

    content_type: str
    headers: Mapping[str, str]


class Retrying(NamedTuple):
    """A try failed; this is the next one, counted from 1."""

    attempt: int


class Chunk(NamedTuple):
    data: bytes


class Ended(NamedTuple):
    """Nothing more comes; `error` says why, None where the answer simply ended."""

    error: MiniMaxError | None


News = Opened | Retrying | Chunk | Ended


class Client:
    """A connection to one endpoint, kept open between calls. Not for concurrent calls."""

    def __init__(self, base_url: str, key: Key, *, timeout: float, max_retries: int) -> None:
        self.base_url = base_url
        self.key = key
        self.timeout = timeout
        self.max_retries = max_retries
        self._sdk: anthropic.Anthropic | None = None
        self._making = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._reader = threading.local()

    def send(self, body: bytes) -> Exchange:
        """Begin `POST /v1/messages` with this body; the answer comes as news."""
        return Exchange(lambda exchange: self._post(body, exchange), self._error, self._cut)

    def models(self) -> list[dict[str, Any]]:
        """All entries of `GET /v1/models`. Raises `EndpointError`."""
        found: list[dict[str, Any]] = []
        query: dict[str, object] = {"limit": 100}
        try:
            while True:
                page: Any = self._sdk_client().get("/v1/models", cast_to=object, options={"params": query})
                data = page.get("data") if isinstance(page, dict) else None
                if not isinstance(data, list):
                    raise ProtocolError("The endpoint's list of models is not one.")
                found += [entry for entry in data if isinstance(entry, dict) and isinstance(entry.get("id"), str)]
                if not data or not page.get("has_more") or page.get("last_id") == query.get("after_id"):
                    return found
                query["after_id"] = page.get("last_id")
        except KeyboardInterrupt:
            raise KeyboardInterrupt from None  # without the frames below, whose variables hold the key
        except Exception as error:
            raise self._error(error) from None

    def close(self) -> None:
        self._cut()

    def _sdk_client(self) -> anthropic.Anthropic:
        with self._making:
            if self._sdk is None:
                self._sdk = self._new_sdk_client()
            return self._sdk

    def _new_sdk_client(self) -> anthropic.Anthropic:
        _import()
        import anthropic

        seconds = anthropic.Timeout(self.timeout, connect=min(CONNECT_TIMEOUT, self.timeout))
        return anthropic.Anthropic(
            base_url=self.base_url,
            api_key="-",  # the SDK shows what it holds, so the key is put into each request as it leaves
            timeout=seconds,
            max_retries=self.max_retries,
            default_headers={
                "anthropic-version": API_VERSION,  # these outrank ANTHROPIC_CUSTOM_HEADERS, which may hold another key
                "Authorization": "-",
                "X-Api-Key": anthropic.Omit(),  # type: ignore[dict-item]  # it is taken, the annotation does not say so
            },
            http_client=anthropic.DefaultHttpxClient(
                timeout=seconds,
                follow_redirects=False,
                mounts=dict.fromkeys(NO_PROXY),
                verify=self.base_url.startswith("https:"),  # reading certificates takes 25 ms, and http has none
                event_hooks={"request": [self._before_request]},
            ),
        )

    def _post(self, body: bytes, exchange: Exchange) -> httpx2.Response:
        _import()
        import anthropic
        import httpx2

        self._reader.exchange = exchange
        response: object = self._sdk_client().post(
            "/v1/messages",
            cast_to=httpx2.Response,
            content=body,
            options={"headers": {"Content-Type": "application/json", "Accept": "text/event-stream, application/json"}},
            stream=True,
            stream_cls=anthropic.Stream[object],  # never made: the response itself is asked for
        )
        assert isinstance(response, httpx2.Response)
        return response

    def _before_request(self, request: httpx2.Request) -> None:
        request.headers["Authorization"] = f"Bearer {self.key.reveal()}"
        request.extensions["trace"] = self._trace
        attempt = int(request.headers.get("x-stainless-retry-count", "0"))
        if (exchange := self._exchange()) is not None:
            exchange.starts(attempt)

    def _exchange(self) -> Exchange | None:
        """The exchange whose reader thread this is; None in any other."""
        return getattr(self._reader, "exchange", None)

    def _trace(self, _event: str, info: Mapping[str, Any]) -> None:
        """Remember each socket that is opened, so that a call can be cut at any moment."""
        stream: Any = info.get("return_value")
        if hasattr(stream, "get_extra_info") and (opened := stream.get_extra_info("socket")) is not None:
            self._sockets = [*(known for known in self._sockets if known.fileno() >= 0), opened]
            if (exchange := self._exchange()) is not None and exchange.closed:
                _shut(opened)

    def _cut(self) -> None:
        """Shut every socket: a reader that waits on one wakes, and the endpoint stops generating."""
        for opened in self._sockets:
            _shut(opened)
        self._sockets, sdk, self._sdk = [], self._sdk, None
        if sdk is not None:
            sdk.close()

    def _error(self, error: BaseException) -> MiniMaxError:
        """Ours for theirs, with what to do; in plain lines, and without the key should the endpoint have echoed it."""
        found = error if isinstance(error, MiniMaxError) else self._translated(error)
        found.message, found.hint = self._plain(found.message), self._plain(found.hint)
        found.args = (found.message,)
        if isinstance(found, StatusError):
            found.type = found.type and self._plain(found.type)
            found.request_id = found.request_id and self._plain(found.request_id)
        return found

    def _plain(self, text: str) -> str:
        line = " ".join(self.key.hide(text).split())[:MAX_ERROR_BODY]
        return line if line.isprintable() else "".join(each if each.isprintable() else "\ufffd" for each in line)

    def _translated(self, error: BaseException) -> MiniMaxError:
        import anthropic
        import httpx2

        host = urlsplit(self.base_url).netloc
        if isinstance(error, anthropic.APIStatusError):
            return self._status_error(error.response)
        cause = error.__cause__ if isinstance(error, anthropic.APIConnectionError) else error
        if isinstance(cause, MiniMaxError):
            return cause
        what = str(cause) if cause is not None and str(cause) else type(cause).__name__
        if isinstance(cause, httpx2.ConnectTimeout | httpx2.ConnectError):
            return ConnectionFailed(
                f"Nothing answers at {host} ({what}).",
                "Is the base URL right, and the server up? %minimax doctor tells more.",
            )
        if isinstance(cause, httpx2.TimeoutException):
            return silence(self.timeout)
        if isinstance(cause, httpx2.DecodingError):
            return ProtocolError(
                f"{host} sent a body that cannot be decompressed.", "What came is kept; run the cell again."
            )
        if isinstance(cause, httpx2.TransportError | OSError):
            return ConnectionFailed(
                f"The connection to {host} broke ({what}).", "What came is kept; run the cell again."
            )
        return EndpointError(f"The call to {host} failed ({type(cause).__name__}: {what}).", "Run the cell again.")

    def _status_error(self, response: httpx2.Response) -> StatusError | ProtocolError:
        status = response.status_code
        if response.is_redirect:
            return StatusError(
                f"{self.base_url} redirects elsewhere (HTTP {status}); that is not followed, the key is for this host.",
                "Set MiniMax.base_url to the endpoint itself.",
                status=status,
            )
        try:
            body = response.json()
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict) or not ("error" in body or "base_resp" in body):
            text = " ".join(self.key.hide(response.text).split())[:120]
            return StatusError(
                f"{self.base_url} answered HTTP {status}, not in the Messages API's form: {text or 'an empty body'}",
                "Does the base URL end in /anthropic?",
                status=status,
            )
        if "error" not in body:
            base = body["base_resp"] if isinstance(body["base_resp"], dict) else {}
            body = {"error": {"message": f"{base.get('status_msg')} ({base.get('status_code')})"}}
        found = reported(body, status)
        request_id = (
            found.request_id or response.headers.get("minimax-request-id") or response.headers.get("request-id")
        )
        return StatusError(
            f"{found.message} (HTTP {status}{f', {found.type}' if found.type else ''})",
            status_hint(status, found.message, self.base_url, self.key),
            status=status,
            type=found.type,
            request_id=request_id,
        )


def _import() -> None:
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


def silence(seconds: float) -> ConnectionFailed:
    return ConnectionFailed(
        f"The endpoint said nothing for {seconds:g} s.",
        "What came is kept; run the cell again, or give --timeout more.",
    )


def status_hint(status: int, message: str, base_url: str, key: Key) -> str:
    """What to do about an error status; source: the error table of `minimax-api.md`."""
    if status == 401:
        if "2049" in message and key.host in MINIMAX_HOSTS:
            (other,) = MINIMAX_HOSTS - {key.host}
            return f"The key from {key.source} is wrong, or for the other region ({other})."
        return f"The key from {key.source} was refused; %minimax login takes another."
    if status == 400 and "unknown model" in message:
        name = message.partition("'")[2].rpartition("'")[0]
        like = models.nearest(name)
        return f"Did you mean {like}?" if like and like != name else "%minimax models lists what there is."
    if status == 400 and "context window" in message:
        return "Use --context N or a new --thread to send less."
    if status == 402:
        return "Top up the account, then run the cell again."
    if status == 422:
        return "The endpoint's content filter refused this; word it differently."
    if status == 404:
        return f"Is {base_url} the right base URL?"
    if status == 429 or status >= 500:
        return "Wait a little, then run the cell again."
    return ""


def _shut(opened: socket.socket) -> None:
    try:
        opened.shutdown(socket.SHUT_RDWR)
    except OSError:  # it is closed already
        return


class Exchange:
    """One call: `next` gives its news in order, `close` ends it from the caller's side at any moment.

    `translate` makes one of our errors, fit to be shown, of any error. `tried` is when (by `time.monotonic`) the last
    try was sent, None before the first.
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
        """End the call; its connection is closed unless the whole answer was read."""
        if not self._ended:
            self._ended = True
            self._closed.set()
            self._cut()

    # In the reader thread

    def starts(self, attempt: int) -> None:
        """A try is about to be sent. Raises if the caller has left meanwhile."""
        if self._closed.is_set():
            raise ConnectionFailed("The call was ended before it was sent.")
        self.tried = time.monotonic()
        if attempt:
            self._news.put(Retrying(attempt))

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
            self._news.put(Opened(content_type, dict(response.headers)))
            for data in response.iter_bytes():
                self._news.put(Chunk(data))
                if self._closed.is_set():
                    break
        finally:
            response.close()
