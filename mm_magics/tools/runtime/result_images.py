"""The images in the result of a tool: those that are sent, and the labels that stand for them in its text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mm_magics.api.messages import Block
from mm_magics.api.models import takes_images
from mm_magics.api.sendable import images_not_sent
from mm_magics.prompt.image_file import image_size
from mm_magics.prompt.images import image_block, image_problem
from mm_magics.tools.tool import ToolOutput
from mm_magics.wording import counted

MAX_IMAGES = 20
"""Images of one result."""

MAX_BYTES = 20_000_000
"""All images of one result together."""


class ResultImages:
    """Collects the images of a result. Equal images are sent once.

    >>> ResultImages().add(b"<svg/>")
    '[image, 6 bytes: not sent to the model, because it is not PNG, JPEG, GIF or WebP]'
    """

    def __init__(self) -> None:
        self.files: tuple[bytes, ...] = ()

    def add(self, data: bytes, name: str = "image") -> str:
        """Return the label of an image, with its size; or its name and the reason why it is not sent."""
        problem = image_problem(data)
        if not problem and data not in self.files:
            if len(self.files) == MAX_IMAGES:
                problem = f"{MAX_IMAGES} images are the limit"
            elif sum(map(len, self.files)) + len(data) > MAX_BYTES:
                problem = f"{MAX_BYTES / 1e6:g} MB of images are the limit"
            else:
                self.files += (data,)
        if problem:
            return f"[{name}, {len(data):,} bytes: not sent to the model, because {problem}]"
        return f"[image {self.files.index(data) + 1}, {image_size(data)}]"


def image_refusal(output: ToolOutput, model: str) -> str:
    """Return why images of a result are not sent to this model, as a sentence; "" if it has none or all are sent."""
    if not output.images:
        return ""
    if not takes_images(model):
        return images_not_sent(len(output.images), model)
    count = counted(len(output.images), "image")
    return f"{count} of a failed call cannot be sent: endpoints refuse them." if output.is_error else ""


def result_content(text: str, images: Sequence[bytes]) -> str | list[dict[str, Any]]:
    """Return the content of a `tool_result` block: a text and, below it, the images that it labels."""
    if not images:
        return text
    blocks: list[Block] = [{"type": "text", "text": text}, *map(image_block, images)]
    return blocks
