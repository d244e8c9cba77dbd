"""Messages from the JupyterLab extension: the live notebook before each execution."""

from __future__ import annotations

import queue
import time
import uuid

import nbformat
import pytest

from mm_magics.history.turn import MIME_TYPE
from tests.kernel.conftest import Kernel


class FrontEnd:
    """Opens the comms and describes a page, as the extension does."""

    def __init__(self, kernel) -> None:
        self.kernel = kernel
        self.document = self.open("mm_magics.document")
        self.sent: dict[str, dict] = {}

    def open(self, target: str) -> str:
        comm_id = uuid.uuid4().hex
        content = {"comm_id": comm_id, "target_name": target, "data": {}}
        self.kernel.client.shell_channel.send(self.kernel.client.session.msg("comm_open", content))
        return comm_id

    def send(self, comm_id: str, data: dict, subshell: str | None = None) -> None:
        message = self.kernel.client.session.msg("comm_msg", {"comm_id": comm_id, "data": data})
        if subshell:
            message["header"]["subshell_id"] = subshell
        self.kernel.client.shell_channel.send(message)

    def describe(self, cells: dict[str, dict], pending: list[str], **more: object) -> None:
        changed = {id_: cell for id_, cell in cells.items() if self.sent.get(id_) != cell}
        self.sent |= changed
        data = {
            "name": "page.ipynb",
            "order": list(cells),
            "pending": pending,
            "changed": changed,
            "sent_at": time.time(),
            **more,
        }
        self.send(self.document, data)


def cell(word: str, *outputs: dict) -> dict:
    return {"cell_type": "code", "source": f"%%minimax\n{word}", "outputs": list(outputs)}


def output(run) -> dict:
    return dict(nbformat.v4.new_output("display_data", data=run.outputs[0]["data"]))


def sent(simulator) -> list[str]:
    return [each["content"][-1]["text"] for each in simulator.log[-1].body["messages"] if each["role"] == "user"]


def test_an_unsaved_live_notebook_provides_the_order_and_the_turns(fresh_kernel, simulator):
    kernel, page = fresh_kernel, {"a": cell("One"), "b": cell("Two"), "c": cell("Three")}
    front_end = FrontEnd(kernel)
    for id_, word in (("a", "One"), ("c", "Three")):
        front_end.describe(page, [id_])
        page[id_] = cell(word, output(kernel.run(f"%%minimax\n{word}", id_)))
    front_end.describe(page, ["b"])
    page["b"] = cell("Two", output(kernel.run("%%minimax\nTwo", "b")))
    assert sent(simulator) == ["One", "Two"]
    page = {"c": page["c"], "a": cell("One"), "b": page["b"], "d": cell("Four")}
    kernel.run("import time; time.sleep(0)")
    kernel.run("session = get_ipython().magics_manager.registry['MiniMaxMagics'].session")
    kernel.run("session.history._entries = {k: type(e)(e.turn, 0.0) for k, e in session.history._entries.items()}")
    front_end.describe(page, ["d"])
    kernel.run("%%minimax\nFour", "d")
    assert sent(simulator) == ["Three", "Two", "Four"]
    assert "page.ipynb, live from the front end" in kernel.run("%minimax").text


def test_pending_cells_keep_their_turns(fresh_kernel, simulator):
    kernel, page = fresh_kernel, {"a": cell("One"), "b": cell("Two")}
    front_end = FrontEnd(kernel)
    front_end.describe(page, ["a", "b"])
    kernel.run("%%minimax\nOne", "a")
    front_end.describe(page, ["a", "b"])
    kernel.run("%%minimax\nTwo", "b")
    assert sent(simulator) == ["One", "Two"]


def test_a_new_kernel_restores_the_turns_from_the_page(fresh_kernel, kernel, simulator):
    turn = output(kernel.run("%%minimax\nOne", "a"))
    page = {"a": cell("One", turn), "b": cell("Two")}
    front_end = FrontEnd(fresh_kernel)
    front_end.describe(page, ["b"])
    run = fresh_kernel.run("%%minimax\nTwo", "b")
    assert sent(simulator) == ["One", "Two"]
    assert "1 turn restored from page.ipynb." in run.outputs[0]["data"]["text/html"]
    assert run.outputs[0]["metadata"] == {MIME_TYPE: {"notes": ["1 turn restored from page.ipynb."]}}
    assert turn["data"][MIME_TYPE]["status"] == "complete"


