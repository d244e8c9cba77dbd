"""`%%minimax --map` in a kernel: the data frame, the summary turn, Stop, interrupts and errors."""

from __future__ import annotations

import os
import time

import nbformat
import pytest
from nbclient import NotebookClient

from mm_magics.history.turn import MIME_TYPE
from tests.turns import broken_rules

FRAME = "import pandas as pd\ndf = pd.DataFrame({'text': ['a', 'b', 'c']}, index=[9, 9, 7])"
OK = '{{ row.text }} [[simulator: thinking="" say="ok"]]'
MAP = f"%%minimax --map df --into label\n{OK}"
SLOW = '{{ row.text }} [[simulator: thinking="" say="ok" wait=0.2]]'
LONG = "df = pd.DataFrame({'text': [f't{n}' for n in range(40)]})"


@pytest.fixture
def mapping(kernel, tmp_path):
    """A kernel with a data frame of three rows, in its own folder."""
    kernel.run(f"%cd -q {tmp_path}\n{FRAME}\n%config MiniMax.concurrency = 4")
    return kernel


def value(kernel, expression):
    run = kernel.run(f"print({expression})")
    assert run.error is None, run.error
    return run.text.strip()


def failed(kernel, code):
    """The one clear line or two of a cell that fails."""
    run = kernel.run(code, "x")
    assert run.error is not None
    assert len(run.error["evalue"].splitlines()) <= 2
    return " ".join(run.error["evalue"].splitlines())


def test_the_frame_gets_its_answers_and_the_cell_one_bundle(mapping, simulator):
    before = len(simulator.log)
    run = mapping.run(MAP, "a")
    (output,) = run.outputs
    assert sorted(output["data"]) == [MIME_TYPE, "text/html", "text/markdown", "text/plain"]
    assert value(mapping, "df['label'].tolist(), df.index.tolist(), list(df.columns)") == (
        "['ok', 'ok', 'ok'] [9, 9, 7] ['text', 'label', 'label_error']"
    )
    assert len(simulator.log) == before + 3
    assert broken_rules(run.turn) == []
    assert run.turn["responses"][0]["calls"] == 3
    assert "Map run over 3 rows of `df`: 3 answered, 0 failed" in output["data"]["text/markdown"]
    states = [op[1] for op in run.ops if op[0] == "state"]
    assert any("3 of 3 rows" in note for state in states for note in state.get("notes", []))
    assert states[-1]["status"] == "complete"


def calls_made(mapping) -> int:
    """How many calls this kernel made, by its ledger. (The plain text depends on how many columns fit.)"""
    (output,) = mapping.run("%minimax usage").outputs
    rows = [line.strip("| ").split(" | ") for line in output["data"]["text/markdown"].splitlines()]
    return sum(int(row[2].replace(",", "")) for row in rows if row[0].startswith("this kernel") and row[1] != "all")


