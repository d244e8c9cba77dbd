"""Make text from an MCP server safe to show: secrets are redacted, control characters are replaced.

A value is a secret if its environment variable is named like a key, unless it is the path of a file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from mm_magics.text import excerpt, strip_ansi

MIN_SECRET = 6
"""Characters below which a value is too common a text to be a secret."""

_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL|AUTH(?!OR)", re.IGNORECASE)
_OPTION = re.compile(
    r"(?i)((?:key|token|secret|passw(?:or)?d|credentials?|auth|bearer|authorization:?)\b['\"]?(?:\s*[=:]\s*|\s+))(\S+)"
)


def redact(text: str, names: Iterable[str] = ()) -> str:
    """Replace secrets by `[NAME]`, the name of their environment variable.

    Args:
        text: Any text from a server.
        names: Variables whose values are secrets whatever they are named.
    """
    also = set(names)
    secrets = [
        (value, name)
        for name, value in os.environ.items()
        if (name in also or _SECRET.search(name))
        and len(value) >= MIN_SECRET
        and value in text
        and not os.path.exists(value)  # a path is not a secret, and the model needs it to read the file
    ]
    for value, name in sorted(secrets, key=lambda each: -len(each[0])):
        text = text.replace(value, f"[{name}]")
    return text


def redact_command(text: str, names: Iterable[str] = ()) -> str:
    """Redact a command line, including the values of options that are named like a key.

    >>> redact_command("serve --api-key abc --port 1")
    'serve --api-key […] --port 1'
    """
    return _OPTION.sub(r"\1[…]", redact(text, names))


def printable(text: str) -> str:
    """Remove terminal sequences and replace each other unprintable character by �.

    >>> printable("\\x1b[31mred\\x1b[0m\\u202e\\x07")
    'red��'
    """
    return "".join(
        each if each.isprintable() or each in "\n\t" else "\N{REPLACEMENT CHARACTER}" for each in strip_ansi(text)
    )


def printable_line(text: str, limit: int) -> str:
    """Return the printable text on one line of at most `limit` characters."""
    return excerpt(printable(text), limit)
