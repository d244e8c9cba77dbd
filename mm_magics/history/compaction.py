"""A compaction: a summary that stands for earlier turns in the context, as the record of a turn stores it.

It belongs to the turn whose request needed it, and applies to the turns below until a later one replaces it. The turns
that it stands for stay in the notebook.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mm_magics.wording import counted


@dataclass(frozen=True)
class Compaction:
    """How the context of a turn and of those below it differs from the turns above.

    Attributes:
        turns: The ids of the turns that the summary stands for, in order. Without any, all turns are sent.
        sha256: The hash of their messages, by which a change of them is noticed.
        summary: The summary.
        model: The model that wrote it.
        responses: The calls that wrote it, as `Turn.responses` describes them.
        tokens: About how many tokens the turns and the summary have.
        pinned: The ids of the turns that are never summarized.
        is_edited: Whether the user changed the summary.
    """

    turns: tuple[str, ...] = ()
    sha256: str = ""
    summary: str = ""
    model: str = ""
    responses: list[dict[str, Any]] = field(default_factory=list)
    tokens: tuple[int, int] = (0, 0)
    pinned: tuple[str, ...] = ()
    is_edited: bool = False

    def __str__(self) -> str:
        """Return it in one line.

        >>> print(Compaction(("a", "b"), "", "They met.", tokens=(38_000, 1_900)))
        2 turns summarized · 38,000 → 1,900 tokens
        """
        if not self.turns:
            return "no summary"
        before, after = self.tokens
        edited = " · edited" if self.is_edited else ""
        return f"{counted(len(self.turns), 'turn')} summarized · {before:,} → {after:,} tokens{edited}"

    def without_summary(self) -> Compaction:
        """Return it with nothing but the pinned turns."""
        return Compaction(pinned=self.pinned)

    def edited(self, summary: str, tokens: int) -> Compaction:
        """Return it with another summary, of about this many tokens. Its calls are in the earlier record."""
        return replace(self, summary=summary, tokens=(self.tokens[0], tokens), is_edited=True, responses=[])

    def record(self) -> dict[str, Any]:
        """Return it as a part of the turn record."""
        record: dict[str, Any] = {
            "turns": list(self.turns),
            "sha256": self.sha256,
            "summary": self.summary,
            "model": self.model,
            "responses": self.responses,
            "tokens": list(self.tokens) if self.turns else None,
            "pinned": list(self.pinned),
            "edited": self.is_edited,
        }
        return {key: value for key, value in record.items() if value} | {"turns": list(self.turns)}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Compaction:
        """Return the compaction of a valid part of a record (`is_compaction`)."""
        before, after = record.get("tokens") or (0, 0)
        return cls(
            tuple(record["turns"]),
            record.get("sha256", ""),
            record.get("summary", ""),
            record.get("model", ""),
            list(record.get("responses", ())),
            (before, after),
            tuple(record.get("pinned", ())),
            record.get("edited", False),
        )


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _text(value: object) -> bool:
    return isinstance(value, str)


def _counts(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(type(each) is int and each >= 0 for each in value)


_CHECKS: Mapping[str, Callable[[Any], bool]] = {
    "turns": _texts,
    "sha256": _text,
    "summary": _text,
    "model": _text,
    "responses": lambda value: isinstance(value, list) and all(isinstance(each, dict) for each in value),
    "tokens": _counts,
    "pinned": _texts,
    "edited": lambda value: isinstance(value, bool),
}


def is_compaction(value: object) -> bool:
    """Return whether a part of a record describes a compaction: one that has turns has a summary of them."""
    return (
        isinstance(value, dict)
        and "turns" in value
        and all(ok(value[name]) for name, ok in _CHECKS.items() if name in value)
        and (not value["turns"] or bool(str(value.get("summary", "")).strip()))
    )