def test_a_run_adds_one_turn_and_usage_counts_its_calls(mapping, simulator):
    before = calls_made(mapping)
    mapping.run(MAP, "a")
    assert calls_made(mapping) == before + 3
    mapping.run("%%minimax\nAnd now?", "b")
    sent = simulator.log[-1].body["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "user"]
    assert sent[0]["content"][0]["text"] == OK
    assert sent[1]["content"][0]["text"].startswith("Map run over 3 rows")


def test_a_column_of_other_data_with_the_same_name_is_never_replaced(mapping):
    mapping.run(MAP, "a")
    mapping.run("df = pd.DataFrame({'text': ['a'], 'label': ['mine']})")
    assert mapping.run(MAP.replace("label", "other"), "b").error is None
    assert "The data already has a column named label." in failed(mapping, MAP)
    assert value(mapping, "df['label'].tolist(), df['other'].tolist()") == "['mine'] ['ok']"


def test_running_again_replaces_its_own_column_and_sends_nothing(mapping, simulator):
    mapping.run(MAP, "a")
    before = len(simulator.log)
    run = mapping.run(MAP, "a")
    assert run.error is None
    assert value(mapping, "list(df.columns)") == "['text', 'label', 'label_error']"
    assert len(simulator.log) == before
    mapping.run("df['mine'] = 1\ndf = df.copy()")
    assert "The data already has a column named label." in failed(mapping, MAP)
    assert "The data already has a column named mine." in failed(mapping, MAP.replace("label", "mine"))
    assert len(simulator.log) == before


def test_answers_for_a_list_are_assigned_to_a_variable(mapping):
    mapping.run("words = ['a', None, 'b']")
    ask = '{{ row }} [[simulator: thinking="" say="ok" fault=unknown-error times=1]]'
    mapping.run("%config MiniMax.max_retries = 0")
    run = mapping.run(f"%%minimax --map words --into label -o run\n{ask}", "a")
    assert run.error is None
    assert value(mapping, "label, [error.row for error in run.errors]") == "[None, None, None] [0, 1, 2]"
    assert value(mapping, "run.retry_failed().values") == "['ok', None, 'ok']"
    assert value(mapping, "words") == "['a', None, 'b']"


def test_a_dry_run_shows_the_first_prompts_and_sends_nothing(mapping, simulator):
    before = len(simulator.log)
    shown = mapping.run(MAP.replace("--into", "--dry-run --into"), "a").text
    assert "--- row 0\na [[simulator:" in shown
    assert "Nothing was sent. 3 rows: 3 calls, 0 answers from the store" in shown
    assert "≈ $0.00" in shown
    assert value(mapping, "list(df.columns)") == "['text']"
    assert len(simulator.log) == before


ESCAPES = "\x1b]0;title\x07 \x9b2J \x7f \u202e"


@pytest.mark.parametrize("cell", ["%%minimax --dry-run\n{{ evil }}", "%%minimax --map evils --dry-run\n{{ row }}"])
def test_a_dry_run_prints_no_control_character(mapping, cell):
    mapping.run(f"evil = {ESCAPES!r}; evils = [evil]")
    shown = mapping.run(cell, "a").text
    assert "[U+009B]2J" in shown
    assert not set("\x1b\x07\x9b\x7f\u202e") & set(shown)


def test_replay_only_uses_stored_answers_and_sends_nothing(mapping, simulator):
    only = MAP.replace("--into", "--replay only --into")
    assert "3 of 3 rows have no stored answer." in failed(mapping, only)
    mapping.run(f"{FRAME}")
    mapping.run(MAP, "a")
    before = len(simulator.log)
    assert mapping.run(f"{FRAME}\n").error is None
    assert mapping.run(only, "a").error is None
    assert value(mapping, "df['label'].tolist()") == "['ok', 'ok', 'ok']"
    assert len(simulator.log) == before


def test_a_schema_makes_columns_and_a_budget_of_zero_makes_errors(mapping, simulator):
    mapping.run("from dataclasses import dataclass\n@dataclass\nclass Label:\n    word: str\n    score: int")
    run = mapping.run("%%minimax --map df --schema Label --figures\nLabel '{{ row.text }}' 7.", "a")
    assert run.error is None
    assert value(mapping, "df['word'].tolist(), df['score'].tolist()") == "['a', 'b', 'c'] [7, 7, 7]"
    assert value(mapping, "list(df.columns)[-3:]") == "['answer_tokens_in', 'answer_tokens_out', 'answer_cost']"
    before = len(simulator.log)
    mapping.run("%%minimax --map df --into other --budget 0\nOther {{ row.text }}", "b")
    assert value(mapping, "set(df['other_error'])") == "{'Not sent: the budget of $0 is spent.'}"
    assert len(simulator.log) == before


def test_a_trial_shows_its_rows_in_a_table_and_stops_a_run_that_agrees_too_little(mapping, simulator):
    mapping.run("df = pd.DataFrame({'text': [f'r{n}' for n in range(60)], 'truth': ['ok'] * 45 + ['bad'] * 15})")
    before = len(simulator.log)
    cell = MAP.replace("--into", "--trial 40 --label truth --into")
    run = mapping.run(f"{cell.replace('--into', '-o trial --into')}", "a")
    assert run.error is None
    assert len(simulator.log) == before + 40
    (output,) = run.outputs
    assert "Trial with 40 of 60 rows of `df`: 40 answered, 0 failed" in output["data"]["text/markdown"].replace(
        "\\", ""
    )
    assert output["data"]["text/html"].count("<tr>") == 41
    assert value(mapping, "trial.agreement.n, list(df.columns), len(trial.frame)") == "40 ['text', 'truth'] 40"
    assert "is below the required 0.9: agreement 0." in failed(mapping, cell.replace("--into", "--require .9 --into"))
    assert len(simulator.log) == before + 40
    assert mapping.run(MAP, "b").error is None
    assert len(simulator.log) == before + 60


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--map nope", "`nope` is not defined in this notebook."),
        ("--into x", "--into needs --map."),
        ("--budget 2", "--budget needs --map."),
        ("--map df --as json", "--as cannot be combined with --map."),
        ("--pack 3", "--pack needs --map."),
        ("--map df --pack 0", "'0' is less than 1"),
        ("--trial 3", "--trial needs --map."),
        ("--map df --label text", "label needs trial."),
        ("--map df --trial 0", "'0' is less than 1"),
        ("--map df --trial 3 --require 85", "85 is not a share above 0 and below 1, such as 0.85"),
        ("--map df --trial 3 --label nope", "label: there is no column nope; the columns are text."),
        ("--map df --sees above", "--sees cannot be combined with --map."),
        ("--map df --edits ask", "--edits cannot be combined with --map."),
        ("--map df --raw", "--raw cannot be combined with --map."),
        ("--map df --tools python", "python requires approval, and a map run only calls tools that read."),
        ("--map df --schema nope", "`nope` is not defined in this notebook."),
        ("--map df --engine nope", "`nope` is not defined in this notebook."),
        ("--map df --engine df", "--engine needs a distributed.Client, not a value of type DataFrame."),
        ("--map df --budget -1", "is not an amount of US dollars"),
        ("--map df --into text", "The data already has a column named text."),
        ("--map OK", "A value of type str has no rows."),
    ],
)
def test_an_invalid_flag_is_an_error_of_one_line_and_nothing_is_sent(mapping, simulator, flags, message):
    before = len(simulator.log)
    mapping.run("OK = 'text'")
    assert message in failed(mapping, f"%%minimax {flags}\n{OK if 'OK' not in flags else 'Hello.'}")
    assert len(simulator.log) == before
    assert value(mapping, "list(df.columns)") == "['text']"


