"""Read the type and the size of an image file from its bytes, and check that the file is complete.

An endpoint refuses a damaged image, and with it every later request of the conversation.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

IMAGE_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")
"""The types of images that models take and pages show."""

_SIZE_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""The segments of a JPEG file that contain its size."""


class ImageSize(NamedTuple):
    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}\u00d7{self.height}"


def media_type(data: bytes) -> str | None:
    """Return the type of an image, from its first bytes; None if it is not PNG, JPEG, GIF or WebP.

    >>> media_type(b"GIF89a"), media_type(b"text")
    ('image/gif', None)
    """
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    return "image/webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else None


def image_size(data: bytes) -> ImageSize | None:
    """Return the size of an image in pixels; None if the file is damaged, incomplete, or of another type."""
    read = _READERS.get(media_type(data) or "")
    try:
        size = read(data) if read else None
    except (struct.error, IndexError):  # the file ends early
        return None
    return size if size and size.width and size.height else None


def _png(data: bytes) -> ImageSize | None:
    chunks = list(_png_chunks(data))
    if [kind for kind, _ in chunks[:1] + chunks[-1:]] != [b"IHDR", b"IEND"] or b"IDAT" not in dict(chunks):
        return None
    return ImageSize(*struct.unpack_from(">II", chunks[0][1]))


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the chunks up to the last one, or up to one that is damaged."""
    at = 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        if (zlib.crc32(content, zlib.crc32(kind)),) != struct.unpack_from(">I", data, at + 8 + length):
            return
        yield kind, content
        if kind == b"IEND":
            return
        at += 12 + length


def _jpeg(data: bytes) -> ImageSize | None:
    size = None
    at = 2
    while True:
        while data[at + 1] == 0xFF:  # fill bytes
            at += 1
        start, marker, length = struct.unpack_from(">BBH", data, at)
        if start != 0xFF or length < 2:
            return None
        if marker in _SIZE_MARKERS:
            height, width = struct.unpack_from(">HH", data, at + 5)
            size = ImageSize(width, height)
        at += 2 + length
        if marker == 0xDA:  # the pixels follow, up to the end marker
            return size if data.find(b"\xff\xd9", at) > 0 else None


def _gif(data: bytes) -> ImageSize | None:
    return ImageSize(*struct.unpack_from("<HH", data, 6)) if data.rstrip(b"\0").endswith(b";") else None


def _webp(data: bytes) -> ImageSize | None:
    if struct.unpack_from("<I", data, 4)[0] + 8 > len(data):
        return None
    match data[12:16]:
        case b"VP8X":
            width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
        case b"VP8L" if data[20] == 0x2F:
            (bits,) = struct.unpack_from("<I", data, 21)
            width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 " if data[23:26] == b"\x9d\x01\x2a":
            width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
        case _:
            return None
    return ImageSize(width, height)


_READERS: dict[str, Callable[[bytes], ImageSize | None]] = {
    "image/png": _png,
    "image/jpeg": _jpeg,
    "image/gif": _gif,
    "image/webp": _webp,
}
