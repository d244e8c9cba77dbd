"""A key to look for: it holds every character that somebody may escape, and a stem that no escape changes.

Always true: what is not found in any of `FORMS` cannot be turned into the key's stem by undoing escapes or base64.
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
"""All of it is visible ASCII, so that it may stand in a header."""

SIMULATORS = rb"simulator-key-[A-Za-z0-9_-]{32}"
"""The keys that simulators make up for themselves."""


def _coded(text: str) -> Iterator[str]:
    """What base64 makes of a text, wherever in a longer one it stands."""
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + text.encode()).decode().rstrip("=")
        yield coded[(0, 2, 3)[before] : -1]


FORMS = (STEM, *_coded(STEM), STEM.encode().hex(), STEM[::-1])
_ANY = re.compile("|".join(map(re.escape, FORMS)).encode())
_SIMULATORS = re.compile(b"|".join([SIMULATORS, *(re.escape(each.encode()) for each in _coded("simulator-key-"))]))


def echoes() -> list[str]:
    """The canary in the forms in which an endpoint may give it back."""
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
    """What stands around each place where a key is, in any form; empty if there is none."""
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    wanted = _SIMULATORS if simulators else _ANY
    return [repr(raw[max(0, hit.start() - 120) : hit.end() + 40]) for hit in wanted.finditer(raw)]


def in_files(files: Iterable[Path], *, simulators: bool = False) -> list[str]:
    """Where in these files, or in their names, a key is."""
    found = []
    for file in files:
        found += [f"{file}: {place}" for place in places(file.read_bytes(), simulators=simulators)]
        found += [f"the name {file}" for _ in places(str(file), simulators=simulators)]
    return found
