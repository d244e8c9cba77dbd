"""The HTTP client for many concurrent requests, built on aiohttp: one complete answer per request, no streaming.

The key is only sent to its own host, as in `mm_magics.endpoint.client`: no redirect is followed. Failures have the same
messages as there.
"""

from __future__ import annotations

import io
import os
import socket
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import anyio

from mm_magics import __version__
from mm_magics.api.urls import SOCKET_OPTIONS, HttpURL, proxy_url, ssl_context
from mm_magics.batch.engines.base import SendOptions
from mm_magics.endpoint.assembler import whole_message
from mm_magics.endpoint.call import message_in
from mm_magics.endpoint.error_mapping import MAX_ERROR_BODY_BYTES, MAX_ERROR_BODY_S, ErrorMapper, Refusal
from mm_magics.endpoint.keys import Key
from mm_magics.endpoint.network_errors import Fault, certificate_error
from mm_magics.endpoint.sdk import API_VERSION, CONNECT_TIMEOUT
from mm_magics.errors import MiniMaxError, ProtocolError
from mm_magics.json_size import MAX_BYTES
from mm_magics.packages import require

if TYPE_CHECKING:
    import aiohttp

MAX_HEADER_BYTES = 65_536
CLOSE_S = 2.0
"""How long connections may take to close."""
MAX_PLAIN_BODY_BYTES = 1_000_000
"""aiohttp warns of longer bodies that are passed as bytes."""
_SECRET_HEADERS = ("authorization", "x-api-key", "proxy-authorization", "cookie", "host")


class SendFailedError(Exception):
    """An attempt failed.

    Attributes:
        problem: The error as the user sees it.
        is_transient: Whether another attempt may succeed, and the failed one cost nothing.
        requested_wait: The seconds that the endpoint asks to wait; None if it does not.
        meets_all: Whether every other call would fail in the same way.
    """

    def __init__(
        self,
        problem: MiniMaxError,
        *,
        is_transient: bool = False,
        requested_wait: float | None = None,
        meets_all: bool = False,
    ) -> None:
        super().__init__(str(problem))
        self.problem, self.is_transient = problem, is_transient
        self.requested_wait, self.meets_all = requested_wait, meets_all


class AsyncClient:
    """Sends any number of calls at once, over connections that are kept open between calls.

    Use it as an asynchronous context manager. Entering raises a `MiniMaxError` if no call can be made.
    """

    def __init__(self, options: SendOptions, key: Key) -> None:
        self._base_url, self._timeout, self._key = options.base_url, options.timeout, key
        self._errors = ErrorMapper(options.base_url, key, options.timeout)

    async def send(self, body: bytes) -> dict[str, Any]:
        """Make one attempt and return the message that answers it, verbatim.

        Raises:
            SendFailedError: The attempt failed.
            MiniMaxError: The answer is not a message.
        """
        is_sending = True
        try:
            async with await self._response(body) as response:
                is_sending = False
                if not 200 <= response.status < 300:
                    raise self._refused(Refusal(response.status, response.headers, await _part(response)))
                data = bytearray()
                async for part in response.content.iter_any():
                    data += part
                    if len(data) > MAX_BYTES:
                        raise ProtocolError(f"The answer is larger than {MAX_BYTES // 1_000_000} MB.")
                return whole_message(message_in(data, response.content_type))
        except OSError as error:
            raise self._failed(error, is_sending) from None
        except self._library.ClientError as error:
            raise self._failed(error, is_sending) from None

    def translate(self, error: Exception) -> MiniMaxError:
        """Return our error for one that `send` raised."""
        return error.problem if isinstance(error, SendFailedError) else self._errors.translate(error)

    async def _response(self, body: bytes) -> aiohttp.ClientResponse:
        """Send the body and return the response, its body unread.

        A server may close a connection that is kept open while the next request is on its way. Such a request was never
        read, and is sent again at once.
        """
        library = self._library
        connection = _Connection()
        try:
            return await self._post(body, connection)
        except (library.ServerDisconnectedError, library.ClientOSError) as error:
            answered = isinstance(error, library.ServerDisconnectedError) and not isinstance(error.message, str)
            if connection.is_new or answered:
                raise
        return await self._post(body, connection)

    async def _post(self, body: bytes, connection: _Connection) -> aiohttp.ClientResponse:
        return await self._session.post(
            self._url,
            data=body if len(body) <= MAX_PLAIN_BODY_BYTES else io.BytesIO(body),
            headers={"Authorization": f"Bearer {self._key.reveal()}"},
            proxy=self._proxy,
            allow_redirects=False,
            trace_request_ctx=connection,
        )

    def _refused(self, refusal: Refusal) -> SendFailedError:
        problem = self._errors.translate(self._errors.status_error(refusal))
        return SendFailedError(problem, is_transient=refusal.is_transient, requested_wait=refusal.requested_wait)

    def _failed(self, error: Exception, is_sending: bool) -> SendFailedError:
        fault, cause = _fault(error), _cause(error)
        is_certificate = certificate_error(cause) is not None
        problem = self._errors.network_error(cause, fault, _reason(cause), is_sending=is_sending)
        is_transient = is_sending and not is_certificate and fault in (Fault.CONNECT, Fault.BROKEN)
        return SendFailedError(self._errors.translate(problem), is_transient=is_transient, meets_all=is_certificate)

    async def __aenter__(self) -> Self:
        require("aiohttp", "Map runs")
        import aiohttp
        from yarl import URL

        self._library = aiohttp
        self._url = URL(f"{self._base_url}/v1/messages", encoded=True)
        try:
            url = HttpURL.parse(self._base_url)
            self._proxy = proxy_url(url)
            connector = _connector(self._proxy)(limit=0, ssl=ssl_context(url), socket_factory=_open_socket)
            if self._proxy and self._proxy.startswith("socks"):
                self._proxy = None  # the connector uses it
        except Exception as error:
            problem = self._errors.network_error(error, None, str(error), is_sending=True)
            raise self._errors.translate(problem) from None
        traces = aiohttp.TraceConfig()
        traces.on_connection_create_start.append(_note_new_connection)
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers=_headers(os.environ.get("ANTHROPIC_CUSTOM_HEADERS", "")),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=min(CONNECT_TIMEOUT, self._timeout / 2)),
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[traces],
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        with anyio.move_on_after(CLOSE_S, shield=True):
            await self._session.close()
            await anyio.sleep(0)  # sockets are closed in the next turn of the event loop


