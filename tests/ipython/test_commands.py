"""What `%minimax` says and does, without a kernel: every command, and what is typed wrong."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keyring
import pytest
from keyring.backends import fail

from mm_magics.display.table import Table
from mm_magics.errors import ArgumentError, ConfigError, EndpointError, MiniMaxError, UsageError
from mm_magics.ipython import arguments, commands
from mm_magics.ipython.commands import settings
from mm_magics.session import Session
from mm_magics.simulator import Simulator

SHELL: Any = SimpleNamespace(user_ns={})
SECRET = "sk-very-secret-4711"


@pytest.fixture(autouse=True)
def _no_keyring() -> Any:
    before = keyring.get_keyring()
    keyring.set_keyring(fail.Keyring())  # type: ignore[no-untyped-call]
    yield
    keyring.set_keyring(before)


def said(session: Session, line: str) -> str:
    report = commands.run(session, SHELL, line)
    assert isinstance(report, Table)
    assert report._repr_markdown_().strip()
    return repr(report)


# Where things stand, help ---------------------------------------------------------------------------------------


def test_alone_it_says_where_things_stand(session: Session, endpoint: Simulator) -> None:
    session.ask("hi")
    stands = said(session, "")
    for part in ("MiniMax-M2.7", endpoint.base_url, "from api_key", "endpoint default", "main: 1 turns", "1 calls"):
        assert part in stands
    assert endpoint.key not in stands
    assert len(endpoint.log) == 1


def test_without_a_key_it_says_what_to_do(endpoint: Simulator) -> None:
    assert "none: Run %minimax login" in said(Session(base_url=endpoint.base_url), "")


def test_stale_turns_are_counted(session: Session, endpoint: Simulator) -> None:
    endpoint.answers.extend(["a1", "b1", "a2"])
    for cell in "aba":
        session.ask(f"{cell}?", cell_id=cell)
    assert "main: 2 turns, in the order first run, 1 stale" in said(session, "")
    assert "complete, stale" in said(session, "history")


def test_help_lists_every_command_and_says_more_of_one(session: Session) -> None:
    text = said(session, "help")
    for command in arguments.COMMANDS:
        assert f"%minimax {command.name}" in text
        assert command.help in said(session, f"help {command.name}")
    assert "--temperature" in said(session, "help %%minimax")
    assert "--temperature" in said(session, "help --model")
    assert said(session, "--help") == said(session, "-h") == text


def test_every_command_of_the_help_is_one(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "getpass", lambda _: SECRET)
    for command in arguments.COMMANDS:
        if command.name == "explain":  # asks a model: the magics do it, since they show an answer
            continue
        told = ""
        try:
            commands.run(session, SHELL, command.name)
        except MiniMaxError as error:
            told = str(error)
        assert "There is no command" not in told


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("modle", "There is no command 'modle'.", "Did you mean %minimax model?"),
        ("zzz", "There is no command 'zzz'.", "%minimax help"),
        ("What is up?", "There is no command 'What'.", ""),
        ("help zzz", "There is no command 'zzz'.", "%minimax help"),
        ("set zzz 1", "There is no setting 'zzz'.", "%minimax set"),
        ("set temprature 1", "There is no setting 'temprature'.", "Did you mean temperature?"),
        ("set temperature 5", "temperature must be above 0 and at most 1", "temperature:"),
        ("set temperature 0", "temperature must be above 0", ""),
        ("set temperature hot", "The 'temperature' trait", ""),
        ("set max_tokens 0", "", "max_tokens: Maximum output tokens"),
        ("set max_tokens 1.5", "", ""),
        ("set max_tokens none", "", ""),
        ("set timeout NaN", "timeout must be a number of seconds", ""),
        ("set timeout Infinity", "timeout must be a number of seconds", ""),
        ("set context below", "", "context:"),
        ("set params [1]", "", ""),
        ("set base_url http://example.org", "example.org is not this machine", "base_url:"),
        ("set base_url https://u:hunter2@example.org", "The base URL has more", ""),
        ("set quiet maybe", "", ""),
        ("login now", "%minimax login takes only --keep.", ""),
        ("undo", "The thread main has no turns", ""),
        ("save", "A file's name is needed.", ""),
        ("load", "A file's name is needed.", ""),
        ("export", "A file's name is needed.", ""),
        ("fork", "A fork needs a name.", ""),
        ("fork side", "The thread main has no turns", ""),
    ],
)
def test_what_is_typed_wrong_is_refused_and_changes_nothing(
    session: Session, line: str, message: str, hint: str
) -> None:
    before = session.config.trait_values(config=True)
    with pytest.raises(UsageError) as caught:
        commands.run(session, SHELL, line)
    assert caught.value.message.startswith(message)
    assert hint in caught.value.hint
    assert "hunter2" not in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 2
    assert session.config.trait_values(config=True) == before


# Settings -------------------------------------------------------------------------------------------------------


def test_model_says_and_sets_it(session: Session) -> None:
    assert said(session, "model").startswith("The model is MiniMax-M2.7, window 204,800 tokens")
    assert said(session, "model MiniMax-M9") == "The model is MiniMax-M9 (set in this kernel)."
    assert session.config.model == "MiniMax-M9"


def test_models_shows_the_catalogue_and_what_is_new_at_the_endpoint(session: Session) -> None:
    rows = said(session, "models").splitlines()
    row = next(each for each in rows if each.startswith("MiniMax-M2.7-highspeed"))
    assert row.split()[1:7] == ["204,800", "about", "100", "0.60", "/", "2.40"]
    assert any(each.startswith("MiniMax-M3") and each.endswith("new at the endpoint") for each in rows)
    assert "offers 8 models" in rows[-1]


def test_models_shows_the_catalogue_though_the_endpoint_cannot_be_asked(session: Session) -> None:
    session.config.base_url = "http://127.0.0.1:9/anthropic"
    text = said(session, "models")
    assert "MiniMax-M2.1" in text
    assert "The endpoint was not asked for more: No API key found" in text


def test_system_says_and_sets_it(session: Session) -> None:
    assert "endpoint default" in said(session, "system")
    assert "Be brief." in said(session, "system 'Be brief.'")
    assert session.config.system == "Be brief."
    said(session, "system none")
    assert session.config.system is None


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("set temperature 0.5", "temperature", 0.5),
        ("set temperature=0.5", "temperature", 0.5),
        ("set temperature none", "temperature", None),
        ("set max-tokens 99", "max_tokens", 99),
        ("set model MiniMax-M2", "model", "MiniMax-M2"),
        ('set system "Be brief."', "system", "Be brief."),
        ("set user_id 123", "user_id", "123"),
        ("set thinking on", "thinking", "on"),
        ("set thinking 500", "thinking", 500),
        ("set context 3", "context", 3),
        ("set context none", "context", "none"),
        ("set quiet True", "quiet", True),
        ('set params {"top_k": 5}', "params", {"top_k": 5}),
        ("set base_url https://api.minimaxi.com/anthropic/", "base_url", "https://api.minimaxi.com/anthropic"),
        ("set thread side", "thread", "side"),
    ],
)
def test_set_changes_a_setting_from_now_on(session: Session, line: str, name: str, value: Any) -> None:
    assert said(session, line) == f"{name} is {value!r} (set in this kernel)."
    assert getattr(session.config, name) == value


def test_set_alone_lists_every_setting_with_its_value_and_help(session: Session) -> None:
    lines = said(session, "set").splitlines()
    for name, trait in session.config.class_traits(config=True).items():
        (line,) = [each for each in lines if each.split()[0] == name]
        assert " ".join(str(trait.help).split()) in line
    assert said(session, "set temperature") == "temperature is 1.0 (default)."


# History --------------------------------------------------------------------------------------------------------


def test_history_lists_the_turns_of_a_thread(session: Session, endpoint: Simulator) -> None:
    endpoint.answers.extend(["the first answer", "x" * 200])
    session.ask("first\nquestion")
    session.ask("second", thread="side")
    text = said(session, "history")
    assert "Thread main" in text
    assert "first question" in text
    assert "the first answer" in text
    side = said(session, "history side")
    assert "x" * 59 + "…" in side
    assert "threads that have: main, side" in said(session, "history none")


def test_clear_forgets_a_thread_alone(session: Session) -> None:
    session.ask("a")
    session.ask("b", thread="side")
    assert "1 turns of the thread side are forgotten" in said(session, "clear side")
    assert list(session.history.threads()) == ["main"]
    said(session, "clear")
    assert session.history.threads() == {}


def test_undo_forgets_the_last_turn(session: Session) -> None:
    first = session.ask("a")
    session.ask("b")
    assert "'b'" in said(session, "undo")
    assert session.history.turns("main") == [first]


def test_a_fork_shares_the_past_and_goes_its_own_way(session: Session, endpoint: Simulator) -> None:
    session.ask("shared")
    assert "shares the 1 turns of main" in said(session, "fork side")
    session.ask("apart")
    assert len(session.history.turns("side")) == 2
    assert len(session.history.turns("main")) == 1
    assert len(endpoint.log[-1].body["messages"]) == 3


def test_usage_sums_by_model(session: Session, endpoint: Simulator) -> None:
    assert said(session, "usage") == "Nothing was asked yet."
    session.ask("a")
    session.ask("b", model="MiniMax-M2")
    rows = [line.split() for line in said(session, "usage").splitlines()]
    assert [row[0] for row in rows] == ["model", "MiniMax-M2", "MiniMax-M2.7", "all"]
    counts = [record.usage or {} for record in endpoint.log]
    assert rows[3][3].replace(",", "") == str(sum(each["input_tokens"] for each in counts))
    assert rows[3][4].replace(",", "") == str(sum(each["output_tokens"] for each in counts))


def test_what_was_saved_is_loaded_into_another_session(session: Session, tmp_path: Path) -> None:
    turn = session.ask("Grüße 🦪")
    file = tmp_path / "turns.json"
    assert str(file) in said(session, f"save {file}")
    with Session(base_url=session.config.base_url, api_key="x") as other:
        assert "1 turns were read" in said(other, f"load {file}")
        assert [each.messages for each in other.history.turns("main")] == [turn.messages]


@pytest.mark.parametrize("content", ["", "{", "[]", "5", '{"a": 1}', "\xff"])
def test_a_file_that_save_did_not_write_is_refused(session: Session, tmp_path: Path, content: str) -> None:
    file = tmp_path / "turns.json"
    file.write_bytes(content.encode("latin-1"))
    try:
        commands.run(session, SHELL, f"load {file}")
    except MiniMaxError as error:
        refused = str(error)
    else:
        refused = ""
    assert session.history.threads() == {}
    assert refused or content == "[]"
    with pytest.raises(MiniMaxError):
        commands.run(session, SHELL, f"load {tmp_path / 'nowhere.json'}")


@pytest.mark.parametrize("ending", [".md", ".html", ".json", ".py"])
def test_a_conversation_is_exported(session: Session, tmp_path: Path, ending: str) -> None:
    session.ask("hello there")
    file = tmp_path / f"talk{ending}"
    said(session, f"export {file}")
    assert "hello there" in file.read_text("utf-8")
    with pytest.raises(ArgumentError, match="ends in none of"):
        commands.run(session, SHELL, f"export {tmp_path / 'talk.docx'}")


def test_an_exported_page_marks_the_stale_turns(session: Session, tmp_path: Path) -> None:
    for word, cell in (("one", "a"), ("two", "b"), ("other", "a")):
        session.ask(word, cell_id=cell)
    said(session, f"export {tmp_path / 'talk.html'}")
    _, other, two = (tmp_path / "talk.html").read_text("utf-8").split('<div class="prompt">')
    assert ("stale" in other, "stale" in two) == (False, True)


# Keys -----------------------------------------------------------------------------------------------------------


def test_login_asks_for_a_key_and_uses_it_for_this_host(endpoint: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(settings, "getpass", lambda prompt: asked.append(prompt) or endpoint.key)
    with Session(base_url=endpoint.base_url) as session:
        text = said(session, "login")
        assert endpoint.base_url in asked[0]
        assert "until this kernel ends" in text
        assert endpoint.key not in text
        assert session.ask("hi").status == "complete"


def test_login_keep_says_if_there_is_no_keyring(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "getpass", lambda _: SECRET)
    with pytest.raises(ConfigError, match="No OS keyring") as caught:
        commands.run(session, SHELL, "login --keep")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("typed", ["", "  ", "a b", "schlüssel"])
def test_login_refuses_what_can_be_no_key(session: Session, monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    before = session.keys.find(session.config.base_url)
    monkeypatch.setattr(settings, "getpass", lambda _: typed)
    with pytest.raises(ConfigError):
        commands.run(session, SHELL, "login")
    assert session.keys.find(session.config.base_url) is before


def test_login_where_nobody_can_be_asked_is_one_of_our_errors(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(_: str) -> str:
        raise RuntimeError("no stdin")

    monkeypatch.setattr(settings, "getpass", nobody)
    with pytest.raises(ConfigError, match="cannot be asked for here"):
        commands.run(session, SHELL, "login")


def test_no_command_shows_a_key(session: Session, endpoint: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIMAX_API_KEY", SECRET)
    session.ask("hi")
    with pytest.raises(EndpointError):
        session.ask("hi [[simulator: fault=invalid-key]]")
    for command in ("", "model", "models", "system", "set", "history", "usage", "thread", "doctor", "help"):
        text = said(session, command) + commands.run(session, SHELL, command)._repr_markdown_()
        assert SECRET not in text
        assert endpoint.key not in text
