"""`%minimax fix` on a page that runs cells: rounds of a proposal and a run, each of which the person decides."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from mm_magics.simulator import ScriptedAnswer
from tests.kernel.changing_page import ChangingPage, reject, wait
from tests.kernel.test_notebook_edits import decide, is_asked, use
from tests.kernel.test_notebook_tools import results

pytestmark = pytest.mark.slow

BAD = "1 / 0"
RUN = use("run_cell", cell="#bad")


def edit(search: str, replacement: str, id_: str = "", cell: str = "#bad") -> dict[str, Any]:
    return use("edit_cell", id_, cell=cell, search=search, replacement=replacement)


@pytest.fixture
def page(fresh_kernel, simulator):
    simulator.answers.clear()
    page = ChangingPage(fresh_kernel)
    page.sources |= {"setup": "x = 41", "bad": BAD}
    page.outputs |= {"setup": [], "bad": []}
    page.turn_messages |= {"setup": [], "bad": []}
    page.run("bad")
    page.run("setup")
    yield page
    simulator.answers.clear()  # of a turn that was stopped


def ask(page: ChangingPage, simulator, *calls: dict[str, Any], line: str = "%minimax fix #bad") -> None:
    """Let the model make these calls, one in each message."""
    simulator.answers.extend([*(ScriptedAnswer([each]) for each in calls), "It divided by zero."])
    page.run("ask", line)


def answer_question(page: ChangingPage, *, allowed: bool = True) -> str:
    """Decide about the next run, and return the code that was shown."""
    page.wait(lambda: is_asked(page))
    question = decide(page, allowed)
    page.turn_messages["ask"].clear()
    (code,) = [part["text"] for part in question["parts"] if part["label"] == "code"]
    return str(code)


def three_rounds() -> list[dict[str, Any]]:
    texts = ["0", "00", "000", "0000"]
    edits = [edit(f"1 / {old}", f"1 / {new}", f"e{new}") for old, new in pairwise(texts)]
    return [call for number, each in enumerate(edits) for call in (each, RUN | {"id": f"r{number}"})]


def test_the_cell_is_fixed_and_run_until_it_works(page, simulator):
    ask(page, simulator, edit("0", "y"), RUN, edit("y", "2", "second"), {**RUN, "id": "again"})
    assert answer_question(page) == "1 / y"
    assert answer_question(page) == "1 / 2"
    page.wait_for_end("ask")
    assert page.sources["bad"] == "1 / 2"
    returned = results(page.turn("ask"))
    assert "NameError" in returned["run_cell"]
    assert "ran as [7]." in returned["again"]
    assert page.text("bad") == "0.5"
    tools = [tool["name"] for tool in simulator.log[-1].body["tools"]]
    assert tools == ["edit_cell", "run_cell"]
    assert "The fix has ended" not in str(page.outputs["ask"])


def test_after_three_rounds_the_turn_ends_and_says_so(page, simulator):
    fourth = edit("0000", "2", "fourth")
    ask(page, simulator, *three_rounds())
    simulator.answers.insert(len(simulator.answers) - 1, ScriptedAnswer([fourth]))
    for code in ("1 / 00", "1 / 000", "1 / 0000"):
        assert answer_question(page) == code
    page.wait_for_end("ask")
    assert page.sources["bad"] == "1 / 0000"
    assert len(page.of("run")) == 3
    assert simulator.log[-1].body["tool_choice"] == {"type": "none"}
    assert "the cell still raises an error after 3 rounds" in page.text("ask")


def test_nothing_runs_that_the_person_does_not_allow(page, simulator):
    ask(page, simulator, edit("0", "2"), RUN)
    assert answer_question(page, allowed=False) == "1 / 2"
    page.wait_for_end("ask")
    assert page.of("run") == []
    assert page.sources["bad"] == "1 / 2"


def test_three_rejected_proposals_end_the_fix(page, simulator):
    page.decide = reject
    ask(page, simulator, *(edit("0", each, each) for each in "2345"))
    page.wait_for_end("ask")
    assert (len(page.of("edit")), page.sources["bad"]) == (3, BAD)
    assert "3 rounds are the limit of a fix" in page.text("ask")


@pytest.mark.parametrize("call", [edit("41", "42", cell="#setu"), use("run_cell", cell="#setu")])
def test_another_cell_is_neither_changed_nor_run(page, simulator, call):
    ask(page, simulator, call)
    page.wait_for_end("ask")
    assert "only that cell can be changed and run" in str(results(page.turn("ask")))
    assert page.seen == []


def test_a_cell_that_the_person_edits_ends_the_fix(page, simulator):
    page.decide = wait
    ask(page, simulator, edit("0", "2"), RUN)
    page.wait(lambda: page.seen != [])
    page.sources["bad"] = "mine"
    page.tell(page.seen[0], "refused", "The text of the cell is another one.", source="mine")
    page.wait_for_end("ask")
    assert (page.of("run"), page.sources["bad"]) == ([], "mine")
    assert "the last change could not be made" in page.text("ask")


def test_a_cell_that_was_edited_since_its_error_is_not_sent(page, simulator):
    page.sources["bad"] = "1 / 3"
    before = len(simulator.log)
    assert "was edited after it raised the error" in page.run("ask", "%minimax fix #bad")
    assert len(simulator.log) == before


def test_the_limit_of_rounds_and_the_budget_of_the_turn_hold(page, simulator):
    ask(page, simulator, *three_rounds(), line="%minimax fix #bad --max-rounds 2")
    answer_question(page)
    page.wait_for_end("ask")
    assert "2 rounds of tool calls are the limit" in page.text("ask")
    assert len(page.of("run")) == 1
    simulator.answers.clear()
    page.turn_messages["ask"].clear()
    ask(page, simulator, edit("00", "2"), RUN, line="%minimax fix #bad --max-cost 0.00000001")
    page.wait_for_end("ask")
    assert "and the limit is" in page.text("ask")
    assert len(page.of("run")) == 1


@pytest.mark.parametrize("stage", ["proposal", "question", "run"])
def test_stop_ends_a_fix_at_each_stage(page, simulator, stage):
    slow = "import time; print('begins', flush=True); time.sleep(600)"
    page.decide = wait if stage == "proposal" else page.decide
    ask(page, simulator, edit(BAD, slow), RUN)
    if stage == "proposal":
        page.wait(lambda: page.seen != [])
    else:
        page.wait(lambda: is_asked(page))
    if stage == "run":
        answer_question(page)
        page.wait(lambda: "begins" in page.text("bad"))
    page.stop("ask")
    page.wait_for_end("ask")
    assert page.turn("ask")["status"] == "stopped"
    if stage == "run":
        page.wait(lambda: "KeyboardInterrupt" in page.text("bad"))
    assert len(page.of("run")) == (stage == "run")


def test_a_run_that_the_page_does_not_make_uses_no_round(page, simulator):
    calls = [{**RUN, "id": f"r{number}"} for number in range(4)]
    page.refuses_runs = True
    ask(page, simulator, *calls)
    for _ in calls:
        assert answer_question(page) == BAD
    page.wait_for_end("ask")
    assert [*results(page.turn("ask")).values()] == ["The cell was not run. A cell waits for input."] * 4


@pytest.mark.parametrize("place", ["top", "#bad"])
def test_a_fix_adds_no_cell(page, simulator, place):
    ask(page, simulator, use("insert_cell", below=place, source="x = 1"), line="%minimax fix #bad --tools notebook")
    page.wait_for_end("ask")
    assert "only that cell can be changed and run" in str(results(page.turn("ask")))
    assert page.seen == []


def test_the_model_is_not_told_to_run_the_cell_if_another_tool_rules_that_out(page, simulator):
    simulator.answers.append("It divided by zero.")
    page.run("ask", "%minimax fix #bad --tools shell")
    prompt = simulator.log[-1].body["messages"][-1]["content"][-1]["text"]
    assert "run_cell" not in prompt
    assert "Answer with one Python code block" in prompt
    assert [tool["name"] for tool in simulator.log[-1].body["tools"]] == ["shell"]


def test_code_in_the_answer_is_proposed_if_the_model_calls_no_tool(page, simulator):
    simulator.answers.append("```python\nprint(1)\n```\nIt divided by zero.")
    page.run("ask", "%minimax fix")
    page.wait(lambda: page.sources["bad"] == "print(1)")


def test_tools_that_are_named_are_offered_too(page, simulator):
    ask(page, simulator, line="%minimax fix #bad --tools read_variable")
    page.wait_for_end("ask")
    assert [tool["name"] for tool in simulator.log[-1].body["tools"]] == ["read_variable", "edit_cell", "run_cell"]
    ask(page, simulator, line="%minimax fix #bad --tools none")
    assert "tools" not in simulator.log[-1].body
