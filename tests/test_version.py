"""The Python package, its npm package and its built extension have one version: `mm_magics.__version__`."""

from __future__ import annotations

import json
from pathlib import Path

import mm_magics

ROOT = Path(__file__).parents[1]


def test_the_npm_package_has_the_version_of_the_python_package() -> None:
    package = json.loads((ROOT / "labextension" / "package.json").read_text("utf-8"))
    assert package["version"] == mm_magics.__version__, "change it in labextension/package.json as well"
