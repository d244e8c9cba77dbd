"""Making text from a program that may know a secret fit to be shown: secrets masked, control characters inert.

Always true: what leaves `masked` holds no value of an environment variable that is named like a key, paths aside; what
leaves `plain` holds no character that a terminal would obey.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL|AUTH(?!OR)", re.IGNORECASE)
_OPTION = re.compile(
    r"(?i)((?:key|token|secret|passw(?:or)?d|credentials?|auth|bearer|authorization:?)\b['\"]?(?:\s*[=:]\s*|\s+))(\S+)"
)
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?)")
SHORTEST = 6
"""Characters of a value below which it is too common a text to be a secret."""


def masked(text: str, names: Iterable[str] = ()) -> str:
    """The text with `[NAME]` for the value of each variable that is named like a key, or is one of `names`."""
    given = set(names)
    secrets = [
        (value, name)
        for name, value in os.environ.items()
        if (name in given or _SECRET.search(name))
        and len(value) >= SHORTEST
        and value in text
        and not os.path.exists(value)  # a path is no secret, and a model that is to use it must read it
    ]
    for value, name in sorted(secrets, key=lambda each: -len(each[0])):
        text = text.replace(value, f"[{name}]")
    return text


def masked_command(text: str, names: Iterable[str] = ()) -> str:
    """A command's text, also with what follows an option that is named like a key masked.

    >>> masked_command("serve --api-key abc --port 1")
    'serve --api-key […] --port 1'
    """
    return _OPTION.sub(r"\1[…]", masked(text, names))


def plain(text: str) -> str:
    """The text without terminal sequences, and with � for each other character that is not seen.

    >>> plain("\\x1b[31mred\\x1b[0m\\u202e\\x07")
    'red��'
    """
    return "".join(
        each if each.isprintable() or each in "\n\t" else "\N{REPLACEMENT CHARACTER}" for each in _ESCAPE.sub("", text)
    )


def line(text: str, limit: int) -> str:
    """The text as one plain line, cut visibly."""
    flat = " ".join(plain(text).split())
    return flat if len(flat) <= limit else f"{flat[:limit]}…"
