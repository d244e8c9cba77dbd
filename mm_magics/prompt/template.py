"""The cell's text: `{{ expr }}` interpolation, and how Python values become prompt text.

Always true: single braces, `$`, `%`, JSON and LaTeX pass through untouched; a value's own text is never
interpolated again; whatever is cut says so in the text itself.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from types import CodeType
from typing import Any

from mm_magics.errors import PromptError
from mm_magics.prompt.values import VALUE_LIMIT, as_text

LITERAL_HINT = 'To send two braces as they are, write {{ "{{" }} or use --raw.'


class Template:
    """A text whose `{{ expr }}` are read once, to be filled from any number of namespaces.

    Raises `PromptError`, naming the expression, if one is not Python.
    """

    def __init__(self, text: str) -> None:
        self._parts = list(_parts(text))

    def fill(self, namespace: dict[str, Any], said: Callable[[Any], str] = as_text) -> str:
        """The text with each expression replaced by what `said` makes of its value.

        Raises `PromptError`, naming the expression, if one fails.
        """
        return "".join(part if code is None else _value(part, code, namespace, said) for part, code in self._parts)


def render(text: str, namespace: Mapping[str, Any], limit: int = VALUE_LIMIT) -> str:
    """The text with each `{{ expr }}` replaced by its value in the namespace, at most `limit` characters of each.

    Raises `PromptError`, naming the expression, if one is not Python or fails.

    >>> render("{{ 6 * 7 }} is {not} 100% of ${{ price }}", {"price": 5})
    '42 is {not} 100% of $5'
    """
    return Template(text).fill(dict(namespace), lambda value: as_text(value, limit))


def _parts(text: str) -> Iterator[tuple[str, CodeType | None]]:
    """Literal text as (text, None), expressions as (source, code), in order."""
    position = 0
    while (start := text.find("{{", position)) >= 0 and (end := text.find("}}", start + 2)) >= 0:
        source, code, end = _expression(text, start, end)
        yield text[position:start], None
        yield source, code
        position = end
    yield text[position:], None


def _expression(text: str, start: int, end: int) -> tuple[str, CodeType, int]:
    """The shortest Python expression between `{{` at start and a `}}`: a dict may hold braces of its own."""
    first: Exception | None = None
    shortest = text[start + 2 : end].strip()
    while end >= 0:
        source = text[start + 2 : end].strip()
        try:
            return source, compile(ast.parse(source, mode="eval"), "<{{ }}>", "eval"), end + 2
        except (SyntaxError, ValueError, MemoryError, RecursionError) as error:  # the latter two for deep nesting
            first = first or error
        end = text.find("}}", end + 1) if end - start < 10_000 else -1
    reason = first.msg if isinstance(first, SyntaxError) else str(first) or type(first).__name__
    raise PromptError(f"{{{{ {_short(shortest)} }}}} is not a Python expression: {reason}.", LITERAL_HINT)


def _value(source: str, code: CodeType, namespace: dict[str, Any], said: Callable[[Any], str]) -> str:
    try:
        return said(eval(code, namespace))  # noqa: S307  the user's own expression
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        what = _short(f"{type(error).__name__}: {_said(error)}".removesuffix(": "))
        raise PromptError(f"{{{{ {_short(source)} }}}} failed with {what}.", "Nothing was sent.") from error


def _said(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # an error whose own text fails
        return ""


def _short(source: str) -> str:
    one_line = " ".join("".join(each if each.isprintable() else " " for each in source).split())
    return one_line if len(one_line) <= 120 else one_line[:117] + "…"
