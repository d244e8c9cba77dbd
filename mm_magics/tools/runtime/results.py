"""Convert what a tool returned or raised to the text and the images that the model reads.

A value becomes text or JSON; an error becomes the end of its traceback. Nothing here raises, whatever the value's code
does. Cuts are marked, and only the part of a huge value that the model reads is converted.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import json
import re
import sysconfig
import traceback
from collections.abc import Iterator, Mapping, Sequence, Set, ValuesView
from pathlib import Path
from typing import Any

from mm_magics.config import TOOL_LIMIT
from mm_magics.errors import ToolError
from mm_magics.prompt.images import image_data, image_problem
from mm_magics.prompt.values import as_text, cut
from mm_magics.tools.runtime.result_images import ResultImages
from mm_magics.tools.tool import ToolOutput

NO_VALUE = "(nothing)"
"""The text for None."""

MAX_DEPTH = 50
"""Nested containers that are converted."""

MAX_ARRAY = 1_000
"""Numbers of an array that are written in full; numpy abbreviates a larger one to its corners."""

MAX_FRAMES = 5
"""The last calls of a traceback that are named."""

_PACKAGE = str(Path(__file__).parents[2])
_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
_CELL = re.compile(r"ipykernel_\d+[/\\]\d+\.py$|^<ipython-input")


def output_of(value: Any, limit: int = TOOL_LIMIT) -> ToolOutput:
    """Return a tool's value as text, at most `limit` characters of it (0: all), and the images in it.

    Text is unchanged. Images, also those in containers, are sent beside the text, which has their labels. Data frames
    and objects with `_ai_repr_` or `_repr_markdown_` are written as in a prompt. Numbers, containers, data classes and
    models become JSON. Anything else is converted by `str`.
    """
    if isinstance(value, ToolOutput):
        images = tuple(each for each in value.images if not image_problem(each))
        return value._replace(text=_not_blank(cut(str(value.text), limit)), images=images)
    reason = ""
    for convert in (_written, _as_text):
        try:
            return convert(value, limit)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit too: values run their own code here
            reason = _message(error)
    return ToolOutput(
        cut(f"The tool returned a {type(value).__name__} that cannot be converted to text: {reason}", limit), True
    )


def failure_of(error: BaseException, limit: int = TOOL_LIMIT) -> ToolOutput:
    """Return the text of an error: the calls in the user's code that led to it, and its message.

    Of a `ToolError` only the message is returned: it is written for the model.
    """
    if isinstance(error, ToolError):
        return ToolOutput(cut(str(error), limit), True)
    message = cut(_message(error), limit)
    lines: list[str] = []
    room = limit - len(message)
    for line in reversed(_calls(error)):
        room -= len(line) + 1
        if limit and room < 0:
            break
        lines.insert(0, line)
    return ToolOutput("\n".join([*lines, message]), True)


def _not_blank(text: str) -> str:
    """The Messages API refuses blank text."""
    return text if text.strip() else "(empty text)"


# Values ---------------------------------------------------------------------------------------------------------


def _written(value: Any, limit: int) -> ToolOutput:
    writer = _Writer(limit)
    return ToolOutput(_not_blank(writer.text(value)), images=writer.images.files)


def _as_text(value: Any, limit: int) -> ToolOutput:
    return ToolOutput(_not_blank(as_text(value, limit)))


class _Writer:
    """Writes one value as text, and collects the images in it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.images = ResultImages()

    def text(self, value: Any) -> str:
        if value is None:
            return NO_VALUE
        plain = self._plain(value)
        if isinstance(plain, str):
            return cut(plain, self._limit)
        return self._json(plain, () if plain is value else (id(value),))

    def _json(self, value: Any, inside: tuple[int, ...]) -> str:
        limit = self._limit
        written: list[str] = []
        length = 0
        pieces = self._pieces(value, inside)
        for piece in pieces:
            written.append(piece)
            length += len(piece)
            if limit and length > limit and next(pieces, None) is not None:
                return f"{''.join(written)[:limit]}\n… [cut here: {len(value):,} items in all]"
        return cut("".join(written), limit)

    def _pieces(self, value: Any, inside: tuple[int, ...]) -> Iterator[str]:
        """Yield the value as JSON in pieces, so that the caller can stop early."""
        plain = self._plain(value)
        if id(value) in inside:
            yield '"[circular reference]"'
        elif len(inside) > MAX_DEPTH:
            yield '"[nested too deep]"'
        elif isinstance(plain, Mapping):
            yield "{"
            for n, (key, each) in enumerate(plain.items()):
                yield f"{', ' if n else ''}{self._key(key)}: "
                yield from self._pieces(each, (*inside, id(value)))
            yield "}"
        elif _is_list(plain):
            yield "["
            for n, each in enumerate(plain):
                if n:
                    yield ", "
                yield from self._pieces(each, (*inside, id(value)))
            yield "]"
        else:
            yield json.dumps(plain, ensure_ascii=False)

    def _key(self, key: Any) -> str:
        plain = self._plain(key)
        return json.dumps(plain if isinstance(plain, str) else str(key), ensure_ascii=False)

    def _plain(self, value: Any) -> Any:
        """The value as text, number, mapping or list; the values inside are not converted yet."""
        if value is None or type(value) in (str, bool, int, float, dict, list):
            return value
        if isinstance(value, enum.Enum):
            return self._plain(value.value)
        if (image := image_data(value)) is not None:
            return self.images.add(image)
        if isinstance(value, bytes | bytearray | memoryview):
            return f"[{memoryview(value).nbytes:,} bytes]"
        if _describes_itself(value):
            return as_text(value, self._limit)
        if isinstance(value, tuple) and hasattr(value, "_asdict"):
            return value._asdict()
        if isinstance(value, Mapping | str | bool | int | float) or _is_list(value):
            return value
        if isinstance(value, datetime.date | datetime.time):
            return value.isoformat()
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
        if _is_model(value):
            return value.model_dump(warnings=False)
        if type(value).__module__ == "numpy":
            return _numpy(value)
        return as_text(value, self._limit)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence | Set | ValuesView) and not isinstance(value, str)


