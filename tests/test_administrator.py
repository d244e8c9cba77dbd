"""The administrator's file: every way to set a value respects it, and says so in one line that names the file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from traitlets import TraitError
from traitlets.config import Config

from mm_magics import MiniMax, Session, map_prompts, system
from mm_magics.administrator import administrator_policy
from mm_magics.batch.result import MapResult
from mm_magics.display.picker import make_picker
from mm_magics.errors import ConfigError, MiniMaxError, UsageError
from mm_magics.ipython.magics import MiniMaxMagics, load
from mm_magics.simulator import Simulator
from mm_magics.turn.ledger import Account, Ledger

SECRET = "sk-a-key-of-the-tests"
MODELS = ("MiniMax-M3", "MiniMax-M2.7")
CHEAP = {"MiniMax-M3": [1.0, 1.0], "MiniMax-M2.7": [1.0, 1.0]}

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write the file of the administrator."""
    folder = tmp_path / "etc" / "ipython"
    folder.mkdir(parents=True)
    monkeypatch.setattr(system, "ADMINISTRATOR_FOLDERS", (str(folder),))
    monkeypatch.setattr(Ledger, "of_process", Account())
    monkeypatch.chdir(tmp_path)

    def write(text: str) -> Path:
        administrator_policy.cache_clear()
        file = folder / "ipython_config.py"
        file.write_text(f"c = get_config()\n{text}\n")
        return file

    yield write
    administrator_policy.cache_clear()


def new_shell(monkeypatch: pytest.MonkeyPatch, config: Config | None = None) -> Any:
    """Return a shell that has loaded the extension, as IPython would with this configuration."""
    monkeypatch.setattr(Ledger, "of_kernel", None)
    config = Config() if config is None else config
    config.HistoryManager.enabled = False
    shell = InteractiveShell(config=config)
    load(shell)
    return shell


def session_of(shell: Any) -> Session:
    magics: MiniMaxMagics = shell.magics_manager.registry["MiniMaxMagics"]
    return magics.session


# The table -------------------------------------------------------------------------------------------------------


def by_flag(shell: Any, flag: str) -> None:
    shell.run_cell_magic("minimax", flag, "Hello")


def by_command(shell: Any, line: str) -> None:
    shell.run_line_magic("minimax", line)


def by_config(shell: Any, line: str) -> None:
    shell.run_line_magic("config", f"MiniMax.{line}")


def in_notebook(shell: Any, settings: str) -> None:
    page = {"name": "book.ipynb", "order": [], "changed": {}, "pending": [], "settings": json.loads(settings)}
    session_of(shell).receive(page)
    session_of(shell).refresh()
    print(session_of(shell).ask("Hello").notes[0])


def by_picker(shell: Any, setting: str) -> None:
    name, value = json.loads(setting)
    picker = make_picker(session_of(shell))
    picker._handle_custom_msg({"type": "assign", "name": name, "value": value}, [])
    print(picker.state["settings"][name]["refused"])


def in_session(shell: Any, settings: str) -> None:
    Session(api_key=SECRET, **json.loads(settings))


def of_ask(shell: Any, settings: str) -> None:
    session_of(shell).ask("Hello", **json.loads(settings))


def of_map(shell: Any, settings: str) -> None:
    map_prompts("Hello {{ row }}", [1], session=session_of(shell), progress=False, **json.loads(settings))


def of_map_cell(shell: Any, flag: str) -> None:
    shell.user_ns["rows"] = [1]
    shell.run_cell_magic("minimax", f"--map rows {flag}", "Hello {{ row }}")


def by_trait(shell: Any, setting: str) -> None:
    name, value = json.loads(setting)
    setattr(session_of(shell).config, name, value)


