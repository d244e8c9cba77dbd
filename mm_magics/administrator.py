"""What the administrator of a computer decided about the settings, in the `ipython_config.py` of a system-wide folder.

It guards against mistakes only: the user's Python can change anything in its own process.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from traitlets.config.loader import Config, LazyConfigValue, PyFileConfigLoader

from mm_magics import system
from mm_magics.api.models import DEFAULT_MODEL
from mm_magics.errors import ConfigError
from mm_magics.text import quoted

_MISSING: Any = object()
CONFIG_FILE = "ipython_config.py"
DEFAULT_BASE_URL = "https://api.minimax.io/anthropic"
DEFAULT_REPLAY = "off"
DEFAULTS = {"base_url": DEFAULT_BASE_URL, "model": DEFAULT_MODEL, "replay": DEFAULT_REPLAY}
ENVIRONMENT = {"base_url": "ANTHROPIC_BASE_URL", "model": "MINIMAX_MODEL", "replay": "MINIMAX_REPLAY"}
"""The environment variables that change a default."""

SETTINGS_OF_FIELDS = {"metadata": "user_id", "output_config": "thinking"}
"""The settings of those fields of a request that have another name."""

LOCKED_ELSEWHERE = "only the file of an administrator can lock settings"
LIMITS = ("locked", "allowed_models", "spending_cap")
"""The settings that nobody else can change once the administrator sets them."""


@dataclass(frozen=True)
class Policy:
    """The administrator's values of `MiniMax` settings, and the file that contains each."""

    values: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def locked(self) -> frozenset[str]:
        """The names of the settings that only the administrator can change."""
        return frozenset(self.values.get("locked", ())).union(name for name in LIMITS if name in self.values)

    def lock_of(self, name: str) -> str:
        """Return the file that locks a setting; "" if it is not locked."""
        return self.files[name if name in LIMITS else "locked"] if name in self.locked else ""

    def configured(self, section: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
        """Return the values of the IPython configuration as the limits allow them.

        With them is returned why a value in the configuration or in the environment has no effect, by what has it.
        """
        found = {name: _value(each) for name, each in section.items()}
        overridden = dict[str, str]()

        def override(name: str, reason: str) -> None:
            if name in found:
                overridden[f"{name} in the IPython configuration"] = reason
                del found[name]

        for name in self.locked:
            if found.get(name, _MISSING) != self.values.get(name, _MISSING):
                override(name, self._lock_text(name))
            if name in self.values:
                found[name] = self.values[name]
            elif name in DEFAULTS:  # the environment has no say
                found[name] = DEFAULTS[name]
            variable = ENVIRONMENT.get(name, "")
            if os.environ.get(variable, found.get(name)) not in ("", found.get(name)):
                overridden[variable] = self._lock_text(name)
        if "locked" not in self.values:
            override("locked", LOCKED_ELSEWHERE)
        if allowed := found.get("allowed_models"):
            if (reason := self._model_refusal(found.get("model", allowed[0]), allowed)) != "":
                override("model", reason)
            variable = os.environ.get(ENVIRONMENT["model"], "")
            if "model" not in found and (refused := variable or DEFAULT_MODEL) not in allowed:
                found["model"] = allowed[0]
                if variable:
                    overridden[ENVIRONMENT["model"]] = self._model_refusal(refused, allowed)
        return found, overridden

    def refusal(self, name: str, value: Any, configured: Mapping[str, Any], allowed: Sequence[str]) -> str:
        """Return why a setting cannot have this value, in one line; "" if it can.

        Args:
            name: The setting.
            value: The value.
            configured: The values that `configured` returned.
            allowed: The models that are allowed; empty: any.
        """
        fields = value if name == "params" and isinstance(value, dict) else ()
        for each in fields:
            if text := self._lock_text(SETTINGS_OF_FIELDS.get(each, str(each))):
                return f"{text}, so params cannot contain {each}"
        if self.lock_of(name):
            return "" if value == configured.get(name, _MISSING) else self._lock_text(name)
        if name == "locked" and value:
            return LOCKED_ELSEWHERE
        return self._model_refusal(value, allowed) if name == "model" and allowed else ""

    def _lock_text(self, name: str) -> str:
        file = self.lock_of(name)
        return f"{name} is locked by the administrator in {file}" if file else ""

    def _model_refusal(self, model: Any, allowed: Sequence[str]) -> str:
        if model in allowed:
            return ""
        file = self.lock_of("allowed_models")
        by = f"the administrator in {file}" if file else "the setting allowed_models"
        named = quoted(model) if isinstance(model, str) else "This"
        return f"{named} is not among the models that are allowed by {by}: {', '.join(allowed)}"


@cache
def administrator_policy() -> Policy:
    """Return what the administrator decided. The files are read once per process.

    Raises `ConfigError` if a file cannot be read: nothing may run without the limits that it may contain.
    """
    values, files = dict[str, Any](), dict[str, str]()
    for folder in system.ADMINISTRATOR_FOLDERS:
        path = Path(folder, CONFIG_FILE)
        if path.is_file():
            section = _section(path)
            values |= section
            files |= dict.fromkeys(section, str(path))
    return Policy(values, files)


def _section(path: Path) -> dict[str, Any]:
    try:
        config: Config = PyFileConfigLoader(path.name, path=str(path.parent)).load_config()
        return {name: _value(each) for name, each in config.get("MiniMax", {}).items()}
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ConfigError(f"The administrator's file {path} cannot be read: {reason}") from None


def _value(value: Any) -> Any:
    """Return the value of a setting, also if the file appended to it or updated it."""
    return value.get_value({} if "update" in value.to_dict() else []) if isinstance(value, LazyConfigValue) else value
