"""`%minimax fix` and `%minimax edit` end with a proposal for the cell, on a page with the extension."""

from __future__ import annotations

from typing import Any

import pytest

from mm_magics.simulator import ScriptedAnswer
from tests.kernel.changing_page import ChangingPage, accept, reject, wait
from tests.kernel.test_notebook_edits import is_asked, use

pytestmark = pytest.mark.slow

BAD = "1 / 0\n"
ANSWER = "```python\nprint(1)\n```\nIt divided by zero."


@pytest.fixture
def page(fresh_kernel, simulator) -> ChangingPage:
    simulator.answers.clear()
    page = ChangingPage(fresh_kernel)
    for id_, source in {"setup": "x = 41", "bad cell": BAD}.items():
        page.sources[id_], page.outputs[id_], page.turn_messages[id_] = source, [], []
    return page


def asked(simulator) -> str:
    return "\n".join(block["text"] for block in simulator.log[-1].body["messages"][-1]["content"])


@pytest.mark.parametrize("line", ["%minimax fix", "%minimax fix #bad", "%minimax fix bad -m MiniMax-M2.5"])
def test_a_fix_is_proposed_for_the_cell_that_failed(page, simulator, line: str) -> None:
    page.run("bad cell", BAD)
    page.run("setup", "x = 41")
    page.decide = accept
    simulator.answers.append(ANSWER)
    page.run("ask", line)
    page.wait(lambda: page.sources["bad cell"] == "print(1)")
    page.wait_for_end("ask")
    [change] = page.seen
    assert (change["kind"], change["cell"], change["ask"]) == ("edit", "bad cell", True)
    assert (change["before"], change["after"]) == (BAD, "print(1)")
    assert change["turn"] == page.turn("ask")["id"]
    assert "ZeroDivisionError" in asked(simulator)


def test_a_fix_of_a_cell_without_an_error_is_refused(page, simulator) -> None:
    page.run("setup", "x = 41")
    assert "raised no error" in page.run("ask", "%minimax fix #setup")
    assert "not exactly one cell #nothing" in page.run("ask", "%minimax fix #nothing")
    assert page.seen == []


@pytest.mark.parametrize(
    ("line", "cell", "shown"),
    [
        ('%minimax edit "Use \\"y\\"."', "bad cell", 'Edit cell bad cell: Use "y".'),
        ('%minimax edit #setup "Use y." --max-tokens 500', "setup", "Edit cell setup: Use y."),
        ('%minimax edit #setup:1 "Use y."', "setup", "Change only lines 1 to 1 of the cell"),
        ('%minimax edit 2:2-3 "Use y."', "setup", "Change only lines 2 to 3 of the cell"),
    ],
)
def test_an_edit_is_proposed_for_the_cell_that_is_named_or_above(page, simulator, line, cell, shown) -> None:
    simulator.answers.append("```\ny = 41\n```")
    page.run("ask", line)
    [change] = page.seen
    assert (change["cell"], change["after"]) == (cell, "y = 41")
    assert shown in asked(simulator)


def test_a_long_cell_is_sent_whole(page, simulator) -> None:
    page.sources["setup"] = long = "x = 1\n" * 30_000
    simulator.answers.append("```\ny\n```")
    page.run("ask", '%minimax edit #setup "Shorten."')
    assert long.strip() in asked(simulator)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("%minimax edit", "takes a cell and an instruction"),
        ('%minimax edit #setup "a" "b"', "takes a cell and an instruction"),
        ('%minimax edit #nothing "a"', "There is not exactly one cell #nothing."),
        ('%minimax edit #ask "a"', "is a raw cell or a prompt"),
        ('%minimax edit "a', "A quote is not closed."),
    ],
)
def test_what_cannot_be_edited_is_refused_before_anything_is_sent(page, simulator, line, shown) -> None:
    before = len(simulator.log)
    assert shown in page.run("ask", line)
    assert len(simulator.log) == before


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ("I cannot.", "The answer has no code block"),
        (ScriptedAnswer([{"type": "text", "text": "```\ny"}], stop_reason="max_tokens"), ""),
    ],
)
def test_an_answer_without_the_whole_code_proposes_nothing(page, simulator, answer: Any, shown: str) -> None:
    simulator.answers.append(answer)
    assert shown in page.run("ask", '%minimax edit #setup "a"')
    assert page.seen == []


def test_a_refusal_of_the_page_is_printed(page, simulator, monkeypatch) -> None:
    page.decide = reject
    simulator.answers.append("```\ny\n```")
    assert "not proposed" not in page.run("ask", '%minimax edit #setup "a"')
    monkeypatch.setattr(page, "act", lambda change: page.tell(change, "refused", "The notebook is read-only."))
    simulator.answers.append("```\nz\n```")
    assert "The change is not proposed. The notebook is read-only." in page.run("ask", '%minimax edit #setup "b"')


def test_a_replayed_answer_proposes_nothing(page, simulator) -> None:
    page.decide = reject
    simulator.answers.append("```\ny\n```")
    line = '%minimax edit #setup "a" --replay auto'
    page.run("ask", line)
    page.run("ask", line)
    assert len(page.seen) == 1


def test_without_a_page_the_code_is_shown_with_a_line_that_says_how_to_use_it(kernel, simulator) -> None:
    assert kernel.run(BAD, "bad").error is not None
    simulator.answers.append(ANSWER)
    run = kernel.run("%minimax fix", "fix")
    assert "copy it into the cell" in run.text
    assert "no cell to edit" in kernel.run('%minimax edit "a"', "edit").error["evalue"]


@pytest.mark.parametrize("tool", ["insert_cell", "edit_cell", "move_cell", "delete_cell", "run_cell"])
def test_a_map_run_cannot_change_the_notebook_with_the_tools_of_an_earlier_cell(
    page, simulator, tmp_path, tool: str
) -> None:
    page.run("folder", f"%cd -q {tmp_path}")
    page.run("ask", "%%minimax --tools notebook --edits accept\nHello.")
    page.wait_for_end("ask")
    page.run("setup", "rows = ['a']")
    before = len(simulator.log)
    assert "A map run only calls tools that read" in page.run(
        "map", f"%%minimax --map rows --tools {tool}\n{{{{ row }}}}"
    )
    assert len(simulator.log) == before


def test_a_decision_is_shown_only_when_no_answer_streams_into_the_cell(page, simulator) -> None:
    page.decide = wait
    read = use("read_cells", cells="#setu")
    edit, run = use("edit_cell", cell="#setu", search="41", replacement="42"), use("run_cell", cell="#setu")
    simulator.answers.extend([ScriptedAnswer([read]), ScriptedAnswer([edit]), "Done.", ScriptedAnswer([run]), "Done."])
    magic = "get_ipython().run_cell_magic('minimax', '--background --tools notebook --edits propose', {!r})"
    page.run("ask", "\n".join(map(magic.format, ["First.", "Second."])))
    page.wait(lambda: is_asked(page))
    assert page.finish(page.seen[0], {"state": "accepted"})
    page.run("other", "1 + 1")
    assert page.replaced == []
    assert page.kernel.request({"type": "stop"}, page.turns("ask")[-1]["id"]) == {"received": True}
    page.wait(lambda: any("Edited cell #setu" in str(each) for each in page.replaced))
