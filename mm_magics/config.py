"""The settings, as one `Configurable`: set with `%config MiniMax.…`, `ipython_config.py` or the environment.

No API key is a setting, so `%config` never shows one. A base URL that could leak a key is invalid.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from math import isfinite
from typing import Any

from traitlets import Bool, Dict, Enum, Float, Int, List, TraitError, TraitType, Unicode, Union, default, validate
from traitlets.config import Config, Configurable

from mm_magics.administrator import DEFAULT_BASE_URL, DEFAULT_REPLAY, administrator_policy
from mm_magics.api.models import DEFAULT_MODEL
from mm_magics.api.thinking import NAMES
from mm_magics.api.urls import parse_http_url, require_encryption
from mm_magics.errors import ConfigError, UsageError
from mm_magics.prompt.protected import Rule
from mm_magics.prompt.values import VALUE_LIMIT

SEES_LIMIT = 20_000
MAX_VERSIONS = 5
TOOL_LIMIT = 20_000
"""Characters of one tool result that are sent to the model."""


def checked_base_url(url: str) -> str:
    """Return the URL in one spelling, without a trailing slash. Raises `ConfigError` if no key may be sent there."""
    hint = f"A base URL looks like {DEFAULT_BASE_URL}."
    parsed = parse_http_url(url.strip(), "The base URL", ConfigError, hint)
    if "?" in url:
        raise ConfigError("The base URL has more than a host and a path.", hint)
    require_encryption(parsed, "an API key", ConfigError)
    return str(parsed).rstrip("/")


class MiniMax(Configurable):
    """The settings of all prompt cells in this kernel. A flag overrides a setting for one cell."""

    base_url = Unicode(help="URL of the endpoint, up to but not including `/v1/messages`.").tag(config=True)
    model = Unicode(help="Model name.").tag(config=True)
    system = Unicode(None, allow_none=True, help="System prompt. None: endpoint default.").tag(config=True)
    max_tokens = Int(65_536, min=1, help="Maximum output tokens, including thinking.").tag(config=True)
    temperature = Float(
        1.0, allow_none=True, help="Sampling temperature, above 0 and at most 1. None: endpoint default."
    ).tag(config=True)
    top_p = Float(
        None, allow_none=True, help="Nucleus sampling probability, above 0 and at most 1. None: endpoint default."
    ).tag(config=True)
    thinking = Union(
        [Enum(list(NAMES)), Int(min=1)],
        default_value=None,
        allow_none=True,
        help="Thinking: `on`, `off`, `adaptive`, an effort (`low`, `medium`, `high`, `xhigh`, `max`), or a number of "
        "tokens. None: `medium` for models that take an effort, else endpoint default.",
    ).tag(config=True)
    user_id = Unicode(
        None, allow_none=True, help="Opaque ID of the user, sent as `metadata.user_id`. None: not sent."
    ).tag(config=True)
    params = Dict(key_trait=Unicode(), help="Additional request fields, passed through unchanged.").tag(config=True)
    tools = List(
        Unicode(), help="Tools the model may call in every prompt: functions, built-in tools, MCP servers."
    ).tag(config=True)
    tool_choice = Unicode(
        None, allow_none=True, help="`auto`, `any`, `none`, or the name of a tool. None: `auto`."
    ).tag(config=True)
    max_rounds = Int(
        25,
        min=1,
        help="Maximum number of messages with tool calls in one turn. Then the model must answer without tools.",
    ).tag(config=True)
    max_cost = Float(
        None, allow_none=True, min=0.0, help="Cost in US dollars after which a turn makes no more tool calls."
    ).tag(config=True)
    prices = Dict(
        key_trait=Unicode(),
        help="Prices of models in US dollars per million tokens: `{NAME: [IN, OUT]}`. They precede the known ones.",
    ).tag(config=True)
    tool_timeout = Float(120.0, min=0.1, help="Time limit for one tool call, in seconds.").tag(config=True)
    tool_limit = Int(
        TOOL_LIMIT, min=0, help="Maximum characters of one tool result that are sent to the model. 0: no limit."
    ).tag(config=True)
    thread = Unicode("main", help="Thread that prompt cells belong to.").tag(config=True)
    context = Union(
        [Enum(["above", "all", "none"]), Int(min=0)],
        default_value="above",
        help="Turns sent as context: those `above` the cell, `all` of the thread, `none`, or the last N above.",
    ).tag(config=True)
    compact = Enum(
        ["auto", "never"],
        help="`auto`: earlier turns are summarized when the conversation nearly fills the window. `never`: not. "
        "By default `auto` in a notebook or a terminal, and `never` in scripts and if the environment has CI.",
    ).tag(config=True)
    hint_at = Float(
        0.7, min=0.0, max=1.0, help="Part of the model's window from which a prompt says that the conversation is long."
    ).tag(config=True)
    replay = Enum(
        ["off", "auto", "only"],
        help="`off`: always send the request. `auto`: use the recorded answer if the request is unchanged. "
        "`only`: never send a request.",
    ).tag(config=True)
    replay_from = List(Unicode(), help="More notebooks, or folders of notebooks, with recorded answers.").tag(
        config=True
    )
    max_versions = Int(
        MAX_VERSIONS, min=0, help="Maximum number of earlier answers that a cell keeps when it is asked again."
    ).tag(config=True)
    sees = Union(
        [Enum(["none", "above"]), Int(min=0)],
        default_value="none",
        help="Code cells sent with a prompt: `none`, all `above` it since the thread's previous prompt, or the last N.",
    ).tag(config=True)
    sees_text = Bool(False, help="Send the text cells among those that `--sees` selects too.").tag(config=True)
    sees_limit = Int(SEES_LIMIT, min=0, help="Maximum characters of one code cell that are sent. 0: no limit.").tag(
        config=True
    )
    timeout = Float(120.0, min=0.1, help="Give up after this many seconds without data from the endpoint.").tag(
        config=True
    )
    max_seconds = Float(
        3600.0, min=0.1, help="Time limit for one response of the model, including retries, in seconds."
    ).tag(config=True)
    max_retries = Int(
        2, min=0, help="Maximum number of retries after a failed connection or HTTP status 408, 409, 429 or 5xx."
    ).tag(config=True)
    concurrency = Int(16, min=1, help="Maximum concurrent requests of a map run (`--map`).").tag(config=True)
    requests_per_minute = Float(
        None, allow_none=True, help="Maximum requests per minute of a map run. None: no limit."
    ).tag(config=True)
    tokens_per_minute = Float(
        None, allow_none=True, help="Maximum tokens per minute of a map run. None: no limit."
    ).tag(config=True)
    store = Unicode("minimax-answers.sqlite", help="SQLite file that stores the answers of map runs.").tag(config=True)
    never_send = List(
        Unicode(),
        help="Variables that no request may contain, such as `df.email`, `secrets.*` or `*.password`: a request that "
        "would contain them or their values is not sent.",
    ).tag(config=True)
    value_limit = Int(
        VALUE_LIMIT, min=0, help="Maximum characters of one `{{ value }}` that are sent. 0: no limit."
    ).tag(config=True)
    tools_folder = Unicode(
        help="Folder that the built-in tools work in. Empty: the notebook's folder, or else the current folder."
    ).tag(config=True)
    edits = Enum(
        ["ask", "propose", "accept"],
        default_value="ask",
        help="What the tools that change the notebook do. `ask`: wait until you accept or reject a change. `propose`: "
        "continue, and you decide later. `accept`: change the notebook at once.",
    ).tag(config=True)
    background = Bool(
        False, help="Answer prompts in the background: their cells return at once, and other cells can run."
    ).tag(config=True)
    quiet = Bool(False, help="Show one folded line instead of the whole answer.").tag(config=True)

    locked = List(
        Unicode(),
        help="Settings that nobody can change, in the administrator's file only: the values in that file hold.",
    ).tag(config=True)
    allowed_models = List(Unicode(), help="Models that may be used. Empty: any.").tag(config=True)
    spending_cap = Float(
        None,
        allow_none=True,
        min=0.0,
        help="US dollars after which this process, a kernel or a script, makes no more model calls. None: no limit.",
    ).tag(config=True)

    def __init__(self, **kwargs: Any) -> None:
        self._policy = administrator_policy()
        if unknown := sorted(self._policy.locked.difference(self.class_trait_names(config=True))):
            raise ConfigError(f"{self._policy.files['locked']} locks {unknown[0]}, which is not a setting.")
        given, parent = kwargs.get("config"), kwargs.get("parent")
        config = parent.config if given is None and parent is not None else given or Config()
        section, self.overridden = self._policy.configured(config.get("MiniMax", {}))
        """Why a value in the IPython configuration or the environment has no effect, by what has it."""
        self._configured = section
        for name in kwargs.keys() & set(self.trait_names(config=True)):
            self._refuse(name, kwargs[name], kwargs.get("allowed_models", section.get("allowed_models", ())))
        if section != config.get("MiniMax", {}):
            kwargs["config"] = Config({**config, "MiniMax": section})
        super().__init__(**kwargs)
        self.assigned = set(kwargs) & set(self.trait_names(config=True))
        """The names of the settings that were passed or assigned, as opposed to configured or left at the default."""

    def refusal(self, name: str, value: Any) -> str:
        """Return why the administrator's limits do not allow a value, in one line; "" if they do."""
        return self._policy.refusal(name, value, self._configured, self.allowed_models)

    def lock_of(self, name: str) -> str:
        """Return the administrator's file that locks a setting; "" if it is not locked."""
        return self._policy.lock_of(name)

    def update_config(self, config: Config) -> None:
        """Change settings, as `%config` does. Raises `UsageError` if a limit of the administrator does not allow it."""
        for name, value in config.get("MiniMax", {}).items():
            self._refuse(name, value, self.allowed_models)
        super().update_config(config)

    def _refuse(self, name: str, value: Any, allowed: Sequence[str]) -> None:
        if refusal := self._policy.refusal(name, value, self._configured, allowed):
            raise UsageError(f"{refusal}.")

    @default("base_url")
    def _base_url_from_environment(self) -> str:
        named = os.environ.get("ANTHROPIC_BASE_URL") or DEFAULT_BASE_URL
        with suppress(ConfigError):  # the first prompt reports it
            return checked_base_url(named)
        return named

    @default("replay")
    def _replay_from_environment(self) -> str:
        return os.environ.get("MINIMAX_REPLAY") or DEFAULT_REPLAY

    @default("compact")
    def _compact_where_somebody_reads(self) -> str:
        return "auto" if self.parent is not None and not os.environ.get("CI") else "never"

    @default("model")
    def _model_from_environment(self) -> str:
        return os.environ.get("MINIMAX_MODEL") or DEFAULT_MODEL

    @validate(*[name for name, each in list(locals().items()) if isinstance(each, TraitType)])
    def _check(self, proposal: dict[str, Any]) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        if refusal := self.refusal(name, value):
            raise TraitError(f"{refusal}.")
        return _CHECKS[name](name, value) if name in _CHECKS else value


