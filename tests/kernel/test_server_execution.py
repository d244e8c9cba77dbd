"""Cells that the Jupyter server executes: requests without a cell id, as two server extensions send them."""

from __future__ import annotations

import os
import subprocess
import sys

import nbformat
import pytest

from mm_magics.history.turn import MIME_TYPE
from tests.kernel.conftest import Kernel
from tests.kernel.test_comms import FrontEnd, output, sent
from tests.kernel.test_running_turn import ops_of

BUNDLE = [MIME_TYPE, "text/html", "text/markdown", "text/plain"]
ALLOW_STDIN = {"jupyter-server-nbmodel 0.2.9": True, "jupyter-server-documents 0.3.3": False}
"""What tells their requests apart. Both have `{}` as metadata."""


class ServerPage(FrontEnd):
    """A page with the extension, whose server executes its cells."""

    def __init__(self, kernel: Kernel, stdin: bool, sources: dict[str, str]) -> None:
        super().__init__(kernel)
        self.stdin = stdin
        self.cells = {id_: {"cell_type": "code", "source": source, "outputs": []} for id_, source in sources.items()}

    def schedule(self, *cell_ids: str) -> None:
        """Name the cells before the server runs them, all at once."""
        for number, cell_id in enumerate(cell_ids, 1):
            self.describe(self.cells, list(cell_ids[:number]), scheduled=[cell_id])

    def execute(self, cell_id: str, **options):
        run = self.kernel.run(self.cells[cell_id]["source"], stdin=self.stdin, **options)
        if any(MIME_TYPE in each.get("data", {}) for each in run.outputs):
            self.cells[cell_id] = {**self.cells[cell_id], "outputs": [output(run)]}
        return run

    def run(self, cell_id: str):
        self.schedule(cell_id)
        return self.execute(cell_id)


@pytest.fixture(params=ALLOW_STDIN.values(), ids=[name.replace(" ", "-") for name in ALLOW_STDIN])
def stdin(request):
    return request.param


def test_the_page_names_the_cell_and_the_output_is_one_final_bundle(kernel, simulator, stdin):
    page = ServerPage(
        kernel, stdin, {"a": "%%minimax\nMy name is Ada.", "b": "%%minimax\nWhat is my name?", "c": "%minimax history"}
    )
    for cell_id in ("a", "b"):
        run = page.run(cell_id)
        (shown,) = run.outputs
        assert sorted(shown["data"]) == BUNDLE
        assert "\x1b" not in str(run.messages)
        assert not [kind for kind, _ in run.messages if kind == "update_display_data"]
        assert run.turn["cell_id"] == cell_id
    assert sent(simulator) == ["My name is Ada.", "What is my name?"]
    assert "Your name is **Ada**" in page.cells["b"]["outputs"][0]["data"]["text/markdown"]
    history = page.run("c").text
    assert history.count("complete") == 2


def test_a_cell_that_runs_again_does_not_see_the_turns_below_it(kernel, simulator, stdin):
    page = ServerPage(kernel, stdin, {"a": "%%minimax\nOne.", "b": "%%minimax\nTwo."})
    page.run("a")
    page.run("b")
    assert len(sent(simulator)) == 2
    page.run("a")
    assert len(sent(simulator)) == 1
    page.run("b")
    assert len(sent(simulator)) == 2


def test_cells_with_the_same_source_are_distinguished_by_the_order_in_which_they_run(kernel, simulator, stdin):
    page = ServerPage(kernel, stdin, dict.fromkeys("abc", "%%minimax\nMore."))
    page.schedule("a", "b", "c")
    assert [page.execute(each).turn["cell_id"] for each in "abc"] == ["a", "b", "c"]
    assert page.run("c").turn["cell_id"] == "c"
    assert page.run("a").turn["cell_id"] == "a"
    assert len(sent(simulator)) == 1


def test_a_cell_that_never_ran_does_not_shift_the_others(kernel, stdin):
    page = ServerPage(kernel, stdin, {"a": "1 / 0", "b": "%%minimax\nTwo.", "c": "%%minimax\nThree."})
    page.schedule("a", "b", "c")
    page.execute("a")  # the server drops b and c after an error
    assert page.run("c").turn["cell_id"] == "c"
    assert page.run("b").turn["cell_id"] == "b"


def test_an_error_and_a_quiet_turn_end_with_one_output_too(kernel, stdin):
    page = ServerPage(
        kernel, stdin, {"a": "%%minimax --quiet\nOne.", "b": "%%minimax\nTwo. [[simulator: fault=mid_error]]"}
    )
    assert [sorted(each["data"]) for each in page.run("a").outputs] == [BUNDLE]
    run = page.run("b")
    assert [sorted(each["data"]) for each in run.outputs if "data" in each] == [BUNDLE]
    assert run.turn["status"] == "failed"


def test_the_doctor_names_the_front_end(kernel, stdin):
    page = ServerPage(kernel, stdin, {"a": "%minimax doctor"})
    text = page.run("a").text
    assert any(line.split()[-3:] == ["front", "end", "server"] for line in text.splitlines())


# --- While it streams ---

WIPE = """
from mm_magics import minimax_tool
@minimax_tool(asks=True)
def wipe() -> str:
    return "wiped"
"""


def is_text(kind, content) -> bool:
    return any(op[0] == "add" for op in ops_of(kind, content))