def test_an_invalid_description_changes_nothing(fresh_kernel):
    front_end = FrontEnd(fresh_kernel)
    front_end.send(front_end.document, {"order": "nonsense"})
    assert fresh_kernel.run("%%minimax\nOne", "a").turn["status"] == "complete"
    assert "unknown description of the notebook" in fresh_kernel.run("%minimax").text


def test_notebook_settings_come_after_the_kernels_and_before_the_defaults(fresh_kernel, simulator):
    kernel = fresh_kernel
    front_end = FrontEnd(kernel)
    mine = {"model": "MiniMax-M2.1", "temperature": 0.3, "max_tokens": -1, "base_url": "https://example.org", "x": 1}
    data = {"name": "page.ipynb", "order": ["a"], "pending": ["a"], "changed": {"a": cell("One")}, "settings": mine}
    front_end.send(front_end.document, data)
    kernel.run("%%minimax -t 0.9\nOne", "a")
    body = simulator.log[-1].body
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("MiniMax-M2.1", 0.9, 65_536)
    kernel.run("%minimax model MiniMax-M2")
    kernel.run("%%minimax\nOne", "a")
    body = simulator.log[-1].body
    assert (body["model"], body["temperature"]) == ("MiniMax-M2", 0.3)


def answers(kernel) -> list[dict]:
    """Return what the kernel sends on the document comm outside executions, until it is silent."""
    found = []
    while True:
        try:
            message = kernel.client.get_iopub_msg(timeout=2)
        except queue.Empty:
            return found
        if message["msg_type"] == "comm_msg" and "settings" not in message["content"]["data"]:
            found.append(message["content"]["data"])


def test_a_page_opened_later_receives_the_missing_outputs(fresh_kernel):
    kernel, page = fresh_kernel, {"a": cell("One"), "b": cell("Two"), "c": cell("Three")}
    before = time.time()
    page["a"] = cell("One", output(kernel.run("%%minimax\nOne", "a")))
    two = kernel.run("%%minimax\nTwo", "b")
    FrontEnd(kernel).describe(page, [], since=time.time() + 1)
    assert answers(kernel) == []
    FrontEnd(kernel).describe(page, [], since=before)
    ((sent,)) = answers(kernel)
    assert sent == {"outputs": {"b": {"data": two.outputs[0]["data"], "metadata": {}}}}


def test_a_page_receives_the_marks_of_stale_turns_once(fresh_kernel):
    kernel, page = fresh_kernel, {"a": cell("One"), "b": cell("Two")}
    front_end = FrontEnd(kernel)
    for id_, word in (("a", "One"), ("b", "Two"), ("a", "Changed")):
        front_end.describe(page, [id_])
        run = kernel.run(f"%%minimax\n{word}", id_)
        page[id_] = cell(word, output(run))
    sent_marks = [
        content["data"] for kind, content in run.messages if kind == "comm_msg" and "marks" in content["data"]
    ]
    assert sent_marks == [{"marks": {"b": {page["b"]["outputs"][0]["data"][MIME_TYPE]["id"]: ["stale"]}}}]
    front_end.describe(page, [])
    assert answers(kernel) == []


@pytest.mark.slow
def test_a_page_that_does_not_describe_the_notebook_uses_the_file(simulator, tmp_path):
    """A page without the extension shares the kernel of a page with it, which shows another version."""
    path = tmp_path / "page.ipynb"
    cells = [nbformat.v4.new_code_cell(f"%%minimax\n{word}", id=id_) for id_, word in (("a", "One"), ("b", "Two"))]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    endpoint = {"ANTHROPIC_BASE_URL": simulator.base_url, "ANTHROPIC_API_KEY": simulator.key}
    kernel = Kernel({**endpoint, "JPY_SESSION_NAME": str(path)})
    try:
        kernel.run("%load_ext mm_magics", "load")
        front_end, page = FrontEnd(kernel), {"b": cell("Two"), "a": cell("One")}
        own = kernel.client.session.session
        front_end.describe(page, ["b"], page=own)
        page["b"] = cell("Two", output(kernel.run("%%minimax\nTwo", "b")))
        front_end.describe(page, ["a"], page=own)
        page["a"] = cell("One", output(kernel.run("%%minimax\nOne", "a")))
        assert sent(simulator) == ["Two", "One"]
        kernel.client.session.session = "without the extension"
        kernel.run("%%minimax\nOne", "a")
        assert sent(simulator) == ["One"]
        assert "as last saved" in kernel.run("%minimax", "c").text
        kernel.client.session.session = own
        front_end.describe(page, ["a"], page=own)
        kernel.run("%%minimax\nOne", "a")
        assert sent(simulator) == ["Two", "One"]
    finally:
        kernel.close()
