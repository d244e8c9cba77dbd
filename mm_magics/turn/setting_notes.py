"""Notes about settings that come from the notebook: its author may be a stranger, so nothing is set without a word."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from mm_magics.settings import NOTEBOOK_SETTINGS, Settings
from mm_magics.text import excerpt, quoted

NAMES: Mapping[str, str] = {"model": "the model", "system": "the system prompt", "thread": "the thread"}
"""What settings are called in a sentence, if not by their name."""


class SettingNotes:
    """The notes of one session about one notebook. Each value is noted in the first turn that uses it.

    >>> from mm_magics.config import MiniMax
    >>> settings = Settings(MiniMax())
    >>> settings.follow_notebook({"system": "Be brief.", "max_tokens": 0})
    >>> notes = SettingNotes(settings)
    >>> lines, report = notes.of(flags=())
    >>> print("\\n".join(lines))
    The notebook's metadata sets the system prompt ("Be brief."). %minimax set lists the settings.
    Ignored in the notebook's metadata: max_tokens (its value is invalid).
    >>> report()
    >>> notes.of(flags=())[0]
    []
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._reported: dict[str, Any] = {}
        self._reported_ignored: dict[str, str] = {}
        self._are_overridden_reported = False

    def of(self, flags: Collection[str]) -> tuple[list[str], Callable[[], None]]:
        """Return the notes of a prompt with these flags, and what to call when the turn begins that shows them."""
        effective, ignored = self._settings.from_notebook, dict(self._settings.ignored)
        used = {name: value for name, value in effective.items() if name not in flags}
        new = [name for name in NOTEBOOK_SETTINGS if name in used and used[name] != self._reported.get(name, ())]
        new_ignored = [name for name in sorted(ignored) if self._reported_ignored.get(name) != ignored[name]]
        lines = []
        if new:
            values = _listed([f"{NAMES.get(name, name)} ({_shown(used[name])})" for name in new])
            lines.append(f"The notebook's metadata sets {values}. %minimax set lists the settings.")
        overridden = [] if self._are_overridden_reported else [*self._settings.overridden.items()]
        lines += [f"{what} has no effect: {reason}." for what, reason in overridden]
        if new_ignored:
            reasons = ", ".join(f"{name} ({ignored[name]})" for name in new_ignored)
            lines.append(f"Ignored in the notebook's metadata: {reasons}.")

        def report() -> None:
            remaining = {name: value for name, value in self._reported.items() if name in effective}  # else noted again
            self._are_overridden_reported = True
            self._reported, self._reported_ignored = {**remaining, **used}, ignored

        return lines, report


def _shown(value: Any) -> str:
    if value in (None, ""):
        return "endpoint default"
    return quoted(value) if isinstance(value, str) else excerpt(str(value), 30)


def _listed(parts: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))
