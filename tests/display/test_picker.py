"""The picker: what its form receives from the settings, and what it changes in them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from traitlets.config import Config

from mm_magics import minimax_tool
from mm_magics.config import MiniMax
from mm_magics.display.picker import PICKER_SETTINGS, make_picker
from mm_magics.session import Session
from mm_magics.simulator import Simulator


@pytest.fixture
def session() -> Session:
    return Session()


class Page:
    """The page's side of a picker."""

    def __init__(self, session: Session) -> None:
        self.widget = make_picker(session)

    @property
    def state(self) -> dict[str, Any]:
        return self.widget.state

    def shown(self, name: str) -> str:
        return ", ".join(self.state["settings"][name].values())

    def assign(self, name: str, value: Any) -> None:
        self.widget._handle_custom_msg({"type": "assign", "name": name, "value": value}, [])

    def reset(self, name: str) -> None:
        self.widget._handle_custom_msg({"type": "reset", "name": name}, [])


def test_every_setting_is_shown_with_its_source(session: Session) -> None:
    page = Page(session)
    assert page.state["own"] == {}
    assert {name: page.shown(name) for name in PICKER_SETTINGS} == {
        "model": "MiniMax-M2.7, default",
        "system": "endpoint default, default",
        "temperature": "1.0, default",
        "top_p": "endpoint default, default",
        "max_tokens": "65536, default",
        "thinking": "endpoint default, default",
        "thread": "main, default",
        "tools": "none, default",
    }


def test_a_change_on_the_page_changes_the_setting_and_is_shown(session: Session) -> None:
    page = Page(session)
    values = {"model": "MiniMax-M2.1", "system": "Be brief.", "temperature": 0.4, "max_tokens": 99, "thread": "side"}
    for name, value in values.items():
        page.assign(name, value)
        assert session.settings.value(name) == value
        assert page.shown(name) == f"{value}, set in this kernel"
    assert page.state["own"] == values


def test_temperature_and_top_p_can_be_left_out_and_are_not_zero(session: Session) -> None:
    page = Page(session)
    for name in ("temperature", "top_p"):
        page.assign(name, None)
        assert session.settings.value(name) is None
        assert page.shown(name) == "endpoint default, set in this kernel"
        page.assign(name, 0)
        assert session.settings.value(name) is None
    assert not {"temperature", "top_p"} & set(session.prepare("Hi.").body)


@pytest.mark.parametrize("value", [7, "hot", [], {"a": 1}, float("nan")])
def test_a_value_that_a_setting_rejects_changes_nothing(session: Session, value: object) -> None:
    page = Page(session)
    page.assign("temperature", value)
    assert session.settings.value("temperature") == 1.0
    assert page.state["own"] == {}


@pytest.mark.parametrize("message", [None, [], {"type": "assign"}, {"type": "reset"}, {"type": 1, "name": "model"}])
def test_a_message_of_another_form_is_ignored(session: Session, message: Any) -> None:
    page = Page(session)
    page.widget._handle_custom_msg(message, [])
    assert page.state["own"] == {}


def test_a_page_cannot_change_other_settings(session: Session) -> None:
    page, before = Page(session), session.settings.value("base_url")
    page.assign("base_url", "https://evil.example")
    page.reset("base_url")
    assert session.settings.value("base_url") == before


def test_a_change_elsewhere_is_shown(session: Session) -> None:
    page = Page(session)
    session.config.model, session.config.top_p = "MiniMax-M2", 0.9
    session.settings.follow_notebook({"thread": "notes"})
    assert page.shown("model") == "MiniMax-M2, set in this kernel"
    assert page.shown("thread") == "notes, notebook"
    assert page.state["own"] == {"model": "MiniMax-M2", "top_p": 0.9}


@pytest.mark.parametrize("way", ["assigned", "%config"])
def test_a_reset_setting_has_the_value_that_is_below(way: str) -> None:
    config = Config({"MiniMax": {"temperature": 0.5, "thread": "configured"}})
    session = Session(MiniMax(config=config))
    page = Page(session)
    session.settings.follow_notebook({"thread": "notes"})
    if way == "assigned":
        page.assign("temperature", 0.9)
        page.assign("thread", "mine")
        page.assign("max_tokens", 7)
    else:
        changed = {"temperature": 0.9, "thread": "mine", "max_tokens": 7}
        session.config.update_config(Config({"MiniMax": changed}))
    assert page.state["own"] == {"temperature": 0.9, "thread": "mine", "max_tokens": 7}
    for name in ("temperature", "thread", "max_tokens", "model"):
        page.reset(name)
    assert page.state["own"] == {}
    assert page.shown("temperature") == "0.5, IPython configuration"
    assert page.shown("thread") == "notes, notebook"
    assert page.shown("max_tokens") == "65536, default"
    assert session.prepare("Hi.").body["temperature"] == 0.5


def test_the_model_is_the_one_that_answers_and_the_list_is_asked_for_once() -> None:
    with (
        Simulator(models=["MiniMax-M3", "house"]) as endpoint,
        Session(base_url=endpoint.base_url, api_key=endpoint.key) as session,
    ):
        session.settings.assign("prices", {"house": [0.1, 0.4]})
        page = Page(session)
        assert set(page.state["models"]) == {"MiniMax-M3", "house"}
        assert page.state["prices"] == {"house": [0.1, 0.4]}
        Page(session)
        assert len(endpoint.log) == 1
        session.ask("Hi.")
        page = Page(session)
        assert page.shown("model") == "MiniMax-M3, default"


def test_it_lists_the_tools_and_which_of_them_require_approval(session: Session) -> None:
    page = Page(session)
    assert page.state["approvals"] == ""
    assert {"python", "shell"} <= set(page.state["tools"])
    session.namespace["lookup"] = minimax_tool(lambda word: word)
    session.namespace["wipe"] = minimax_tool(asks=True)(lambda: None)
    for name in ("lookup", "wipe"):
        session.namespace[name].__name__ = name
    session.rules.add("allow", "shell")
    session.rules.add("allow", "python", {"code": "1"})
    page.assign("tools", ["python", "wipe", "lookup", "shell"])
    assert page.state["approvals"] == "require approval: python, wipe; run without approval: lookup, shell"
    assert page.shown("tools") == "python, wipe, lookup, shell, set in this kernel"
    assert "shell" not in page.state["tools"]
    page.assign("tools", ["pyton"])
    assert "There is no tool named pyton." in page.state["approvals"]
    page.assign("tools", [])
    assert page.state["approvals"] == ""


def test_the_picker_does_not_start_a_server(session: Session, tmp_path: Path) -> None:
    started = tmp_path / "started"
    session.servers.add("files", [sys.executable, "-c", f"open({str(started)!r}, 'w')"])
    page = Page(session)
    assert "files" in page.state["tools"]
    page.assign("tools", ["files"])
    assert page.state["approvals"] == "require approval unless a rule allows them: the tools of files"
    assert not started.exists()
