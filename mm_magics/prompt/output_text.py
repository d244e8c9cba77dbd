"""The output of a cell as the text and the images that a reader sees."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from mm_magics.prompt.html_text import html_text
from mm_magics.prompt.image_file import IMAGE_TYPES, image_size
from mm_magics.prompt.images import image_problem
from mm_magics.prompt.terminal_text import terminal_text

MAX_HTML = 2_000_000
"""Characters. Of longer HTML, the plain text beside it is used."""

_OBJECT = re.compile(r"<[^<>\n]*>")
TEXT_TYPES = ("text/markdown", "text/html", "text/latex", "text/csv", "application/json", "text/plain")
"""The types of an output that have a text, in the order in which they are used."""


def image_label(image: bytes) -> str:
    """Return the text that stands for an image which is not sent: its size; "" if it is not a complete image."""
    return f"[image, {size}]" if (size := image_size(image)) else ""


def output_text(output: Mapping[str, Any], label: Callable[[bytes], str] = image_label) -> str:
    """Return an output in the notebook format as text: HTML tables as Markdown tables, images by their labels."""
    kind = output.get("output_type")
    if kind == "stream":
        return terminal_text(_joined(output.get("text"))).strip("\n")
    if kind == "error":
        named = ": ".join(str(output[key]) for key in ("ename", "evalue") if output.get(key))
        return terminal_text("\n".join(map(str, output.get("traceback") or ())) or named)
    data = output.get("data")
    return bundle_text(data, label) if isinstance(data, Mapping) else ""


def bundle_text(data: Mapping[str, Any], label: Callable[[bytes], str] = image_label) -> str:
    """Return the formats of one displayed object as text."""
    images = "".join(f"{text}\n" for text in map(label, _images(data)) if text)
    has_image = bool(images) or "image/svg+xml" in data
    texts = [_text(each, data[each]) for each in TEXT_TYPES if each in data]
    # Beside an image, the name of its object says nothing: <Figure size 640x480 with 1 Axes>.
    text = next((each for each in texts if each and not (has_image and _OBJECT.fullmatch(each))), "")
    return (images + (text or ("" if images or not has_image else "[image]"))).strip("\n")


def output_images(output: Mapping[str, Any]) -> list[bytes]:
    """Return the images of an output that models take."""
    data = output.get("data")
    return [each for each in _images(data) if not image_problem(each)] if isinstance(data, Mapping) else []


def decoded_image(data: object) -> bytes | None:
    """Return the bytes of an image in the notebook format: base64, in one text or in lines."""
    with suppress(ValueError):
        return b64decode(_joined(data))
    return None


def _images(data: Mapping[str, Any]) -> Iterator[bytes]:
    for kind in IMAGE_TYPES:
        if kind in data and (image := decoded_image(data[kind])):
            yield image


def _text(kind: str, value: Any) -> str:
    if kind == "application/json":
        return json.dumps(value, ensure_ascii=False)
    text = _joined(value)
    if kind == "text/html":
        text = html_text(text) if len(text) <= MAX_HTML else ""
    elif kind == "text/plain":
        text = terminal_text(text)
    return text.strip("\n")


def _joined(text: Any) -> str:
    return "".join(map(str, text)) if isinstance(text, list) else str(text or "")