WAYS: dict[str, tuple[Callable[[Any, str], None], str, str]] = {
    "a flag for a value": (by_flag, "--max-tokens 9", "max_tokens"),
    "a flag for a model": (by_flag, "--model MiniMax-M2", "model"),
    "a flag for tools": (by_flag, "--tools python", "tools"),
    "a flag for another value of the cell": (by_flag, "--sees above", "sees"),
    "a flag that is a switch": (by_flag, "--quiet", "quiet"),
    "a flag for a field of the request": (by_flag, "--param max_tokens=9", "max_tokens"),
    "a flag for a field with another name": (by_flag, '--param metadata={"user_id":"x"}', "user_id"),
    "a comparison": (by_flag, "-m MiniMax-M3,MiniMax-M2", "model"),
    "%minimax model": (by_command, "model MiniMax-M2", "model"),
    "%minimax system": (by_command, "system Be brief.", "system"),
    "%minimax thread": (by_command, "thread other", "thread"),
    "%minimax price": (by_command, "price MiniMax-M3 0 0", "prices"),
    "%minimax set": (by_command, "set base_url https://other.example", "base_url"),
    "%minimax set params": (by_command, 'set params {"max_tokens": 9}', "max_tokens"),
    "%minimax set locked": (by_command, "set locked []", "locked"),
    "%minimax set spending_cap": (by_command, "set spending_cap 99", "spending_cap"),
    "%minimax set allowed_models": (by_command, 'set allowed_models ["MiniMax-M2"]', "allowed_models"),
    "%config": (by_config, "base_url = 'https://other.example'", "base_url"),
    "%config for a list": (by_config, "locked = []", "locked"),
    "the notebook's metadata": (in_notebook, '{"max_tokens": 9}', "max_tokens"),
    "a model in the notebook's metadata": (in_notebook, '{"model": "MiniMax-M2"}', "model"),
    "the picker": (by_picker, '["max_tokens", 9]', "max_tokens"),
    "the picker for a model": (by_picker, '["model", "MiniMax-M2"]', "model"),
    "the picker for tools": (by_picker, '["tools", ["python"]]', "tools"),
    "Session(…)": (in_session, '{"base_url": "https://other.example"}', "base_url"),
    "Session(…) for a model": (in_session, '{"model": "MiniMax-M2"}', "model"),
    "Session.ask": (of_ask, '{"max_tokens": 9}', "max_tokens"),
    "Session.ask for tools": (of_ask, '{"tools": ["python"]}', "tools"),
    "Session.ask for a model": (of_ask, '{"model": "MiniMax-M2"}', "model"),
    "map_prompts": (of_map, '{"max_tokens": 9}', "max_tokens"),
    "map_prompts for a model": (of_map, '{"model": "MiniMax-M2"}', "model"),
    "map_prompts for its store": (of_map, '{"store": "other.sqlite"}', "store"),
    "--map": (of_map_cell, "--max-tokens 9", "max_tokens"),
    "--map for a model": (of_map_cell, "--model MiniMax-M2", "model"),
    "an attribute": (by_trait, '["base_url", "https://other.example"]', "base_url"),
    "an attribute for a model": (by_trait, '["model", "MiniMax-M2"]', "model"),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_set_a_value_respects_the_limits(
    way: str, write: Write, endpoint: Simulator, monkeypatch: pytest.MonkeyPatch, capsys: Any, caplog: Any
) -> None:
    change, text, name = WAYS[way]
    file = write(
        f"c.MiniMax.base_url = {endpoint.base_url!r}\nc.MiniMax.max_tokens = 500\n"
        f"c.MiniMax.allowed_models = {list(MODELS)!r}\nc.MiniMax.spending_cap = 5\nc.MiniMax.prices = {CHEAP!r}\n"
        "c.MiniMax.locked = ['base_url', 'max_tokens', 'tools', 'system', 'thread', 'prices', 'user_id', 'store',"
        " 'sees', 'quiet']"
    )
    shell = new_shell(monkeypatch)
    session = session_of(shell)
    session.keys.enter(endpoint.base_url, endpoint.key)
    names = MiniMax.class_trait_names(config=True)
    before = {each: session.settings.value(each) for each in names}
    try:
        change(shell, text)
        shown = f"{capsys.readouterr().out}\n{caplog.text}"
    except (MiniMaxError, TraitError) as error:
        shown = str(error)
    (line,) = [each for each in shown.splitlines() if str(file) in each]
    assert name in line or (name == "model" and "MiniMax-M2" in line)
    assert {each: session.settings.value(each) for each in names} == before
    sent = [each.body for each in endpoint.log if each.path.endswith("/messages")]
    assert all(each["max_tokens"] == 500 and each["model"] in MODELS and "tools" not in each for each in sent)


@pytest.mark.parametrize("has_lock", [True, False])
def test_the_configuration_and_the_environment_of_the_user_have_no_effect(
    has_lock: bool, write: Write, endpoint: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = f"c.MiniMax.base_url = {endpoint.base_url!r}\nc.MiniMax.tools.append('read_file')\n"
    file = write(f"{values}c.MiniMax.locked = ['base_url', 'tools', 'replay']" if has_lock else values)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "https://other.example")
    monkeypatch.setenv("MINIMAX_REPLAY", "only")
    own = {"base_url": "https://third.example", "tools": ["python"], "temperature": 0.5}
    session = session_of(new_shell(monkeypatch, Config(MiniMax=own)))
    settings = session.settings
    assert settings.value("temperature") == 0.5
    if not has_lock:
        assert settings.value("base_url") == "https://third.example"
        return
    assert settings.describe("base_url") == f"{endpoint.base_url} (locked in {file})"
    assert settings.describe("tools") == f"read_file (locked in {file})"
    assert settings.value("replay") == "off"
    session.keys.enter(endpoint.base_url, endpoint.key)
    by_whom = f"is locked by the administrator in {file}."
    assert sorted(session.prepare("Hello", tools=[]).turn_notes) == [
        f"ANTHROPIC_BASE_URL has no effect: base_url {by_whom}",
        f"MINIMAX_REPLAY has no effect: replay {by_whom}",
        f"base_url in the IPython configuration has no effect: base_url {by_whom}",
        f"tools in the IPython configuration has no effect: tools {by_whom}",
    ]
    turn = session.ask("Hello", tools=[])
    assert turn.status == "complete"
    assert not any("no effect" in note for note in session.prepare("Hello", tools=[]).turn_notes)


@pytest.mark.parametrize(
    ("variable", "configured", "expected"),
    [
        ("", None, "MiniMax-M3"),
        ("MiniMax-M2", None, "MiniMax-M3"),
        ("MiniMax-M2.5", None, "MiniMax-M2.5"),
        ("", "MiniMax-M2.5", "MiniMax-M2.5"),
        ("MiniMax-M2.5", "MiniMax-M2", "MiniMax-M2.5"),
    ],
)
def test_the_model_is_an_allowed_one_from_the_start(
    variable: str, configured: str | None, expected: str, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("c.MiniMax.allowed_models = ['MiniMax-M3', 'MiniMax-M2.5']")
    monkeypatch.setenv("MINIMAX_MODEL", variable)
    session = Session(MiniMax(config=Config(MiniMax={"model": configured} if configured else {})), api_key=SECRET)
    assert session.prepare("Hello").model == expected


def test_only_allowed_models_answer_instead_of_the_default(write: Write) -> None:
    write("c.MiniMax.allowed_models = ['MiniMax-M2.7', 'MiniMax-M2']")
    with (
        Simulator(models=["MiniMax-M3.1-Flash", "MiniMax-M3", "MiniMax-M2"]) as endpoint,
        Session(base_url=endpoint.base_url, api_key=endpoint.key, max_retries=0) as session,
    ):
        assert session.ask("Hello").model == "MiniMax-M2"


def test_fewer_tools_are_allowed_than_those_that_are_locked(write: Write, session: Session) -> None:
    write("c.MiniMax.tools = ['read_file', 'list_files']\nc.MiniMax.locked = ['tools', 'tool_choice']")
    session = Session(api_key=SECRET)
    assert [each["name"] for each in session.prepare("Hello").body["tools"]] == ["read_file", "list_files"]
    assert [each["name"] for each in session.prepare("Hello", tools=["list_files"]).body["tools"]] == ["list_files"]
    assert "tools" not in session.prepare("Hello", tools=[], tool_choice=None).body
    with pytest.raises(UsageError, match="tools is locked by the administrator"):
        session.prepare("Hello", tools=["python"])
    with pytest.raises(UsageError, match="tool_choice is locked by the administrator"):
        session.prepare("Hello", tool_choice="any")


def test_without_a_file_a_user_can_limit_the_models_but_not_lock(write: Write) -> None:
    session = Session(api_key=SECRET, allowed_models=["MiniMax-M3"], model="MiniMax-M3")
    with pytest.raises(UsageError, match=r'"MiniMax-M2" is not among .* the setting allowed_models: MiniMax-M3'):
        session.prepare("Hello", model="MiniMax-M2")
    with pytest.raises(UsageError, match="only the file of an administrator"):
        Session(locked=["model"])


@pytest.mark.parametrize(
    "text",
    ["c.MiniMax.locked = ['base_urls']", "raise OSError('disk')", "c.MiniMax.locked = ["],
    ids=["name", "error", "syntax"],
)
def test_a_file_that_cannot_be_used_stops_everything(text: str, write: Write) -> None:
    file = write(text)
    with pytest.raises(ConfigError) as caught:
        Session()
    assert str(file) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


CODE = '''
import IPython.core.application
import mm_magics.system
IPython.core.application.SYSTEM_CONFIG_DIRS[:] = [{folder!r}]
mm_magics.system.ADMINISTRATOR_FOLDERS = ({folder!r},)
SHOW = """%load_ext mm_magics
settings = get_ipython().magics_manager.registry["MiniMaxMagics"].session.settings
print(settings.describe("max_tokens"), settings.describe("timeout"), sep="; ")"""
IPython.start_ipython(["--no-banner", "--no-term-title", "-c", SHOW])
'''


def test_ipython_itself_reads_the_file_and_the_user_cannot_override_what_is_locked(
    write: Write, tmp_path: Path
) -> None:
    file = write("c.MiniMax.max_tokens = 500\nc.MiniMax.timeout = 60.0\nc.MiniMax.locked = ['max_tokens']")
    own = tmp_path / "ipython" / "profile_default" / "ipython_config.py"
    own.parent.mkdir(parents=True)
    own.write_text("c = get_config()\nc.MiniMax.max_tokens = 9\nc.MiniMax.timeout = 70.0\n")
    environment = {**os.environ, "IPYTHONDIR": str(tmp_path / "ipython")}
    code = CODE.format(folder=str(file.parent))
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout == f"500 (locked in {file}); 70.0 (IPython configuration)\n", done.stderr


# The spending cap ------------------------------------------------------------------------------------------------

PRICES = "c.MiniMax.prices = {'MiniMax-M3': [1000.0, 1000.0]}\nc.MiniMax.model = 'MiniMax-M3'\n"
"""About a dollar for a thousand tokens."""


@pytest.fixture
def capped(write: Write, endpoint: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    write(f"{PRICES}c.MiniMax.spending_cap = 0.05\nc.MiniMax.locked = ['prices', 'model']")
    with Session(base_url=endpoint.base_url, api_key=endpoint.key, max_retries=0) as session:
        yield session


def test_no_call_is_made_once_the_cap_is_reached(capped: Session, endpoint: Simulator, write: Write) -> None:
    while capped.spending.left:
        capped.ask("Hello", context="none")
    count = len(endpoint.log)
    spent = Ledger.of_process.cost
    assert spent >= 0.05
    with Session(base_url=endpoint.base_url, api_key=endpoint.key) as other:
        for session in (capped, other):
            with pytest.raises(
                UsageError, match=r"The spending cap of \$0\.05 .*ipython_config\.py.* is reached"
            ) as caught:
                session.ask("Hello")
            assert len(str(caught.value).splitlines()) == 1
    assert len(endpoint.log) == count


def test_a_turn_with_tools_ends_at_the_cap(capped: Session) -> None:
    capped.ask("Hello")
    left = capped.spending.left
    assert left is not None
    prompt = capped.prepare("Hello", max_cost=99.0)
    assert prompt.max_cost == pytest.approx(left)
    assert capped.prepare("Hello", max_cost=left / 2).max_cost == pytest.approx(left / 2)


def test_a_map_run_ends_at_the_cap_and_uses_stored_answers_beyond_it(capped: Session, endpoint: Simulator) -> None:
    def run(rows: int) -> MapResult:
        result = map_prompts("Row {{ row }}", range(rows), session=capped, progress=False)
        assert isinstance(result, MapResult)
        return result

    assert run(1).errors == []
    result = run(40)
    assert 1 <= sum(value is not None for value in result.values) < 40
    assert "budget" in result.errors[0].why
    while capped.spending.left:
        capped.ask("Hello", context="none")
    count = len(endpoint.log)
    assert run(1).errors == []
    assert len(endpoint.log) == count


def test_the_cap_needs_the_price_of_the_model(write: Write, endpoint: Simulator) -> None:
    write("c.MiniMax.spending_cap = 5")
    with Session(base_url=endpoint.base_url, api_key=endpoint.key, model="house") as session:
        for ask in (lambda: session.ask("Hello"), lambda: map_prompts("{{ row }}", [1], session=session)):
            with pytest.raises(UsageError, match="price of house is unknown, so spending_cap cannot be enforced"):
                ask()
    assert endpoint.log == []
