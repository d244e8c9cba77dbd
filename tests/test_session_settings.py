"""The settings of a notebook: every command and surface uses and shows the effective value and its source."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import mm_magics
from mm_magics import doctor
from mm_magics.config import MiniMax
from mm_magics.display.picker import make_picker
from mm_magics.ipython import commands
from mm_magics.session import Session
from mm_magics.settings import NOTEBOOK_SETTINGS, Settings
from mm_magics.simulator import Simulator
from tests.ipython.tables import as_text
from tests.turns import turn

SHELL: Any = SimpleNamespace(user_ns={})
IN_NOTEBOOK: dict[str, Any] = {
    "model": "MiniMax-M3",  # its thinking can be turned on and off
    "system": "Be brief.",
    "temperature": 0.25,
    "top_p": 0.5,
    "max_tokens": 77,
    "thinking": "off",
    "thread": "work",
}
IN_KERNEL: dict[str, Any] = {
    "model": "MiniMax-M2",
    "system": "Be verbose.",
    "temperature": 0.75,
    "top_p": 0.125,
    "max_tokens": 88,
    "thinking": "on",
    "thread": "side",
}


def open_page(session: Session, settings: object) -> None:
    """Describe a notebook without cells whose metadata has these settings, as the page does."""
    session.receive({"name": "book.ipynb", "order": [], "changed": {}, "pending": [], "settings": settings})
    session.refresh()


def save_file(path: Path, settings: object) -> None:
    """Save a notebook without cells whose metadata has these settings."""
    metadata = {"minimax": settings, "kernelspec": {"name": "python3"}}
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": []}))


@pytest.fixture(params=["page", "file"])
def notebook(session: Session, request: pytest.FixtureRequest, tmp_path: Path) -> Session:
    """A session whose notebook sets everything that a notebook can set, with one turn in the thread `work`."""
    session.history.put(turn("a question", "an answer", thread="work"))
    if request.param == "page":
        open_page(session, IN_NOTEBOOK)
    else:
        save_file(tmp_path / "book.ipynb", IN_NOTEBOOK)
        session.attach(tmp_path / "book.ipynb")
        session.refresh()
    return session


def output(session: Session, line: str) -> str:
    return as_text(commands.run(commands.Context(session, SHELL), line))


def shown(session: Session, name: str) -> str:
    """Return a setting as the picker shows it."""
    return ", ".join(make_picker(session).state["settings"][name].values())


def findings(session: Session) -> str:
    return "\n".join(f"{each.subject}: {each.detail}" for each in doctor.examine(session, "plain"))


def test_every_setting_of_a_notebook_is_tested_here() -> None:
    assert set(NOTEBOOK_SETTINGS) == set(IN_NOTEBOOK) == set(IN_KERNEL)
    for name in NOTEBOOK_SETTINGS:
        assert len({repr(each) for each in (IN_NOTEBOOK[name], IN_KERNEL[name], getattr(MiniMax(), name))}) == 3


# Every surface that shows or uses a setting ------------------------------------------------------------------------


@pytest.mark.parametrize("name", NOTEBOOK_SETTINGS)
def test_a_request_uses_the_notebooks_setting(notebook: Session, name: str) -> None:
    prompt = notebook.prepare("hi")
    expected = {"type": "disabled"} if name == "thinking" else IN_NOTEBOOK[name]
    assert (prompt.thread if name == "thread" else prompt.body[name]) == expected


@pytest.mark.parametrize("name", NOTEBOOK_SETTINGS)
def test_the_list_of_settings_shows_the_notebooks_value_and_its_source(notebook: Session, name: str) -> None:
    row = next(line for line in output(notebook, "set").splitlines() if re.match(rf"{name} ", line))
    assert re.match(rf"{name} +{re.escape(repr(IN_NOTEBOOK[name]))} +notebook ", row)


@pytest.mark.parametrize("name", NOTEBOOK_SETTINGS)
def test_one_setting_is_shown_with_the_notebooks_value_and_its_source(notebook: Session, name: str) -> None:
    assert output(notebook, f"set {name}") == f"{name} is {IN_NOTEBOOK[name]!r} (notebook)."


@pytest.mark.parametrize("name", ["model", "system", "thread"])
def test_the_status_shows_the_notebooks_value_and_its_source(notebook: Session, name: str) -> None:
    line = next(each for each in output(notebook, "").splitlines() if each.startswith(name))
    assert IN_NOTEBOOK[name] in line
    assert "(notebook)" in line


@pytest.mark.parametrize("name", NOTEBOOK_SETTINGS)
def test_the_picker_shows_the_notebooks_value(notebook: Session, name: str) -> None:
    assert shown(notebook, name) == f"{IN_NOTEBOOK[name]}, notebook"


@pytest.mark.parametrize("name", ["model", "system", "thread"])
def test_the_command_of_a_setting_shows_the_notebooks_value(notebook: Session, name: str) -> None:
    assert IN_NOTEBOOK[name] in output(notebook, name)
    assert re.search(r"[(; ]notebook\)", output(notebook, name))


def test_the_doctor_checks_the_notebooks_model(notebook: Session) -> None:
    assert "model: MiniMax-M3" in findings(notebook)


def test_history_shows_the_notebooks_thread(notebook: Session) -> None:
    assert "Thread work" in output(notebook, "history")
    assert "a question" in output(notebook, "history")


@pytest.mark.parametrize("command", ["undo", "clear"])
def test_a_command_that_forgets_works_on_the_notebooks_thread(notebook: Session, command: str) -> None:
    output(notebook, command)
    assert notebook.history.turns("work") == []


def test_fork_starts_from_the_notebooks_thread(notebook: Session) -> None:
    output(notebook, "fork branch")
    assert [turn.text for turn in notebook.history.turns("branch")] == ["an answer"]
    assert notebook.settings.value("thread") == "branch"


@pytest.mark.parametrize("command", ["save t.json", "export t.md", "export t.html", "export t.json", "export t.py"])
def test_a_command_that_writes_a_file_writes_the_notebooks_thread(
    notebook: Session, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "thread work" in output(notebook, command)
    assert "a question" in (tmp_path / command.split()[1]).read_text("utf-8")


# Precedence ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NOTEBOOK_SETTINGS)
def test_a_flag_comes_before_the_kernel_and_the_kernel_before_the_notebook(notebook: Session, name: str) -> None:
    assert notebook.settings.source(name) == "notebook"
    output(notebook, f"set {name} {IN_KERNEL[name]}")
    assert (notebook.settings.value(name), notebook.settings.source(name)) == (IN_KERNEL[name], "set in this kernel")
    flagged = notebook.prepare("hi", **{name: IN_NOTEBOOK[name]})
    expected = {"type": "disabled"} if name == "thinking" else IN_NOTEBOOK[name]
    assert (flagged.thread if name == "thread" else flagged.body[name]) == expected


@pytest.mark.parametrize("name", NOTEBOOK_SETTINGS)
def test_a_value_that_equals_the_default_can_be_set_over_the_notebooks(notebook: Session, name: str) -> None:
    default = getattr(MiniMax(), name)
    output(notebook, f"set {name} {default}")
    assert (notebook.settings.value(name), notebook.settings.source(name)) == (default, "set in this kernel")


def test_what_is_passed_to_the_session_comes_before_the_notebook(endpoint: Simulator) -> None:
    with Session(base_url=endpoint.base_url, api_key=endpoint.key, thread="mine") as session:
        open_page(session, {"thread": "work", "system": "Be brief."})
        assert (session.settings.value("thread"), session.settings.value("system")) == ("mine", "Be brief.")


def test_config_comes_before_the_notebook_even_with_the_value_that_the_kernel_has() -> None:
    from traitlets.config import Config

    session = Session()
    open_page(session, {"model": "MiniMax-M2.1", "thread": "work"})
    session.config.update_config(Config({"MiniMax": {"thread": "main"}}))
    assert (session.settings.value("thread"), session.settings.source("thread")) == ("main", "set in this kernel")
    assert session.settings.value("model") == "MiniMax-M2.1"


def test_a_notebook_comes_before_the_configuration_file_and_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    from traitlets.config import Config

    monkeypatch.setenv("MINIMAX_MODEL", "MiniMax-M2")
    settings = Settings(MiniMax(config=Config({"MiniMax": {"system": "From the file."}})))
    assert settings.describe("system") == "From the file. (IPython configuration)"
    assert settings.describe("model") == "MiniMax-M2 (environment)"
    assert settings.describe("thread") == "main (default)"
    assert settings.describe("top_p") == "endpoint default"
    settings.follow_notebook({"system": "Be brief.", "model": "MiniMax-M2.1", "top_p": None})
    assert settings.describe("system") == "Be brief. (notebook)"
    assert settings.describe("model") == "MiniMax-M2.1 (notebook)"
    assert settings.describe("top_p") == "endpoint default (notebook)"


@pytest.mark.parametrize("settings", [None, [], {"thread": 5, "max_tokens": -1, "base_url": "http://x", "nothing": 1}])
def test_invalid_and_foreign_settings_of_a_notebook_are_ignored(
    session: Session, tmp_path: Path, settings: object
) -> None:
    open_page(session, settings)
    save_file(tmp_path / "book.ipynb", settings)
    other = Session()
    other.attach(tmp_path / "book.ipynb")
    other.refresh()
    for each in (session, other):
        for name in MiniMax.class_trait_names(config=True):
            assert each.settings.value(name) == getattr(each.config, name)


def test_the_settings_of_a_file_follow_each_save_and_stay_while_it_cannot_be_read(
    session: Session, tmp_path: Path
) -> None:
    path = tmp_path / "book.ipynb"
    session.attach(path)
    seen = []
    for number, settings in enumerate([{"system": "One."}, {"system": "Two."}, "damaged", None]):
        if settings == "damaged":
            path.write_text("{")
        else:
            save_file(path, settings)
        os.utime(path, (number, number))
        seen.append(session.prepare("hi").body.get("system"))
    assert seen == ["One.", "Two.", "Two.", None]


def test_a_file_without_metadata_has_no_settings(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "book.ipynb"
    for metadata in ({}, {"metadata": None}, {"metadata": []}):
        path.write_text(json.dumps({"cells": [], **metadata}))
        session.attach(path)
        assert session.prepare("hi").body["model"] == MiniMax().model


# The picker ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NOTEBOOK_SETTINGS)
def test_the_picker_follows_the_notebook_and_the_kernel(session: Session, name: str) -> None:
    picker = make_picker(session)
    open_page(session, IN_NOTEBOOK)
    assert picker.state["settings"][name] == {"shown": str(IN_NOTEBOOK[name]), "source": "notebook"}
    assert picker.state["own"] == {}
    setattr(session.config, name, IN_KERNEL[name])
    assert picker.state["settings"][name] == {"shown": str(IN_KERNEL[name]), "source": "set in this kernel"}
    assert picker.state["own"] == {name: IN_KERNEL[name]}


@pytest.mark.parametrize("name", NOTEBOOK_SETTINGS)
def test_what_is_picked_comes_before_the_notebook_until_it_is_reset(notebook: Session, name: str) -> None:
    picker = make_picker(notebook)
    picker._handle_custom_msg({"type": "assign", "name": name, "value": IN_KERNEL[name]}, [])
    assert (notebook.settings.value(name), notebook.settings.source(name)) == (IN_KERNEL[name], "set in this kernel")
    calls: list[str] = []
    notebook.settings.observe(lambda: calls.append(notebook.settings.describe(name)))
    picker._handle_custom_msg({"type": "reset", "name": name}, [])
    assert (notebook.settings.value(name), notebook.settings.source(name)) == (IN_NOTEBOOK[name], "notebook")
    assert len(calls) == 1


def test_an_assignment_notifies_once_if_it_changes_the_value_or_its_source(session: Session) -> None:
    calls: list[str] = []
    session.settings.observe(lambda: calls.append(session.settings.describe("thread")))
    session.settings.assign("thread", "work")
    assert calls == ["work (set in this kernel)"]
    session.settings.assign("thread", "work")
    assert len(calls) == 1
    session.settings.assign("top_p", None)
    assert session.settings.source("top_p") == "set in this kernel"
    assert len(calls) == 2


# Nobody reads past the accessor --------------------------------------------------------------------------------------

NAMES = MiniMax.class_trait_names(config=True)
PAST = re.compile(rf"\bconfig\.({'|'.join(NAMES)})\b|getattr\(\s*(?:\w+\.)*_?config,|(?<!\.)\bconfig\b.*= .*\.config\b")


def past_the_accessor() -> Iterator[str]:
    root = Path(mm_magics.__file__).parent
    for path in sorted(root.rglob("*.py")):
        if path not in (root / "config.py", root / "settings.py"):
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
                if PAST.search(line):
                    yield f"{path.relative_to(root)}:{number}: {line.strip()}"


def test_nothing_reads_a_setting_past_the_accessor() -> None:
    assert list(past_the_accessor()) == [], "use session.settings.value(…)"


@pytest.mark.parametrize(
    "line",
    [
        "thread = session.config.thread",
        "limit = session.config.value_limit",
        "getattr(session.config, name)",
        "session.config.model = 'x'",
        "config = self._session.config",
    ],
)
def test_the_search_finds_such_a_read(line: str) -> None:
    assert PAST.search(line)
