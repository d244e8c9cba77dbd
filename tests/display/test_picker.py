"""The picker: bound both ways to the settings, and what it says of the next prompt."""

from __future__ import annotations

from typing import Any

import pytest

from mm_magics.display.picker import described, picker
from mm_magics.models import CATALOGUE, Model
from mm_magics.session import Session


@pytest.fixture
def session() -> Session:
    return Session()


def controls(session: Session) -> dict[str, Any]:
    *found, says = picker(session).children
    return {control.description: control for control in found} | {"says": says}


def test_a_control_changes_its_setting(session: Session) -> None:
    shown = controls(session)
    shown["Model"].value = "MiniMax-M2.1"
    shown["System"].value = "Be brief."
    shown["Temperature"].value = 0.4
    shown["Max tokens"].value = 99
    shown["Thinking"].value = "off"
    shown["Thread"].value = "side"
    config = session.config
    assert (config.model, config.system, config.temperature) == ("MiniMax-M2.1", "Be brief.", 0.4)
    assert (config.max_tokens, config.thinking, config.thread) == (99, "off", "side")


def test_a_setting_changes_its_control(session: Session) -> None:
    shown = controls(session)
    session.config.model, session.config.top_p, session.config.thinking = "MiniMax-M2", 0.9, 2000
    assert (shown["Model"].value, shown["top_p"].value, shown["Thinking"].value) == ("MiniMax-M2", 0.9, 2000)


def test_nothing_chosen_is_the_endpoints_own(session: Session) -> None:
    shown = controls(session)
    shown["Temperature"].value = 0.0
    shown["System"].value = "x"
    shown["System"].value = ""
    assert session.config.temperature is None
    assert session.config.system is None


def test_thinking_left_to_the_endpoint_again_is_shown_as_such(session: Session) -> None:
    thinking = controls(session)["Thinking"]
    for value, label in (
        ("on", "on"),
        (None, "the endpoint's own"),
        (2000, "budget 2000"),
        (None, "the endpoint's own"),
    ):
        session.config.thinking = value
        assert thinking.label == label
    thinking.value = "off"
    thinking.label = "the endpoint's own"
    assert session.config.thinking is None


def test_it_says_what_a_change_means_for_the_next_prompt(session: Session) -> None:
    shown = controls(session)
    session.config.model = "MiniMax-M2.5-highspeed"
    assert "204,800 tokens · about 100 tokens/s · $0.60 / 2.40" in shown["says"].value
    session.config.model = "<b>new</b>"
    assert "<b>" not in shown["says"].value


def test_what_is_not_known_of_a_model_is_left_out() -> None:
    assert described(Model("new")) == "new"
    assert described(CATALOGUE["MiniMax-M2"]) == "MiniMax-M2 · 204,800 tokens · $0.30 / 1.20 per million in / out"
