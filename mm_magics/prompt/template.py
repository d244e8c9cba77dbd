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

HEAD_ROWS = 10
VALUE_LIMIT = 100_000
"""Characters of one value that go into the prompt."""

LITERAL_HINT = 'To send two braces as they are, write {{ "{{" }} or use --raw.'


def as_text(value: Any, limit: int = VALUE_LIMIT) -> str:
    """How a Python value is said to the model, at most `limit` characters of it (0: all).

    Strings as they are; data frames (pandas, Polars, PyArrow) as a Markdown head with shape and dtypes; then
    `_ai_repr_`, `_repr_markdown_`, `str`.
    """
    return cut(_text(value), limit)


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


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    for name in ("_ai_repr_", "_repr_markdown_"):
        method = getattr(type(value), name, None)
        if method is not None:
            said = method(value)
            said = said[0] if isinstance(said, tuple) else said
            if said is not None:
                return str(said)
    return _frame_text(value) or str(value)


def cut(text: str, limit: int) -> str:
    """At most `limit` characters of the text (0: all), and how many more there were."""
    if not limit or len(text) <= limit:
        return text
    return f"{text[:limit]}\n… [cut here: {len(text) - limit:,} more characters]"


def _frame_text(value: Any) -> str | None:
    """A data frame's shape, dtypes and first rows as Markdown; None for anything else."""
    if type(value).__module__.partition(".")[0] not in ("pandas", "polars", "pyarrow"):
        return None
    import narwhals

    if type(value).__module__.startswith("pandas"):
        value = _indexed(value)
    frame = narwhals.from_native(value, eager_only=True, allow_series=True, pass_through=True)
    if isinstance(frame, narwhals.Series):
        frame = frame.to_frame()
    if not isinstance(frame, narwhals.DataFrame):
        return None
    rows, columns = frame.shape
    head = frame.head(HEAD_ROWS)
    lines = [
        _row(frame.columns),
        _row("---" for _ in frame.columns),
        *(_row(row) for row in head.iter_rows()),
    ]
    more = f"\n… {rows - HEAD_ROWS:,} more rows" if rows > HEAD_ROWS else ""
    dtypes = ", ".join(f"{name}: {dtype}" for name, dtype in frame.schema.items())
    return f"{rows:,} rows × {columns} columns ({dtypes})\n\n" + "\n".join(lines) + more


def _indexed(value: Any) -> Any:
    """A pandas object with an index that says something as columns, and no two columns of one name."""
    if type(getattr(value, "index", None)).__name__ != "RangeIndex" and hasattr(value, "reset_index"):
        value = value.reset_index(allow_duplicates=True)
    names = list(getattr(value, "columns", ()))
    if len(set(names)) == len(names):
        return value
    seen = [names[:n].count(each) for n, each in enumerate(names)]
    new = [f"{each} ({before + 1})" if before else each for each, before in zip(names, seen, strict=True)]
    return value.set_axis(new, axis="columns")


def _row(cells: Any) -> str:
    return "| " + " | ".join(str(cell).replace("|", r"\|").replace("\n", " ") for cell in cells) + " |"
