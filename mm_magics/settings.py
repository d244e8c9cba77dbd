"""The effective value of every setting, where it comes from, and whether it can be changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from traitlets import TraitError

from mm_magics.administrator import ENVIRONMENT
from mm_magics.config import MiniMax
from mm_magics.errors import UsageError
from mm_magics.text import visible
from mm_magics.wording import counted

NOTEBOOK_SETTINGS = ("model", "system", "temperature", "top_p", "max_tokens", "thinking", "thread")
"""The settings that a notebook's metadata may contain: none that says where a key or other cells are sent."""

SHOWN = 300
"""Characters of a value that are shown where many settings are."""

NOT_SENT = "endpoint default"
"""How a value is shown that no request contains."""


class Settings:
    """The effective value of every setting, and where it comes from. Everything that reads a setting asks here.

    The first of these that has a value wins: an assignment in this kernel (`%minimax set`, `%config`, the picker, or
    an argument of `Session`), the notebook's metadata, the IPython configuration, the environment, the default. A flag
    of one prompt cell comes before all of them: see `Session.prepare`.

    >>> settings = Settings(MiniMax())
    >>> settings.follow_notebook({"thread": "work"})
    >>> settings.value("thread"), settings.source("thread"), settings.describe("thread")
    ('work', 'notebook', 'work (notebook)')

    Args:
        config: The values of this kernel.
    """

    def __init__(self, config: MiniMax) -> None:
        self._config = config
        self._assigned = config.assigned
        self._configured = self._section()
        self._notebook: dict[str, Any] = {}
        self.ignored: dict[str, str] = {}
        """Why settings in the notebook's metadata have no effect, by name."""
        self.refused: dict[str, str] = {}
        """Those that a limit of the administrator does not allow."""
        self.overridden = config.overridden
        """Why a value in the IPython configuration or the environment has no effect, by what has it."""
        self._callbacks: list[Callable[[], None]] = []
        config.observe(self._on_change)

    def value(self, name: str) -> Any:
        """Return the effective value, as it is without a flag."""
        if name in self._notebook and self.source(name) == "notebook":
            return self._notebook[name]
        return getattr(self._config, name)

    def source(self, name: str) -> str:
        """Return where the effective value comes from."""
        if lock := self.lock_of(name):
            return f"locked in {lock}"
        section = self._section()
        if name in self._assigned or section.get(name) != self._configured.get(name):
            return "set in this kernel"
        if name in self._notebook:
            return "notebook"
        if name in section:
            return "IPython configuration"
        return "environment" if os.environ.get(ENVIRONMENT.get(name, "")) else "default"

    @property
    def from_notebook(self) -> dict[str, Any]:
        """The values that come from the notebook's metadata, by name."""
        return {name: value for name, value in self._notebook.items() if self.source(name) == "notebook"}

    def describe(self, name: str, *, complete: bool = False) -> str:
        """Return the effective value with its source, to be shown; None is the endpoint's default.

        Each of its characters is visible. It is shortened unless it must be `complete`.
        """
        shown, source = self.shown(name, complete=complete), self.source(name)
        return NOT_SENT if shown == NOT_SENT and source == "default" else f"{visible(shown)} ({source})"

    def shown(self, name: str, *, complete: bool = False) -> str:
        """Return the effective value as text, shortened unless it must be `complete`; `NOT_SENT` for None."""
        value = self.value(name)
        if value in (None, ""):
            return NOT_SENT
        text = (", ".join(value) or "none") if isinstance(value, list) else str(value)
        return text if complete or len(text) <= SHOWN else f"{text[:SHOWN]}… [{counted(len(text), 'character')}]"

    def assign(self, name: str, value: Any) -> None:
        """Set the value for this kernel, over the notebook's.

        Raises:
            UsageError: A limit of the administrator does not allow it.
            TraitError: It is invalid.
        """
        self.check({name: value})
        setattr(self._config, name, value)
        if name not in self._assigned:  # the kernel had this value already, so no change was observed
            self._assigned.add(name)
            self._notify()

    def lock_of(self, name: str) -> str:
        """Return the administrator's file that locks a setting; "" if it is not locked."""
        return self._config.lock_of(name)

    def locks(self) -> dict[str, list[str]]:
        """Return which settings each of the administrator's files locks."""
        found: dict[str, list[str]] = {}
        for name in sorted(MiniMax.class_trait_names(config=True)):
            if file := self.lock_of(name):
                found.setdefault(file, []).append(name)
        return found

    def check(self, values: Mapping[str, Any]) -> None:
        """Raise `UsageError` if a limit of the administrator does not allow one of these values of settings."""
        for name, value in values.items():
            if refusal := self._config.refusal(name, value):
                raise UsageError(f"{refusal}.")

    def check_flags(self, flags: Mapping[str, Any]) -> None:
        """Raise `UsageError` as `check` does, for flags of a prompt or a map run. Fewer tools are always allowed."""
        tools = flags.get("tools")
        has_fewer = isinstance(tools, list | tuple) and all(each in self.value("tools") for each in tools)
        free = {"tools", *([] if tools else ["tool_choice"])} if has_fewer else set[str]()
        self.check({name: value for name, value in flags.items() if name not in free})

    def reset(self, name: str) -> None:
        """Remove the value that was set for this kernel, in favor of the notebook's, the configured or the default."""
        if self.source(name) != "set in this kernel":
            return
        section = self._config.config.MiniMax
        section.pop(name, None)
        section.update({name: self._configured[name]} if name in self._configured else {})
        self._config.unobserve(self._on_change)
        setattr(self._config, name, getattr(MiniMax(config=self._config.config), name))
        self._config.observe(self._on_change)
        self._assigned.discard(name)
        self._notify()

    def follow_notebook(self, metadata: object) -> None:
        """Use the settings of a notebook's metadata from now on; foreign and invalid ones are `ignored`."""
        given: dict[str, Any] = metadata if isinstance(metadata, dict) else {}
        before = self._notebook, self.refused
        settings, self.ignored, self.refused = {}, {}, {}
        for name in MiniMax.class_trait_names(config=True):
            if name in given:
                try:
                    self.check({name: given[name]})
                    settings[name] = _notebook_value(name, given[name])
                except ValueError as error:
                    self.ignored[name] = str(error)
                except UsageError as error:
                    self.ignored[name], self.refused[name] = error.message.rstrip("."), error.message
        self._notebook = settings
        if (settings, self.refused) != before:
            self._notify()

    def observe(self, callback: Callable[[], None]) -> None:
        """Call the function after every change of an effective value."""
        self._callbacks.append(callback)

    def _section(self) -> dict[str, Any]:
        return dict(self._config.config.get("MiniMax", {}))

    def _on_change(self, change: dict[str, Any]) -> None:
        self._assigned.add(change["name"])
        self._notify()

    def _notify(self) -> None:
        for callback in self._callbacks:
            callback()


def _notebook_value(name: str, value: Any) -> Any:
    """Return a value of the metadata as the setting has it. Raises `ValueError` with the reason if it is ignored."""
    if name not in NOTEBOOK_SETTINGS:
        raise ValueError("a notebook cannot set it")
    try:
        # traitlets takes a bool for a number, and an empty text for a name
        if not isinstance(value, bool) and not (value == "" and name in ("model", "thread")):
            return getattr(MiniMax(**{name: value}), name)
    except (TraitError, OverflowError, RecursionError):
        pass
    raise ValueError("its value is invalid")
