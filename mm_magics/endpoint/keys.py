"""Which key goes to which host, and where it was found.

Always true: a key is only ever given out for the host that it was given for, and nothing here shows it:
not `repr`, not `str`, not a pickle, not an error, not a traceback that shows variables (so no function that may raise
holds a key, or the environment, in one).

Order, first match wins (`find`):
1. a key entered in this process (`%minimax login`, `Session(api_key=…)`), for the host it was entered for;
2. `MINIMAX_API_KEY`, for MiniMax's hosts and the host of `ANTHROPIC_BASE_URL`;
3. `ANTHROPIC_API_KEY`, then `ANTHROPIC_AUTH_TOKEN`, for the host of `ANTHROPIC_BASE_URL` alone (without it they
   are keys for somebody else);
4. the OS keyring, under the host's name.
"""

from __future__ import annotations

import base64
import html
import os
import re
from collections.abc import Mapping
from typing import Any, NoReturn
from urllib.parse import urlsplit

from mm_magics.errors import ConfigError, MissingKeyError

MINIMAX_HOSTS = frozenset({"api.minimax.io", "api.minimaxi.com"})
VARIABLES = ("MINIMAX_API_KEY", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
SERVICE = "mm-magics"
SHORTEST_FORM = 6
"""Characters of base64 below which it is too common a text to be taken for a key."""


class Key:
    """A key and where it came from. The value leaves only through `reveal()`, into a request's header."""

    __slots__ = ("_value", "host", "source")

    def __init__(self, value: str, source: str, host: str) -> None:
        value = value.strip()
        if not value or not value.isascii() or not value.isprintable() or " " in value:
            del value
            raise ConfigError(
                f"The key from {source} holds characters that a key cannot have.", "Copy it again, without line breaks."
            )
        self._value = value
        self.source = source
        self.host = host

    def reveal(self) -> str:
        return self._value

    def hide(self, text: str) -> str:
        """The text with the key, should somebody have echoed it as it is or escaped, replaced."""
        return re.sub(_pattern(self._value), "[key]", text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and (self._value, self.host) == (other._value, other.host)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<key for {self.host} from {self.source}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A key is not pickled.")


def host_of(base_url: str) -> str:
    """`host` or `host:port`, lower case: what a key is given for; "" where there is none."""
    try:
        return urlsplit(base_url).netloc.lower()
    except ValueError:
        return ""


class Keys:
    """The keys of one session: those entered, and the places where one may be found."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._given = environ  # None: the process's own, looked at when needed and never held, since it holds keys
        self._entered: dict[str, Key] = {}

    def enter(self, base_url: str, value: str, source: str = "%minimax login") -> Key:
        """Use this key for this host until the process ends. Raises `ConfigError` if it cannot be one."""
        key = Key(value, source, host_of(base_url))
        self._entered[key.host] = key
        return key

    def keep(self, key: Key) -> None:
        """Put the key into the OS keyring. Raises `ConfigError` if there is none."""
        keyring = _keyring()
        if keyring is None:
            raise ConfigError("There is no OS keyring here.", "Install mm-magics[keyring], or set MINIMAX_API_KEY.")
        try:
            keyring.set_password(SERVICE, key.host, key.reveal())
        except Exception as error:
            raise ConfigError(f"The OS keyring did not take the key ({type(error).__name__}).") from None
        if _kept(key.host) != key.reveal():
            raise ConfigError("The OS keyring did not keep the key.", "Set MINIMAX_API_KEY instead.")

    def find(self, base_url: str) -> Key:
        """The key for this endpoint. Raises `MissingKeyError`, saying which ones were passed over and why."""
        host = host_of(base_url)
        if host in self._entered:
            return self._entered[host]
        passed = []
        given_for = host_of(self._variable("ANTHROPIC_BASE_URL"))
        for name in filter(self._variable, VARIABLES):
            if host == given_for or (name == "MINIMAX_API_KEY" and host in MINIMAX_HOSTS):
                return Key(self._variable(name), name, host)
            passed.append(name)
        if kept := _kept(host):
            return Key(kept, "the OS keyring", host)
        hint = "Run %minimax login, or set MINIMAX_API_KEY."
        if passed:
            hint = (
                f"{' and '.join(passed)} {'is' if len(passed) == 1 else 'are'} set, but for another host: "
                f"set ANTHROPIC_BASE_URL to this endpoint as well, or run %minimax login."
            )
        raise MissingKeyError(f"There is no key for {host}.", hint)

    def _variable(self, name: str) -> str:
        return (os.environ if self._given is None else self._given).get(name, "").strip()


def _pattern(value: str) -> str:
    """An expression for the key as it is, and as it stands within URLs, JSON, HTML, Python's literals and base64."""
    forms = ["".join(map(_character, value))]
    for before in range(3):  # where it begins within base64's groups of three
        inside = slice((0, 2, 3)[before], 8 * (before + len(value)) // 6)
        coded = base64.b64encode(b"\0" * before + value.encode())[inside].decode()
        if len(coded) >= SHORTEST_FORM:
            forms.append(re.escape(coded).replace(r"\+", "[+-]").replace("/", "[/_]"))
    return "|".join(forms)


def _character(each: str) -> str:
    if each.isalnum():
        return each
    code, name = ord(each), html.escape(each)[1:-1] or "-"
    inside = rf"(?:#0*{code}|#x0*{code:x}|{re.escape(name)})"
    return rf"(?:\\{{0,8}}{re.escape(each)}|(?i:\\{{1,4}}u00{code:02x}|%(?:25)?{code:02x}|&(?:amp;)?{inside};))"


def _keyring() -> Any:
    """The `keyring` module if it is installed and has a backend, else None."""
    try:
        import keyring
        from keyring.backends import fail
    except ImportError:
        return None
    return None if isinstance(keyring.get_keyring(), fail.Keyring) else keyring


def _kept(host: str) -> str:
    """The key in the OS keyring; "" if there is none."""
    keyring = _keyring()
    if keyring is None:
        return ""
    try:
        return keyring.get_password(SERVICE, host) or ""
    except Exception:  # a locked or broken keyring is as good as none
        return ""
