"""`%minimax picker`: controls for the settings, and a line that describes the next prompt.

Controls and settings are bound in both directions. The picker asks the endpoint only for its list of models, and once.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from html import escape
from typing import Any

import ipywidgets
from traitlets import TraitError

from mm_magics.api.models import CATALOGUE, Model, marks, model
from mm_magics.api.thinking import choices
from mm_magics.config import MiniMax, Settings, Source
from mm_magics.display.offered_models import learn_models, offered_models
from mm_magics.errors import MiniMaxError
from mm_magics.session import Session
from mm_magics.text import visible
from mm_magics.tools.resolve import resolve_tools
from mm_magics.tools.tool import Tool, ToolCall
from mm_magics.wording import counted

CONTROLS = ("model", "system", "temperature", "top_p", "max_tokens", "thinking", "thread", "tools")
"""The settings that have a control."""

SOURCES: Mapping[Source, str] = {
    "set in this kernel": "this kernel",
    "notebook": "the notebook's metadata",
    "IPython configuration": "the IPython configuration",
    "environment": "the environment",
}

ENDPOINT_DEFAULT = 0.0
"""The value of a number control that stands for None: the endpoint default."""


def describe_model(entry: Model, offered: Collection[str] | None = None) -> str:
    """Describe a model, as far as it is known. `offered` are the models that the endpoint lists, if that is known.

    >>> describe_model(model("MiniMax-M2"), ["MiniMax-M3"])
    'MiniMax-M2 · 204,800 tokens · $0.30 / 1.20 per million in / out · not offered here'
    """
    parts = [entry.name]
    if entry.window:
        parts.append(f"{entry.window:,} tokens")
    if entry.speed:
        parts.append(f"about {entry.speed} tokens/s")
    if entry.price:
        parts.append(f"${entry.price.input:.2f} / {entry.price.output:.2f} per million in / out")
    parts += marks(entry.name, offered)
    return " · ".join(parts)


def make_picker(session: Session) -> ipywidgets.VBox:
    """Return the controls, bound to the session's settings."""
    learn_models(session)
    names = [*CATALOGUE, *(name for name in offered_models(session) or () if name not in CATALOGUE)]
    description = ipywidgets.HTML()
    controls: dict[str, Any] = {
        "model": ipywidgets.Combobox(options=names, ensure_option=False, description="Model"),
        "system": ipywidgets.Textarea(placeholder="endpoint default", rows=2, description="System"),
        "temperature": ipywidgets.BoundedFloatText(min=0.0, max=1.0, step=0.05, description="Temperature"),
        "top_p": ipywidgets.BoundedFloatText(min=0.0, max=1.0, step=0.05, description="top_p"),
        "max_tokens": ipywidgets.BoundedIntText(min=1, max=10_000_000, description="Max tokens"),
        "thinking": ipywidgets.Dropdown(options=[("default", "")], description="Thinking"),
        "thread": ipywidgets.Combobox(options=session.history.names(), ensure_option=False, description="Thread"),
        "tools": ipywidgets.Combobox(
            ensure_option=False, continuous_update=False, placeholder="none", description="Tools"
        ),
    }
    for control in controls.values():
        control.layout.width = "min(36em, 100%)"
        control.style.description_width = "7em"
    for name, control in controls.items():
        if name == "tools":
            _bind_tools(session, control)
        elif name == "thinking":
            _bind_thinking(session.settings, control)
        else:
            _bind(session.settings, name, control)

    def update_description() -> None:
        description.value = f"<div role='status'>{escape(visible(describe_next_prompt(session)))}</div>"

    session.settings.observe(update_description)
    update_description()
    box = ipywidgets.VBox([*controls.values(), description])
    box.add_class("mm-picker")
    return box


def describe_next_prompt(session: Session) -> str:
    """Describe in one line what the settings mean for the next prompt."""
    name, thread = session.effective_model(), session.settings.value("thread")
    turns, offered = counted(len(session.history.turns(thread)), "turn"), offered_models(session)
    return (
        f"The next prompt goes to {describe_model(model(name), offered)}. Thread {thread}: {turns} so far. "
        f"{_describe_sources(session.settings)} "
        f"0 for temperature or top_p means the endpoint default. {_describe_tools(session)} "
        f"{_describe_models(offered)}"
    ).strip()


