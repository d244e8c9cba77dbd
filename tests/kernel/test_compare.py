"""`%%minimax -m A,B`, `--n` and `--check` in a kernel: outputs, Stop, interrupts, invalid flags, and the next run."""

from __future__ import annotations

import time

import nbformat
import pytest
from nbclient import NotebookClient

from mm_magics.history.turn import MIME_TYPE, Turn
from mm_magics.history.versions import all_versions
from tests.kernel.background_page import Page
from tests.kernel.test_notebook import MIMES, widget_receives
from tests.pace import PATIENCE
from tests.turns import broken_rules

TWO = "%%minimax -m MiniMax-M2.7,MiniMax-M2.5"
SLOW = "Go. [[simulator: deltas=2000 size=8 rate=100]]"


def answers(run) -> list[Turn]:
    assert broken_rules(run.turn) == []
    return all_versions(Turn.from_record(run.turn))


def value(kernel, expression: str) -> str:
    run = kernel.run(f"print({expression})")
    assert run.error is None, run.error
    return run.text.strip()


def test_two_models_answer_side_by_side_in_one_bundle(kernel, simulator):
    before = len(simulator.log)
    run = kernel.run(f'{TWO} -o found\nWhich? [[simulator: say="**Kelp**"]]', "a")
    (output,) = run.outputs
    data = output["data"]
    assert sorted(data) == MIMES
    assert [(each.model, each.status) for each in answers(run)] == [
        ("MiniMax-M2.7", "complete"),
        ("MiniMax-M2.5", "complete"),
    ]
    assert run.turn["undecided"] is True
    assert len(simulator.log) == before + 2
    assert data["text/html"].count("<strong>Kelp</strong>") == 2
    for kind in ("text/html", "text/markdown", "text/plain"):
        assert "Version 1: MiniMax-M2.7 (active)" in data[kind]
        assert "Version 2: MiniMax-M2.5" in data[kind]
    assert data["text/html"].count("tokens in") == 2
    assert "%minimax use N" in data["text/html"]
    assert value(kernel, "found") == "['**Kelp**', '**Kelp**']"


def test_the_page_receives_the_ops_of_each_answer(kernel):
    run = kernel.run(f"{TWO}\nWhich? [[simulator: deltas=60 rate=200]]", "a")
    for number, each in enumerate(answers(run)):
        part = [op[2] for op in run.ops if op[0] == "part" and op[1] == number]
        assert "".join(op[2] for op in part if op[0] == "add" and op[1] == 1) == each.text
        assert [op[1]["status"] for op in part if op[0] == "state"][-1] == "complete"
        assert next(op[1]["model"] for op in part if op[0] == "state" and "model" in op[1]) == each.model
    first = next(op[1] for op in run.ops if op[0] == "record")
    assert first["id"] == run.turn["id"]
    assert first["undecided"] is True
    assert run.ops[-1] == ["state", {"status": "complete"}]


def test_running_the_cell_again_keeps_the_answers_and_choosing_one_continues_with_it(kernel, simulator):
    kernel.run('%%minimax\nWhich? [[simulator: say="first"]]', "a")
    run = kernel.run('%%minimax --n 3\nWhich? [[simulator: say="more"]]', "a")
    assert [each.text for each in answers(run)] == ["first", "more", "more", "more"]
    assert "Version 2: MiniMax-M2.7 (active)" in run.outputs[0]["data"]["text/plain"]
    assert "first" not in run.outputs[0]["data"]["text/plain"]
    used = kernel.run("%minimax use 2", "b")
    assert "Version 2 of 4" in used.text
    table = kernel.run("%minimax versions", "c").text
    assert table.count("more") >= 3
    again = kernel.run('%%minimax\nWhich? [[simulator: say="last"]]', "a")
    assert [each.text for each in answers(again)] == ["first", "more", "more", "more", "last"]
    assert "undecided" not in again.turn


def test_a_model_that_is_not_offered_fails_alone(kernel):
    run = kernel.run('%%minimax -m no-such-model,MiniMax-M2.5\nWhich? [[simulator: say="Kelp"]]', "a")
    assert run.error is None
    assert [each.status for each in answers(run)] == ["failed", "complete"]
    assert run.turn["model"] == "MiniMax-M2.5"
    assert "no-such-model" in run.outputs[0]["data"]["text/markdown"]
    assert "Version 1 contains no answer." in kernel.run("%minimax use 1", "b").error["evalue"]


def test_if_all_fail_so_does_the_cell(kernel):
    run = kernel.run("%%minimax -m no-such-model,nor-this\nWhich?", "a")
    assert run.error is not None
    assert len(run.error["evalue"].splitlines()) <= 2
    assert [each.status for each in answers(run)] == ["failed", "failed"]


