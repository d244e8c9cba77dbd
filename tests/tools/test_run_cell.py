"""Red-team tests of `run_cell`: exactly the code that the user was shown and allowed runs, or nothing."""

from __future__ import annotations

import base64
import threading
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mm_magics.tools.approval import Decision, Rules, question_about
from mm_magics.tools.builtin.bounded_text import LIMIT
from mm_magics.tools.builtin.run_cell import CHANGED, run_tool
from mm_magics.tools.call_text import call_hash
from mm_magics.tools.notebook_changes import Change
from mm_magics.tools.runtime.result_images import MAX_IMAGES
from mm_magics.tools.runtime.runner import ApprovalRequested, ToolLimits, ToolRunner
from mm_magics.tools.tool import TextToolCall, Tool, ToolCall, ToolOutput
from tests.pace import PATIENCE
from tests.prompt.test_images import saved
from tests.tools.test_notebook_changes import OraclePage

LIMITS = ToolLimits(60.0, 20_000)
PNG = saved("PNG")


def shown_code(call: ToolCall, tool: Tool | None = None) -> str:
    """Return the code that the question about a call shows."""
    (shown,) = [part.text for part in question_about(call, tool).parts if part.label == "code"]
    return shown


class Reviewer:
    """Answers questions, and remembers the code that was shown and allowed."""

    def __init__(self, decision: Decision) -> None:
        self.decision = decision
        self.allowed: list[str] = []
        self.asked: list[ToolCall] = []
        self.before_decision = lambda: None

    def approve(self, call: ToolCall) -> Decision:
        self.asked.append(call)
        shown = shown_code(call)
        self.before_decision()
        if self.decision.allowed:
            self.allowed.append(shown)
        return self.decision


def run(
    tool: Tool, call: ToolCall, reviewer: Reviewer, turn_rules: Rules, rules: Rules | None = None, altered: Any = ()
) -> list[str]:
    """Let the runner answer one call, and return the texts of its results."""
    stop = threading.Event()
    runner = ToolRunner(
        [call], {"run_cell": tool}, rules or Rules(), LIMITS, "M", stop, reviewer.approve, altered, turn_rules
    )
    for event in runner.events():
        assert not isinstance(event, ApprovalRequested) or event.call.input["code"] == shown_code(
            event.call, event.tool
        )
    return [str(result.block["content"]) for result in runner.results]


def call(cell: str = "1", id_: str = "toolu_1", **more: Any) -> ToolCall:
    return ToolCall(id_, "run_cell", {"cell": cell, **more})


def image(data: bytes) -> dict[str, Any]:
    formats = {"image/png": base64.b64encode(data).decode(), "text/plain": "<Figure size 640x480 with 1 Axes>"}
    return {"output_type": "display_data", "data": formats, "metadata": {}}


def test_the_images_among_the_outputs_are_returned_once_each_and_bounded() -> None:
    page = OraclePage("plot()")
    page.displayed = [image(PNG), image(PNG), image(PNG[:40]), image(saved("GIF"))]
    output = run_tool(page.turn(can_run=True)).function(cell="#cell", code="plot()")
    assert isinstance(output, ToolOutput)
    assert output.images == (PNG, saved("GIF"))
    assert output.text.splitlines()[-5:] == [
        "printed",
        "[image 1, 3×2]",
        "[image 1, 3×2]",
        "[image, 40 bytes: not sent to the model, because the file is damaged or incomplete]",
        "[image 2, 3×2]",
    ]
    page.displayed = [image(PNG + bytes([n])) for n in range(MAX_IMAGES + 3)]
    assert len(run_tool(page.turn(can_run=True)).function(cell="#cell", code="plot()").images) == MAX_IMAGES


def test_outputs_of_megabytes_are_cut() -> None:
    page = OraclePage("talk()")
    page.printed = "\x1b[31mline\x1b[0m\n" * 400_000
    started = time.perf_counter()
    text = run_tool(page.turn(can_run=True)).function(cell="#cell", code="talk()").text
    assert time.perf_counter() - started < 3 * PATIENCE
    assert len(text) < LIMIT
    assert "cut here" in text


EDITS = st.sampled_from(["none", "page", "page and kernel"])


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.booleans(), EDITS, EDITS), max_size=5))
def test_only_code_runs_that_was_shown_and_allowed(steps: list[tuple[int, bool, str, str]]) -> None:
    page = OraclePage("a", "b")
    tool = run_tool(page.turn(can_run=True))
    reviewer, rules = Reviewer(Decision(True)), Rules()

    def edit(which: int, how: str) -> None:
        if how != "none":
            page.cells[which].source += "!"
        if how == "page and kernel":
            page.describe()

    for which, yes, before, during in steps:
        edit(which, before)
        reviewer.decision = Decision(yes)
        reviewer.before_decision = lambda which=which, during=during: edit(which, during)  # type: ignore[misc]
        ran = len(page.ran)
        run(tool, call(str(which + 1)), reviewer, rules)
        assert len(page.ran) <= ran + yes
        assert set(page.ran) <= set(reviewer.allowed)
        page.describe()


