"""The contents of the distribution, and that the wheel works without Node and without a checkout."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.metadata import Metadata

from mm_magics import __version__
from tests.canary import places

ROOT = Path(__file__).parents[2]
NAME = f"mm_magics-{__version__}"
pytestmark = [pytest.mark.wheel, pytest.mark.xdist_group("wheel")]

USE = """
from mm_magics import Session
from mm_magics.simulator import Simulator
from IPython.core.interactiveshell import InteractiveShell
with Simulator() as endpoint:
    session = Session(base_url=endpoint.base_url, api_key=endpoint.key)
    print(session.ask("My name is Ada.").status)
from mm_magics.front_end_files import typesetting_source, widget_source
print(len(widget_source("runtime.js")) > 50_000)
print(len(typesetting_source()) > 100_000)
shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "mm_magics")
print("minimax" in shell.magics_manager.magics["cell"])
"""


def tracked_files() -> list[str]:
    """Return the files that git knows, and new ones that it does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return [*filter(None, listed.stdout.decode().split("\0"))]


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """The wheel and the sdist of a copy of the checkout, as `make build` makes them."""
    folder = tmp_path_factory.mktemp("build")
    for name in tracked_files():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    subprocess.run([sys.executable, "-m", "build"], cwd=folder, check=True, capture_output=True)
    return folder / "dist"


def test_the_wheel_contains_the_package_and_nothing_else(dist):
    (wheel,) = dist.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    folders = {"mm_magics", f"{NAME}.data", f"{NAME}.dist-info"}
    assert {name.split("/")[0] for name in names} == folders
    extension = f"{NAME}.data/data/share/jupyter/labextensions/mm-magics"
    extension_files = ("package.json", "install.json", "static/third-party-licenses.json", "static/typesetting.js")
    assert {f"{extension}/{name}" for name in extension_files} <= set(names)
    assert not [name for name in names if name.startswith("mm_magics/labextension")]
    static = [f"display/static/{name}" for name in ("picker.js", "runtime.js", "stub.js")]
    for needed in ("py.typed", "history/turn.schema.json", *static):
        assert f"mm_magics/{needed}" in names
    assert not [name for name in names if "test" in name or "node_modules" in name or name.endswith(".ts")]


def test_the_metadata_lists_the_dependencies(dist):
    (wheel,) = dist.glob("*.whl")
    archive = zipfile.ZipFile(wheel)
    metadata = Parser().parsestr(archive.read(f"{NAME}.dist-info/METADATA").decode())
    assert metadata["License-Expression"] == "BSD-3-Clause"
    assert sorted(metadata.get_all("Provides-Extra")) == [
        "dask",
        "dev",
        "docs",
        "fuzz",
        "keyring",
        "lab",
        "mcp",
        "mutants",
        "parquet",
        "pdf",
    ]
    assert "anthropic<3,>=1" in metadata.get_all("Requires-Dist")


KINDS = {"py", "typed", "json", "js", "css", "txt", "LICENSE", "METADATA", "WHEEL", "RECORD", "svg", "orig"}


def test_the_wheel_contains_no_unnecessary_files(dist):
    (wheel,) = dist.glob("*.whl")
    assert {name.rpartition("/")[2].rpartition(".")[2] for name in zipfile.ZipFile(wheel).namelist()} <= KINDS


def test_nothing_in_the_wheel_names_the_build_machine_or_contains_a_key(dist):
    (wheel,) = dist.glob("*.whl")
    archive = zipfile.ZipFile(wheel)
    machine = (str(Path.home()), str(dist.parent), str(ROOT), sys.prefix, platform.node())
    for name in archive.namelist():
        data = archive.read(name)
        assert not [each for each in machine if len(each) > 3 and re.search(rb"\b" + re.escape(each.encode()), data)], (
            name
        )
        assert not re.search(rb"sk-[A-Za-z0-9_-]{20,}|-----BEGIN [A-Z ]*PRIVATE KEY", data), name
        assert b"sourceMappingURL" not in data or not name.endswith(".js"), name
        assert places(data) + places(data, simulators=True) == [], name


MADE = re.compile(r"PKG-INFO|mm_magics/(display/static|labextension)/.+")
"""The files of the sdist that are made: its metadata and the front end, so that installing it needs no Node."""


def test_the_sdist_contains_the_files_of_the_repository_and_the_built_front_end(dist):
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {each.name.partition("/")[2] for each in archive.getmembers() if each.isfile()}
    made = {name for name in names if MADE.fullmatch(name)}
    listed = {name for name in tracked_files() if (ROOT / name).is_file()}
    assert names - made == listed
    assert {"mm_magics/display/static/runtime.js", "mm_magics/labextension/package.json"} < made


def test_the_metadata_is_what_package_indexes_accept(dist):
    (wheel,) = dist.glob("*.whl")
    (name,) = [each for each in zipfile.ZipFile(wheel).namelist() if each.endswith(".dist-info/METADATA")]
    metadata = Metadata.from_email(zipfile.ZipFile(wheel).read(name), validate=True)
    assert metadata.description_content_type == "text/markdown"
    assert metadata.description.startswith("# ")


def test_the_wheel_has_at_most_a_megabyte(dist):
    (wheel,) = dist.glob("*.whl")
    assert wheel.stat().st_size <= 1_000_000


def test_jupyterlab_accepts_the_extension_of_the_wheel_without_node(dist, tmp_path):
    (wheel,) = dist.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path)
    (data,) = tmp_path.glob("*.data/data/share/jupyter")
    programs = Path(sys.executable).parent
    environment = {**os.environ, "PATH": str(programs), "JUPYTER_PATH": str(data), "JUPYTER_PREFER_ENV_PATH": "0"}
    command = [sys.executable, "-m", "jupyter", "labextension", "list"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    listed = re.sub(r"\x1b\[\d*m", "", done.stdout + done.stderr).partition(f"{data}")[2]
    assert re.search(r"^\s*mm-magics v\S+ enabled OK", listed, re.MULTILINE), done.stdout + done.stderr


@pytest.mark.parametrize("kind", ["*.whl", "*.tar.gz"])
def test_it_installs_and_works_without_node(dist, tmp_path, kind):
    """The sdist contains the built front end, so that its wheel is built without Node."""
    (file,) = dist.glob(kind)
    venv.create(tmp_path / "env", with_pip=True)
    scripts = tmp_path / "env" / ("Scripts" if os.name == "nt" else "bin")
    constraints = ["--constraint", str(ROOT / "constraints.txt")]
    environment = {**os.environ, "PATH": str(scripts), "PYTHONPATH": ""}
    assert shutil.which("node", path=environment["PATH"]) is None
    python = str(scripts / "python")
    subprocess.run([python, "-m", "pip", "install", "-q", *constraints, str(file)], env=environment, check=True)
    done = subprocess.run([python, "-c", USE], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.split() == ["complete", "True", "True", "True"], done.stderr
    version = subprocess.run([str(scripts / "mm-magics"), "--version"], env=environment, capture_output=True, text=True)
    assert version.stdout == f"mm-magics {__version__}\n"
    extension = tmp_path / "env" / "share" / "jupyter" / "labextensions" / "mm-magics"
    assert json.loads((extension / "package.json").read_text("utf-8"))["version"] == __version__
    assert (extension / "install.json").is_file()
