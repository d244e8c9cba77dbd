"""Fill in the `{{ expr }}` of a prompt cell's text.

Single braces, `$`, `%`, JSON and LaTeX are left unchanged, and the text of a value is never filled in again.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from types import CodeType
from typing import Any, NamedTuple

from mm_magics.errors import PromptError
from mm_magics.prompt.images import image_data
from mm_magics.prompt.values import VALUE_LIMIT, as_text
from mm_magics.text import excerpt

LITERAL_HINT = 'To send two braces unchanged, write {{ "{{" }} or use --raw.'

MAX_EXPRESSION_CHARACTERS = 10_000
"""How far to look for the end of an expression."""

MAX_QUOTED_CHARACTERS = 120
"""How much of an expression or of its error is quoted in a message."""


class FilledExpression(NamedTuple):
    """An expression of a template, and the text that it was replaced by."""

    source: str
    text: str


class Template:
    """A text with `{{ expr }}`, compiled once to be filled in with any number of namespaces.

    Raises:
        PromptError: If an expression is not valid Python. The message quotes it.
    """

    def __init__(self, text: str) -> None:
        self._parts = list(_parts(text))

    @property
    def expressions(self) -> list[str]:
        """The expressions in the text, in their order."""
        return [part for part, code in self._parts if code is not None]

    @property
    def literals(self) -> tuple[list[str], list[str]]:
        """The texts before, between and after the expressions, and the expressions."""
        return [part for part, code in self._parts if code is None], self.expressions

    def fill(self, namespace: dict[str, Any], to_text: Callable[[Any], str] = as_text) -> str:
        """Return the text with each expression replaced by its value.

        Args:
            namespace: The names that expressions can use.
            to_text: Writes a value as text.

        Raises:
            PromptError: If an expression fails. The message quotes it.
        """
        return self.fill_each(namespace, to_text)[0]

    def fill_each(
        self, namespace: dict[str, Any], to_text: Callable[[Any], str] = as_text
    ) -> tuple[str, list[FilledExpression]]:
        """Return what `fill` returns, and the text of each expression."""
        filled = [
            FilledExpression(part, part if code is None else _evaluate(part, code, namespace, to_text))
            for part, code in self._parts
        ]
        expressions = [each for each, (_, code) in zip(filled, self._parts, strict=True) if code is not None]
        return "".join(each.text for each in filled), expressions


def render(text: str, namespace: Mapping[str, Any], limit: int = VALUE_LIMIT) -> str:
    """Return the text with each `{{ expr }}` replaced by its value, of at most `limit` characters (0: no limit).

    Raises `PromptError` if an expression is not valid Python or fails. The message quotes it.

    >>> render("{{ 6 * 7 }} is {not} 100% of ${{ price }}", {"price": 5})
    '42 is {not} 100% of $5'
    """

    def to_text(value: Any) -> str:
        if image_data(value) is not None:
            raise ValueError("only the prompt itself can contain images")
        return as_text(value, limit)

    return Template(text).fill(dict(namespace), to_text)


def expression_at(text: str, cursor: int) -> tuple[int, int] | None:
    """Return where the expression at the cursor starts and ends, complete or not; None outside of `{{ }}`.

    >>> expression_at("Why is {{ x }} odd?", 11), expression_at("Why is {{ x }} odd?", 2)
    ((9, 12), None)
    """
    position = 0
    while (start := text.find("{{", position)) >= 0 and start + 2 <= cursor:
        end = _end(text, start, cursor)
        if cursor <= end:
            return start + 2, end
        position = end + 2
    return None


def _end(text: str, start: int, cursor: int) -> int:
    """Return where an expression ends that may be incomplete: before a `}}`, or else with the line of the cursor."""
    closing = text.find("}}", start + 2)
    if closing < 0:
        line_end = text.find("\n", cursor)
        return len(text) if line_end < 0 else line_end
    try:
        return _expression(text, start, closing)[2] - 2
    except PromptError:
        return _balanced_end(text, start, closing)


def _balanced_end(text: str, start: int, closing: int) -> int:
    """Return the first end, from `closing`, before which each brace is closed; else `closing`."""
    end = closing
    while 0 <= end < start + MAX_EXPRESSION_CHARACTERS:
        source = text[start + 2 : end]
        if source.count("{") == source.count("}"):
            return end
        end = text.find("}}", end + 1)
    return closing


def _parts(text: str) -> Iterator[tuple[str, CodeType | None]]:
    """Yield literal text as (text, None) and expressions as (source, code), in order."""
    position = 0
    while (start := text.find("{{", position)) >= 0 and (end := text.find("}}", start + 2)) >= 0:
        source, code, end = _expression(text, start, end)
        yield text[position:start], None
        yield source, code
        position = end
    yield text[position:], None


def _expression(text: str, start: int, end: int) -> tuple[str, CodeType, int]:
    """Find the shortest Python expression between `{{` and a `}}`. A dict in it may have braces of its own."""
    first: Exception | None = None
    shortest = text[start + 2 : end].strip()
    while end >= 0:
        source = text[start + 2 : end].strip()
        try:
            return source, compile(ast.parse(source, mode="eval"), "<{{ }}>", "eval"), end + 2
        except (SyntaxError, ValueError, MemoryError, RecursionError) as error:  # the last two for deep nesting
            first = first or error
        end = text.find("}}", end + 1) if end - start < MAX_EXPRESSION_CHARACTERS else -1
    reason = first.msg if isinstance(first, SyntaxError) else str(first) or type(first).__name__
    raise PromptError(f"{{{{ {_short(shortest)} }}}} is not a Python expression: {reason}.", LITERAL_HINT)


def _evaluate(source: str, code: CodeType, namespace: dict[str, Any], to_text: Callable[[Any], str]) -> str:
    try:
        return to_text(eval(code, namespace))  # noqa: S307  the user's own expression
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        reason = _short(": ".join(filter(None, [type(error).__name__, _message(error).strip(": ")])))
        raise PromptError(f"{{{{ {_short(source)} }}}} failed with {reason}.", "Nothing was sent.") from error


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # an exception whose `__str__` fails
        return ""


def _short(source: str) -> str:
    return excerpt("".join(each if each.isprintable() else " " for each in source), MAX_QUOTED_CHARACTERS)