def test_a_missing_column_in_the_template_is_an_error(mapping):
    message = failed(mapping, "%%minimax --map df\n{{ row.txet }}")
    assert "there is no column txet; the columns are text" in message


@pytest.mark.slow
def test_after_an_interrupt_every_finished_row_is_kept_and_the_cell_can_continue(mapping, simulator):
    mapping.run(f"{LONG}\n%config MiniMax.concurrency = 2")
    before = len(simulator.log)
    code = f"%%minimax --map df --into label\n{SLOW}"
    run = mapping.run(
        code,
        "a",
        when=lambda kind, content: " of 40 rows" in str(content) and "█" in str(content),
        then=mapping.interrupt,
    )
    assert run.error["ename"] == "TurnInterruptedError"
    assert run.error["traceback"] == ["Interrupted.", "The partial response is kept."]
    assert run.turn["status"] == "stopped"
    assert broken_rules(run.turn) == []
    done = int(value(mapping, "df['label'].notna().sum()"))
    assert 1 <= done < 40
    mapping.run("%config MiniMax.concurrency = 16")
    assert mapping.run(code, "a").error is None
    assert value(mapping, "df['label'].tolist() == ['ok'] * 40") == "True"
    assert len(simulator.log) - before <= 40 + 4


@pytest.mark.slow
def test_an_interrupt_before_the_first_answer_changes_nothing(mapping):
    silent = "%%minimax --map df --into label\n{{ row.text }} [[simulator: fault=silence-before-headers]]"

    def later():
        time.sleep(0.5)
        mapping.interrupt()

    run = mapping.run(silent, "a", when=lambda kind, _: kind == "comm_msg", then=later)
    assert run.error["traceback"] == ["Interrupted.", "No response was received."]
    assert value(mapping, "list(df.columns)") == "['text']"
    assert "0 turns" in mapping.run("%minimax").text


def test_a_pause_is_shown_beside_the_progress(mapping):
    busy = '{{ row.text }} [[simulator: thinking="" say="ok" fault=rate-limit retry_after=1 times=1]]'
    run = mapping.run(f"%%minimax --map df --into label\n{busy}", "a")
    assert run.error is None
    notes = [op[1].get("notes", []) for op in run.ops if op[0] == "state"]
    assert any("of 3 rows" in each[0] and "all calls wait 1 s" in each[1] for each in notes if len(each) == 2)


def test_a_console_shows_one_line_of_progress_and_the_summary(mapping):
    run = mapping.run(MAP, stdin=True)
    assert "\r████████████████████ 3 of 3 rows" in run.text
    assert "Map run over 3 rows of `df`: 3 answered" in run.text


@pytest.mark.slow
def test_nbclient_stores_one_final_bundle(simulator, tmp_path):
    environment = {**os.environ, "ANTHROPIC_BASE_URL": simulator.base_url, "ANTHROPIC_API_KEY": simulator.key}
    sources = ("%load_ext mm_magics", FRAME, MAP, "df['label'].tolist()")
    document = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    NotebookClient(document, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute(
        env=environment
    )
    (output,) = document.cells[2].outputs
    assert sorted(output.data) == [MIME_TYPE, "text/html", "text/markdown", "text/plain"]
    assert broken_rules(output.data[MIME_TYPE]) == []
    assert document.cells[3].outputs[0].data["text/plain"] == "['ok', 'ok', 'ok']"