def test_stop_ends_all_and_a_complete_answer_stays(kernel):
    kernel.run("%%minimax\nWarm up.", "warm")
    began = time.monotonic()
    run = kernel.run(
        f"{TWO}\n{SLOW}", "a", when=widget_receives("answering"), then=lambda: kernel.request({"type": "stop"})
    )
    assert time.monotonic() - began < 20 * PATIENCE
    assert [each.status for each in answers(run)] == ["stopped", "stopped"]
    assert run.error is None


@pytest.mark.parametrize("word", ["waiting", "answering"])
def test_an_interrupt_ends_all_with_one_bundle(kernel, word):
    kernel.run("%%minimax\nWarm up.", "warm")
    run = kernel.run(f"{TWO}\n{SLOW}", "a", when=widget_receives(f'"{word}"'), then=kernel.interrupt)
    assert run.error["ename"] == "TurnInterruptedError"
    assert [each.status for each in answers(run)] == ["stopped", "stopped"]
    assert kernel.run("%%minimax\nHello.", "b").turn["status"] == "complete"


REEF = """
from dataclasses import dataclass
from tests.pace import PATIENCE

@dataclass
class Reef:
    depth: int

def kind(reef):
    return type(reef).__name__
"""

CHECKS = """
def is_short(text):
    return len(text) < 10

def score(text):
    return f"{len(text)} characters"

def broken(text):
    raise ValueError("no such word")

def slow(text):
    import time
    print("checking", flush=True)
    time.sleep(30)
"""


@pytest.mark.parametrize("flags", ["--n 2", "-m MiniMax-M2.5"])
@pytest.mark.parametrize(
    ("name", "verdict"),
    [("is_short", "pass"), ("score", "4 characters"), ("broken", "error: ValueError: no such word")],
)
def test_the_verdict_of_a_check_is_shown_and_recorded(kernel, flags, name, verdict):
    kernel.run(CHECKS)
    run = kernel.run(f'%%minimax {flags} --check {name}\nWhich? [[simulator: say="Kelp"]]', "a")
    assert run.error is None
    for kind in ("text/html", "text/markdown", "text/plain"):
        assert run.outputs[0]["data"][kind].count(f"{name}: {verdict}") == len(answers(run))
    assert all(each.check["name"] == name for each in answers(run))


def test_a_check_gets_the_value_of_a_schema(kernel):
    kernel.run(REEF)
    run = kernel.run("%%minimax --n 2 --schema Reef --check kind -o found\nHow deep?", "a")
    assert run.error is None, run.error
    assert [each.check["text"] for each in answers(run)] == ["Reef", "Reef"]
    assert value(kernel, "[type(each).__name__ for each in found]") == "['Reef', 'Reef']"


def test_an_interrupted_check_leaves_the_answers(kernel):
    kernel.run(CHECKS)
    run = kernel.run(
        f'{TWO} --check slow\nWhich? [[simulator: say="Kelp"]]',
        "a",
        when=lambda kind, content: "checking" in str(content.get("text")),
        then=kernel.interrupt,
    )
    assert run.error["ename"] == "TurnInterruptedError"
    assert [each.text for each in answers(run)] == ["Kelp", "Kelp"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("-m A,", "A name is missing in -m A,."),
        ("-m ,", "A name is missing in -m ,."),
        ("-m A,,B", "A name is missing in -m A,,B."),
        ("-m A,A", "A is named twice. To compare several of its answers, use -m A --n 2."),
        ("-m 'A, A'", "A is named twice."),
        ("-m A,B,C,D,E,F,G,H,I", "-m names 9 models, but 2 to 8 answers can be compared."),
        ("--n 0", "--n 0, but 2 to 8 answers can be compared."),
        ("--n 1", "--n 1, but 2 to 8 answers can be compared."),
        ("--n -3", "--n -3, but 2 to 8 answers can be compared."),
        ("--n 9", "--n 9, but 2 to 8 answers can be compared."),
        ("--n x", "--n: 'x' is not a whole number."),
        ("--n 3 -m A,B", "--n takes one model."),
        ("-m A,B --map frame", "--map asks one model once for each row."),
        ("--n 2 --map frame", "--map asks one model once for each row."),
        ("--check check --map frame", "--check cannot be combined with --map."),
        ("--n 2 --tools python", "Compared answers call no tools"),
        ("-m A,B --tool-choice any", "--tool-choice needs tools"),
        ("--n 2 --compact now", "--compact now cannot be combined"),
        ("--n 2 --as code", "--as code cannot be combined"),
        ("--check nothing", "`nothing` is not defined in this notebook."),
        ("--check frame", "`frame` is not a function."),
        ("--check 'a b'", "'a b' is not a valid Python name"),
    ],
)
def test_an_invalid_combination_sends_nothing_and_says_why(kernel, simulator, flags, message):
    kernel.run("frame = ['a']\ncheck = bool")
    earlier = kernel.run("%%minimax\nWhich?", "a").turn
    before = len(simulator.log)
    run = kernel.run(f"%%minimax {flags}\nWhich?", "a")
    assert message in " ".join(run.error["evalue"].splitlines())
    assert len(run.error["evalue"].splitlines()) <= 2
    assert run.turn["id"] == earlier["id"]
    assert len(simulator.log) == before