def _describe_sources(settings: Settings) -> str:
    """Say where the values in the controls come from, other than the defaults."""
    names = {source: [name for name in CONTROLS if settings.source(name) == source] for source in SOURCES}
    return " ".join(f"From {SOURCES[source]}: {', '.join(found)}." for source, found in names.items() if found)


def _describe_models(offered: Collection[str] | None) -> str:
    """Say which models the endpoint does not offer, and which it adds."""
    missing = [name for name in CATALOGUE if name not in offered] if offered else []
    new = [name for name in offered or () if name not in CATALOGUE]
    parts = [f"Not offered here: {', '.join(missing)}." if missing else "", f"New: {', '.join(new)}." if new else ""]
    return " ".join(filter(None, parts))


def _describe_tools(session: Session) -> str:
    """Describe which of the selected tools require approval, without starting an MCP server."""
    groups: dict[str, list[str]] = {"ask": [], "allow": [], "deny": [], "server": []}
    for name in session.settings.value("tools"):
        if name.partition("__")[0] in session.servers.names:
            groups["server"].append(name)
            continue
        try:
            found = resolve_tools([name], session.namespace, session.builtin(), session.servers)
        except MiniMaxError as error:
            return f"These tools cannot be used: {error}"
        for tool in found.values():
            groups[_verdict(session, tool)].append(tool.name)
    texts = {
        "ask": "require approval: {}",
        "allow": "run without approval: {}",
        "deny": "denied by a rule: {}",
        "server": "require approval unless a rule allows them: the tools of {}",
    }
    parts = [texts[kind].format(", ".join(names)) for kind, names in groups.items() if names]
    return f"Tools: {'; '.join(parts)}." if parts else "No tools are selected."


def _verdict(session: Session, tool: Tool) -> str:
    """Return the verdict for all calls of the tool; rules for certain arguments do not count."""
    return session.rules.verdict(tool, ToolCall("", tool.name, {}))


def _bind_tools(session: Session, control: Any) -> None:
    """Bind the list of names to its text. Each suggestion is the current text with one more name."""
    settings = session.settings

    def to_control() -> None:
        selected = [*settings.value("tools")]
        more = [name for name in (*session.builtin(), *session.servers.names) if name not in selected]
        control.options = [", ".join([*selected, name]) for name in more]
        control.value = ", ".join(selected)

    def to_setting(change: dict[str, Any]) -> None:
        names = list(dict.fromkeys(re.findall(r"[^\s,]+", change["new"])))
        if names != settings.value("tools"):
            settings.assign("tools", names)
        to_control()

    to_control()
    settings.observe(to_control)
    control.observe(to_setting, "value")


def _bind_thinking(settings: Settings, control: Any) -> None:
    """Bind the control, which offers what makes a difference for the model, and the current value."""
    is_following = False

    def to_control() -> None:
        nonlocal is_following
        value = settings.value("thinking")
        names = [("default", ""), *((name, name) for name in choices(settings.value("model")))]
        if value is not None and value not in dict(names).values():
            names.append((value if isinstance(value, str) else f"budget {value}", value))
        is_following = True  # new options select the first one
        control.options, control.value = names, "" if value is None else value
        is_following = False

    def to_setting(change: dict[str, Any]) -> None:
        value = change["new"] or None
        if not is_following and value != settings.value("thinking"):
            settings.assign("thinking", value)

    to_control()
    settings.observe(to_control)
    control.observe(to_setting, "value")


def _bind(settings: Settings, name: str, control: Any) -> None:
    """Bind one control to one setting. If the setting rejects a value, the control is reset."""
    is_following = False

    def control_value(value: Any) -> Any:
        if isinstance(control, ipywidgets.BoundedFloatText):
            return ENDPOINT_DEFAULT if value is None else value
        return "" if value is None else value

    def to_control() -> None:
        nonlocal is_following
        is_following = True  # a control has its own limits, and may show another value
        control.value = control_value(settings.value(name))
        is_following = False

    def to_setting(change: dict[str, Any]) -> None:
        if is_following:
            return
        value = change["new"]
        if value in ("", ENDPOINT_DEFAULT) and MiniMax.class_traits()[name].allow_none:
            value = None
        try:
            settings.assign(name, value)
        except TraitError:
            to_control()

    to_control()
    settings.observe(to_control)
    control.observe(to_setting, "value")