def _check_base_url(_name: str, value: str) -> str:
    try:
        return checked_base_url(value)
    except ConfigError as error:
        raise TraitError(f"{error.message} {error.hint}") from None


def _check_prices(_name: str, prices: dict[str, Any]) -> dict[str, list[float]]:
    for name, amounts in prices.items():
        if not (isinstance(amounts, list | tuple) and len(amounts) == 2 and all(map(_is_amount, amounts))):
            raise TraitError(f"The price of {name} must be two amounts of US dollars, not {amounts!r}.")
    return {name: [float(each) for each in amounts] for name, amounts in prices.items()}


def _check_never_send(_name: str, rules: list[str]) -> list[str]:
    try:
        return [Rule.parse(each).text for each in rules]
    except ValueError as error:
        raise TraitError(f"never_send: {error}.") from None


def _check_seconds(name: str, value: float) -> float:
    if not isfinite(value):
        raise TraitError(f"{name} must be a number of seconds, not {value!r}.")
    return value


def _check_fraction(name: str, value: float | None) -> float | None:
    if value is not None and not 0 < value <= 1:
        raise TraitError(f"{name} must be above 0 and at most 1, not {value!r}.")
    return value


def _is_amount(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")


_CHECKS: Mapping[str, Callable[[str, Any], Any]] = {
    "base_url": _check_base_url,
    "prices": _check_prices,
    "never_send": _check_never_send,
    "timeout": _check_seconds,
    "max_seconds": _check_seconds,
    "temperature": _check_fraction,
    "top_p": _check_fraction,
}
