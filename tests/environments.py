"""Environments with other people's packages, made once and kept.

Those with this project beside the packages are in `build/environments`. Those of `tests/interop` have nothing of this
project, and are in the user's cache folder. The tests that use one are marked `interop`. They are skipped with a reason
where it cannot be made, and in CI.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "build" / "environments"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mm-magics-tests"
VERSIONS = tomllib.loads((ROOT / "tests" / "interop" / "versions.toml").read_text("utf-8"))
CREATE_S = 600


def pinned_environment(name: str) -> Path:
    """Return the folder of an environment with the packages that `versions.toml` lists under this name.

    Its programs are in `bin`, or in `node_modules/.bin`.
    """
    ((installer, arguments),) = VERSIONS[name].items()
    install = {"pip": pip_install, "npm": _npm_install}[installer]
    return up_to_date(CACHE, name, repr((sys.version, installer, arguments)), lambda folder: install(folder, arguments))


def environment(name: str, *packages: str, extras: tuple[str, ...] = (), constrained: bool = True) -> Path:
    """Return the folder of an environment with these packages, what the project needs, and the project itself.

    Args:
        name: The name of the environment, for people.
        packages: Requirements. They may contradict those of the project's extras.
        extras: Extras of the project whose requirements are installed too.
        constrained: Whether the other packages have the versions that the project's other tests use.
    """
    needed = [*PROJECT["dependencies"], *(each for extra in extras for each in PROJECT["optional-dependencies"][extra])]
    constraints = (ROOT / "constraints.txt").read_text("utf-8") if constrained else ""
    free = {each.partition("=")[0] for each in packages}

    def make(folder: Path) -> None:
        file = folder / "constraints.txt"
        file.write_text("\n".join(line for line in constraints.splitlines() if line.partition("==")[0] not in free))
        pip_install(folder, ["--constraint", str(file), *packages, *needed])

    folder = up_to_date(FOLDER, name, repr((sys.version, packages, needed, constraints)), make)
    _add_project(folder)
    return folder


def up_to_date(parent: Path, name: str, contents: str, make: Callable[[Path], None]) -> Path:
    """Return the folder of this name, after making it if it does not have these contents."""
    if "CI" in os.environ:
        pytest.skip("environments with other packages are not made in CI")
    folder = parent / name
    folder.mkdir(parents=True, exist_ok=True)
    with (parent / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test workers may need the same one
        made = folder / "contents.txt"
        if not made.exists() or made.read_text("utf-8") != contents:
            make(folder)
            made.write_text(contents, "utf-8")
    return folder


def pip_install(folder: Path, arguments: list[str]) -> None:
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    _run([str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *arguments], folder)


def _npm_install(folder: Path, arguments: list[str]) -> None:
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    (folder / "package.json").write_text('{"private": true}', "utf-8")
    _run(["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", *arguments], folder)


def _run(command: list[str], folder: Path) -> None:
    """Run an installer, and skip the test if it fails, because there may be no network."""
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=CREATE_S)
    if run.returncode:
        errors = [line for line in run.stderr.splitlines() if line.startswith(("ERROR", "npm error"))]
        pytest.skip(f"the environment cannot be made: {errors[-1] if errors else run.stderr[-300:]}")


def _add_project(folder: Path) -> None:
    """Put this checkout on the environment's path, with its metadata and its JupyterLab extension."""
    packages = next((folder / "lib").glob("python*")) / "site-packages"
    (packages / "project.pth").write_text(f"{ROOT}\n")
    metadata = packages / f"mm_magics-{distribution('mm-magics').version}.dist-info"
    metadata.mkdir(exist_ok=True)
    (metadata / "METADATA").write_text(distribution("mm-magics").read_text("METADATA") or "", "utf-8")
    extension = folder / "share" / "jupyter" / "labextensions" / "mm-magics"
    extension.parent.mkdir(parents=True, exist_ok=True)
    if not extension.is_symlink():
        extension.symlink_to(ROOT / "mm_magics" / "labextension")
