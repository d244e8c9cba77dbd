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


def strings(name: str) -> list[str]:
    """Return the strings in the value, or the function, of `noxfile.py` that has this name."""
    for each in ast.parse((ROOT / "noxfile.py").read_text("utf-8")).body:
        names = [ast.unparse(target) for target in each.targets] if isinstance(each, ast.Assign) else []
        if name in names or (isinstance(each, ast.FunctionDef) and each.name == name):
            return [
                node.value for node in ast.walk(each) if isinstance(node, ast.Constant) and isinstance(node.value, str)
            ]
    raise LookupError(name)


def imports(path: Path) -> set[str]:
    """Return the modules that a test module imports when it is imported, with those of the tests that it imports."""
    found: set[str] = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    for each in [*found]:
        file = ROOT / f"{each.replace('.', '/')}.py"
        if each.startswith("tests.") and file.is_file():
            found |= imports(file)
    return found


def test_the_session_without_extras_ignores_each_test_module_that_needs_one() -> None:
    extras = set(strings("without_extras"))
    ignored = [
        ROOT / each.removeprefix("--ignore=")
        for each in [*strings("WITHOUT_MCP"), *strings("WITHOUT_EXTRAS")]
        if each.startswith("--ignore=")
    ]
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        if not any(file == each or each in file.parents for each in ignored):
            assert not {name.split(".")[0] for name in imports(file)} & extras, file


def test_ci_runs_each_session_of_the_matrix() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8"))
    matrix = workflow["jobs"]["test"]["strategy"]["matrix"]
    assert {*matrix["session"], *(each["session"] for each in matrix["include"])} == sessions()
