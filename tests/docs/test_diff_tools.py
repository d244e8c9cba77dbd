"""Runs nbstripout, nbdime and `mm-magics replay check` as `docs/how-to/version-notebooks.md` describes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mm_magics.history.turn import MIME_TYPE

pytestmark = pytest.mark.slow
QUICKSTART = Path(__file__).parents[2] / "notebooks" / "quickstart.ipynb"
CHECK = "import sys; from mm_magics.cli import main; sys.exit(main(['replay', 'check', *sys.argv[1:]]))"


@pytest.fixture
def copy(tmp_path):
    return Path(shutil.copy(QUICKSTART, tmp_path / "copy.ipynb"))


def nbdiff(one, two):
    command = [sys.executable, "-m", "nbdime", "diff", "--no-color", str(one), str(two)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def check(path):
    return subprocess.run([sys.executable, "-c", CHECK, str(path)], capture_output=True, text=True)


def test_an_unchanged_notebook_has_no_diff_and_is_recorded(copy):
    assert nbdiff(QUICKSTART, copy) == ""
    assert check(copy).returncode == 0


def test_changing_one_turn_changes_one_output(copy):
    notebook = json.loads(copy.read_text("utf-8"))
    cell = next(cell for cell in notebook["cells"] if cell["source"][0].startswith("%%minimax"))
    data = cell["outputs"][0]["data"]
    data[MIME_TYPE]["messages"][1]["content"][-1]["text"] = data["text/markdown"] = "Another answer."
    copy.write_text(json.dumps(notebook), "utf-8")
    diff = nbdiff(QUICKSTART, copy)
    assert "Another answer." in diff
    assert {line.split("/outputs")[0] for line in diff.splitlines() if line.startswith("##")} == {
        line.split("/outputs")[0] for line in diff.splitlines() if "/cells/2/outputs" in line
    }


def test_nbstripout_removes_the_turns_and_the_check_reports_them_missing(copy):
    subprocess.run([sys.executable, "-m", "nbstripout", str(copy)], check=True, capture_output=True)
    assert MIME_TYPE not in copy.read_text("utf-8")
    done = check(copy)
    assert done.returncode == 1
    assert done.stdout.count("missing") == 5


def test_a_cell_is_edited_and_the_cells_below_another_answer_are_stale(copy):
    notebook = json.loads(copy.read_text("utf-8"))
    prompts = [cell for cell in notebook["cells"] if cell["source"][0].startswith("%%minimax")]
    prompts[-1]["source"][-1] += " Please."
    copy.write_text(json.dumps(notebook), "utf-8")
    assert [line.split()[1] for line in check(copy).stdout.splitlines()[2:]] == ["recorded"] * 4 + ["edited"]
    prompts[1]["outputs"][0]["data"][MIME_TYPE]["messages"][1]["content"][-1]["text"] = "edited by hand"
    copy.write_text(json.dumps(notebook), "utf-8")
    states = [line.split()[1] for line in check(copy).stdout.splitlines()[2:]]
    assert states == ["recorded"] * 2 + ["stale"] * 2 + ["edited"]
