"""Everything that depends on how the `anthropic` SDK and its HTTP library work.

`tests/endpoint/test_sdk.py` fails when an update changes one of these.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from mm_magics.api.urls import HttpURL, httpx_options
from mm_magics.endpoint.network_errors import Fault
from mm_magics.packages import require

if TYPE_CHECKING:
    import socket

API_VERSION = "2023-06-01"
CONNECT_TIMEOUT = 10.0


def import_sdk() -> None:
    """Import the SDK with the garbage collector off.

    The import creates 130,000 objects that stay; not collecting saves a tenth of its time.

    Raises:
        UsageError: The SDK is missing or in a version that is not supported.
    """
    for name in ("anthropic", "httpx2"):
        require(name, "Calls to an endpoint")
    collecting = gc.isenabled()
    gc.disable()
    try:
        import anthropic  # noqa: F401
    finally:
        if collecting:
            gc.enable()


def sdk_options(base_url: str, timeout: float) -> dict[str, Any]:
    """Return the arguments of every SDK client. The SDK gets no key, and finds none in the environment."""
    import anthropic

    return {
        "base_url": base_url,
        "api_key": "-",  # the SDK shows its key in a repr, so a hook adds ours to each request as it leaves
        "timeout": _timeouts(timeout),
        "max_retries": 0,  # `ResponseReader` retries
        "default_headers": {
            "anthropic-version": API_VERSION,  # these outrank ANTHROPIC_CUSTOM_HEADERS, which may name another key
            "Authorization": "-",
            "X-Api-Key": anthropic.Omit(),
        },
    }


def http_options(
    base_url: str, timeout: float, transport: Callable[..., Any], **transport_options: Any
) -> dict[str, Any]:
    """Return the arguments of every HTTP client. Raises what `httpx_options` does."""
    from http.cookiejar import CookieJar, DefaultCookiePolicy

    return {
        **httpx_options(HttpURL.parse(base_url), transport, **transport_options),
        "timeout": _timeouts(timeout),
        "cookies": CookieJar(DefaultCookiePolicy(allowed_domains=())),  # an invalid cookie would break every call
    }


def strip_sdk_headers(headers: MutableMapping[str, str]) -> None:
    """Remove what the SDK tells its own vendor, such as `x-stainless-timeout: NOT_GIVEN`."""
    for name in [name for name in headers if name.lower().startswith("x-stainless-")]:
        del headers[name]


def raw_response(stream_class: Any) -> dict[str, Any]:
    """Return the arguments that make a method of the SDK return the HTTP response, its body unread."""
    import httpx2

    return {"cast_to": httpx2.Response, "stream": True, "stream_cls": stream_class}


def underlying_error(error: BaseException) -> BaseException | None:
    """Return the HTTP library's exception behind an SDK connection error, or the error itself."""
    import anthropic

    return error.__cause__ if isinstance(error, anthropic.APIConnectionError) else error


def httpx_fault(error: BaseException) -> Fault | None:
    """Return what an exception of the HTTP library means; None if it is not one of the library's."""
    import httpx2

    faults = (
        ((httpx2.ConnectError, httpx2.ConnectTimeout), Fault.CONNECT),
        ((httpx2.TimeoutException,), Fault.TIMEOUT),
        ((httpx2.DecodingError,), Fault.DECODING),
        ((httpx2.ProxyError,), Fault.PROXY),
        ((httpx2.UnsupportedProtocol, httpx2.InvalidURL), Fault.URL),
        ((httpx2.TransportError,), Fault.BROKEN),
    )
    return next((fault for classes, fault in faults if isinstance(error, classes)), None)


def opened_socket(trace_info: Mapping[str, Any]) -> socket.socket | None:
    """Return the socket that a trace event of the HTTP library reports as opened."""
    stream: Any = trace_info.get("return_value")
    if not hasattr(stream, "get_extra_info"):
        return None
    opened: socket.socket | None = stream.get_extra_info("socket")
    return opened


def pace_reads(response: Any, pause: float, wait: Callable[[float], object]) -> None:
    """Leave at least `pause` seconds between two reads from the network: what arrives by then is read at once.

    Args:
        response: The HTTP response.
        pause: The time in seconds.
        wait: Called with the seconds to wait before a read.
    """
    stream: Any = response.extensions.get("network_stream")
    if stream is None:
        return
    read = stream.unpaced_read = getattr(stream, "unpaced_read", stream.read)  # a connection may be used again
    last = time.monotonic()

    def paced(*args: Any, **options: Any) -> bytes:
        nonlocal last
        if (left := last + pause - time.monotonic()) > 0:
            wait(left)
        data: bytes = read(*args, **options)
        last = time.monotonic()
        return data

    stream.read = paced


def _timeouts(timeout: float) -> Any:
    """At most half the timeout to connect: an unreachable host then differs from one that does not respond."""
    import anthropic

    return anthropic.Timeout(timeout, connect=min(CONNECT_TIMEOUT, timeout / 2))
