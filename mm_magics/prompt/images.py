"""Images in a prompt: which values are images, and the content blocks that they become."""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from io import BytesIO
from itertools import takewhile
from typing import Any

from mm_magics.api.messages import Block
from mm_magics.errors import PromptError
from mm_magics.prompt.image_file import image_size, media_type
from mm_magics.prompt.values import VALUE_LIMIT, as_text

MAX_IMAGE_BYTES = 10_000_000
MAX_IMAGE_SIDE = 8_000
"""Pixels. Endpoints of this format refuse larger images."""

MAX_SEVERAL = 20
"""Longer lists are text, even if their items are images."""

_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
"""The modes of PIL images that PNG can store."""


def image_problem(data: bytes) -> str:
    """Return why models do not take an image file, as the end of a sentence; "" if they do."""
    if media_type(data) is None:
        return "it is not PNG, JPEG, GIF or WebP"
    if len(data) > MAX_IMAGE_BYTES:
        return f"it has {len(data) / 1e6:.1f} MB, and the limit is {MAX_IMAGE_BYTES / 1e6:g} MB"
    size = image_size(data)
    if size is None:
        return "the file is damaged or incomplete"
    return f"it has {size} pixels, and the limit is {MAX_IMAGE_SIDE:,} per side" if max(size) > MAX_IMAGE_SIDE else ""


def image_block(data: bytes, name: str = "The image") -> Block:
    """Return the content block of an image. Its keys are sorted, as a saved notebook has them.

    Raises:
        PromptError: Models do not take the image.
    """
    if problem := image_problem(data):
        raise PromptError(f"{name} cannot be sent: {problem}.", "Convert it, or make it smaller.")
    encoded = base64.b64encode(data).decode()
    return {"type": "image", "source": {"data": encoded, "media_type": media_type(data), "type": "base64"}}


def image_data(value: Any) -> bytes | None:
    """Return a value as an image file, None if it is not an image.

    Images are matplotlib figures and what is drawn in one, PIL images, IPython's `Image`, and the bytes of a PNG, JPEG,
    GIF or WebP file.
    """
    if isinstance(value, BytesIO):
        value = value.getvalue()
    if isinstance(value, bytes | bytearray | memoryview):
        data = bytes(value)
        return data if media_type(data) else None
    if (figure := _figure(value)) is not None:
        return _saved(lambda file: figure.savefig(file, format="png"))
    if _is_a(value, "PIL.Image", "Image"):
        picture = value if value.mode in _MODES else value.convert("RGB")
        return _saved(lambda file: picture.save(file, format="PNG"))
    if _is_a(value, "IPython.core.display", "Image") and isinstance(value.data, bytes):
        return value.data if media_type(value.data) else None
    return None


def _figure(value: Any) -> Any:
    """Return the matplotlib figure that a value is or belongs to: axes and artists do, and grids of seaborn."""
    if "matplotlib" not in sys.modules:
        return None
    for name in ("self", "figure"):
        found = value
        if name == "figure":
            found = None
            with suppress(Exception):  # a property of the user's object
                found = getattr(value, "figure", None)
        if _is_a(found, "matplotlib.figure", "Figure"):
            return found
    return None


def _is_a(value: Any, module: str, name: str) -> bool:
    """Return whether a value is of a class, without importing its module."""
    kind = getattr(sys.modules.get(module), name, None)
    return isinstance(kind, type) and isinstance(value, kind)


def _saved(save: Any) -> bytes:
    file = BytesIO()
    try:
        save(file)
    except Exception as error:  # of the user's object
        raise PromptError(f"The image cannot be made: {error}.", "Correct it, or leave it out.") from error
    return file.getvalue()


def _several(value: Any) -> Sequence[Any]:
    """Return the items of a short list, tuple or dict, or of an array of objects, such as the axes of subplots."""
    if isinstance(value, dict):
        value = [*value.values()]
    elif _is_a(value, "numpy", "ndarray") and value.dtype == object and value.size <= MAX_SEVERAL:
        value = [*value.flat]
    return value if isinstance(value, list | tuple) and len(value) <= MAX_SEVERAL else ()


class PromptImages:
    """Writes the values of a prompt as text, and collects the images among them.

    An image becomes `[image 1]` in the text. `blocks` has the images, each below a text with its name.

    Args:
        limit: The most characters of one value; 0: no limit.
    """

    def __init__(self, limit: int = VALUE_LIMIT) -> None:
        self._limit = limit
        self._images: list[bytes] = []

    def as_text(self, value: Any) -> str:
        """Return a value as the text of a prompt has it. Equal images have the same name.

        A short list or dict with nothing but images becomes their names.

        Raises:
            PromptError: An image cannot be made.
        """
        if isinstance(value, str):
            return as_text(value, self._limit)
        if (data := image_data(value)) is not None:
            return self._name(data)
        items = _several(value)
        found = [*takewhile(lambda data: data is not None, map(image_data, items))]
        if not found or len(found) < len(items):
            return as_text(value, self._limit)
        names = [self._name(each) for each in found if each is not None]
        if isinstance(value, dict):
            return ", ".join(f"{key}: {name}" for key, name in zip(value, names, strict=True))
        return ", ".join(dict.fromkeys(names))

    def _name(self, data: bytes) -> str:
        if data not in self._images:
            self._images.append(data)
        return f"[image {self._images.index(data) + 1}]"

    @property
    def blocks(self) -> list[Block]:
        return [block for number, data in enumerate(self._images, 1) for block in _named(f"[image {number}]", data)]


def image_blocks(cell_id: str, images: Iterable[tuple[str, bytes]]) -> list[Block]:
    """Return the content blocks of images that are attached to a cell, each below a text with its name."""
    return [block for name, data in images for block in _named(f"[{name} of cell {cell_id}]", data)]


def _named(name: str, data: bytes) -> Iterator[Block]:
    yield {"type": "text", "text": f"{name}:"}
    yield image_block(data)
