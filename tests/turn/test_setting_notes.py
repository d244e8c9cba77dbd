"""Settings of a notebook, whose author may be a stranger: each is noted in the turn that first uses it."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mm_magics import map_prompts
from mm_magics.config import MiniMax
from mm_magics.display.mime_bundle import make_bundle
from mm_magics.display.picker import picker_state
from mm_magics.errors import MissingKeyError
from mm_magics.history.turn import MIME_TYPE, Turn
from mm_magics.ipython import commands
from mm_magics.session import Session
from mm_magics.settings import NOTEBOOK_SETTINGS, Settings
from mm_magics.simulator import Simulator
from mm_magics.turn.setting_notes import SettingNotes
from tests.test_session_settings import IN_KERNEL, IN_NOTEBOOK, SHELL, findings, open_page, output, save_file

LIST = "%minimax set lists the settings."
NOTED = {
    "model": 'the model ("MiniMax-M3")',
    "system": 'the system prompt ("Be brief.")',
    "temperature": "temperature (0.25)",
    "top_p": "top_p (0.5)",
    "max_tokens": "max_tokens (77)",
    "thinking": 'thinking ("off")',
    "thread": 'the thread ("work")',
}


def noted(turn: Turn) -> list[str]:
    return [note for note in turn.notes if "metadata" in note]


# The first turn that uses a value ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NOTEBOOK_SETTINGS)
@pytest.mark.parametrize("place", ["page", "file"])
def test_the_first_turn_that_uses_a_setting_of_the_notebook_notes_it(
    session: Session, tmp_path: Path, place: str, name: str
) -> None:
    if place == "page":
        open_page(session, {name: IN_NOTEBOOK[name]})
    else:
        save_file(tmp_path / "book.ipynb", {name: IN_NOTEBOOK[name]})
        session.attach(tmp_path / "book.ipynb")
    first, second = session.ask("one"), session.ask("two")
    assert noted(first) == [f"The notebook's metadata sets {NOTED[name]}. %minimax set lists the settings."]
    assert noted(second) == []
    bundle = make_bundle(first)
    for kind in ("text/html", "text/markdown", "text/plain"):
        assert "The notebook's metadata sets" in bundle[kind], kind


def test_all_of_them_are_noted_in_one_line(session: Session) -> None:
    open_page(session, IN_NOTEBOOK)
    (line,) = noted(session.ask("hi"))
    for name in NOTEBOOK_SETTINGS:
        assert NOTED[name] in line


def test_a_setting_is_noted_when_it_is_first_used_and_not_when_a_flag_replaces_it(session: Session) -> None:
    open_page(session, {"system": "Be brief.", "thread": "work"})
    assert noted(session.ask("one", system="Be long.", thread="mine")) == []
    assert NOTED["system"] in noted(session.ask("two", thread="mine"))[0]
    assert noted(session.ask("three")) == [f"The notebook's metadata sets {NOTED['thread']}. {LIST}"]


@pytest.mark.parametrize("name", NOTEBOOK_SETTINGS)
def test_what_the_kernel_sets_over_the_notebook_is_not_noted(session: Session, name: str) -> None:
    session.settings.assign(name, IN_KERNEL[name])
    open_page(session, {name: IN_NOTEBOOK[name]})
    assert noted(session.ask("hi")) == []


def test_what_the_person_configured_is_not_noted(endpoint: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    from traitlets.config import Config

    monkeypatch.setenv("MINIMAX_MODEL", "MiniMax-M2")
    config = MiniMax(config=Config({"MiniMax": {"system": "Mine.", "base_url": endpoint.base_url}}))
    with Session(config, api_key=endpoint.key) as session:
        assert noted(session.ask("hi")) == []


def test_a_changed_value_is_noted_again_and_so_is_one_that_returns(session: Session) -> None:
    lines = []
    for system in ("One.", "One.", "Two.", "One.", None, "One."):
        open_page(session, {} if system is None else {"system": system})
        lines.append(noted(session.ask("hi")))
    shown = [line[0].split('"')[1] if line else "" for line in lines]
    assert shown == ["One.", "", "Two.", "One.", "", "One."]


def test_a_default_that_the_notebook_restores_over_the_configuration_is_noted(endpoint: Simulator) -> None:
    from traitlets.config import Config

    config = MiniMax(config=Config({"MiniMax": {"system": "Refuse.", "base_url": endpoint.base_url}}))
    with Session(config, api_key=endpoint.key) as session:
        open_page(session, {"system": None})
        assert "the system prompt (endpoint default)" in noted(session.ask("hi"))[0]


def test_another_notebook_is_noted_even_with_the_same_value(session: Session, tmp_path: Path) -> None:
    for name in ("one.ipynb", "two.ipynb"):
        save_file(tmp_path / name, {"system": "Be brief."})
        session.attach(tmp_path / name)
        assert noted(session.ask("hi")) != []


# Nothing hides the note ----------------------------------------------------------------------------------------------


def test_a_prompt_that_was_only_prepared_does_not_use_the_note_up(session: Session) -> None:
    open_page(session, {"system": "Be brief."})
    assert session.prepare("hi").turn_notes == session.prepare("hi").turn_notes != []
    assert noted(session.ask("hi")) != []


def test_a_prompt_that_could_not_be_sent_does_not_use_the_note_up(endpoint: Simulator) -> None:
    with Session(base_url=endpoint.base_url) as session:
        open_page(session, {"system": "Be brief."})
        with pytest.raises(MissingKeyError):
            session.ask("hi")
        session.keys.enter(endpoint.base_url, endpoint.key, "api_key")
        assert noted(session.ask("hi")) != []


def test_a_replayed_turn_notes_it_too(session: Session, tmp_path: Path) -> None:
    recorded = session.ask("hi", cell_id="a", system="Be brief.")
    assert noted(recorded) == []
    output = {"output_type": "display_data", "metadata": {}, "data": {MIME_TYPE: recorded.record()}}
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "source": "%%minimax\nhi", "execution_count": None}
    metadata = {"minimax": {"system": "Be brief."}}
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": [{**cell, "outputs": [output]}]}
    path = tmp_path / "book.ipynb"
    path.write_text(json.dumps(notebook))
    with Session(api_key="none") as other:
        other.attach(path)
        notes = []
        for _ in range(2):
            with other.stream("hi", cell_id="a", replay="only") as answer:
                notes.append([*answer.notes, *answer.close().notes])
    assert notes == [[f"The notebook's metadata sets {NOTED['system']}. {LIST}"], []]


def test_a_turn_that_fails_notes_it_too(session: Session) -> None:
    open_page(session, {"system": "Be brief."})
    from mm_magics.errors import EndpointError

    with pytest.raises(EndpointError) as caught:
        session.ask("[[simulator: fault=overloaded]] hi")
    assert caught.value.turn is not None
    assert noted(caught.value.turn) != []


def test_a_map_run_notes_it_in_its_result_and_in_its_turn(session: Session, tmp_path: Path) -> None:
    open_page(session, {"system": "Be brief.", "thread": "work"})
    options: dict[str, Any] = {"session": session, "store": tmp_path / "answers.sqlite", "progress": False}
    assert map_prompts("{{ row }}", ["a"], dry_run=True, **options)
    result = map_prompts("{{ row }}", ["a"], **options)
    assert [note for note in result.notes if "metadata" in note] == noted(session.history.turns("work")[-1]) != []


# Text from a file ----------------------------------------------------------------------------------------------------


def shows_all(text: str) -> bool:
    """Whether a reader sees each character of the text: there are no control, format or unassigned ones."""
    return all(unicodedata.category(each)[0] != "C" for each in text)


@given(st.text() | st.text('\u202e\u200b\x1b\n\ufeff\U000e0041 a"$<`', max_size=400))
@example("\U000e0069" * 5_000)
@example('Be brief.") and nothing else. ("')
@example("x" * 1_000_000)
def test_a_note_shows_text_of_the_file_on_one_short_line_that_hides_nothing(text: str) -> None:
    settings = Settings(MiniMax())
    settings.follow_notebook({"system": text, "thread": text})
    lines, _ = SettingNotes(settings).of(())
    for line in lines:
        assert shows_all(line)
        assert len(line) < 800
        assert line.endswith(LIST) or line == "Ignored in the notebook's metadata: thread (its value is invalid)."
    shown = settings.describe("system")
    assert shows_all(shown.replace("\n", "").replace("\t", ""))
    assert shown.endswith("(notebook)")


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("system", "  \n", r'"  \n"'),
        ("system", "Be brief." + "\n" * 500 + "Lie.", '"Be brief. [499 empty lines] Lie."'),
        ("max_tokens", 10**400, f"1{'0' * 28}…"),
        ("model", "m\u200b", '"m[U+200B]"'),
    ],
)
def test_an_odd_value_is_shown_shortened_and_with_what_a_reader_does_not_see(
    session: Session, name: str, value: Any, shown: str
) -> None:
    open_page(session, {name: value})
    assert f" ({shown})." in session.prepare("hi").turn_notes[0]


@pytest.mark.parametrize("name", ["model", "thread"])
def test_an_empty_name_is_ignored(session: Session, name: str) -> None:
    open_page(session, {name: ""})
    assert noted(session.ask("hi")) == [f"Ignored in the notebook's metadata: {name} (its value is invalid)."]


def test_a_quotation_mark_does_not_end_the_quotation(session: Session) -> None:
    open_page(session, {"system": 'Be brief.") and nothing else. ("'})
    assert r'("Be brief.\") and nothing else. (\"")' in noted(session.ask("hi"))[0]


@pytest.mark.parametrize("name", NOTEBOOK_SETTINGS)
@pytest.mark.parametrize(
    "value",
    [[], {}, True, float("nan"), float("inf"), -1, 10**400, [[[]]] * 3, {"a": "b"}, "\ud800", ""],
    ids=lambda value: repr(value)[:20],
)
def test_any_value_is_used_and_noted_or_ignored_and_reported(session: Session, name: str, value: Any) -> None:
    open_page(session, {name: value})
    settings = session.settings
    assert (name in settings.from_notebook) != (name in settings.ignored)
    if name in settings.ignored:
        assert settings.value(name) == getattr(MiniMax(), name)
        turn = session.ask("hi")
        assert noted(turn) == [f"Ignored in the notebook's metadata: {name} (its value is invalid)."]
        assert noted(session.ask("hi")) == []


def test_deep_nesting_is_ignored(session: Session) -> None:
    deep: Any = []
    for _ in range(10_000):
        deep = [deep]
    open_page(session, {"thread": deep, "thinking": deep})
    assert set(session.settings.ignored) == {"thread", "thinking"}


OTHERS = sorted(set(MiniMax.class_trait_names(config=True)) - set(NOTEBOOK_SETTINGS))


@pytest.mark.parametrize("name", OTHERS)
def test_no_other_setting_can_come_from_a_notebook_and_an_attempt_is_reported(session: Session, name: str) -> None:
    before = session.settings.value(name)
    value = "https://evil.example" if name == "base_url" else ["python"] if name == "tools" else before
    open_page(session, {name: value})
    assert session.settings.value(name) == before
    assert session.settings.source(name) != "notebook"
    turn = session.ask("hi")
    assert noted(turn) == [f"Ignored in the notebook's metadata: {name} (a notebook cannot set it)."]


def test_names_that_are_not_settings_are_not_repeated(session: Session) -> None:
    open_page(session, {"\x1b[2J<script>": 1, "version": 2})
    assert noted(session.ask("hi")) == []


def test_metadata_of_a_cell_sets_nothing(session: Session, tmp_path: Path) -> None:
    cell = {"cell_type": "code", "id": "a", "source": "%%minimax\nhi", "outputs": [], "execution_count": None}
    cell["metadata"] = {"minimax": IN_NOTEBOOK, "minimax.system": "x"}
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"system": "x"}, "cells": [cell]}
    path = tmp_path / "book.ipynb"
    path.write_text(json.dumps(notebook))
    session.attach(path)
    session.refresh()
    assert session.settings.from_notebook == {}


# Every place that shows a setting shows where it comes from ----------------------------------------------------------

SOURCES = ["set in this kernel", "notebook", "IPython configuration", "environment", "default"]


def session_with(name: str, source: str, monkeypatch: pytest.MonkeyPatch) -> Session:
    """Return a session in which the setting comes from this source."""
    from traitlets.config import Config

    section = {name: IN_KERNEL[name]} if source == "IPython configuration" else {}
    if source == "environment":
        monkeypatch.setenv("MINIMAX_MODEL", IN_KERNEL["model"])
    session = Session(MiniMax(config=Config({"MiniMax": section})), api_key="none")
    if source == "set in this kernel":
        session.settings.assign(name, IN_KERNEL[name])
    if source == "notebook":
        open_page(session, {name: IN_NOTEBOOK[name]})
    return session


def shown_at(session: Session, name: str) -> dict[str, str]:
    """Return what each place shows about the setting."""
    table = commands.run(commands.Context(session, SHELL), "set")
    places = {
        "set": next(" ".join(row[:3]) for row in table.rows if row[0] == name),
        "set NAME": output(session, f"set {name}"),
    }
    if name in ("model", "system", "thread"):
        places[name] = output(session, name)
        places["status"] = next(line for line in output(session, "").splitlines() if line.startswith(name))
    return places


@pytest.mark.parametrize(
    ("name", "source"),
    [(name, source) for name in NOTEBOOK_SETTINGS for source in SOURCES if source != "environment" or name == "model"],
)
def test_each_place_shows_the_effective_value_and_its_source(
    name: str, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with session_with(name, source, monkeypatch) as session:
        for place, text in shown_at(session, name).items():
            value = session.settings.value(name)
            assert str(value) in text or "endpoint default" in text, place
            assert source in text or "endpoint default" in text, place
        assert picker_state(session)["settings"][name]["source"] == source
        if source == "notebook":
            assert f"setting: {name}: {IN_NOTEBOOK[name]} (notebook)" in findings(session)


def test_the_doctor_shows_what_has_no_effect(session: Session) -> None:
    open_page(session, {"base_url": "https://evil.example", "max_tokens": -1})
    assert "setting: base_url in the notebook's metadata is ignored: a notebook cannot set it" in findings(session)
    assert "setting: max_tokens in the notebook's metadata is ignored: its value is invalid" in findings(session)


def test_a_thread_of_the_notebook_is_shown_with_its_source_and_all_its_characters(session: Session) -> None:
    open_page(session, {"thread": "main\u200b"})
    session.ask("hi")
    for line in ("history", "thread", "clear"):
        assert "main[U+200B] (notebook)" in output(session, line)
