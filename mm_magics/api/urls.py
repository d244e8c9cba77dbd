"""URLs that keys and tokens are sent to, and how a client may connect to them.

A URL is parsed once. Whatever is decided about it (the key, encryption, certificates, proxies) is decided from the
parsed form, which is also the form that the HTTP library gets.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from mm_magics.errors import MiniMaxError

if TYPE_CHECKING:
    import ssl

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
DEFAULT_PORTS = {"http": 80, "https": 443}
SOCKET_OPTIONS = [
    (socket.IPPROTO_TCP, getattr(socket, name), value)
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 60), ("TCP_KEEPCNT", 5))
    if hasattr(socket, name)
] + [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
"""A connection on which the model thinks for minutes stays open in the routers on the way."""

_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?")


@dataclass(frozen=True)
class HttpURL:
    """An http or https URL in one spelling, which `str` returns.

    Attributes:
        scheme: `http` or `https`.
        host: In lower case, international names in their ASCII form, IPv6 addresses in their shortest form.
        port: Also if the URL does not name it.
        path: The path, with the query if there is one; "" without either.
    """

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, url: str) -> Self:
        """Parse the URL. Raises `ValueError` with the end of a sentence that begins "The URL"."""
        if not url.isprintable() or " " in url or "\\" in url:
            raise ValueError("is not a valid URL")
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise ValueError("is not a valid URL") from None
        if parts.scheme not in DEFAULT_PORTS or not host:
            raise ValueError("is not an http or https URL")
        if "@" in parts.netloc:
            raise ValueError("contains a user name or password")
        if port == 0 or ("[" in parts.netloc and ":" not in host):
            raise ValueError("is not a valid URL")
        if parts.fragment or url.endswith("#"):
            raise ValueError("has a part after #")
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        return cls(parts.scheme, _ascii_host(host), port or DEFAULT_PORTS[parts.scheme], path)

    @property
    def origin(self) -> str:
        """The host, and the port unless it is the usual one: what a key belongs to."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Whether the host is this machine."""
        return self.host in LOOPBACK_HOSTS

    @property
    def is_encrypted(self) -> bool:
        return self.scheme == "https"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.origin}{self.path}"


def parse_http_url(url: str, name: str, error: type[MiniMaxError], hint: str) -> HttpURL:
    """Parse what a user entered.

    Args:
        url: The text.
        name: What the URL is called in a message, such as "The base URL".
        error: The class of the error to raise.
        hint: The error's hint.
    """
    try:
        return HttpURL.parse(url)
    except ValueError as problem:
        raise error(f"{name} {problem}.", hint) from None


@lru_cache(64)
def origin_of(url: str) -> str:
    """Return what a key for this URL belongs to; "" if it is not a URL that a key can be sent to."""
    try:
        return HttpURL.parse(url.strip()).origin
    except ValueError:
        return ""


def require_encryption(url: HttpURL, secret: str, error: type[MiniMaxError]) -> None:
    """Raise the error if the secret ("an API key") would be sent unencrypted to another machine."""
    if not url.is_encrypted and not url.is_local:
        raise error(f"{url.host} is not this machine, and {secret} must not be sent unencrypted.", "Use https.")


def proxy_for(url: HttpURL) -> str | None:
    """Return the proxy that the environment, or the system, names for this URL; None for a direct connection.

    This machine is never reached through a proxy.
    """
    from urllib.request import getproxies, proxy_bypass  # with ssl, which they import, they take long to import

    if url.is_local:
        return None
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    return proxy if proxy and not proxy_bypass(url.host) else None


def httpx_options(url: HttpURL, transport: Callable[..., Any], **transport_options: Any) -> dict[str, Any]:
    """Return the arguments of a client of httpx2 that connects to this URL.

    Certificates are verified, except for plain http to this machine, which has none: reading them takes 25 ms. No
    redirect is followed, as it could name another host. Of all proxies in the environment, only the one for this URL is
    read, because the library refuses to connect anywhere if one of them is not valid.

    Args:
        url: The URL.
        transport: The library's class of transports.
        transport_options: More arguments for it.

    Raises:
        ImportError: The proxy needs a package that is not installed.
        ValueError: The proxy is not one that the library can use.
        OSError: The environment names certificates that cannot be read.
    """
    made = transport(
        verify=ssl_context(url),
        trust_env=False,
        proxy=proxy_url(url),
        socket_options=SOCKET_OPTIONS,
        **transport_options,
    )
    return {"follow_redirects": False, "transport": made, "trust_env": False}


def proxy_url(url: HttpURL) -> str | None:
    """Return the URL of the proxy for this URL; None for a direct connection."""
    proxy = proxy_for(url)
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy


def ssl_context(url: HttpURL) -> ssl.SSLContext | bool:
    """Return how certificates are verified; False for plain http to this machine. Raises `OSError` if they cannot."""
    import httpx2

    return False if url.is_local and not url.is_encrypted else httpx2.create_ssl_context()


def _ascii_host(host: str) -> str:
    """The host as it is looked up and named in certificates. Raises `ValueError` if it could be read in two ways."""
    try:
        if ":" in host:
            found = str(IPv6Address(host))
            is_valid = "%" not in found
        else:
            found = host if host.isascii() else _encoded(host)
            is_valid = _HOST.fullmatch(found) is not None
    except ValueError:
        is_valid = False
    if not is_valid:
        raise ValueError(f"names a host that is not valid ({host[:100]})")
    return found


def _encoded(host: str) -> str:
    import idna  # its tables take long to import

    return idna.encode(host, strict=True).decode("ascii")
