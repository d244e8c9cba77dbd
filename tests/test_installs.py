"""Installing this package beside those of a platform changes none of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mm_magics.packages import EXTRAS
from tests.environments import CREATE_S, FOLDER, PROJECT, pip_install, up_to_date
from tests.kernel.test_older_environments import COLAB

pytestmark = [pytest.mark.slow, pytest.mark.interop, pytest.mark.timeout(CREATE_S)]

PLATFORMS = {
    "colab": COLAB,
    "databricks": ("ipython==8.30.0", "ipykernel==6.29.5", "ipywidgets==7.7.2", "traitlets==5.14.3"),
    "newest": ("ipython", "ipykernel", "ipywidgets", "jupyterlab", "notebook", "pydantic"),
}


def installed(folder: Path) -> set[str]:
    frozen = subprocess.run(
        [folder / "bin" / "python", "-m", "pip", "freeze", "--all"], check=True, capture_output=True, text=True
    )
    return set(frozen.stdout.splitlines())


@pytest.mark.parametrize("platform", PLATFORMS)
def test_installing_changes_no_package_that_was_there(platform: str) -> None:
    """The package alone, and then with one extra after the other."""
    packages, extras = PLATFORMS[platform], PROJECT["optional-dependencies"]
    steps = [PROJECT["dependencies"], *(extras[extra] for extra in EXTRAS)]

    def make(folder: Path) -> None:
        pip_install(folder, list(packages))
        before = installed(folder)
        for needed in steps:
            pip_install(folder, needed)
        (folder / "changed.txt").write_text("\n".join(sorted(before - installed(folder))))

    folder = up_to_date(FOLDER, f"beside-{platform}", repr((sys.version, packages, steps)), make)
    assert (folder / "changed.txt").read_text() == ""
