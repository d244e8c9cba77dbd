"""Texts about answers that are compared: their titles, how to choose one, and the verdict of a check."""

from __future__ import annotations

from mm_magics.history.turn import Turn
from mm_magics.history.versions import all_versions, version_number


def verdict_text(turn: Turn) -> str:
    """Return the verdict on an answer in one line; "" if it was not checked.

    >>> verdict_text(Turn("main", "complete", "M", [], check={"name": "short", "verdict": "pass", "text": ""}))
    'short: pass'
    >>> verdict_text(Turn("main", "complete", "M", [], check={"name": "score", "verdict": "text", "text": "0.8"}))
    'score: 0.8'
    """
    if turn.check is None:
        return ""
    name, verdict, text = (turn.check[key] for key in ("name", "verdict", "text"))
    return f"{name}: {': '.join(filter(None, ['' if verdict == 'text' else verdict, text]))}"


def answer_title(answer: Turn, turn: Turn) -> str:
    """Return the title of one of several answers; `turn` is the active one."""
    number = next(at for at, version in enumerate(all_versions(turn), 1) if version.id == answer.id)
    return f"Version {number}: {answer.model}{' (active)' if answer.id == turn.id else ''}"


def choice_text(turn: Turn) -> str:
    """Return how to choose one of several answers."""
    return f"The conversation continues with version {version_number(turn)}. %minimax use N continues with another."
