"""Find the API key for an endpoint.

A key is only ever returned for the host it belongs to. The first match is used (`Keys.find`):

1. a key entered in this process (`%minimax login`, `Session(api_key=…)`), for the host it was entered for;
2. `MINIMAX_API_KEY`, for MiniMax's hosts and the host of `ANTHROPIC_BASE_URL`;
3. `ANTHROPIC_API_KEY`, then `ANTHROPIC_AUTH_TOKEN`, for the host of `ANTHROPIC_BASE_URL` only (without it, they belong
   to another service);
4. the OS keyring, under the host's name.

No key appears in a `repr`, a pickle, an error, or a traceback that shows variables. Therefore no function here that
may raise has a key, or the environment, in a local variable when it does.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NoReturn

from mm_magics.api.urls import origin_of
from mm_magics.endpoint.key_forms import KeyForms
from mm_magics.errors import ConfigError, MissingKeyError
from mm_magics.packages import fix, wrong_version

WORLD_HOST = "api.minimax.io"
CHINA_HOSTS = frozenset({"api.minimax.cn", "api.minimaxi.com"})
MINIMAX_HOSTS = CHINA_HOSTS | {WORLD_HOST}
VARIABLES = ("MINIMAX_API_KEY", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
KEYRING_SERVICE = "mm-magics"


class Key:
    """An API key, the host it belongs to, and where it was found. Only `reveal()` returns its value."""

    __slots__ = ("_value", "host", "source")

    def __init__(self, value: str, source: str, host: str) -> None:
        self.source, self.host = source, host  # first: a traceback that shows variables calls `__repr__`
        value = value.strip()
        if not value or not value.isascii() or not value.isprintable() or " " in value:
            del value
            raise ConfigError(
                f"The key from {source} contains invalid characters.", "Copy it again, without line breaks."
            )
        self._value = value

    def reveal(self) -> str:
        """Return the value, for the header of a request."""
        return self._value

    def redact(self, text: str) -> str:
        """Replace the key in the text, also where it is escaped or encoded."""
        return KeyForms(self._value).replace(text, "[key]")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and (self._value, self.host) == (other._value, other.host)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<key for {self.host} from {self.source}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A key cannot be pickled.")


class Keys:
    """The keys of one session: those entered, and those found in the environment and the OS keyring."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._environ = environ  # None: read `os.environ` when needed, and keep no copy of the keys in it
        self._entered: dict[str, Key] = {}

    def enter(self, base_url: str, value: str, source: str = "%minimax login") -> Key:
        """Use this key for this host until the process ends. Raises `ConfigError` if it is not a valid key."""
        key = Key(value, source, origin_of(base_url))
        self._entered[key.host] = key
        return key

    def save(self, key: Key) -> None:
        """Save the key in the OS keyring. Raises `ConfigError` if that fails."""
        keyring = _keyring()
        if keyring is None:
            if wrong := wrong_version("keyring"):
                raise ConfigError(f"The OS keyring cannot be used: {wrong}.", fix("keyring"))
            raise ConfigError("No OS keyring is available.", "Install mm-magics[keyring], or set MINIMAX_API_KEY.")
        try:
            keyring.set_password(KEYRING_SERVICE, key.host, key.reveal())
        except Exception as error:
            raise ConfigError(f"The OS keyring refused the key ({type(error).__name__}).") from None
        if _saved(key.host) != key.reveal():
            raise ConfigError("The OS keyring did not save the key.", "Set MINIMAX_API_KEY instead.")

    def find(self, base_url: str) -> Key:
        """Return the key for this endpoint. Raises `MissingKeyError`, naming the keys that belong to other hosts."""
        host = origin_of(base_url)
        if host in self._entered:
            return self._entered[host]
        skipped = []
        environment_host = origin_of(self._variable("ANTHROPIC_BASE_URL"))
        for name in filter(self._variable, VARIABLES):
            if (host and host == environment_host) or (name == "MINIMAX_API_KEY" and host in MINIMAX_HOSTS):
                return Key(self._variable(name), name, host)
            skipped.append(name)
        if (key := _saved_key(host)) is not None:
            return key
        hint = "Run %minimax login, or set MINIMAX_API_KEY."
        if skipped:
            hint = (
                f"{' and '.join(skipped)} {'is' if len(skipped) == 1 else 'are'} set, but for another host. "
                f"Set ANTHROPIC_BASE_URL to this endpoint as well, or run %minimax login."
            )
        if wrong := wrong_version("keyring"):
            hint += f" The OS keyring was not read: {wrong}."
        raise MissingKeyError(f"No API key found for {host}.", hint)

    def _variable(self, name: str) -> str:
        return (os.environ if self._environ is None else self._environ).get(name, "").strip()


def _keyring() -> Any:
    """Return the `keyring` module; None if it is missing, in a version that is not supported, or has no backend."""
    if wrong_version("keyring"):
        return None
    try:
        import keyring
        from keyring.backends import fail
    except ImportError:
        return None
    return None if isinstance(keyring.get_keyring(), fail.Keyring) else keyring


def _saved_key(host: str) -> Key | None:
    """Return the key in the OS keyring, if it has one. Raises `ConfigError` if it is not a valid key."""
    value = _saved(host)
    try:
        return Key(value, "the OS keyring", host) if value else None
    finally:
        del value  # out of the traceback of the error


def _saved(host: str) -> str:
    """Return the value of the key in the OS keyring; "" if it has none."""
    keyring = _keyring()
    if keyring is None:
        return ""
    try:
        return keyring.get_password(KEYRING_SERVICE, host) or ""
    except Exception:  # a locked or broken keyring counts as empty
        return ""
