"""The floors of the design: which module may import which, and what an import may not drag in."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

import mm_magics

ROOT = Path(mm_magics.__file__).parent
FLOORS: tuple[tuple[str, ...], ...] = (
    ("models", "messages", "errors", "interrupts"),
    ("prompt", "request", "config", "keys"),
    ("advice", "retries", "refusals"),
    ("exchange", "progress"),
    ("faults",),
    ("client", "stream", "history.*", "tools.*"),
    ("call",),
    ("answer",),
    ("session",),
    ("batch.*",),
    ("display.*", "doctor", "arguments"),
    ("commands.*", "demo"),
    ("magics", "cli"),
    ("__init__",),
)
GROUND = frozenset(FLOORS[0])
NEIGHBOURS = {"config": {"prompt"}, "arguments": {"display.form"}}
"""What a module may import of its own floor; modules of one folder may import each other."""


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(ROOT.rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        yield name.removesuffix(".__init__") if name != "__init__" else name, path


def floor(name: str) -> int:
    folder = f"{name.partition('.')[0]}.*"
    found = [number for number, names in enumerate(FLOORS) if name in names or folder in names]
    assert len(found) == 1, f"{name} has no floor of its own: give it one here and in the design"
    return found[0]


def imports(path: Path, name: str) -> Iterator[tuple[str, bool]]:
    """Modules of the package that the file imports, as (name, whether only type checkers see it)."""
    tree = ast.parse(path.read_text("utf-8"))
    for_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        found: list[str] = []
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively"
            found = [f"{node.module}.{alias.name}" for alias in node.names]
        for each in found:
            parts = each.split(".")
            if parts[0] == "mm_magics":
                yield _module(parts[1:]), node in for_types


def _module(parts: list[str]) -> str:
    """The longest beginning of `parts` that is a module; `__init__` for names of the package itself."""
    while parts:
        place = ROOT.joinpath(*parts)
        if place.with_suffix(".py").is_file() or (place / "__init__.py").is_file():
            return ".".join(parts)
        parts = parts[:-1]
    return "__init__"


def allowed(importer: str, imported: str) -> bool:
    if imported == "__init__":  # `from mm_magics import __version__`: floor 0's own package, which imports nothing
        return True
    if importer.startswith("simulator"):
        return imported.startswith("simulator") or imported in GROUND
    if imported.startswith("simulator"):
        return importer in ("cli", "demo")
    below = floor(imported) < floor(importer)
    same_folder = importer.partition(".")[0] == imported.partition(".")[0]
    return below or same_folder or imported in NEIGHBOURS.get(importer, ())


def test_a_module_imports_only_from_floors_below_its_own() -> None:
    wrong = [
        f"{name} imports {imported}"
        for name, path in modules()
        for imported, for_types in imports(path, name)
        if not for_types and not allowed(name, imported)
    ]
    assert wrong == []


def test_every_module_has_a_floor_and_every_floor_its_modules() -> None:
    names = [name for name, _ in modules() if not name.startswith("simulator")]
    folders = {name.partition(".")[0] for name in names}
    for name in names:
        floor(name if name not in ("display", "history") else f"{name}.x")
    listed = {name.removesuffix(".*") for names in FLOORS for name in names}
    assert listed <= folders


def test_the_rule_would_notice_a_wrong_import() -> None:
    assert not allowed("stream", "session")
    assert not allowed("display.bundle", "magics")
    assert not allowed("simulator.server", "client")
    assert not allowed("session", "simulator.server")
    assert allowed("display.bundle", "display.inert")
    assert {"call", "client", "request"} <= {name for name, _ in imports(ROOT / "session.py", "session")}


def test_modules_import_each_other_in_no_circle() -> None:
    edges = {
        name: {to for to, for_types in imports(path, name) if not for_types and to not in ("__init__", name)}
        for name, path in modules()
        if name != "__init__"
    }
    ready: set[str] = set()
    while left := {name for name, to in edges.items() if name not in ready and to - {name} <= ready}:
        ready |= left
    assert set(edges) - ready == set()


# What an import drags in ----------------------------------------------------------------------------------------

HEAVY = ("IPython", "anthropic", "httpx2", "anywidget", "ipywidgets", "narwhals", "pandas", "rich", "keyring", "mcp")
LOADED = """
import json, sys
before = set(sys.modules)
{code}
print(json.dumps(sorted({{name for name in sys.modules if name not in before}})))
"""


def loaded(code: str) -> set[str]:
    """The modules that running this code in a fresh interpreter imports."""
    run = subprocess.run(
        [sys.executable, "-c", LOADED.format(code=code)], capture_output=True, text=True, check=True, cwd=ROOT.parent
    )
    return set(json.loads(run.stdout.splitlines()[-1]))


@pytest.mark.parametrize("code", ["import mm_magics", "from mm_magics import Session; Session()"])
def test_a_script_imports_no_ipython_no_sdk_and_no_widgets(code: str) -> None:
    found = loaded(code)
    assert "mm_magics" in found
    assert not {name for name, heavy in product(found, HEAVY) if name.split(".")[0] == heavy}


def test_importing_the_package_imports_nothing_else_of_it() -> None:
    assert {name for name in loaded("import mm_magics") if name.startswith("mm_magics")} == {"mm_magics"}


def test_loading_the_extension_imports_nothing_that_only_an_answer_needs() -> None:
    shell = "from IPython.core.interactiveshell import InteractiveShell; shell = InteractiveShell()"
    before, after = f"{shell}", f"{shell}; import mm_magics; mm_magics.load_ipython_extension(shell)"
    found = loaded(after) - loaded(before)
    assert "mm_magics.magics" in found
    late = ("anthropic", "httpx2", "anywidget", "ipywidgets", "markdown_it", "mdit_py_plugins", "rich", "keyring")
    assert not {name for name in found if name.split(".")[0] in late}
    assert not {name for name in found if name.startswith("pygments.lexers.")}
    assert "mm_magics.simulator" not in found
