"""The notebook file is the history: restart, order, moving, clearing, replay, threads, `--sees`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from mm_magics.api.outside import content_of
from mm_magics.history.turn import MIME_TYPE
from tests.kernel.conftest import Kernel, Run

NOTEBOOKS = [
    path
    for path in sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
    if path.stem != "many"  # its rows come from a store, not from the notebook
]

pytestmark = pytest.mark.slow


class Page:
    """A notebook as in JupyterLab: its cells have ids, and its kernel knows the path of the file."""

    def __init__(self, path: Path, simulator, *sources: str) -> None:
        self.path, self.simulator = path, simulator
        self.cells = {"load": "%load_ext mm_magics"} | {f"id{number}": text for number, text in enumerate(sources)}
        self.outputs: dict[str, list] = {}
        self.kernel: Kernel | None = None
        self.save()

    def restart(self, **environment: str) -> None:
        if self.kernel:
            self.kernel.close()
        self.kernel = Kernel(
            {
                "JPY_SESSION_NAME": str(self.path),
                "ANTHROPIC_BASE_URL": self.simulator.base_url,
                "ANTHROPIC_API_KEY": self.simulator.key,
                **environment,
            }
        )
        self.kernel.run("%load_ext mm_magics", "load")

    def run(self, *ids: str) -> Run:
        for id_ in ids:
            run = self.kernel.run(self.cells[id_], id_)
            self.outputs[id_] = [self._output(each) for each in run.outputs]
        return run

    @staticmethod
    def _output(content: dict) -> nbformat.NotebookNode:
        if "ename" in content:
            return nbformat.v4.new_output("error", **content)
        if "name" in content:
            return nbformat.v4.new_output("stream", name=content["name"], text=content["text"])
        return nbformat.v4.new_output("display_data", data=content["data"])

    def save(self, later: float = 10.0) -> None:
        """Save the notebook, as if this many seconds had passed."""
        cells = [
            nbformat.v4.new_code_cell(source, id=id_, outputs=self.outputs.get(id_, []))
            for id_, source in self.cells.items()
        ]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), self.path)
        moment = time.time() + later
        os.utime(self.path, (moment, moment))

    def sent(self) -> list[str]:
        """The user texts of the last request."""
        messages = self.simulator.log[-1].body["messages"]
        return [each["content"][-1]["text"] for each in messages if each["role"] == "user"]


@pytest.fixture
def page(tmp_path, simulator):
    made = Page(tmp_path / "page.ipynb", simulator, *(f"%%minimax\n{word}" for word in ("One", "Two", "Three", "Four")))
    made.restart()
    yield made
    made.kernel.close()


def test_a_restarted_kernel_restores_the_notebooks_turns(page):
    page.run("id0", "id1")
    before = page.simulator.log[-1].body["messages"]
    answer = page.outputs["id1"][0].data[MIME_TYPE]["messages"][1]
    page.save()
    page.restart()
    run = page.run("id2")
    assert page.sent() == ["One", "Two", "Three"]
    assert page.simulator.log[-1].body["messages"][:4] == [*before, answer]
    assert page.simulator.log[-1].replayed
    assert all(each.unchanged for each in page.simulator.log[-1].replayed)
    assert "2 turns restored from page.ipynb." in run.outputs[0]["data"]["text/html"]
    assert "restored" not in page.run("id3").outputs[0]["data"]["text/html"]


def test_turns_are_in_document_order_not_in_execution_order(page):
    page.run("id0", "id2")
    page.save()
    page.run("id1")
    assert page.sent() == ["One", "Two"]
    page.run("id3")
    assert page.sent() == ["One", "Two", "Three", "Four"]
    assert "in document order" in page.kernel.run("%minimax").text


def test_moving_a_cell_moves_its_turn(page):
    page.run("id0", "id1", "id2")
    page.cells = {id_: page.cells[id_] for id_ in ("load", "id2", "id0", "id1", "id3")}
    page.save()
    page.run("id3")
    assert page.sent() == ["Three", "One", "Two", "Four"]
    assert page.kernel.run("%minimax history").text.count("stale") == 3


def test_clearing_an_output_or_deleting_a_cell_removes_its_turn(page):
    page.run("id0", "id1", "id2")
    del page.outputs["id0"], page.cells["id1"]
    page.save()
    page.run("id3")
    assert page.sent() == ["Three", "Four"]


def test_a_turn_newer_than_the_file_stays_in_the_history(page):
    page.run("id0", "id1")
    del page.outputs["id1"]
    page.save(later=-10)
    page.run("id2")
    assert page.sent() == ["One", "Two", "Three"]


def test_unreadable_records_are_reported_by_cell_and_skipped(page):
    page.run("id0", "id1", "id2")
    page.outputs["id0"][0].data[MIME_TYPE]["schema"] = 99
    page.outputs["id1"][0].data[MIME_TYPE]["messages"] = "cut"
    page.save()
    saved = page.path.read_bytes()
    page.restart()
    run = page.run("id3")
    assert page.sent() == ["Three", "Four"]
    note = "The answers in cells 2, 3 of page.ipynb are not used. See %minimax doctor."
    assert note in run.outputs[0]["data"]["text/html"]
    assert note not in page.run("id3").outputs[0]["data"]["text/html"]
    doctor = page.kernel.run("%minimax doctor").text
    assert "cell 2 (id0): The record has schema 99" in doctor
    assert "cell 3 (id1): The turn record is damaged: messages." in doctor
    assert page.path.read_bytes() == saved


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no notebook", "page.ipynb is not JSON."),
        (b"[]", "page.ipynb is JSON, but not a notebook."),
        (b" " * (100 * 1024 * 1024), "page.ipynb has 100 MB; the limit is 64 MB."),
        (None, "does not exist."),
    ],
    ids=["not JSON", "not a notebook", "100 MB", "gone"],
)
def test_an_unreadable_notebook_is_reported_and_the_kernel_keeps_its_turns(page, content, message):
    page.run("id0")
    if content is None:
        page.path.unlink()
    else:
        page.path.write_bytes(content)
    page.run("id1")
    assert page.sent() == ["One", "Two"]
    assert message in page.kernel.run("%minimax").text


def test_an_old_notebook_format_is_read(page):
    page.run("id0")
    page.save()
    old = nbformat.convert(nbformat.read(page.path, as_version=4), 3)
    page.path.write_text(nbformat.v3.writes_json(old))
    page.restart()
    assert "page.ipynb" in page.kernel.run("%minimax", "id1").text
    assert page.kernel.run("%minimax history").error is None


def test_an_interrupted_tool_call_in_a_file_does_not_poison_the_history(page):
    page.run("id0")
    record = page.outputs["id0"][0].data[MIME_TYPE]
    call = {"type": "tool_use", "id": "call_function_abcdefghijkl_1", "name": "f", "input": {}}
    record["messages"][1]["content"].append(call)
    page.save()
    page.restart()
    run = page.run("id1")
    assert run.turn["status"] == "complete"
    assert page.simulator.log[-1].body["messages"][2]["content"][0]["type"] == "tool_result"
    assert "and with all tool results" in " ".join(page.kernel.run("%minimax doctor").text.split())


def test_replaying_an_unchanged_notebook_sends_nothing_and_changes_nothing(page):
    page.run(*page.cells)
    page.save()
    saved, calls = page.path.read_bytes(), len(page.simulator.log)
    page.restart(MINIMAX_REPLAY="auto")
    page.outputs.clear()
    page.run(*page.cells)
    page.save()
    assert len(page.simulator.log) == calls
    assert page.path.read_bytes() == saved


def test_after_an_edit_only_the_affected_cells_send_requests(page):
    page.cells["id2"] = "%%minimax --context none\nThree"
    page.run(*page.cells)
    page.save()
    calls = len(page.simulator.log)
    page.cells["id1"] = "%%minimax\nTwo, but different"
    page.restart(MINIMAX_REPLAY="auto")
    page.run(*page.cells)
    prompts = [record.body["messages"][-1]["content"][0]["text"] for record in page.simulator.log[calls:]]
    assert prompts == ["Two, but different", "Four"]


def test_replay_only_never_sends_a_request(page):
    page.run("id0")
    page.save()
    calls = len(page.simulator.log)
    page.restart(MINIMAX_REPLAY="only", ANTHROPIC_API_KEY="", ANTHROPIC_BASE_URL="http://127.0.0.1:9/anthropic")
    assert page.run("id0").turn["status"] == "complete"
    assert page.run("id1").error["evalue"].startswith("There is no recorded answer to this request.")
    assert len(page.simulator.log) == calls


def test_replay_from_finds_records_of_other_notebooks(page, tmp_path):
    page.run("id0")
    page.save()
    (tmp_path / "more").mkdir()
    page.path.rename(tmp_path / "more" / "recorded.ipynb")
    page.outputs.clear()
    page.save()
    page.restart(MINIMAX_REPLAY="only")
    page.kernel.run(f"%config MiniMax.replay_from = [{str(tmp_path / 'more')!r}]")
    turn = page.run("id0").turn
    assert turn["status"] == "complete"
    assert turn["cell_id"] == "id0"


def test_a_fork_shares_earlier_turns_and_survives_a_restart(page):
    page.run("id0", "id1")
    page.kernel.run("%minimax fork other")
    page.run("id2")
    assert page.sent() == ["One", "Two", "Three"]
    page.save()
    page.restart()
    page.cells["id3"] = "%%minimax --thread other\nFour"
    page.run("id3")
    assert page.sent() == ["One", "Two", "Three", "Four"]
    page.cells["id3"] = "%%minimax\nFour"
    page.run("id3")
    assert page.sent() == ["One", "Two", "Four"]


def test_undo_and_clear_also_remove_turns_that_are_still_in_the_file(page):
    page.run("id0", "id1")
    page.save()
    assert "'Two'" in page.kernel.run("%minimax undo").text
    page.run("id2")
    assert page.sent() == ["One", "Three"]
    assert "2 turns" in page.kernel.run("%minimax clear").text
    page.save()
    page.run("id3")
    assert page.sent() == ["Four"]
    page.kernel.run("%minimax clear")
    assert page.kernel.run("%minimax undo").error["evalue"].endswith("there is nothing to undo.")


def test_save_load_and_export(page, tmp_path):
    page.run("id0", "id1")
    for name in ("all.json", "talk.md", "talk.html", "messages.json", "talk.py"):
        command = "save" if name == "all.json" else "export"
        assert page.kernel.run(f"%minimax {command} {tmp_path / name}").error is None
    assert (tmp_path / "talk.md").read_text().startswith("> One\n\n*I am the simulator")
    assert '<div class="prompt">Two</div>' in (tmp_path / "talk.html").read_text()
    messages = json.loads((tmp_path / "messages.json").read_text())
    assert [message["role"] for message in messages] == ["user", "assistant"] * 2
    environment = {**os.environ, "MINIMAX_API_KEY": page.simulator.key}
    script = subprocess.run(
        [sys.executable, str(tmp_path / "talk.py")], env=environment, capture_output=True, text=True
    )
    assert script.returncode == 0, script.stderr
    assert len(page.simulator.log[-1].body["messages"]) == 5
    page.restart()
    page.kernel.run(f"%minimax load {tmp_path / 'all.json'}")
    page.run("id3")
    assert page.sent() == ["One", "Two", "Four"]
    failed = page.kernel.run("%minimax export /nonexistent/talk.md")
    assert failed.error["evalue"] == "/nonexistent/talk.md cannot be written: No such file or directory."


def test_sees_above_sends_the_cells_since_the_last_prompt_with_their_outputs(page):
    page.cells = {
        "load": "%load_ext mm_magics",
        "a": "x = 6 * 7\nprint('printed', x)",
        "b": "%%minimax --sees above\nWhat is x?",
        "c": "{'left': x}",
        "d": "1 / 0",
        "e": "%%minimax --sees above\nAnd now?",
    }
    page.save()
    page.run("a", "b")
    first = page.simulator.log[-1].body["messages"][-1]["content"]
    assert content_of(first[0]["text"]) == (
        '<cell id="load">\n%load_ext mm_magics\n</cell>\n'
        "<cell id=\"a\">\nx = 6 * 7\nprint('printed', x)\n<output>\nprinted 42\n</output>\n</cell>"
    )
    assert first[1]["text"] == "What is x?"
    page.run("c", "d", "e")
    messages = page.simulator.log[-1].body["messages"]
    assert messages[0]["content"] == first
    second = messages[-1]["content"][0]["text"]
    assert "<output>\n{'left': 42}\n</output>" in second
    assert "ZeroDivisionError: division by zero" in second
    assert "\x1b" not in second
    assert 'id="a"' not in second
    page.run("e")
    assert page.simulator.log[-1].body["messages"] == messages


def test_explain_sends_the_cell_of_the_last_error(page):
    assert (
        page.kernel.run("%minimax explain", "x")
        .error["evalue"]
        .startswith("No cell in this kernel has raised an error.")
    )
    page.kernel.run("1 / 0", "bad")
    run = page.kernel.run("%minimax explain", "x")
    assert run.turn["status"] == "complete"
    text = page.simulator.log[-1].body["messages"][-1]["content"][0]["text"]
    assert "1 / 0" in text
    assert "ZeroDivisionError" in text


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_nbval_papermill_and_nbclient_replay_our_notebooks_with_no_key_and_no_server(tmp_path, path):
    environment = {**os.environ, "MINIMAX_REPLAY": "only", "MINIMAX_NOTEBOOK": str(path)}
    stored = nbformat.read(path, as_version=4)
    document = nbformat.read(path, as_version=4)
    NotebookClient(document, kernel_name="python3").execute(env=environment)
    prompts = [number for number, cell in enumerate(stored.cells) if cell.source.startswith("%%minimax")]
    assert [document.cells[number].outputs for number in prompts] == [
        stored.cells[number].outputs for number in prompts
    ]
    nbval = [sys.executable, "-m", "pytest", "-p", "nbval", "--nbval", "-p", "no:cacheprovider", "-q", str(path)]
    done = subprocess.run(
        [*nbval, "--rootdir", str(tmp_path), "-c", os.devnull], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    papermill = [sys.executable, "-m", "papermill", str(path), "out.ipynb", "-k", "python3", "--no-progress-bar"]
    subprocess.run(papermill, env=environment, cwd=tmp_path, check=True, capture_output=True)
    run = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    assert [run.cells[number].outputs for number in prompts] == [stored.cells[number].outputs for number in prompts]


def test_a_renamed_notebook_is_followed_and_a_moved_one_is_reported(page):
    page.run("id0")
    page.save()
    page.run("id1")
    page.path = page.path.rename(page.path.with_name("talk.ipynb"))
    del page.outputs["id0"]
    page.save()
    page.run("id2")
    assert page.sent() == ["Two", "Three"]
    assert "talk.ipynb" in page.kernel.run("%minimax").text
    (page.path.parent / "elsewhere").mkdir()
    page.path.rename(page.path.parent / "elsewhere" / "talk.ipynb")
    run = page.run("id3")
    assert page.sent() == ["Two", "Three", "Four"]
    assert (
        "talk.ipynb does not exist. The turns in the kernel's memory are used." in run.outputs[0]["data"]["text/html"]
    )
    assert "does not exist" not in page.run("id3").outputs[0]["data"]["text/html"]
