"""The settings, as one `Configurable`: set with `%config MiniMax.…`, `ipython_config.py` or the environment.

No API key is a setting, so `%config` never shows one. A base URL that could leak a key is invalid.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from math import isfinite
from typing import Any, Literal

from traitlets import Bool, Dict, Enum, Float, Int, List, TraitError, Unicode, Union, default, validate
from traitlets.config import Configurable

from mm_magics.api.models import DEFAULT_MODEL
from mm_magics.api.thinking import NAMES
from mm_magics.api.urls import parse_http_url, require_encryption
from mm_magics.errors import ConfigError
from mm_magics.prompt.protected import Rule
from mm_magics.prompt.values import VALUE_LIMIT
from mm_magics.text import visible
from mm_magics.wording import counted

DEFAULT_BASE_URL = "https://api.minimax.io/anthropic"
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

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.assigned = set(kwargs) & set(self.trait_names(config=True))
        """The names of the settings that were passed or assigned, as opposed to configured or left at the default."""

    @default("base_url")
    def _base_url_from_environment(self) -> str:
        named = os.environ.get("ANTHROPIC_BASE_URL") or DEFAULT_BASE_URL
        with suppress(ConfigError):  # the first prompt reports it
            return checked_base_url(named)
        return named

    @default("replay")
    def _replay_from_environment(self) -> str:
        return os.environ.get("MINIMAX_REPLAY") or "off"

    @default("compact")
    def _compact_where_somebody_reads(self) -> str:
        return "auto" if self.parent is not None and not os.environ.get("CI") else "never"

    @default("model")
    def _model_from_environment(self) -> str:
        return os.environ.get("MINIMAX_MODEL") or DEFAULT_MODEL

    @validate("base_url")
    def _check_base_url(self, proposal: dict[str, Any]) -> str:
        try:
            return checked_base_url(proposal["value"])
        except ConfigError as error:
            raise TraitError(f"{error.message} {error.hint}") from None

    @validate("prices")
    def _check_prices(self, proposal: dict[str, Any]) -> dict[str, list[float]]:
        prices: dict[str, Any] = proposal["value"]
        for name, amounts in prices.items():
            if not (isinstance(amounts, list | tuple) and len(amounts) == 2 and all(map(_is_amount, amounts))):
                raise TraitError(f"The price of {name} must be two amounts of US dollars, not {amounts!r}.")
        return {name: [float(each) for each in amounts] for name, amounts in prices.items()}

    @validate("never_send")
    def _check_never_send(self, proposal: dict[str, Any]) -> list[str]:
        rules: list[str] = proposal["value"]
        try:
            return [Rule.parse(each).text for each in rules]
        except ValueError as error:
            raise TraitError(f"never_send: {error}.") from None

    @validate("timeout", "max_seconds")
    def _check_timeout(self, proposal: dict[str, Any]) -> float:
        value: float = proposal["value"]
        if not isfinite(value):
            raise TraitError(f"{proposal['trait'].name} must be a number of seconds, not {value!r}.")
        return value

    @validate("temperature", "top_p")
    def _check_fraction(self, proposal: dict[str, Any]) -> float | None:
        value: float | None = proposal["value"]
        if value is not None and not 0 < value <= 1:
            raise TraitError(f"{proposal['trait'].name} must be above 0 and at most 1, not {value!r}.")
        return value


def _is_amount(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")


NOTEBOOK_SETTINGS = ("model", "system", "temperature", "top_p", "max_tokens", "thinking", "thread")
"""The settings that a notebook's metadata may contain: none that says where a key or other cells are sent."""

ENVIRONMENT = {"base_url": "ANTHROPIC_BASE_URL", "model": "MINIMAX_MODEL", "replay": "MINIMAX_REPLAY"}
"""The environment variables that change a default."""

SHOWN = 300
"""Characters of a value that are shown where many settings are."""

NOT_SENT = "endpoint default"
"""How a value is shown that no request contains."""

Source = Literal["set in this kernel", "notebook", "IPython configuration", "environment", "default"]


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
        self._callbacks: list[Callable[[], None]] = []
        config.observe(self._on_change)

    def value(self, name: str) -> Any:
        """Return the effective value, as it is without a flag."""
        if name in self._notebook and self.source(name) == "notebook":
            return self._notebook[name]
        return getattr(self._config, name)

    def source(self, name: str) -> Source:
        """Return where the effective value comes from."""
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
        """Set the value for this kernel, over the notebook's. Raises `TraitError` if it is invalid."""
        setattr(self._config, name, value)
        if name not in self._assigned:  # the kernel had this value already, so no change was observed
            self._assigned.add(name)
            self._notify()

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
        settings, self.ignored = {}, {}
        for name in MiniMax.class_trait_names(config=True):
            if name in given:
                try:
                    settings[name] = _notebook_value(name, given[name])
                except ValueError as error:
                    self.ignored[name] = str(error)
        if settings != self._notebook:
            self._notebook = settings
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
