"""The layers of the package: each folder imports only from the folders below it, and importing it stays cheap."""

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
LAYERS: tuple[tuple[str, ...], ...] = (
    ("text", "wording", "json_size"),
    ("errors", "system", "interrupts", "background_context"),
    ("packages", "front_end_files"),
    ("api",),
    ("simulator",),
    ("prompt",),
    ("administrator",),
    ("config",),
    ("settings",),
    ("history",),
    ("tools",),
    ("endpoint",),
    ("turn",),
    ("events",),
    ("session",),
    ("async_session",),
    ("batch",),
    ("doctor",),
    ("display",),
    ("ipython",),
    ("demo",),
    ("cli", "__init__"),
)
"""The folders and root modules of the package, from the bottom layer up. `docs/architecture.md` draws them."""


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(ROOT.rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        yield name.removesuffix(".__init__") if name != "__init__" else name, path


def layer(name: str) -> int:
    top = name.partition(".")[0]
    found = [number for number, names in enumerate(LAYERS) if top in names]
    assert len(found) == 1, f"{name} has no layer: add it to LAYERS and to docs/architecture.md"
    return found[0]


def imports(path: Path) -> Iterator[str]:
    """Modules of the package that the file imports, at run time or for type checkers only."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        found: list[str] = []
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            found = [f"{node.module}.{alias.name}" for alias in node.names]
        for each in found:
            parts = each.split(".")
            if parts[0] == "mm_magics":
                yield _module(parts[1:])


def _module(parts: list[str]) -> str:
    """The longest prefix of `parts` that is a module; `__init__` for names of the package itself."""
    while parts:
        place = ROOT.joinpath(*parts)
        if place.with_suffix(".py").is_file() or (place / "__init__.py").is_file():
            return ".".join(parts)
        parts = parts[:-1]
    return "__init__"


def allowed(importer: str, imported: str) -> bool:
    if imported == "__init__":  # `from mm_magics import __version__`: the package itself imports nothing
        return True
    same_folder = importer.partition(".")[0] == imported.partition(".")[0]
    if imported.startswith("simulator") and not same_folder:
        return importer in ("cli", "demo")
    return same_folder or layer(imported) < layer(importer)


def test_a_module_imports_only_from_the_layers_below_its_own() -> None:
    wrong = [
        f"{name} imports {imported}"
        for name, path in modules()
        for imported in imports(path)
        if not allowed(name, imported)
    ]
    assert wrong == []


def test_every_module_has_a_layer_and_every_layer_its_modules() -> None:
    tops = {name.partition(".")[0] for name, _ in modules()}
    assert tops == {name for names in LAYERS for name in names}


def test_the_rule_rejects_an_import_from_a_higher_layer() -> None:
    assert not allowed("endpoint.sse", "session")
    assert not allowed("display.mime_bundle", "ipython.magics")
    assert not allowed("simulator.server", "endpoint.client")
    assert not allowed("session", "simulator.server")
    assert not allowed("errors", "interrupts")
    assert allowed("display.mime_bundle", "display.sanitize")
    assert {"api.models", "turn.answer"} <= set(imports(ROOT / "session.py"))


def test_modules_do_not_import_each_other_in_a_circle() -> None:
    edges = {
        name: {to for to in imports(path) if to not in ("__init__", name)}
        for name, path in modules()
        if name != "__init__"
    }
    ready: set[str] = set()
    while left := {name for name, to in edges.items() if name not in ready and to <= ready}:
        ready |= left
    assert set(edges) - ready == set()


# What an import loads ----------------------------------------------------------------------------------------

RARE = {
    "difflib",
    "mm_magics.tools.mcp.servers",
    "mm_magics.tools.resolve",
    "mm_magics.tools.schema.output_schema",
    "nh3",
}
"""What only some prompts need."""

HEAVY = (
    "IPython",
    "aiohttp",
    "anthropic",
    "http",
    "httpx2",
    "anywidget",
    "ipywidgets",
    "narwhals",
    "pandas",
    "rich",
    "keyring",
    "mcp",
)
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


def test_a_new_session_imports_nothing_that_only_some_prompts_need() -> None:
    found = loaded("from mm_magics import Session; Session()")
    assert "mm_magics.session" in found
    assert found & RARE == set()


def test_importing_the_package_imports_nothing_else_of_it() -> None:
    assert {name for name in loaded("import mm_magics") if name.startswith("mm_magics")} == {"mm_magics"}


def test_loading_the_extension_imports_nothing_that_only_an_answer_needs() -> None:
    shell = "from IPython.core.interactiveshell import InteractiveShell; shell = InteractiveShell()"
    before, after = f"{shell}", f"{shell}; import mm_magics; mm_magics.load_ipython_extension(shell)"
    found = loaded(after) - loaded(before)
    assert "mm_magics.ipython.magics" in found
    late = (
        "aiohttp",
        "anthropic",
        "httpx2",
        "anywidget",
        "ipywidgets",
        "markdown_it",
        "mdit_py_plugins",
        "pydantic",
        "rich",
        "keyring",
        "http",
    )
    assert not {name for name in found if name.split(".")[0] in late}
    assert not {name for name in found if name.startswith("pygments.lexers.")}
    of_a_prompt = {"ipython.compare_cell", "ipython.turn_output", "ipython.turn_tools", "prompt.attachments"}
    assert not found & {f"mm_magics.{name}" for name in ("display.table", "simulator", *of_a_prompt)}