def test_a_dry_run_shows_each_request(kernel, simulator):
    before = len(simulator.log)
    run = kernel.run(f"{TWO} --dry-run -o bodies\nWhich?", "a")
    assert '"model": "MiniMax-M2.7"' in run.text
    assert '"model": "MiniMax-M2.5"' in run.text
    assert value(kernel, "[body['model'] for body in bodies]") == "['MiniMax-M2.7', 'MiniMax-M2.5']"
    assert "This request would be sent 3 times." in kernel.run("%%minimax --n 3 --dry-run\nWhich?", "a").text
    assert len(simulator.log) == before


def test_tools_of_the_settings_are_not_offered(kernel, simulator):
    kernel.run("%minimax set tools python")
    run = kernel.run(f"{TWO}\nWhich?", "a")
    assert "tools" not in simulator.log[-1].body
    assert "those of the setting `tools` are not offered" in run.outputs[0]["data"]["text/html"]
    kernel.run("%minimax set tools none")


def test_a_thread_and_a_context_are_those_of_the_cell(kernel, simulator):
    kernel.run('%%minimax --thread side\nOne [[simulator: say="first"]]', "a")
    run = kernel.run(f"{TWO} --thread side --context 1\nTwo", "b")
    assert {each.thread for each in answers(run)} == {"side"}
    assert all("first" in str(each.body["messages"]) for each in simulator.log[-2:])


def test_a_program_that_runs_the_notebook_shows_and_replays_all(simulator, tmp_path, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_BASE_URL", simulator.base_url)
    monkeypatch.setenv("ANTHROPIC_API_KEY", simulator.key)
    cells = [
        "%load_ext mm_magics",
        "%%minimax -m MiniMax-M2.7,MiniMax-M2.5 --replay auto\nWhich?",
        "%%minimax --replay auto\nWhy?",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    path = tmp_path / "page.ipynb"
    monkeypatch.setenv("MINIMAX_NOTEBOOK", str(path))
    records = []
    for _ in range(2):
        nbformat.write(notebook, path)
        before = len(simulator.log)
        NotebookClient(notebook, kernel_name="python3").execute(cwd=str(tmp_path))
        records.append([cell.outputs[-1].data[MIME_TYPE] for cell in notebook.cells[1:]])
    assert len(simulator.log) == before
    assert records[0] == records[1]
    assert records[0][0]["undecided"]
    html = notebook.cells[1].outputs[-1].data["text/html"]
    assert "MiniMax-M2.7" in html
    assert "MiniMax-M2.5" in html


@pytest.mark.parametrize("is_interrupted", [False, True])
def test_a_comparison_below_a_prompt_in_the_background_waits_for_it(fresh_kernel, simulator, is_interrupted):
    page = Page(fresh_kernel)
    page.run("a", "%%minimax --background\nOne. [[simulator: deltas=40 rate=40]]")
    page.start("b", f"{TWO}\nTwo.")
    if is_interrupted:
        page.wait_for_text("a")
        fresh_kernel.interrupt()
        page.wait(lambda: "Interrupted" in page.text("b"))
        assert page.is_streaming("a")
        page.stop("a")
        return
    page.wait(lambda: bool(page.turns("b")) and not page.is_streaming("b"))
    assert [each.status for each in all_versions(Turn.from_record(page.turn("b")))] == ["complete"] * 2
    for each in simulator.log[-2:]:
        assert "One." in str(each.body["messages"][0])
        assert len(each.body["messages"]) == 3


def test_a_recorded_answer_is_shown_while_another_one_is_received(kernel):
    kernel.run("%%minimax -m MiniMax-M2.7 --context none\nWhich? [[simulator: deltas=20]]", "a")
    run = kernel.run(f"{TWO} --context none --replay auto\nWhich? [[simulator: deltas=20]]", "a")
    first, second = answers(run)[-2:]
    part = [op[2] for op in run.ops if op[0] == "part" and op[1] == 0]
    assert [op[2]["block"]["text"] for op in part if op[0] == "close" and "text" in op[2]["block"]] == [first.text]
    assert second.status == "complete"
