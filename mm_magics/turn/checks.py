"""Checks of answers: a function of the user's looks at each answer, and its verdict becomes a part of the turn."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from numbers import Number
from types import TracebackType
from typing import Any, Generic, NamedTuple, Self, TypeVar

from mm_magics.endpoint.call import Wake
from mm_magics.errors import MiniMaxError, UsageError
from mm_magics.history.thread import History
from mm_magics.history.turn import Turn
from mm_magics.history.versions import all_versions, compared
from mm_magics.text import excerpt
from mm_magics.tools.approval import Approve, deny_all
from mm_magics.turn.driver import TurnStream
from mm_magics.turn.prepared import PreparedPrompt

E = TypeVar("E")

MAX_TEXT = 200
"""Characters of a verdict."""


@dataclass(frozen=True)
class Check:
    """A function of the user's that looks at an answer.

    Attributes:
        name: Its name in the notebook.
        function: Called with the value of an answer.
        value: Returns the value of an answer: what `--out` stores.
    """

    name: str
    function: Callable[[Any], Any]
    value: Callable[[Turn], Any]

    def __post_init__(self) -> None:
        if not callable(self.function) or inspect.iscoroutinefunction(self.function):
            kind = "a coroutine function" if callable(self.function) else "not a function"
            raise UsageError(f"`{self.name}` is {kind}.", "--check takes the name of a function that takes the answer.")

    def run(self, turn: Turn) -> dict[str, str] | None:
        """Return the verdict on an answer, as `Turn.check` has it; None if the endpoint did not end the answer."""
        if turn.status not in ("complete", "truncated"):
            return None
        try:
            verdict, text = _verdict(self.function(self.value(turn)))
        except MiniMaxError as error:
            verdict, text = "error", error.message
        except Exception as error:
            verdict, text = "error", f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return {"name": self.name, "verdict": verdict, "text": excerpt(text, MAX_TEXT)}


def _verdict(result: Any) -> tuple[str, str]:
    if isinstance(result, bool) or type(result).__name__ in ("bool_", "bool"):  # also that of NumPy
        return ("pass" if result else "fail"), ""
    if isinstance(result, str | Number):
        return "text", str(result)
    kind = "nothing" if result is None else f"a value of type {type(result).__name__}"
    return "error", f"It returned {kind} instead of True, False, a text or a number."


class AnswerChecked(NamedTuple):
    """An answer was checked. Its number is that of the version."""

    number: int
    turn: Turn


class CheckedAnswer(Generic[E]):
    """A turn whose answers are checked when they have ended.

    Args:
        stream: The turn.
        check: What checks it.
        history: Where the turn is.
    """

    def __init__(self, stream: TurnStream[E], check: Check, history: History) -> None:
        self._stream, self._check, self._history = stream, check, history
        self._turn: Turn | None = None

    @property
    def prompt(self) -> PreparedPrompt:
        return self._stream.prompt

    @property
    def notes(self) -> list[str]:
        return self._stream.notes

    @property
    def has_content(self) -> bool:
        return self._stream.has_content

    def events(self, wake: Wake, approve: Approve = deny_all) -> Iterator[E | AnswerChecked]:
        """Yield the events of the turn, and one for each answer that was checked."""
        yield from self._stream.events(wake, approve)
        turn = self._stream.close()
        ids = [each.id for each in compared(turn)]
        for number, version in enumerate(all_versions(turn), 1):
            if version.id in ids and (found := self._check.run(version)):
                turn = self._turn = _with_check(turn, version.id, found)
                self._history.update(turn)
                yield AnswerChecked(number, replace(version, check=found))

    def so_far(self) -> Turn:
        return self._turn or self._stream.so_far()

    def close(self) -> Turn:
        turn = self._stream.close()
        return self._turn or turn

    def __enter__(self) -> Self:
        self._stream.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.__exit__(kind, error, trace)


def _with_check(turn: Turn, id_: str, found: dict[str, str]) -> Turn:
    if turn.id == id_:
        return replace(turn, check=found)
    return replace(turn, versions=[replace(each, check=found) if each.id == id_ else each for each in turn.versions])
