"""The text of each row: from a template, or from a function of the row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mm_magics.api.messages import Block, Message
from mm_magics.batch.rows import MissingValueError, is_missing
from mm_magics.errors import PromptError
from mm_magics.prompt.images import PromptImages
from mm_magics.prompt.template import Template


class RowText(str):
    """The text of a row. `parts` are the content blocks before it: the images in it, with their names."""

    parts: Sequence[Block] = ()

    @classmethod
    def of(cls, text: str, parts: Sequence[Block]) -> str:
        made = cls(text)
        made.parts = parts
        return made


def row_message(text: str) -> Message:
    """Return the user message of a row."""
    parts = text.parts if isinstance(text, RowText) else ()
    return {"role": "user", "content": [*parts, {"type": "text", "text": str(text)}]}


class RowTemplate:
    """Makes the text of a row.

    Args:
        template: A template with `{{ row }}`, or a function that takes a row and returns the text.
        namespace: Other names that the template can use.
        limit: The most characters of one value.
    """

    def __init__(self, template: str | Callable[[Any], str], namespace: Mapping[str, Any], limit: int) -> None:
        self.source = template if isinstance(template, str) else f"{getattr(template, '__name__', 'a function')}(row)"
        self._template = template if callable(template) else Template(template)
        self._namespace, self._limit = dict(namespace), limit

    def __call__(self, row: Any) -> str:
        """Return the text of this row; a `RowText` if it contains images.

        Raises:
            PromptError: An expression or the function fails for this row.
        """
        if isinstance(self._template, Template):
            self._namespace["row"] = row
            images = PromptImages(self._limit)
            text = self._template.fill(self._namespace, lambda value: self._value_text(value, images))
            return RowText.of(text, parts) if (parts := images.blocks) else text
        try:
            text = self._template(row)
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(":.")
            raise PromptError(f"{self.source} failed with {reason}.") from error
        if not isinstance(text, str):
            raise PromptError(f"{self.source} returned a value of type {type(text).__name__}, not a string.")
        return text

    def _value_text(self, value: Any, images: PromptImages) -> str:
        if is_missing(value):
            raise MissingValueError("it has no value in this row")
        return images.as_text(value)
