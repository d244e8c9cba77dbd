"""Which model answers if an endpoint does not offer the default one.

Only a default that nobody chose is replaced. Each endpoint is asked for its list of models once, and only after it
refused a model.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Protocol

from mm_magics.api import models
from mm_magics.endpoint.error_hints import refuses_model
from mm_magics.errors import ConnectionFailedError, EndpointError, StatusError
from mm_magics.settings import Settings
from mm_magics.turn.prepared import PreparedPrompt

MAX_SUBSTITUTES = 5
"""How many models are tried at an endpoint that refuses even those that it lists."""
MAX_LISTED = 8
"""How many names an error lists."""


class ModelLister(Protocol):
    """What asks an endpoint for its models: its client, or the workers of a cluster."""

    @property
    def base_url(self) -> str: ...

    def models(self, stop: threading.Event | None = None, /) -> list[dict[str, Any]]: ...


class ModelChoice:
    """What is known about the models of the endpoints of a session, by base URL.

    Args:
        settings: The settings of the session.

    Attributes:
        substitutes: The model that answers instead of the default one.
        offered: When each offered model was created, by its name; None if the endpoint has no list.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.substitutes: dict[str, str] = {}
        self.offered: dict[str, Mapping[str, str] | None] = {}
        self._refused: dict[str, set[str]] = {}

    def effective(self) -> str:
        """Return the model of a prompt without a flag: the one chosen, else the default or what answers for it."""
        setting: str = self._settings.value("model")
        if self._settings.source("model") != "default":
            return setting
        return self.substitutes.get(self._settings.value("base_url"), setting)

    def learn(self, client: ModelLister, stop: threading.Event | None = None) -> Mapping[str, str]:
        """Ask an endpoint for its models, and return what `offered` has of it.

        Raises:
            EndpointError: The endpoint has no list, or failed.
        """
        created = {each["id"]: each.get("created_at") for each in client.models(stop)}
        offered = {name: when if isinstance(when, str) else "" for name, when in created.items()}
        self.offered[client.base_url] = offered
        return offered

    def after_refusal(
        self, prompt: PreparedPrompt, error: StatusError, client: ModelLister, stop: threading.Event | None = None
    ) -> PreparedPrompt | None:
        """Return the prompt to send instead, if its model was refused and nobody chose it.

        Else return None. If the model was refused, the hint of the error names what is offered.
        """
        if not refuses_model(error, prompt.model):
            return None
        url = client.base_url
        if url not in self.offered:
            try:
                self.learn(client, stop)
            except ConnectionFailedError:
                return None
            except EndpointError:
                self.offered[url] = None
        offered = self._only_allowed(self.offered[url])
        refused = self._refused.setdefault(url, set())
        refused.add(prompt.model)
        left = {name: when for name, when in (offered or {}).items() if name not in refused}
        name = models.substitute(left) if prompt.default_model and len(refused) <= MAX_SUBSTITUTES else None
        if name is None:
            error.hint = _hint(prompt.model, offered)
            return None
        self.substitutes[url] = name
        return prompt.for_model(name)

    def _only_allowed(self, offered: Mapping[str, str] | None) -> Mapping[str, str] | None:
        allowed = self._settings.value("allowed_models")
        return {name: when for name, when in offered.items() if name in allowed} if offered and allowed else offered


def _hint(name: str, offered: Mapping[str, str] | None) -> str:
    if offered is None:
        return "The endpoint does not list its models. Choose one with %minimax model NAME."
    offered = {other: when for other, when in offered.items() if other != name}
    if not offered:
        return "The endpoint offers no other model."
    if similar := models.nearest(name, offered):
        return f"Did you mean {similar}? %minimax models lists what is offered."
    names = sorted(offered, key=lambda each: offered[each], reverse=True)
    more = ", …" if len(names) > MAX_LISTED else ""
    return f"Choose another model with %minimax model NAME: {', '.join(names[:MAX_LISTED])}{more}."
