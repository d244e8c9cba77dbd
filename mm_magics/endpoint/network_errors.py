"""Describe the failures of a network: certificates, proxies, and what the environment says about them."""

from __future__ import annotations

import os
import re
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from mm_magics.api.urls import HttpURL, proxy_for
from mm_magics.errors import ConnectionFailedError

if TYPE_CHECKING:
    import ssl

CA_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
WRONG_HOST = (62, 64)
"""OpenSSL's codes for a certificate of another host or address."""
WRONG_DATE = (9, 10)
"""OpenSSL's codes for a certificate that is not valid yet, or not any more."""


class Fault(Enum):
    """What an exception of an HTTP library means, whichever library it is."""

    CONNECT = "no connection could be opened"
    PROXY = "the proxy refused to connect"
    URL = "the URL of the proxy cannot be used"
    TIMEOUT = "no data arrived in time"
    DECODING = "the body cannot be decompressed"
    BROKEN = "the connection broke"


class Proxy(NamedTuple):
    """A proxy, without user name and password, and where it is named."""

    url: str
    source: str


def named_proxy(url: HttpURL) -> Proxy | None:
    """Return the proxy that calls to this URL use; None without one."""
    proxy = proxy_for(url)
    if proxy is None:
        return None
    kinds = (f"{url.scheme}_proxy", "all_proxy")
    names = (name for kind in kinds for name in (kind, kind.upper()))
    source = next((name for name in names if os.environ.get(name) == proxy), "the settings of the system")
    shown = re.sub(r"^([^/]*//)?[^/@]*@", lambda found: found[1] or "", proxy)
    return Proxy(shown, source)


def network_environment() -> tuple[object, ...]:
    """Return everything that an HTTP client takes from the environment. When it changes, a new client is needed."""
    from urllib.request import getproxies

    return (*(os.environ.get(name) for name in CA_VARIABLES), getproxies())


def certificate_error(error: BaseException | None) -> ssl.SSLCertVerificationError | None:
    """Return the failed check of a certificate behind an error; None if it has another cause."""
    import ssl

    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return None


def network_error(
    error: BaseException, fault: Fault | None, reason: str, base_url: str
) -> ConnectionFailedError | None:
    """Return what to say about an error that comes from a certificate, a proxy or the environment; else None.

    Args:
        error: An exception of an HTTP library, or one that creating the HTTP client raised.
        fault: What it means; None if it is not one of the library's own.
        reason: Its text.
        base_url: The endpoint.
    """
    url = HttpURL.parse(base_url)
    host = url.origin
    if (refused := certificate_error(error)) is not None:
        return _certificate_failed(refused, host)
    if fault is None and (problem := _ca_problem(error)):
        return ConnectionFailedError(problem, "Correct or unset that variable, and run the cell again.")
    proxy = named_proxy(url)
    if proxy is None:
        return None
    bypass = f"add {url.host} to NO_PROXY, and run the cell again"
    if isinstance(error, ImportError) and "socks" in proxy.url:
        package = (error.name or "socksio").replace("_", "-")
        return ConnectionFailedError(
            f"{proxy.url} ({proxy.source}) is a SOCKS proxy, which needs the package {package}.",
            f"Run %pip install {package} and restart the kernel, or name an HTTP proxy.",
        )
    if fault is Fault.URL or isinstance(error, ValueError):
        return ConnectionFailedError(
            f"{proxy.url} ({proxy.source}) is not a proxy that can be used.",
            f"Name an HTTP proxy, such as http://HOST:PORT, or {bypass}.",
        )
    if fault is Fault.PROXY:
        hint = f"Ask for access to {host}, or {bypass}."
        if "407" in reason:
            hint = f"Put your user name and password into {proxy.source}: http://USER:PASSWORD@HOST:PORT."
        return ConnectionFailedError(f"The proxy {proxy.url} refused to connect to {host} ({reason}).", hint)
    if fault is Fault.CONNECT:
        return ConnectionFailedError(
            f"Cannot connect to {host} through the proxy {proxy.url} ({proxy.source}): {reason}.",
            f"Is the proxy running? Correct {proxy.source}, or {bypass}.",
        )
    return None


def _certificate_failed(error: ssl.SSLCertVerificationError, host: str) -> ConnectionFailedError:
    message = f"The certificate of {host} cannot be verified ({error.verify_message}; CERTIFICATE_VERIFY_FAILED)."
    if error.verify_code in WRONG_HOST:
        return ConnectionFailedError(message, "Is the base URL correct? The certificate is for another host.")
    if error.verify_code in WRONG_DATE:
        return ConnectionFailedError(message, "Is the clock of this computer correct?")
    if problem := _ca_problem(error):
        return ConnectionFailedError(message, f"{problem} Correct or unset that variable, and run the cell again.")
    named = next((f"{name}={os.environ[name]}" for name in CA_VARIABLES if os.environ.get(name)), "")
    return ConnectionFailedError(
        message,
        f"{named} does not have the certificate authority that signed it. Add it there, and run the cell again."
        if named
        else "If your network has a certificate authority of its own, set SSL_CERT_FILE to its file (PEM), "
        "and run the cell again.",
    )


def _ca_problem(error: BaseException) -> str:
    """What is wrong with the file or folder of certificates that the environment names; "" if nothing is."""
    import ssl

    file, folder = (os.environ.get(name, "") for name in CA_VARIABLES)
    if file and not os.path.isfile(file):
        return f"SSL_CERT_FILE names {file}, which is not a file."
    if file and isinstance(error, ssl.SSLError | OSError) and not isinstance(error, ssl.SSLCertVerificationError):
        return f"SSL_CERT_FILE names {file}, which cannot be read as certificates in PEM format."
    if folder and not file and not os.path.isdir(folder):
        return f"SSL_CERT_DIR names {folder}, which is not a folder."
    return ""
