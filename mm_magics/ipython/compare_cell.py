"""`%%minimax -m A,B` and `--n N`: one prompt, answered several times at once, and `--check`, which checks answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from mm_magics.errors import ProtocolError, UsageError
from mm_magics.history.turn import Turn
from mm_magics.history.versions import compared
from mm_magics.ipython.namespace import lookup
from mm_magics.session import Session
from mm_magics.turn.checks import Check, CheckedAnswer
from mm_magics.turn.comparison import Comparison
from mm_magics.turn.driver import TurnStream
from mm_magics.turn.prepared import PreparedPrompt
from mm_magics.wording import counted

MOST = 8
"""Answers at once."""


def take_models(flags: dict[str, Any]) -> list[str | None]:
    """Take `--n` and a list of models from the flags, and return the model of each answer; None for the setting's.

    Raises:
        UsageError: A name is missing or is there twice, or the number is out of range.
    """
    names = [each.strip() for each in flags["model"].split(",")] if "model" in flags else [None]
    count = flags.pop("n", None)
    if not all(names) and names != [None]:
        raise UsageError(f"A name is missing in -m {flags['model']}.", "Write -m A,B to compare two models.")
    if len(names) > 1 and count is not None:
        raise UsageError("--n takes one model.", "Leave out --n, or name one model.")
    if len(names) > MOST or (count is not None and not 2 <= count <= MOST):
        asked = f"--n {count}" if count is not None else f"-m names {counted(len(names), 'model')}"
        raise UsageError(f"{asked}, but 2 to {MOST} answers can be compared.", "Choose a number in this range.")
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(
            f"{twice} is named twice.", f"To compare several of its answers, use -m {twice} --n {names.count(twice)}."
        )
    if "model" in flags:
        flags["model"] = names[0]
    return names * (count or 1)


def check_flags(flags: Mapping[str, Any], models: Sequence[str | None]) -> None:
    """Raise `UsageError` if a flag has no meaning for several answers."""
    if len(models) == 1:
        return
    if "map" in flags:
        raise UsageError("--map asks one model once for each row.", "Name one model, and leave out --n.")
    if flags.get("tools"):
        raise UsageError(
            "Compared answers call no tools: each would ask for approval, and act, beside the others.",
            "Leave out --tools, or ask one model.",
        )
    if flags.get("tool_choice"):
        raise UsageError("--tool-choice needs tools, and compared answers call none.", "Leave it out.")
    if flags.get("compact") == "now":
        raise UsageError("--compact now cannot be combined with several answers.", "Run it with the next prompt.")
    if flags.get("as") == "code":
        raise UsageError("--as code cannot be combined with several answers.", "Leave it out: each has its own code.")


def without_tools(session: Session, flags: dict[str, Any]) -> list[str]:
    """Offer no tools, and return a note if the settings name some."""
    flags["tools"] = []
    if not session.settings.value("tools"):
        return []
    return ["Compared answers call no tools: those of the setting `tools` are not offered."]


def find_check(names: Mapping[str, Any], name: str | None, value: Callable[[Turn], Any]) -> Check | None:
    """Return the check that `--check` names. Raises `UsageError` if it is not a function."""
    if name is None:
        return None
    hint = "--check takes the name of a function that takes the answer."
    return Check(name, lookup(names, name, hint), value)


def prompts_for(prompt: PreparedPrompt, models: Sequence[str | None]) -> list[PreparedPrompt]:
    """Return the prompt for each of the models; the first is its own.

    Raises:
        UsageError: Earlier turns would be summarized first, for each answer.
        RequestError: A model does not take what the prompt contains.
    """
    if prompt.plan:
        raise UsageError(
            f"Earlier turns must be summarized first: {prompt.size}. Nothing was sent.",
            "Ask one model with --compact now, then compare. With --compact never, all turns are sent.",
        )
    once = replace(prompt, compact="never")
    others = (replace(prompt.for_model(model), compact="never") for model in models[1:] if model)
    return [once, *others] if models[0] != models[-1] else [once] * len(models)


def begin_comparison(session: Session, prompts: Sequence[PreparedPrompt], stop: threading.Event) -> Comparison:
    """Begin the answers."""
    return Comparison(
        prompts, lambda prompt, history, used: session.begin(prompt, stop, history, used), session.history
    )


def checked(stream: TurnStream[Any], check: Check | None, session: Session) -> TurnStream[Any]:
    """Return the turn with a check of its answers, if there is one."""
    return stream if check is None else CheckedAnswer(stream, check, session.history)


def values(turn: Turn, value: Callable[[Turn], Any]) -> list[Any]:
    """Return the value of each answer in the order of the models; None where there is no valid one."""
    return [_value_or_none(each, value) for each in compared(replace(turn, undecided=True))]


def _value_or_none(turn: Turn, value: Callable[[Turn], Any]) -> Any:
    with suppress(ProtocolError):
        return value(turn) if turn.status in ("complete", "truncated") else None