def test_the_answer_streams_in_messages_and_nothing_is_displayed_before_its_end(kernel, stdin):
    page = ServerPage(kernel, stdin, {"a": "%%minimax\nMore. [[simulator: deltas=40 rate=100]]"})
    run = page.run("a")
    kinds = [kind for kind, _ in run.messages if kind not in ("status", "execute_input")]
    assert kinds.index("display_data") > kinds.index("comm_msg")
    assert set(kinds) == {"comm_msg", "display_data"}
    assert {(each["cell"], each["displayed"], each["turn"]) for each in run.turn_messages} == {
        ("a", False, run.turn["id"])
    }
    assert run.ops[0][0] == "record"
    assert len([op for op in run.ops if op[0] == "add"]) > 5
    assert run.ops[-1][1]["status"] == "complete"


def test_stop_ends_the_answer(kernel, stdin):
    page = ServerPage(kernel, stdin, {"a": "%%minimax\nMore. [[simulator: deltas=2000 rate=100]]"})
    page.schedule("a")
    run = page.execute("a", when=is_text, then=lambda: kernel.request({"type": "stop"}))
    assert run.turn["status"] == "stopped"
    assert [sorted(each["data"]) for each in run.outputs] == [BUNDLE]


def test_a_call_is_allowed_with_the_buttons_of_the_page(kernel, stdin):
    kernel.run(WIPE)
    page = ServerPage(kernel, stdin, {"a": "%%minimax --tools wipe\nUse wipe, please."})
    page.schedule("a")
    question = {}

    def asks(kind, content) -> bool:
        for op in ops_of(kind, content):
            if op[0] == "tool" and op[2]["state"] == "asking":
                asked, turn = op[2]["question"], content["data"]["content"]["turn"]
                question.update(question=asked["id"], sha256=asked["sha256"], turn=turn)
        return bool(question)

    def allow() -> None:
        turn = question.pop("turn")
        decision = {"type": "decide", "allowed": True, "always": False, "reason": "", **question}
        assert kernel.request({"type": "here"}, turn) == {"received": True}
        assert kernel.request(decision, turn) == {"received": True}

    run = page.execute("a", when=asks, then=allow)
    assert run.turn["responses"][0]["tools"][0]["outcome"] == "done"


# --- Without the extension ---


@pytest.fixture
def bare(simulator, tmp_path):
    """A kernel that the Jupyter server started for a saved notebook."""
    path = tmp_path / "page.ipynb"
    cells = [nbformat.v4.new_code_cell(f"%%minimax\n{word}.", id=word) for word in ("one", "two")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    endpoint = {"ANTHROPIC_BASE_URL": simulator.base_url, "ANTHROPIC_API_KEY": simulator.key}
    kernel = Kernel({**endpoint, "JPY_SESSION_NAME": str(path)})
    yield kernel
    kernel.close()


@pytest.mark.slow
def test_without_the_extension_the_first_prompt_and_the_doctor_say_what_is_missing(bare, stdin):
    assert bare.run("%load_ext mm_magics", stdin=stdin).error is None
    missing = "The Jupyter server executes the cells of this notebook, and the page has no mm_magics extension"
    notes = []
    for word in ("one", "two"):
        run = bare.run(f"%%minimax\n{word}.", stdin=stdin)
        (shown,) = run.outputs
        assert sorted(shown["data"]) == BUNDLE
        assert run.turn["cell_id"] == word
        notes.append(shown["metadata"].get(MIME_TYPE))
    assert [missing in str(each) for each in notes] == [True, False]
    assert f"front end: plain. {missing}" in bare.run("%minimax doctor", stdin=stdin).text
    assert bare.run("%minimax history", stdin=stdin).text.count("complete") == 2


@pytest.mark.slow
def test_a_page_that_lost_the_kernel_to_another_one_says_so(bare, stdin):
    """Of two pages, jupyter-server-documents connects the last one: the kernel knows a page, but not this cell."""
    assert bare.run("%load_ext mm_magics", stdin=stdin).error is None
    page = ServerPage(bare, stdin, {word: f"%%minimax\n{word}." for word in ("one", "two")})
    page.schedule()
    page.describe(page.cells, [])
    (shown,) = bare.run("%%minimax\none.", stdin=stdin).outputs
    notes = str(shown["metadata"][MIME_TYPE])
    assert "only the page that connected last can follow them" in notes
    assert "Reload this page" in notes
    assert "no mm_magics extension" not in notes


IN_A_CHILD = """
from jupyter_client.manager import start_new_kernel
manager, client = start_new_kernel(kernel_name="python3")
code = "from mm_magics.ipython import frontend; print(frontend.notebook_path(get_ipython()))"
client.execute_interactive(code)
client.stop_channels()
manager.shutdown_kernel(now=True)
"""


@pytest.mark.slow
def test_a_kernel_that_a_cell_started_does_not_use_the_notebook_of_that_cell(tmp_path):
    environment = {
        **os.environ,
        "JPY_SESSION_NAME": str(tmp_path / "page.ipynb"),
        "PYTHONPATH": os.pathsep.join(
            [os.environ.get("PYTHONPATH", ""), str(tmp_path)]
        ),  # for a kernel that is not a fork
    }
    run = subprocess.run([sys.executable, "-c", IN_A_CHILD], env=environment, capture_output=True, text=True)
    assert run.stdout == "None\n"
