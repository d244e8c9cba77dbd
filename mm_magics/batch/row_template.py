"""The text of each row: from a template, or from a function of the row."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from mm_magics.api.messages import Block, Message
from mm_magics.batch.row import MissingColumnError, MissingValueError, Row, is_missing, missing_column, written
from mm_magics.errors import PromptError
from mm_magics.prompt.images import PromptImages
from mm_magics.prompt.protected import words_of, words_of_function
from mm_magics.prompt.template import Template

_DECISIONS = (ast.IfExp, ast.BoolOp, ast.Compare, ast.comprehension, ast.Lambda, ast.NamedExpr)
"""Parts of an expression that may leave out a column, or give `row` another value."""


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

    Attributes:
        cut: How many values were cut to the limit.
    """

    def __init__(self, template: str | Callable[[Any], str], namespace: Mapping[str, Any], limit: int) -> None:
        self.source = template if isinstance(template, str) else f"{getattr(template, '__name__', 'a function')}(row)"
        self._template = template if callable(template) else Template(template)
        self._namespace, self._limit = dict(namespace), limit
        self.cut = 0

    def alone(self) -> RowTemplate:
        """Return the same template with only the names that it reads, to be sent to another process."""
        names = frozenset[str]().union(*(words for _, words in self.reads)) - {"row"}
        template = self.source if isinstance(self._template, Template) else self._template
        return RowTemplate(template, {k: v for k, v in self._namespace.items() if k in names}, self._limit)

    @property
    def reads(self) -> list[tuple[str, frozenset[str]]]:
        """What reads the row: each expression, or the function, and the words in it."""
        if isinstance(self._template, Template):
            return [(f"{{{{ {each} }}}}", words_of(each)) for each in self._template.expressions]
        return [(self.source, words_of_function(self._template) | {"row"})]

    def columns_read(self, columns: Sequence[Any]) -> list[Any]:
        """Return the columns that the template names; none if it reads whole rows."""
        words = frozenset[str]().union(*(words for _, words in self.reads))
        return [each for each in columns if str(each) in words]

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

    def missing_columns(self, columns: Sequence[Any]) -> list[str]:
        """Return what is wrong with each expression that takes another column than these from every row."""
        if not isinstance(self._template, Template):
            return []
        names = dict.fromkeys(columns)
        return [
            f"{{{{ {source} }}}} failed with MissingColumnError: {missing_column(name, names)}."
            for source in self._template.expressions
            for name in _columns_in(source)
            if name not in names
        ]

    def _value_text(self, value: Any, images: PromptImages) -> str:
        if isinstance(owner := getattr(value, "__self__", None), Row):
            raise MissingColumnError(missing_column(value.__name__, owner))  # a method, which no prompt is about
        if is_missing(value):
            raise MissingValueError("it has no value in this row")
        text = images.as_text(value)
        self.cut += 0 < self._limit < len(text)
        return text


def _columns_in(expression: str) -> Iterator[Any]:
    """Yield the columns that an expression always takes from `row`; none if it may decide which, or rename `row`."""
    tree = ast.parse(expression, mode="eval")
    if any(isinstance(node, _DECISIONS) for node in ast.walk(tree)):
        return
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        is_of_row = isinstance(node, ast.Attribute | ast.Subscript) and ast.unparse(node.value) == "row"
        if not is_of_row:
            continue
        if isinstance(node, ast.Attribute) and not node.attr.startswith("__") and id(node) not in called:
            yield node.attr
        elif isinstance(node, ast.Subscript):
            with suppress(ValueError, TypeError):  # an expression, or what cannot be a name
                name = ast.literal_eval(node.slice)
                hash(name)
                yield name


def name_hint(template: str) -> str:
    """Return how to write a column whose name is not an identifier; "" if the template has none."""
    found = re.search(r"\{\{\s*row\.([^{}()\[\]\n]+?)\s*\}\}", template)
    return f"Write {{{{ {written(found[1])} }}}}." if found and not found[1].isidentifier() else ""
