"""Virtual environments with other people's packages next to this project, made once and kept in `build/environments`.

The tests that use one are marked `interop`. They are skipped with a reason where it cannot be made, and in CI.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "build" / "environments"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
CREATE_S = 600


def environment(name: str, *packages: str, extras: tuple[str, ...] = ()) -> Path:
    """Return the folder of an environment with these packages, what the project needs, and the project itself.

    Args:
        name: The name of the environment, for people.
        packages: Requirements. They may contradict those of the project's extras.
        extras: Extras of the project whose requirements are installed too.
    """
    if "CI" in os.environ:
        pytest.skip("environments with other packages are not made in CI")
    needed = [*PROJECT["dependencies"], *(each for extra in extras for each in PROJECT["optional-dependencies"][extra])]
    constraints = (ROOT / "constraints.txt").read_text("utf-8")
    expected = repr((sys.version, packages, needed, constraints))
    folder = FOLDER / name
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test workers may need the same one
        contents = folder / "contents.txt"
        if not contents.exists() or contents.read_text("utf-8") != expected:
            _install(folder, [*packages, *needed], constraints, {each.partition("=")[0] for each in packages})
            contents.write_text(expected, "utf-8")
    _add_project(folder)
    return folder


def _install(folder: Path, requirements: list[str], constraints: str, free: set[str]) -> None:
    """Make or update the environment. `free` are the packages whose version the constraints must not decide."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    file = folder / "constraints.txt"
    file.write_text("\n".join(line for line in constraints.splitlines() if line.partition("==")[0] not in free))
    command = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--constraint", file, *requirements]
    run = subprocess.run(command, capture_output=True, text=True, timeout=CREATE_S)
    if run.returncode:
        errors = [line for line in run.stderr.splitlines() if line.startswith("ERROR")]
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
