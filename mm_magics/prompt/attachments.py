"""Files that are sent with a prompt (`--attach`): images, and the text of text files and PDFs."""

from __future__ import annotations

import logging
import re
import stat
from collections.abc import Sequence
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from mm_magics.api.messages import Block
from mm_magics.errors import UsageError
from mm_magics.packages import require
from mm_magics.prompt.image_file import media_type
from mm_magics.prompt.images import image_block
from mm_magics.text import decode_json
from mm_magics.wording import counted

MAX_FILE_BYTES = 50_000_000
CHARACTERS_PER_TOKEN = 4
"""An estimate for English text."""


class Attachment(NamedTuple):
    """What is sent of a file, and a line for the user about its size."""

    blocks: list[Block]
    note: str


def attach(path: str | Path) -> Attachment:
    """Read a file as content blocks.

    Raises:
        UsageError: The file cannot be read, is too large, or contains neither an image nor text.
        PromptError: It is an image that models do not take.
    """
    file = Path(path).expanduser()
    data = _read(file)
    if kind := media_type(data):
        blocks = [{"type": "text", "text": f"{file.name}:"}, image_block(data, file.name)]
        return Attachment(blocks, f"Attached {file.name}: {kind}, {len(data) / 1000:,.0f} kB.")
    if _PDF_START.match(data):
        pages = _pdf_pages(file.name, data)
        empty = [number for number, page in enumerate(pages, 1) if not page.strip()]
        text = "\n".join(
            f"[page {number} of {len(pages)}{', without text' * (number in empty)}]\n{page}"
            for number, page in enumerate(pages, 1)
        )
        remark = f" Without text, perhaps scanned: {_pages_text(empty)}." if empty else ""
        return _as_text(file.name, text, f"{counted(len(pages), 'page')}, ", remark)
    text, remark = _decoded(file.name, data)
    return _as_text(file.name, text, "", remark)


def _read(file: Path) -> bytes:
    try:
        status = file.stat()
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):  # reading a pipe or a device may not end
            raise UsageError(f"{file} is not a file, but a pipe or a device.", "Save what it returns in a file first.")
        size = status.st_size
        if size > MAX_FILE_BYTES:
            raise UsageError(
                f"{file.name} has {size / 1e6:,.0f} MB; the limit is {MAX_FILE_BYTES / 1e6:g} MB.",
                "Attach a part of it.",
            )
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be attached: {error.strerror}.", "Nothing was sent.") from None


def _pages_text(numbers: Sequence[int]) -> str:
    """Return the numbers of pages as text, in order and as ranges.

    >>> _pages_text([1, 3, 4, 5, 9])
    'pages 1, 3 to 5 and 9'
    """
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][-1] + 1:
            ranges[-1][1:] = [number]
        else:
            ranges.append([number])
    *most, last = [" to ".join(map(str, each)) for each in ranges]
    return f"page{'s' * (len(numbers) > 1)} " + (f"{', '.join(most)} and {last}" if most else last)


def _as_text(name: str, text: str, extent: str, remark: str = "") -> Attachment:
    if not text.strip():
        raise UsageError(f"{name} is empty.", "Nothing was sent.")
    content = _CLOSING_MARK.sub("‹", text)
    block = {"type": "text", "text": f'<file name="{name.translate(_QUOTES)}">\n{content}\n</file>'}
    tokens = len(text) // CHARACTERS_PER_TOKEN
    size = f"{extent}{counted(len(text), 'character')}, about {counted(tokens, 'token')}"
    return Attachment([block], f"Attached {name}: {size}.{remark}")


_CLOSING_MARK = re.compile(r"<(?=[^\w>]{0,20}/[^\w>]{0,20}file)", re.IGNORECASE)
"""What would close the mark of a file, or what a model may take for it: with spaces or invisible characters in it."""
_PDF_START = re.compile(rb"[\s\xef\xbb\xbf]*%PDF-\d")
_QUOTES = {ord(each): "_" for each in '"<>&\n\r'}


def _decoded(name: str, data: bytes) -> tuple[str, str]:
    """Return the text of a file, and a remark if its encoding had to be guessed."""
    try:
        text = decode_json(data) if data[:2] in (b"\xff\xfe", b"\xfe\xff") else data.decode("utf-8-sig")
        remark = ""
    except UnicodeDecodeError:
        text, remark = _decoded_bytes(data)
    if "\0" in text or sum(each < " " and each not in "\t\n\r\f\x1b" for each in text[:10_000]) > 10:
        raise UsageError(f"{name} is neither an image nor text.", "Attach PNG, JPEG, GIF, WebP, PDF or text.")
    return text, remark


def _decoded_bytes(data: bytes) -> tuple[str, str]:
    """Return the text of a file that is not UTF-8, as Windows-1252: Latin-1 with quotation marks and dashes."""
    for name, codec in (("Windows-1252", "cp1252"), ("Latin-1", "latin-1")):
        with suppress(UnicodeDecodeError):
            return data.decode(codec), f" It is not UTF-8, so it was read as {name}."
    raise AssertionError  # Latin-1 decodes any byte


def _pdf_pages(name: str, data: bytes) -> Sequence[str]:
    require("pypdf", "PDF files")
    import pypdf

    logger = logging.getLogger("pypdf")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # what matters is in the error
    try:
        pages = [page.extract_text() for page in pypdf.PdfReader(BytesIO(data)).pages]
    except pypdf.errors.FileNotDecryptedError:
        raise UsageError(f"{name} is protected by a password.", "Attach a copy that is not.") from None
    except Exception as error:  # a damaged file can raise anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UsageError(f"{name} cannot be read as a PDF: {reason}.", "Nothing was sent.") from None
    finally:
        logger.setLevel(level)
    if not any(page.strip() for page in pages):
        raise UsageError(
            f"{name} has no text on its {counted(len(pages), 'page')}.", "If it is a scan, attach images of its pages."
        )
    return pages
