"""`%minimax picker`: a form for the settings of this kernel, the one that the toolbar opens for a notebook.

The form and the settings are bound in both directions. The picker asks the endpoint only for its list of models, and
once.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import anywidget
import traitlets
from traitlets import TraitError

from mm_magics.display.effective_settings import effective_settings
from mm_magics.display.offered_models import learn_models, offered_models
from mm_magics.display.protocol import PickerState
from mm_magics.errors import MiniMaxError, UsageError
from mm_magics.front_end_files import widget_source
from mm_magics.session import Session
from mm_magics.settings import NOTEBOOK_SETTINGS
from mm_magics.tools.builtin.catalogue import NOTEBOOK
from mm_magics.tools.resolve import resolve_tools
from mm_magics.tools.tool import Tool, ToolCall

PICKER_SETTINGS = (*NOTEBOOK_SETTINGS, "tools")
"""The settings that the form has."""


class Picker(anywidget.AnyWidget):
    """The form. `state` is a `PickerState`; the page sends a `PickerMessage` for each change."""

    _esm = traitlets.Unicode().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)


def make_picker(session: Session) -> Picker:
    """Return the form, bound to the session's settings."""
    learn_models(session)
    picker = Picker(_esm=widget_source("picker.js"), state=dict(picker_state(session)))

    def update() -> None:
        picker.state = dict(picker_state(session))

    def receive(_widget: Any, message: object, _buffers: object) -> None:
        refused = _change(session, message)
        picker.state = dict(picker_state(session, refused))
        picker.send_state("state")  # also if the setting rejected the value

    session.settings.observe(update)
    picker.on_msg(receive)
    return picker


def picker_state(session: Session, refused: Mapping[str, str] = MappingProxyType({})) -> PickerState:
    """Return what the form shows, with the reason why each of the `refused` settings was not changed."""
    settings = session.settings
    names = [name for name in PICKER_SETTINGS if settings.source(name) == "set in this kernel"]
    state: PickerState = {
        "prices": settings.value("prices"),
        "settings": effective_settings(session, PICKER_SETTINGS, refused),
        "own": {name: settings.value(name) for name in names},
        "threads": session.history.names(),
        "tools": [name for name in _tool_names(session) if name not in settings.value("tools")],
        "approvals": describe_approvals(session),
    }
    offered = offered_models(session)
    return {**state, "models": list(offered)} if offered else state


def describe_approvals(session: Session) -> str:
    """Describe which of the selected tools require approval, without starting an MCP server; "" without tools."""
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
    return "; ".join(texts[kind].format(", ".join(names)) for kind, names in groups.items() if names)


def _verdict(session: Session, tool: Tool) -> str:
    """Return the verdict for all calls of the tool; rules for certain arguments do not count."""
    return session.rules.verdict(tool, ToolCall("", tool.name, {}))


def _tool_names(session: Session) -> list[str]:
    return [*session.builtin(), NOTEBOOK, *session.servers.names]


def _change(session: Session, message: object) -> Mapping[str, str]:
    """Apply a `PickerMessage`. Return why a limit of the administrator refused it, by the name of the setting.

    A value that is invalid changes nothing.
    """
    match message:
        case {"type": "assign", "name": str(name), "value": value} if name in PICKER_SETTINGS:
            try:
                session.settings.assign(name, value)
            except TraitError:
                return {}
            except UsageError as error:
                return {name: error.message}
        case {"type": "reset", "name": str(name)} if name in PICKER_SETTINGS:
            session.settings.reset(name)
    return {}