@pytest.mark.parametrize("more", [{"code": "evil"}, {"source": "evil"}, {"before": "evil"}])
def test_the_model_cannot_name_the_code(more: dict[str, str]) -> None:
    page, reviewer = OraclePage("a"), Reviewer(Decision(True))
    (text,) = run(run_tool(page.turn(can_run=True)), call(**more), reviewer, Rules())
    assert min(more) in text
    assert (reviewer.asked, page.ran) == ([], [])


def test_the_decision_is_about_the_hash_of_the_code() -> None:
    page, reviewer = OraclePage("a"), Reviewer(Decision(True))
    run(run_tool(page.turn(can_run=True)), call(), reviewer, Rules())
    (asked,) = reviewer.asked
    assert call_hash(asked.name, asked.input) != call_hash("run_cell", {"cell": "1"})
    assert asked.input == {"cell": "#cell", "code": "a"}


def test_a_call_that_was_altered_while_it_was_received_does_not_run() -> None:
    page, reviewer = OraclePage("a"), Reviewer(Decision(True))
    rules = Rules()
    rules.add("allow", "*")
    run(run_tool(page.turn(can_run=True)), call(), reviewer, rules, rules, altered={"toolu_1"})
    assert page.ran == []


def test_the_rule_for_a_turn_holds_for_the_turn_only_and_not_for_calls_in_the_text() -> None:
    page, reviewer, turn_rules, rules = OraclePage("a", "b"), Reviewer(Decision(True, always=True)), Rules(), Rules()
    tool = run_tool(page.turn(can_run=True))
    run(tool, call("1"), reviewer, turn_rules, rules)
    run(tool, call("2"), reviewer, turn_rules, rules)
    assert (len(reviewer.asked), page.ran, list(rules)) == (1, ["a", "b"], [])
    run(tool, TextToolCall("in_text", "run_cell", {"cell": "1"}), reviewer, turn_rules, rules)
    assert len(reviewer.asked) == 2
    run(tool, call("1"), reviewer, Rules(), rules)
    assert len(reviewer.asked) == 3


def test_a_rule_that_denies_is_stronger_than_that_of_the_turn() -> None:
    page, reviewer, turn_rules, rules = OraclePage("a"), Reviewer(Decision(True)), Rules(), Rules()
    turn_rules.add("allow", "run_cell")
    rules.add("deny", "run_cell")
    run(run_tool(page.turn(can_run=True)), call(), reviewer, turn_rules, rules)
    assert (reviewer.asked, page.ran) == ([], [])


def test_a_cell_that_the_model_edits_between_the_question_and_the_run_does_not_run() -> None:
    page, reviewer = OraclePage("a"), Reviewer(Decision(True))
    turn = page.turn(can_run=True, edits="accept")
    tools = page.tools(turn)
    page.tools(turn)["read_cells"].function(cells="1")

    def edit() -> None:
        tools["edit_cell"].function(cell="1", search="a", replacement="evil")

    reviewer.before_decision = edit
    (text,) = run(tools["run_cell"], call(), reviewer, Rules())
    assert CHANGED in text
    assert page.ran == []


@pytest.mark.parametrize("state", ["sent", "running"])
def test_a_run_that_never_ends_is_ended_when_its_time_is_over(state: str) -> None:
    page, reviewer, ended = OraclePage("a"), Reviewer(Decision(True)), list[Change]()
    page._tell = lambda _change: {"state": state}  # type: ignore[method-assign]
    tool = run_tool(page.turn(can_run=True, end_run=ended.append))
    stop, limits = threading.Event(), ToolLimits(0.3, 20_000)
    runner = ToolRunner([call()], {"run_cell": tool}, Rules(), limits, "M", stop, reviewer.approve)
    list(runner.events())
    assert "It took longer than 0.3 s and was stopped." in str(runner.results[0].block["content"])
    (change,) = ended
    assert (change.state, change.was_begun) == ("withdrawn", state == "running")
    assert page.settled == [change.id]
    assert not page.changes.receive({"change": change.id, "state": "ended", "reason": ""})


@pytest.mark.parametrize("source", ["%%minimax\nGo.", "%%time\n%%minimax\nGo."])
def test_a_prompt_cell_does_not_run(source: str) -> None:
    page, reviewer = OraclePage(source), Reviewer(Decision(True))
    (text,) = run(run_tool(page.turn(can_run=True)), call(), reviewer, Rules())
    assert "is a prompt cell" in text
    assert (reviewer.asked, page.ran) == ([], [])
