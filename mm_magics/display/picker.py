"""`%minimax picker`: the settings as controls, and what a change means for the next prompt cell.

Always true: the controls and the settings of `MiniMax` are bound both ways; nothing is sent by it.
"""

from __future__ import annotations

import re
from html import escape
from typing import Any

import ipywidgets
from traitlets import TraitError

from mm_magics.api.models import CATALOGUE, Model, model
from mm_magics.config import MiniMax, Settings
from mm_magics.display.sanitize import escape_controls
from mm_magics.errors import MiniMaxError
from mm_magics.session import Session
from mm_magics.tools.resolve import resolve_tools
from mm_magics.tools.tool import Tool, ToolCall

ENDPOINTS_OWN = 0.0
"""What the field of a fraction shows for None: the endpoint's own value."""


def described(entry: Model) -> str:
    """`MiniMax-M2.7 · 204,800 tokens · about 60 tokens/s · $0.30 / 1.20 per million`, as far as it is known."""
    parts = [entry.name]
    if entry.window:
        parts.append(f"{entry.window:,} tokens")
    if entry.speed:
        parts.append(f"about {entry.speed} tokens/s")
    if entry.price:
        parts.append(f"${entry.price.input:.2f} / {entry.price.output:.2f} per million in / out")
    return " · ".join(parts)


def picker(session: Session) -> ipywidgets.VBox:
    """The controls, bound to the session's settings."""
    says = ipywidgets.HTML()
    controls: dict[str, Any] = {
        "model": ipywidgets.Combobox(options=list(CATALOGUE), ensure_option=False, description="Model"),
        "system": ipywidgets.Textarea(placeholder="the endpoint's own", rows=2, description="System"),
        "temperature": ipywidgets.BoundedFloatText(min=0.0, max=1.0, step=0.05, description="Temperature"),
        "top_p": ipywidgets.BoundedFloatText(min=0.0, max=1.0, step=0.05, description="top_p"),
        "max_tokens": ipywidgets.BoundedIntText(min=1, max=10_000_000, description="Max tokens"),
        "thinking": ipywidgets.Dropdown(
            options=[("the endpoint's own", ""), ("on", "on"), ("off", "off")], description="Thinking"
        ),
        "thread": ipywidgets.Combobox(
            options=list(session.history.threads()), ensure_option=False, description="Thread"
        ),
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
        else:
            _bind(session.settings, name, control)

    def tell() -> None:
        says.value = f"<div role='status'>{escape(escape_controls(meaning(session)))}</div>"

    session.settings.observe(tell)
    tell()
    box = ipywidgets.VBox([*controls.values(), says])
    box.add_class("mm-picker")
    return box


def meaning(session: Session) -> str:
    """What the settings mean for the next prompt cell, in a line."""
    name, thread = session.settings.value("model"), session.settings.value("thread")
    count = len(session.history.turns(thread))
    turns = "1 turn" if count == 1 else f"{count} turns"
    return (
        f"The next prompt goes to {described(model(name))}. Thread {thread}: {turns} so far. "
        f"Temperature or top_p 0 leaves it to the endpoint. {_of_tools(session)}"
    )


def _of_tools(session: Session) -> str:
    """What the chosen tools mean: which ask before each call. No server is started to find out."""
    said: dict[str, list[str]] = {"ask": [], "allow": [], "deny": [], "server": []}
    for name in session.settings.value("tools"):
        if name.partition("__")[0] in session.servers.names:
            said["server"].append(name)
            continue
        try:
            found = resolve_tools([name], session.namespace, session.builtin(), session.servers)
        except MiniMaxError as error:
            return f"These tools cannot be offered: {error}"
        for tool in found.values():
            said[_verdict(session, tool)].append(tool.name)
    texts = {
        "ask": "asked before each call: {}",
        "allow": "without a question: {}",
        "deny": "a rule forbids {}",
        "server": "asked unless a rule says otherwise, the tools of {}",
    }
    parts = [texts[kind].format(", ".join(names)) for kind, names in said.items() if names]
    return f"Tools: {'; '.join(parts)}." if parts else "No tools are offered."


def _verdict(session: Session, tool: Tool) -> str:
    """What holds for every call of it; rules for some arguments only are left out."""
    return session.rules.verdict(tool, ToolCall("", tool.name, {}))


def _bind_tools(session: Session, control: Any) -> None:
    """Bind the list of names and its text; the names to choose from go on with what is chosen."""
    settings = session.settings

    def to_control() -> None:
        chosen = [*settings.value("tools")]
        more = [name for name in (*session.builtin(), *session.servers.names) if name not in chosen]
        control.options = [", ".join([*chosen, name]) for name in more]
        control.value = ", ".join(chosen)

    def to_setting(change: dict[str, Any]) -> None:
        names = list(dict.fromkeys(re.findall(r"[^\s,]+", change["new"])))
        if names != settings.value("tools"):
            settings.assign("tools", names)
        to_control()

    to_control()
    settings.observe(to_control)
    control.observe(to_setting, "value")


def _bind(settings: Settings, name: str, control: Any) -> None:
    """Bind one control and one setting; a value that the setting refuses puts the control back."""

    def shown(value: Any) -> Any:
        if isinstance(control, ipywidgets.BoundedFloatText):
            return ENDPOINTS_OWN if value is None else value
        if value is None:
            return ""
        if isinstance(control, ipywidgets.Dropdown) and value not in dict(control.options).values():
            control.options = [*control.options, (f"budget {value}", value)]
        return value

    def to_control() -> None:
        control.value = shown(settings.value(name))

    def to_setting(change: dict[str, Any]) -> None:
        value = change["new"]
        if value in ("", ENDPOINTS_OWN) and MiniMax.class_traits()[name].allow_none:
            value = None
        if value == settings.value(name):  # the control shows what was assigned elsewhere
            return
        try:
            settings.assign(name, value)
        except TraitError:
            to_control()

    to_control()
    settings.observe(to_control)
    control.observe(to_setting, "value")
