"""The effective settings as pages show them: each value as text, with its source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from mm_magics.display.protocol import EffectiveSetting
from mm_magics.session import Session
from mm_magics.settings import NOTEBOOK_SETTINGS


def effective_settings(
    session: Session, names: Sequence[str] = NOTEBOOK_SETTINGS, refused: Mapping[str, str] = MappingProxyType({})
) -> Mapping[str, EffectiveSetting]:
    """Return the effective values as text, with their sources. The model is the one that answers.

    With them is returned why a value that the page chose has no effect: `refused`, or a limit of the administrator.
    """
    settings = session.settings
    found: dict[str, EffectiveSetting] = {
        name: {"shown": settings.shown(name), "source": settings.source(name)} for name in names
    }
    found["model"]["shown"] = session.effective_model()
    for name, reason in {**settings.refused, **refused}.items():
        if name in found:
            found[name]["refused"] = reason
    return found


def describe_model(session: Session) -> str:
    """Return the model with its source, and which one answers for it if it is not offered."""
    answers, name = session.effective_model(), session.settings.value("model")
    instead = f"; it is not offered here, {answers} answers" if answers != name else ""
    return f"{session.settings.describe('model')}{instead}"