def _describes_itself(value: Any) -> bool:
    return any(getattr(type(value), name, None) is not None for name in ("_ai_repr_", "_repr_markdown_"))


def _is_model(value: Any) -> bool:
    return hasattr(type(value), "__pydantic_serializer__") and hasattr(type(value), "model_dump")


def _numpy(value: Any) -> Any:
    """Small arrays and numbers as Python values, large arrays by shape and corners."""
    if value.dtype.kind in "mMVO" and not value.shape:
        return str(value)
    if value.size <= MAX_ARRAY:
        plain = (value.astype(str) if value.dtype.kind in "mM" else value).tolist()
        return plain if isinstance(plain, list | bool | int | float | str) else str(value)
    return f"array of shape {value.shape}, {value.dtype}:\n{value}"


# Errors ---------------------------------------------------------------------------------------------------------


def _message(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception_only(error)).strip()
    except Exception:  # an error whose own code fails
        return type(error).__name__


def _calls(error: BaseException) -> list[str]:
    """The last calls in the user's code; without one, the last call in a library."""
    try:
        frames = [each for each in traceback.extract_tb(error.__traceback__) if not each.filename.startswith(_PACKAGE)]
        own = [each for each in frames if not each.filename.startswith(_LIBRARIES)]
        return [_call(each) for each in (own or frames[-1:])[-MAX_FRAMES:]]
    except Exception:  # source that cannot be read
        return []


def _call(frame: traceback.FrameSummary) -> str:
    place = "a cell" if _CELL.search(frame.filename) else f'"{frame.filename}"'
    return f"In {place}, line {frame.lineno}, in {frame.name}" + (f"\n    {frame.line}" if frame.line else "")
