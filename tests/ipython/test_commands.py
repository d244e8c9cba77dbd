"""The commands of `%minimax`, without a kernel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keyring
import pytest
from keyring.backends import fail

from mm_magics.errors import ArgumentError, ConfigError, EndpointError, MiniMaxError, UsageError
from mm_magics.ipython import commands
from mm_magics.ipython.commands import settings
from mm_magics.session import Session
from mm_magics.simulator import Simulator
from tests.ipython.tables import output, run

SECRET = "sk-very-secret-4711"


@pytest.fixture(autouse=True)
def _no_keyring() -> Any:
    before = keyring.get_keyring()
    keyring.set_keyring(fail.Keyring())  # type: ignore[no-untyped-call]
    yield
    keyring.set_keyring(before)


# Status and help ------------------------------------------------------------------------------------------------


def test_without_a_command_the_status_is_shown(session: Session, endpoint: Simulator) -> None:
    session.ask("hi")
    status = output(session, "")
    for part in (
        "MiniMax-M2.7",
        endpoint.base_url,
        "from api_key",
        "endpoint default",
        "main (default): 1 turn,",
        "1 call,",
    ):
        assert part in status
    assert endpoint.key not in status
    assert len(endpoint.log) == 1


def test_the_status_says_what_to_do_without_a_key(endpoint: Simulator) -> None:
    assert "missing: Run %minimax login" in output(Session(base_url=endpoint.base_url), "")


def test_stale_turns_are_counted(session: Session, endpoint: Simulator) -> None:
    endpoint.answers.extend(["a1", "b1", "a2"])
    for cell in "aba":
        session.ask(f"{cell}?", cell_id=cell)
    assert "main (default): 2 turns, in order of first execution, 1 stale" in output(session, "")
    assert "complete, stale" in output(session, "history")


def test_help_lists_every_command_and_describes_one(session: Session) -> None:
    text = output(session, "help")
    for command in commands.COMMANDS:
        assert f"%minimax {command.name}" in text
        assert command.help in output(session, f"help {command.name}")
    assert "--temperature" in output(session, "help %%minimax")
    assert "--temperature" in output(session, "help --model")
    assert output(session, "--help") == output(session, "-h") == text


def test_every_command_runs_or_raises_one_of_our_errors(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "getpass", lambda _: SECRET)
    for command in commands.COMMANDS:
        message = ""
        try:
            run(session, command.name)
        except MiniMaxError as error:
            message = str(error)
        assert "Unknown command" not in message


def test_explain_needs_an_error(session: Session) -> None:
    with pytest.raises(UsageError, match="No cell in this kernel has raised an error"):
        run(session, "explain")


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("modle", "Unknown command 'modle'.", "Did you mean %minimax model?"),
        ("zzz", "Unknown command 'zzz'.", "%minimax help"),
        ("What is up?", "Unknown command 'What'.", ""),
        ("help zzz", "Unknown command 'zzz'.", "%minimax help"),
        ("set zzz 1", "Unknown setting 'zzz'.", "%minimax set"),
        ("set temprature 1", "Unknown setting 'temprature'.", "Did you mean temperature?"),
        ("set temperature 5", "temperature must be above 0 and at most 1", "temperature:"),
        ("set temperature 0", "temperature must be above 0", ""),
        ("set temperature hot", "temperature must be a float, not the str 'hot'.", ""),
        ("set max_tokens 0", "", "max_tokens: Maximum output tokens"),
        ("set max_tokens 1.5", "", ""),
        ("set max_tokens none", "", ""),
        ("set timeout NaN", "timeout must be a number of seconds", ""),
        ("set timeout Infinity", "timeout must be a number of seconds", ""),
        ("set context below", "", "context:"),
        ("set params [1]", "", ""),
        ("set base_url http://example.org", "example.org is not this machine", "base_url:"),
        ("set base_url https://u:hunter2@example.org", "The base URL contains a user name", ""),
        ("set quiet maybe", "", ""),
        ("login now", "%minimax login takes only --keep.", ""),
        ("undo", "The thread main has no turns", ""),
        ("save", "A file name is required.", ""),
        ("load", "A file name is required.", ""),
        ("export", "A file name is required.", ""),
        ("fork", "The new thread needs a name.", ""),
        ("fork side", "The thread main has no turns", ""),
    ],
)
def test_an_invalid_command_is_rejected_and_changes_nothing(
    session: Session, line: str, message: str, hint: str
) -> None:
    before = session.config.trait_values(config=True)
    with pytest.raises(UsageError) as caught:
        run(session, line)
    assert caught.value.message.startswith(message)
    assert hint in caught.value.hint
    assert "hunter2" not in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 2
    assert session.config.trait_values(config=True) == before


# Settings -------------------------------------------------------------------------------------------------------


def test_model_shows_and_changes_the_model(session: Session) -> None:
    assert output(session, "model").startswith("Model: MiniMax-M2.7 (default), context window 204,800 tokens")
    assert output(session, "model MiniMax-M9") == "Model: MiniMax-M9 (set in this kernel)"
    assert session.config.model == "MiniMax-M9"


def test_models_lists_the_catalogue_and_new_models_of_the_endpoint(session: Session) -> None:
    rows = output(session, "models").splitlines()
    row = next(each for each in rows if each.startswith("MiniMax-M2.7-highspeed"))
    assert row.split()[1:7] == ["204,800", "about", "100", "0.60", "/", "2.40"]
    assert any(each.startswith("MiniMax-M4") and each.endswith("listed only by the endpoint") for each in rows)
    assert "offers 11 models" in rows[-2]
    assert "The dates of retirement are not MiniMax's own" in rows[-1]


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        (["MiniMax-M3", "MiniMax-M5"], {"MiniMax-M3": "", "MiniMax-M5": "new", "MiniMax-M2": "not offered here"}),
        (["MiniMax-M2.7"], {"MiniMax-M2.7": "announced as retired on 2026-11-18", "MiniMax-M3": "not offered here"}),
        ([], {"MiniMax-M2.7": "announced as retired on 2026-11-18", "MiniMax-M3": "", "MiniMax-M2": ""}),
    ],
)
def test_models_marks_retired_unavailable_and_new_models(models: list[str], expected: dict[str, str]) -> None:
    with Simulator(models=models) as endpoint, Session(base_url=endpoint.base_url, api_key=endpoint.key) as session:
        rows = {line.split()[0]: line for line in output(session, "models").splitlines() if line.startswith("MiniMax")}
    for name, mark in expected.items():
        marks = ("announced as retired on 2026-11-18", "not offered here", "new")
        assert [each for each in marks if each in rows[name]] == [mark] * bool(mark)


def test_models_lists_the_catalogue_if_the_endpoint_fails(session: Session) -> None:
    session.config.base_url = "http://127.0.0.1:9/anthropic"
    text = output(session, "models")
    assert "MiniMax-M2.1" in text
    assert "Could not list the endpoint's models: No API key found" in text


def test_system_shows_and_changes_the_system_prompt(session: Session) -> None:
    assert output(session, "system") == "System prompt: endpoint default"
    assert output(session, "system 'Be brief.'") == "System prompt: Be brief. (set in this kernel)"
    assert session.config.system == "Be brief."
    output(session, "system none")
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
def test_set_changes_a_setting(session: Session, line: str, name: str, value: Any) -> None:
    assert output(session, line) == f"{name} is {value!r} (set in this kernel)."
    assert getattr(session.config, name) == value


def test_set_without_arguments_lists_every_setting(session: Session) -> None:
    lines = output(session, "set").splitlines()
    for name, trait in session.config.class_traits(config=True).items():
        (line,) = [each for each in lines if each.split()[0] == name]
        assert " ".join(str(trait.help).split()) in line
    assert output(session, "set temperature") == "temperature is 1.0 (default)."


# History --------------------------------------------------------------------------------------------------------


def test_history_lists_the_turns_of_a_thread(session: Session, endpoint: Simulator) -> None:
    endpoint.answers.extend(["the first answer", "x" * 200])
    session.ask("first\nquestion")
    session.ask("second", thread="side")
    text = output(session, "history")
    assert "Thread main" in text
    assert "first question" in text
    assert "the first answer" in text
    side = output(session, "history side")
    assert "x" * 59 + "…" in side
    assert "Threads with turns: main, side" in output(session, "history none")


def test_clear_removes_the_turns_of_one_thread(session: Session) -> None:
    session.ask("a")
    session.ask("b", thread="side")
    assert "Removed 1 turn of the thread side" in output(session, "clear side")
    assert list(session.history.threads()) == ["main"]
    output(session, "clear")
    assert session.history.threads() == {}


def test_undo_removes_the_last_turn(session: Session) -> None:
    first = session.ask("a")
    session.ask("b")
    assert "'b'" in output(session, "undo")
    assert session.history.turns("main") == [first]


def test_a_fork_shares_earlier_turns_but_not_later_ones(session: Session, endpoint: Simulator) -> None:
    session.ask("shared")
    assert "shares 1 turn with main" in output(session, "fork side")
    session.ask("apart")
    assert len(session.history.turns("side")) == 2
    assert len(session.history.turns("main")) == 1
    assert len(endpoint.log[-1].body["messages"]) == 3


def test_usage_sums_by_model(session: Session, endpoint: Simulator) -> None:
    assert output(session, "usage") == "No prompts have been sent yet."
    session.ask("a")
    session.ask("b", model="MiniMax-M2")
    rows = [
        line.removeprefix("this kernel").replace(" s ", " ").split()
        for line in output(session, "usage").splitlines()[:4]
    ]
    assert [row[0] for row in rows] == ["model", "MiniMax-M2.7", "MiniMax-M2", "all"]
    counts = [record.usage or {} for record in endpoint.log]
    assert rows[3][3].replace(",", "") == str(sum(each["input_tokens"] for each in counts))
    assert rows[3][4].replace(",", "") == str(sum(each["output_tokens"] for each in counts))


def test_saved_turns_can_be_loaded_into_another_session(session: Session, tmp_path: Path) -> None:
    turn = session.ask("Grüße 🦪")
    file = tmp_path / "turns.json"
    assert str(file) in output(session, f"save {file}")
    with Session(base_url=session.config.base_url, api_key="x") as other:
        assert "Loaded 1 turn." in output(other, f"load {file}")
        assert [each.messages for each in other.history.turns("main")] == [turn.messages]


@pytest.mark.parametrize("content", ["", "{", "[]", "5", '{"a": 1}', "\xff"])
def test_loading_another_file_is_rejected(session: Session, tmp_path: Path, content: str) -> None:
    file = tmp_path / "turns.json"
    file.write_bytes(content.encode("latin-1"))
    try:
        run(session, f"load {file}")
    except MiniMaxError as error:
        refused = str(error)
    else:
        refused = ""
    assert session.history.threads() == {}
    assert refused or content == "[]"
    with pytest.raises(MiniMaxError):
        run(session, f"load {tmp_path / 'nowhere.json'}")


@pytest.mark.parametrize("ending", [".md", ".html", ".json", ".py"])
def test_a_thread_is_exported(session: Session, tmp_path: Path, ending: str) -> None:
    session.ask("hello there")
    file = tmp_path / f"talk{ending}"
    output(session, f"export {file}")
    assert "hello there" in file.read_text("utf-8")
    with pytest.raises(ArgumentError, match=r"Cannot export to talk\.docx"):
        run(session, f"export {tmp_path / 'talk.docx'}")


def test_an_exported_page_marks_stale_turns(session: Session, tmp_path: Path) -> None:
    for word, cell in (("one", "a"), ("two", "b"), ("other", "a")):
        session.ask(word, cell_id=cell)
    output(session, f"export {tmp_path / 'talk.html'}")
    _, other, two = (tmp_path / "talk.html").read_text("utf-8").split('<div class="prompt">')
    assert ("stale" in other, "stale" in two) == (False, True)


# Keys -----------------------------------------------------------------------------------------------------------


def test_login_asks_for_a_key_and_uses_it(endpoint: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(settings, "getpass", lambda prompt: asked.append(prompt) or endpoint.key)
    with Session(base_url=endpoint.base_url) as session:
        text = output(session, "login")
        assert endpoint.base_url in asked[0]
        assert "until this kernel ends" in text
        assert endpoint.key not in text
        assert session.ask("hi").status == "complete"


def test_login_keep_fails_without_a_keyring(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "getpass", lambda _: SECRET)
    with pytest.raises(ConfigError, match="No OS keyring is available") as caught:
        run(session, "login --keep")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("typed", ["", "  ", "a b", "schlüssel"])
def test_login_rejects_an_invalid_key(session: Session, monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    before = session.keys.find(session.config.base_url)
    monkeypatch.setattr(settings, "getpass", lambda _: typed)
    with pytest.raises(ConfigError):
        run(session, "login")
    assert session.keys.find(session.config.base_url) is before


def test_login_without_input_raises_a_config_error(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_input(_: str) -> str:
        raise RuntimeError("no stdin")

    monkeypatch.setattr(settings, "getpass", no_input)
    with pytest.raises(ConfigError, match="cannot ask for a key"):
        run(session, "login")


def test_no_command_shows_a_key(session: Session, endpoint: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIMAX_API_KEY", SECRET)
    session.ask("hi")
    with pytest.raises(EndpointError):
        session.ask("hi [[simulator: fault=invalid-key]]")
    for command in ("", "model", "models", "system", "set", "history", "usage", "thread", "doctor", "help"):
        text = output(session, command) + run(session, command)._repr_markdown_()
        assert SECRET not in text
        assert endpoint.key not in text
