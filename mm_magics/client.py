"""The line to an endpoint: the `anthropic` client, one key in one header, and every fault as one of our errors.

The HTTP response is touched by the reader thread of its `Exchange` alone.

Always true: the key goes to the host that it was given for and nowhere else (no redirect is followed), in
`Authorization`, and in no other header.
"""

from __future__ import annotations

import gc
import socket
import threading
from collections.abc import Mapping
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mm_magics import retries
from mm_magics.advice import status_hint, status_of
from mm_magics.errors import ConnectionFailed, EndpointError, MiniMaxError, ProtocolError, StatusError, reported
from mm_magics.exchange import Exchange, Retrying, silence
from mm_magics.keys import Key

if TYPE_CHECKING:
    import anthropic
    import httpx2

API_VERSION = "2023-06-01"
CONNECT_TIMEOUT = 10.0
MAX_ERROR_BODY = 2_000
NO_PROXY = ("all://localhost", "all://127.0.0.1", "all://[::1]")
"""No proxy of the environment gets a key that is for this machine."""


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
        return Exchange(lambda exchange: self._tried(body, exchange), self._error, self._cut)

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

        # Half the time-out at most, so that a host that is not there is told from one that is silent.
        seconds = anthropic.Timeout(self.timeout, connect=min(CONNECT_TIMEOUT, self.timeout / 2))
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

    def _tried(self, body: bytes, exchange: Exchange) -> httpx2.Response:
        """The response, after as many tries as it takes and the settings allow."""
        _import()
        self._reader.exchange = exchange
        for attempt in count(1):
            try:
                return self._post(body)
            except Exception as error:
                if attempt > self.max_retries or (seconds := _pause(error, attempt)) is None:
                    raise
                exchange.waits(Retrying(attempt, self.max_retries, seconds, self._error(error).message))
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
                "max_retries": 0,
            },
            stream=True,
            stream_cls=anthropic.Stream[object],  # never made: the response itself is asked for
        )
        assert isinstance(response, httpx2.Response)
        return response

    def _before_request(self, request: httpx2.Request) -> None:
        request.headers["Authorization"] = f"Bearer {self.key.reveal()}"
        request.extensions["trace"] = self._trace
        if (exchange := self._exchange()) is not None:
            exchange.starts()

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
        if not found.hint:
            found.hint = "What came is kept; run the cell again."
            if isinstance(found, StatusError):  # it came with status 200: as an event, or as a body
                found.hint = status_hint(status_of(found.type, found.message), found.message, self.base_url, self.key)
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
        hint = status_hint(status, found.message, self.base_url, self.key)
        if (seconds := retries.asked(response.headers)) is not None and retries.passes(status):
            hint = f"The endpoint asks to wait {retries.spoken(seconds)}; run the cell again after that."
        return StatusError(
            f"{found.message} (HTTP {status}{f', {found.type}' if found.type else ''})",
            hint,
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


def _pause(error: Exception, attempt: int) -> float | None:
    """Seconds before this new try; None if there is to be none.

    A silence is not tried again: the endpoint may be at work on the answer, and the wait was long enough.
    """
    import anthropic
    import httpx2

    if isinstance(error, anthropic.APIStatusError):
        wanted = retries.asked(error.response.headers)
        if not retries.passes(error.status_code) or (wanted or 0.0) > retries.LONGEST_S:
            return None
        return retries.pause(attempt) if wanted is None else wanted
    passing = (httpx2.NetworkError, httpx2.ConnectTimeout, httpx2.RemoteProtocolError)
    return retries.pause(attempt) if isinstance(error.__cause__, passing) else None


def _shut(opened: socket.socket) -> None:
    try:
        opened.shutdown(socket.SHUT_RDWR)
    except OSError:  # it is closed already
        return
