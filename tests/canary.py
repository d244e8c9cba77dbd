"""A key to search for. It contains every character that may be escaped, and a stem that no escape changes.

If none of `FORMS` is found in some data, undoing escapes or base64 in it cannot give the key's stem.
"""

from __future__ import annotations

import base64
import html
import json
import re
import urllib.parse
from collections.abc import Iterable, Iterator
from pathlib import Path

STEM = "mm-canary-7f3a9c51e0"
CANARY = STEM + r""""'\<&>/+=%{}~"""
"""All of it is visible ASCII, so that it is valid in a header."""

SIMULATORS = rb"simulator-key-[A-Za-z0-9_-]{32}"
"""The keys that simulators generate for themselves."""


def _coded(text: str) -> Iterator[str]:
    """Yield the base64 forms of a text, for each of its positions in a longer text."""
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + text.encode()).decode().rstrip("=")
        yield coded[(0, 2, 3)[before] : -1]


FORMS = (STEM, *_coded(STEM), STEM.encode().hex(), STEM[::-1])
_ANY = re.compile("|".join(map(re.escape, FORMS)).encode())
_SIMULATORS = re.compile(b"|".join([SIMULATORS, *(re.escape(each.encode()) for each in _coded("simulator-key-"))]))


def echoes() -> list[str]:
    """Return the canary in the forms in which an endpoint may echo it."""
    quoted = urllib.parse.quote(CANARY, safe="")
    return [
        *(CANARY, f"Bearer {CANARY}.", json.dumps(CANARY), json.dumps(CANARY).replace("/", r"\/"), repr(CANARY)),
        *(html.escape(CANARY), html.escape(CANARY, quote=False), html.escape(CANARY).replace("&#x27;", "&#39;")),
        *(quoted, quoted.lower(), urllib.parse.quote(CANARY), urllib.parse.quote_plus(CANARY)),
        *(base64.b64encode(f"{before}{CANARY}".encode()).decode() for before in ("", "k", "ke", "Bearer ")),
        base64.urlsafe_b64encode(CANARY.encode()).decode(),
        json.dumps(CANARY).replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026"),
    ]


def places(data: bytes | str, *, simulators: bool = False) -> list[str]:
    """Return the surroundings of each occurrence of a key, in any form; empty if it does not occur."""
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    pattern = _SIMULATORS if simulators else _ANY
    return [repr(raw[max(0, hit.start() - 120) : hit.end() + 40]) for hit in pattern.finditer(raw)]


def in_files(files: Iterable[Path], *, simulators: bool = False) -> list[str]:
    """Return where in these files, or in their names, a key occurs."""
    found = []
    for file in files:
        found += [f"{file}: {place}" for place in places(file.read_bytes(), simulators=simulators)]
        found += [f"the name {file}" for _ in places(str(file), simulators=simulators)]
    return found
