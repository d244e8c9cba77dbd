"""The command `mm-magics`: demo, simulator, history and doctor."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from mm_magics.display.mime_bundle import make_bundle
from mm_magics.history.turn import MIME_TYPE
from tests.turns import turn

PROGRAM = [sys.executable, "-c", "import sys; from mm_magics.cli import main; sys.exit(main())"]
QUICKSTART = Path(__file__).parents[2] / "notebooks" / "quickstart.ipynb"

pytestmark = pytest.mark.slow


def run(*arguments, **environment):
    return subprocess.run(
        [*PROGRAM, *arguments], env={**os.environ, **environment}, capture_output=True, text=True, timeout=120
    )


def test_the_demo_prints_the_conversation_and_writes_a_notebook_and_a_page(tmp_path):
    before = QUICKSTART.read_bytes()
    done = run("demo", str(QUICKSTART), "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "Your name is **Ada**" in done.stdout
    notebook, page = done.stdout.split("and an HTML page:")[1].split()
    executed = nbformat.read(notebook, as_version=4)
    turns = [cell for cell in executed.cells if cell.source.startswith("%%minimax")]
    assert all(cell.outputs[0].data[MIME_TYPE]["status"] == "complete" for cell in turns)
    assert "Your name is <strong>Ada</strong>" in Path(page).read_text("utf-8")
    assert QUICKSTART.read_bytes() == before


def test_the_demo_prints_a_long_answer_once_with_one_summary(tmp_path):
    words = " ".join(f"word{number}" for number in range(40))
    prompt = f'%%minimax\nCount. [[simulator: thinking="" say="{words}" size=8 rate=15]]'
    cells = [nbformat.v4.new_code_cell(each) for each in ("%load_ext mm_magics", prompt)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "x.ipynb")
    done = run("demo", str(tmp_path / "x.ipynb"), "--output", str(tmp_path / "out"))
    lines = done.stdout.splitlines()
    at = lines.index(words)
    assert " tokens in, " in lines[at + 1]
    assert [line for line in lines if line.startswith("MiniMax-M2.7 · ")] == [lines[at + 1]]


def test_the_demo_of_an_invalid_notebook_prints_one_clear_error(tmp_path):
    (tmp_path / "x.ipynb").write_text("no")
    done = run("demo", str(tmp_path / "x.ipynb"), "--output", str(tmp_path))
    assert done.returncode == 1
    assert "Cannot read the notebook" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_failing_cell_makes_the_demo_exit_with_an_error(tmp_path):
    cells = [nbformat.v4.new_code_cell(source) for source in ("%load_ext mm_magics", "%%minimax -t 0\nHi.")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "x.ipynb")
    done = run("demo", str(tmp_path / "x.ipynb"), "--output", str(tmp_path / "out"))
    assert done.returncode == 1
    assert "temperature must be above 0" in done.stderr


def test_the_demo_names_a_missing_package(tmp_path):
    without = "import sys; sys.modules['nbclient'] = None; from mm_magics.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", without, "demo", str(QUICKSTART), "--output", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr == "The demo needs the package nbclient.\nRun: pip install 'mm-magics[lab]'\n"


def test_history_prints_conversations_as_a_table_or_as_records(tmp_path):
    first, second = turn("What is a reef?", "A ridge."), turn("Bonjour", "Salut", thread="french")
    outputs = [[nbformat.v4.new_output("display_data", make_bundle(each))] for each in (first, second)]
    outputs.append([nbformat.v4.new_output("display_data", {MIME_TYPE: {"schema": 1, "status": "odd"}})])
    cells = [nbformat.v4.new_code_cell("%%minimax\nx", outputs=each) for each in outputs]
    path = tmp_path / "x.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    done = run("history", str(path))
    assert done.returncode == 0
    assert re.search("What is a reef.*Bonjour", done.stdout, re.DOTALL)
    assert len(done.stderr.splitlines()) == 1  # the damaged record
    done = run("history", str(path), "--json")
    records = [each.record() | {"cell_id": cell.id} for each, cell in zip((first, second), cells, strict=False)]
    assert json.loads(done.stdout) == json.loads(json.dumps(records))
    done = run("history", str(tmp_path / "none.ipynb"))
    assert done.returncode == 1
    assert 1 <= len(done.stderr.splitlines()) <= 2


def test_the_simulator_prints_its_address_and_exits_on_interrupt(tmp_path):
    command = [*PROGRAM, "simulator", "--key", "k" * 20, "--log", str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        output = ""
        while "ANTHROPIC_API_KEY" not in output:
            output += process.stdout.readline()
        url = re.search(r"export ANTHROPIC_BASE_URL=(\S+)", output)[1]
        doctor = run("doctor", ANTHROPIC_BASE_URL=url, ANTHROPIC_API_KEY="k" * 20)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0
    assert doctor.returncode == 0, doctor.stdout
    assert "No problems found." in doctor.stdout
    assert "k" * 20 not in doctor.stdout


@pytest.mark.parametrize(
    ("environment", "output"),
    [
        ({}, "No API key found for api.minimax.io."),
        ({"ANTHROPIC_API_KEY": "k" * 20}, "ANTHROPIC_API_KEY is set, but for another host"),
        ({"ANTHROPIC_BASE_URL": "nonsense"}, "The base URL is not an http or https URL."),
        (
            {"ANTHROPIC_BASE_URL": "http://127.0.0.1:9/x", "ANTHROPIC_API_KEY": "k" * 20},
            "Cannot connect to 127.0.0.1:9",
        ),
    ],
)
def test_the_doctor_prints_each_problem_and_its_fix(environment, output):
    done = run("doctor", **environment)
    assert done.returncode == 1
    assert output in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_replay_check_checks_all_notebooks_even_if_one_cannot_be_read(tmp_path):
    answered = turn("x", "y")
    cells = [
        nbformat.v4.new_code_cell(
            "%%minimax\nx", outputs=[nbformat.v4.new_output("display_data", make_bundle(answered))]
        )
    ]
    text = nbformat.writes(nbformat.v4.new_notebook(cells=cells))
    (tmp_path / "mark.ipynb").write_text(text, "utf-8-sig")
    (tmp_path / "broken.ipynb").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "text.ipynb").write_text("no notebook")
    (tmp_path / "good.ipynb").write_text(text)
    names = ("mark", "broken", "text", "gone", "good")
    done = run("replay", "check", *(str(tmp_path / f"{name}.ipynb") for name in names))
    assert done.returncode == 1
    assert done.stdout.count(" recorded ") == 2
    assert "broken.ipynb cannot be read: it is not UTF-8 or UTF-16." in done.stderr
    assert "text.ipynb is not JSON." in done.stderr
    assert "gone.ipynb cannot be read: No such file or directory." in done.stderr
    assert run("replay", "check", *(str(tmp_path / f"{name}.ipynb") for name in ("mark", "good"))).returncode == 0
