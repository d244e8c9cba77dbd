"""The size of a part of a request, before an endpoint has counted its tokens."""

from __future__ import annotations

import re
from typing import NamedTuple

BYTES_PER_TOKEN = 3.0
"""What is assumed until an endpoint has counted tokens of the conversation."""
IMAGE_TOKENS = 1_600
"""Estimate for one image, whose bytes do not count as text."""

_BASE64 = re.compile(r'"data":"[A-Za-z0-9+/=]{1000,}"')


class SentSize(NamedTuple):
    """The bytes of the JSON of a part of a request, without its images, and how many images it has."""

    text: int
    images: int

    def tokens(self, bytes_per_token: float = BYTES_PER_TOKEN) -> int:
        """Return about how many tokens the part has."""
        return int(self.text // bytes_per_token) + self.images * IMAGE_TOKENS


def sent_size(encoded: str | bytes) -> SentSize:
    """Return the size of a part of a request, from its JSON.

    >>> sent_size('{"role":"user","content":"Hello, reef."}').tokens()
    13
    """
    text = encoded.decode() if isinstance(encoded, bytes) else encoded
    text, images = _BASE64.subn("", text) if '"base64"' in text else (text, 0)
    return SentSize(len(text) if text.isascii() else len(text.encode()), images)
