"""Check the URLs that keys and tokens are sent to."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from mm_magics.errors import MiniMaxError

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


def parse_http_url(url: str, name: str, error: type[MiniMaxError], hint: str) -> SplitResult:
    """Return the parts of an http or https URL.

    A URL that `urlsplit` and the HTTP library may read differently is invalid: the host that was checked must be the
    host that receives the key.

    Args:
        url: What the user entered.
        name: What the URL is called in a message, such as "The base URL".
        error: The class of the error to raise.
        hint: The error's hint.
    """
    if not url.isprintable() or " " in url or "\\" in url:
        raise error(f"{name} is not a valid URL.", hint)
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise error(f"{name} is not a valid URL.", hint) from None
    if parts.scheme not in ("http", "https") or not host:
        raise error(f"{name} is not an http or https URL.", hint)
    return parts


def require_encryption(parts: SplitResult, secret: str, error: type[MiniMaxError]) -> None:
    """Raise the error if the secret ("an API key") would be sent unencrypted to another machine."""
    if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
        raise error(f"{parts.hostname} is not this machine, and {secret} must not be sent unencrypted.", "Use https.")
