"""The text of each row: from a template, or from a function of the row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mm_magics.batch.rows import MissingValueError, is_missing
from mm_magics.errors import PromptError
from mm_magics.prompt.template import Template
from mm_magics.prompt.values import as_text


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
        """Return the text of this row.

        Raises:
            PromptError: An expression or the function fails for this row.
        """
        if isinstance(self._template, Template):
            self._namespace["row"] = row
            return self._template.fill(self._namespace, self._value_text)
        try:
            text = self._template(row)
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(":.")
            raise PromptError(f"{self.source} failed with {reason}.") from error
        if not isinstance(text, str):
            raise PromptError(f"{self.source} returned a value of type {type(text).__name__}, not a string.")
        return text

    def _value_text(self, value: Any) -> str:
        if is_missing(value):
            raise MissingValueError("it has no value in this row")
        return as_text(value, self._limit)
