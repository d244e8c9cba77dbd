"""The picker: its controls are bound to the settings, and it describes the next prompt."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from mm_magics import minimax_tool
from mm_magics.api.models import CATALOGUE, Model
from mm_magics.display.picker import describe_model, make_picker
from mm_magics.session import Session
from mm_magics.simulator import Simulator


@pytest.fixture
def session() -> Session:
    return Session()


def controls(session: Session) -> dict[str, Any]:
    *found, description = make_picker(session).children
    return {control.description: control for control in found} | {"description": description}


def test_a_control_changes_its_setting(session: Session) -> None:
    box = controls(session)
    box["Model"].value = "MiniMax-M2.1"
    box["System"].value = "Be brief."
    box["Temperature"].value = 0.4
    box["Max tokens"].value = 99
    session.config.model = "MiniMax-M3"
    box["Thinking"].value = "off"
    box["Model"].value = "MiniMax-M2.1"
    box["Thread"].value = "side"
    config = session.config
    assert (config.model, config.system, config.temperature) == ("MiniMax-M2.1", "Be brief.", 0.4)
    assert (config.max_tokens, config.thinking, config.thread) == (99, "off", "side")


def test_a_setting_changes_its_control(session: Session) -> None:
    box = controls(session)
    session.config.model, session.config.top_p, session.config.thinking = "MiniMax-M2", 0.9, 2000
    assert (box["Model"].value, box["top_p"].value, box["Thinking"].value) == ("MiniMax-M2", 0.9, 2000)


def test_an_empty_control_means_the_endpoint_default(session: Session) -> None:
    box = controls(session)
    box["Temperature"].value = 0.0
    box["System"].value = "x"
    box["System"].value = ""
    assert session.config.temperature is None
    assert session.config.system is None


def test_resetting_thinking_shows_the_endpoint_default(session: Session) -> None:
    thinking = controls(session)["Thinking"]
    for value, label in (
        ("on", "on"),
        (None, "default"),
        (2000, "budget 2000"),
        (None, "default"),
    ):
        session.config.thinking = value
        assert thinking.label == label
    session.config.model = "MiniMax-M3"
    thinking.value = "off"
    thinking.label = "default"
    assert session.config.thinking is None


@pytest.mark.parametrize(
    ("model", "names"),
    [
        ("MiniMax-M2.7", []),
        ("MiniMax-M3", ["on", "off"]),
        ("MiniMax-M3.1-Flash", ["low", "medium", "high", "xhigh", "max"]),
        ("mine", ["on", "off", "adaptive", "low", "medium", "high", "xhigh", "max"]),
    ],
)
def test_thinking_offers_what_makes_a_difference_for_the_model(session: Session, model: str, names: list[str]) -> None:
    thinking = controls(session)["Thinking"]
    session.config.thinking = "xhigh"
    session.config.model = model
    offered = [name for name, _ in thinking.options]
    assert offered == ["default", *names, *([] if "xhigh" in names else ["xhigh"])]
    assert (thinking.value, session.config.thinking) == ("xhigh", "xhigh")


def test_models_are_marked_as_retired_unavailable_and_new() -> None:
    with (
        Simulator(models=["MiniMax-M3", "house"]) as endpoint,
        Session(base_url=endpoint.base_url, api_key=endpoint.key) as session,
    ):
        box = controls(session)
        assert {"MiniMax-M2.7", "MiniMax-M3", "house"} <= set(box["Model"].options)
        text = box["description"].value
        assert "MiniMax-M2.7 · 204,800 tokens" in text
        assert "announced as retired on 2026-11-18 · not offered here" in text
        assert "Not offered here: MiniMax-M3.1-Flash, MiniMax-M2.7, " in text
        assert "New: house." in text
        controls(session)
        assert len(endpoint.log) == 1


def test_it_describes_the_next_prompt(session: Session) -> None:
    box = controls(session)
    session.config.model = "MiniMax-M2.5-highspeed"
    assert "204,800 tokens · about 100 tokens/s · $0.60 / 2.40" in box["description"].value
    session.config.model = "<b>new</b>"
    assert "<b>" not in box["description"].value


def test_tools_are_bound_in_both_directions_and_suggested_by_name(session: Session) -> None:
    tools = controls(session)["Tools"]
    tools.value = "python  variables,python"
    assert session.config.tools == ["python", "variables"]
    assert tools.value == "python, variables"
    assert "python, variables, shell" in tools.options
    session.config.tools = ["shell"]
    assert (tools.value, tools.options[0]) == ("shell", "shell, python")
    tools.value = ""
    assert session.config.tools == []


def test_it_lists_the_tools_that_require_approval(session: Session) -> None:
    box = controls(session)
    assert "No tools are selected." in box["description"].value
    session.namespace["lookup"] = minimax_tool(lambda word: word)
    session.namespace["wipe"] = minimax_tool(asks=True)(lambda: None)
    for name in ("lookup", "wipe"):
        session.namespace[name].__name__ = name
    session.rules.add("allow", "shell")
    session.rules.add("allow", "python", {"code": "1"})
    box["Tools"].value = "python wipe lookup shell"
    text = "Tools: require approval: python, wipe; run without approval: lookup, shell."
    assert text in box["description"].value
    box["Tools"].value = "pyton"
    assert "There is no tool named pyton. Did you mean python?" in box["description"].value.replace("\n", " ")


def test_the_picker_does_not_start_a_server(session: Session, tmp_path: Path) -> None:
    started = tmp_path / "started"
    session.servers.add("files", [sys.executable, "-c", f"open({str(started)!r}, 'w')"])
    box = controls(session)
    assert "files" in box["Tools"].options
    box["Tools"].value = "files"
    assert "Tools: require approval unless a rule allows them: the tools of files." in box["description"].value
    assert not started.exists()


def test_unknown_facts_about_a_model_are_left_out() -> None:
    assert describe_model(Model("new")) == "new"
    assert describe_model(CATALOGUE["MiniMax-M2"]) == "MiniMax-M2 · 204,800 tokens · $0.30 / 1.20 per million in / out"
