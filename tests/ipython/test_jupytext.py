"""jupytext saves prompt cells as `docs/how-to/version-notebooks.md` describes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import nbformat
import pytest

from mm_magics.history.jupytext import splits_prompts
from mm_magics.history.notebook import read_notebook
from tests.environments import environment

pytestmark = [pytest.mark.slow, pytest.mark.interop]

PROMPT = "My name is Ada.\n\n# %% is a marker of cells\n\n# %%\n```python\n# %%\nx = 1\n```\n  {{ x }}"
SOURCES = ["%load_ext mm_magics", f"%%minimax\n{PROMPT}", f"%%minimax -t 0.5 -s 'Be brief.'\n{PROMPT}", "x = 1"]


def jupytext(*arguments: str | Path, folder: Path) -> None:
    program = environment("jupytext", "jupytext==1.19.6") / "bin" / "jupytext"
    subprocess.run([program, *arguments], cwd=folder, check=True, capture_output=True)


def sources(path: Path) -> list[str]:
    return [cell.source for cell in read_notebook(path).cells]


@pytest.mark.parametrize(
    ("file", "options", "is_unchanged"),
    [
        ("page.py", ["--to", "py:percent"], False),
        ("page.py", ["--to", "py:percent", "--opt", "custom_cell_magics=minimax"], True),
        ("page.md", ["--to", "md"], True),
        ("page.md", ["--to", "md:myst"], True),
    ],
)
def test_a_prompt_survives_a_script_with_the_setting(tmp_path, file, options, is_unchanged):
    page = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in SOURCES])
    nbformat.write(page, tmp_path / "page.ipynb")
    jupytext(*options, "page.ipynb", "-o", file, folder=tmp_path)
    jupytext("--to", "ipynb", file, "-o", "back.ipynb", folder=tmp_path)
    assert (sources(tmp_path / "back.ipynb") == SOURCES) is is_unchanged


@pytest.mark.parametrize("has_setting", [False, True])
def test_a_paired_script_without_the_setting_is_found(tmp_path, has_setting):
    page = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in SOURCES])
    nbformat.write(page, tmp_path / "page.ipynb")
    setting = 'custom_cell_magics = "minimax"\n' * has_setting
    (tmp_path / "jupytext.toml").write_text(f'formats = "ipynb,py:percent"\n{setting}')
    jupytext("--sync", "page.ipynb", folder=tmp_path)
    assert splits_prompts(tmp_path / "page.py") is not has_setting
