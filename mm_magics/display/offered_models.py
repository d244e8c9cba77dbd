"""The models that the endpoint offers, for the lists in which users choose one."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress

from mm_magics.errors import MiniMaxError
from mm_magics.session import Session

LIST_TIMEOUT_S = 5.0
"""How long a list of models waits for the endpoint."""


def learn_models(session: Session) -> None:
    """Ask the endpoint for its models, unless it was asked before. Without a list, nothing is marked."""
    if offered_models(session) is None:
        with suppress(MiniMaxError):
            session.models.learn(session.client(LIST_TIMEOUT_S))


def offered_models(session: Session) -> Collection[str] | None:
    """Return the names of the models that the endpoint offers; None if they are unknown."""
    return session.models.offered.get(session.settings.value("base_url"))