class _Connection:
    """The connection of one call. `is_new` says whether it was opened for it."""

    is_new = False


async def _note_new_connection(_session: Any, context: Any, _params: Any) -> None:
    context.trace_request_ctx.is_new = True


def _headers(custom: str) -> dict[str, str]:
    """Return the headers of every call. `custom` are lines `NAME: VALUE`, as the SDK reads them."""
    lines = (line.partition(":") for line in custom.splitlines() if ":" in line)
    given = {name.strip().title(): value.strip() for name, _, value in lines}
    return {
        **{name: value for name, value in given.items() if name.lower() not in _SECRET_HEADERS},
        "User-Agent": f"mm-magics/{__version__}",
        "Anthropic-Version": API_VERSION,
        "Content-Type": "application/json",
        "Accept": "application/json",
    }


def _connector(proxy: str | None) -> Any:
    """Return the class of connectors for this proxy. Raises `ImportError` if it needs a package."""
    import aiohttp

    if proxy is None or proxy.startswith(("http://", "https://")):
        return aiohttp.TCPConnector
    if not proxy.startswith(("socks5://", "socks5h://")):
        raise ValueError(proxy)
    from functools import partial

    from aiohttp_socks import ProxyConnector

    return partial(ProxyConnector.from_url, proxy.replace("socks5h:", "socks5:"), rdns=proxy.startswith("socks5h:"))


def _open_socket(address: Any) -> socket.socket:
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    for option in SOCKET_OPTIONS:
        made.setsockopt(*option)
    return made


async def _part(response: aiohttp.ClientResponse) -> str:
    """Return the first part of an error body, limited in size and in the time it takes to arrive."""
    import aiohttp

    data = bytearray()
    with anyio.move_on_after(MAX_ERROR_BODY_S):
        try:
            async for part in response.content.iter_any():
                data += part
                if len(data) > MAX_ERROR_BODY_BYTES:
                    break
        except (aiohttp.ClientError, OSError):  # the connection broke: the status and the first part say enough
            pass
    return bytes(data[:MAX_ERROR_BODY_BYTES]).decode("utf-8", "replace")


def _fault(error: BaseException) -> Fault | None:
    """Return what an exception of aiohttp means; None if it is not one of the library's."""
    import aiohttp

    faults: tuple[tuple[tuple[type[Exception], ...], Fault], ...] = (
        ((aiohttp.ClientHttpProxyError,), Fault.PROXY),
        ((aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError), Fault.CONNECT),
        ((aiohttp.ServerTimeoutError,), Fault.TIMEOUT),
        ((aiohttp.InvalidURL,), Fault.URL),
    )
    for classes, fault in faults:
        if isinstance(error, classes):
            return fault
    if isinstance(error, aiohttp.ClientPayloadError) and "decod" in f"{error} {error.__cause__}".lower():
        return Fault.DECODING
    return Fault.BROKEN if isinstance(error, aiohttp.ClientError) else None


def _cause(error: Exception) -> Exception:
    """Return the exception of the operating system or of OpenSSL behind one of aiohttp's, or else itself."""
    import aiohttp

    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return error.certificate_error
    return error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error


def _reason(cause: Exception) -> str:
    """Return the text of an exception in the words of the operating system, without the request."""
    import aiohttp

    if isinstance(cause, aiohttp.ClientResponseError):
        return f"{cause.status} {cause.message}"
    if isinstance(cause, OSError) and not isinstance(cause, socket.gaierror) and cause.errno and cause.errno > 0:
        return f"[Errno {cause.errno}] {os.strerror(cause.errno)}"
    return str(cause)
