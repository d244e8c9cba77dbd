"""CI runs each session of `noxfile.py`."""

from __future__ import annotations

import ast
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


def sessions() -> set[str]:
    """The sessions as nox names them: one that runs with several versions of Python has one of them in its name."""
    found = set()
    for function in ast.parse((ROOT / "noxfile.py").read_text("utf-8")).body:
        if isinstance(function, ast.FunctionDef):
            (decorator,) = map(ast.unparse, function.decorator_list)
            several = decorator == "nox.session(python=PYTHONS)"
            found |= {f"{function.name}-{each}" for each in PYTHONS} if several else {function.name}
    return found


def test_ci_runs_each_session_of_the_matrix() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8"))
    matrix = workflow["jobs"]["test"]["strategy"]["matrix"]
    assert {*matrix["session"], *(each["session"] for each in matrix["include"])} == sessions()
