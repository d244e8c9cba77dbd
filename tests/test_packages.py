"""A package in a version that mm_magics does not support: one clear line wherever it is used, and in the doctor."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas
import polars
import pytest

import mm_magics
from mm_magics import doctor, packages
from mm_magics.batch.dask_rows import rows_of
from mm_magics.batch.job import MapOptions, build_job
from mm_magics.endpoint.keys import Keys
from mm_magics.errors import ConfigError, MiniMaxError, MissingKeyError, UsageError
from mm_magics.ipython import commands
from mm_magics.prompt.values import as_text
from mm_magics.session import Session
from tests.environments import PROJECT, environment

pytestmark = [pytest.mark.slow, pytest.mark.traced]

URL = "http://127.0.0.1:9/anthropic"
Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Pretend that a version of a package is installed: its metadata comes first on the path."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(packages, "_usable", set())

    def install(name: str, version: str, *requirements: str) -> None:
        folder = tmp_path / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        lines = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {each}" for each in requirements)]
        (folder / "METADATA").write_text("\n".join(["Metadata-Version: 2.1", *lines, ""]))

    return install


def add_server() -> None:
    with Session(base_url=URL, api_key="a-test-key") as session:
        shell: Any = SimpleNamespace(user_ns={})
        commands.run(commands.Context(session, shell), "mcp add web https://example.org/mcp")


def ask() -> None:
    with Session(base_url=URL, api_key="a-test-key", max_retries=0) as session:
        session.ask("hi")


def map_on_a_cluster() -> None:
    with Session(base_url=URL, api_key="a-test-key") as session:
        job = build_job(session, "{{ row }}", ["a"], MapOptions(engine=SimpleNamespace()))
        job.make_engine()


def keep_a_key() -> None:
    keys = Keys({})
    keys.save(keys.enter(URL, "a-test-key"))


DASK_FRAME = SimpleNamespace(npartitions=1, get_partition=None)
USES: list[tuple[str, str, Callable[[], Any]]] = [
    ("mcp", "1.30.0", add_server),
    ("mcp", "3.0.0", add_server),
    ("anthropic", "0.79.0", ask),
    ("httpx2", "1.0.0", ask),
    ("distributed", "2024.8.0", map_on_a_cluster),
    ("dask", "2024.8.0", lambda: rows_of(DASK_FRAME)),
    ("narwhals", "1.40.0", lambda: as_text(pandas.DataFrame({"a": [1]}))),
    ("narwhals", "1.40.0", lambda: rows_of(polars.DataFrame({"a": [1]}))),
    ("keyring", "23.0.0", keep_a_key),
]


@pytest.mark.parametrize(("name", "version", "use"), USES)
def test_a_wrong_version_is_one_line_that_says_how_to_fix_it(
    install: Install, name: str, version: str, use: Callable[[], Any]
) -> None:
    install(name, version)
    with pytest.raises(MiniMaxError) as caught:
        use()
    bounds = next(each.bounds for each in packages.declared() if each.name == name)
    assert f"cannot be used: {name} {version} is installed, but mm-magics needs {name}{bounds}." in caught.value.message
    assert "\n" not in caught.value.message + caught.value.hint
    assert caught.value.hint == f'Run: pip install "{name}{bounds}", and restart the kernel.'


@pytest.mark.parametrize(("name", "version"), sorted({use[:2] for use in USES} | {("jupyterlab", "4.1.0")}))
def test_the_doctor_reports_it(install: Install, name: str, version: str) -> None:
    install(name, version)
    with Session(base_url=URL, api_key="a-test-key") as session:
        found = [each for each in doctor.examine(session, "a test") if each.subject == name]
    assert [each.mark for each in found] == ["error"]
    assert found[0].detail.startswith(f"{name} {version} is installed, but mm-magics needs {name}>=")
    assert found[0].hint.startswith(f'Run: pip install "{name}>=')


def test_the_package_that_does_not_allow_the_version_is_named(install: Install) -> None:
    install("mcp", "1.30.0")
    install("jupyter-server-mcp", "0.3.1", "anyio", "mcp (<2,>=1.9)", "mcp<1; extra == 'old'")
    install("agents", "1.0", "mcp~=1.20", "other<1")
    install("modern", "1.0", "mcp>=2.5")
    with pytest.raises(UsageError) as caught:
        add_server()
    assert caught.value.hint == (
        'Run: pip install "mcp>=2.3,<3", and restart the kernel. But agents requires mcp~=1.20 and '
        "jupyter-server-mcp requires mcp>=1.9,<2: use another environment for one of them."
    )


def test_a_missing_key_mentions_a_keyring_that_was_not_read(install: Install) -> None:
    install("keyring", "23.0.0")
    with pytest.raises(MissingKeyError) as caught:
        Keys({}).find(URL)
    assert caught.value.hint.endswith("not read: keyring 23.0.0 is installed, but mm-magics needs keyring>=25.")


def test_a_package_that_is_missing_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "_usable", set())
    monkeypatch.setattr(packages, "installed_version", lambda name: "")
    monkeypatch.setattr(packages, "find_spec", lambda name: None)
    with pytest.raises(UsageError) as caught:
        add_server()
    assert str(caught.value) == 'MCP servers need the mcp package.\nRun: pip install "mm-magics[mcp]"'


def test_loading_with_a_wrong_version_names_it_instead_of_the_error(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(shell: Any) -> None:
        raise ImportError("cannot import name 'TypeAdapter'")

    monkeypatch.setattr("mm_magics.ipython.magics.load", broken)
    with pytest.raises(ImportError, match="TypeAdapter"):
        mm_magics.load_ipython_extension(None)
    install("pydantic", "1.10.0")
    with pytest.raises(ConfigError, match=r"pydantic 1\.10\.0 is installed, but mm-magics needs pydantic>=2"):
        mm_magics.load_ipython_extension(None)


def test_what_is_installed_here_is_what_the_project_declares() -> None:
    extras = PROJECT["optional-dependencies"]
    lines = [*PROJECT["dependencies"], *(line for extra in packages.EXTRAS for line in extras[extra])]
    assert sorted(line.replace("[dataframe]", "") for line in lines) == sorted(
        each.name + each.bounds for each in packages.declared()
    )
    assert [each for each in packages.declared() if packages.wrong_version(each.name)] == []


IN_SHELL = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "mm_magics")
for line in ("%minimax mcp add web https://example.org/mcp", "%minimax mcp list", "%minimax doctor"):
    print(f"<{line}>")
    shell.run_cell(line)
"""


@pytest.mark.slow
@pytest.mark.interop
def test_an_environment_whose_mcp_was_downgraded(tmp_path: Path) -> None:
    python = environment("mcp-1", "mcp==1.30.*") / "bin" / "python"
    run = subprocess.run([python, "-c", IN_SHELL], capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert run.returncode == 0, run.stderr
    added, listed, checked = (part.partition(">\n")[2] for part in run.stdout.split("<%minimax")[1:])
    line = "mcp 1.30.0 is installed, but mm-magics needs mcp>=2.3,<3."
    assert added.splitlines() == [
        f"MCP servers cannot be used: {line}",
        'Run: pip install "mcp>=2.3,<3", and restart the kernel.',
    ]
    assert "There are no MCP servers." in listed
    assert f'mcp: {line} Run: pip install "mcp>=2.3,<3", and restart the kernel.' in checked.splitlines()
    assert "Error" not in run.stderr
