"""Tools in a prompt cell: functions of the notebook, approval, Stop and interrupts."""

from __future__ import annotations

import time

import pytest

from mm_magics.api.messages import problems
from mm_magics.simulator import ScriptedAnswer

ADD = '''def add(a: int, b: int) -> int:
    """The sum."""
    print("adding")
    return a + b'''


def results(turn: dict) -> list[str]:
    return [
        block["content"]
        for message in turn["messages"]
        for block in message["content"]
        if block["type"] == "tool_result"
    ]


def outcomes(turn: dict) -> list[str]:
    return [each["outcome"] for response in turn["responses"] for each in response.get("tools", ())]


def test_a_function_of_the_notebook_can_be_used_as_a_tool(kernel, simulator):
    kernel.run(ADD)
    run = kernel.run("%%minimax --tools add\nUse add, please.", "a")
    assert outcomes(run.turn) == ["done"]
    assert "adding" in results(run.turn)[0]
    assert not [content for kind, content in run.messages if kind == "stream"]
    states = [op[2]["state"] for op in run.ops if op[0] == "tool"]
    assert states == ["running", "done"]
    assert len(run.outputs) == 1, "a tool left an output of its own"
    html = run.outputs[0]["data"]["text/html"]
    assert "Tool: add · done in" in html


@pytest.fixture
def short_wait_for_a_page(kernel):
    """Wait one second instead of ten for the page to draw the buttons."""
    kernel.run(
        "from mm_magics.display import widget as _widget\n_before, _widget.PAGE_TIMEOUT_S = _widget.PAGE_TIMEOUT_S, 1.0"
    )
    yield
    kernel.run("_widget.PAGE_TIMEOUT_S = _before\ndel _widget, _before")


@pytest.mark.parametrize(("flags", "cell"), [("", None), ("", "a"), ("--quiet", None)])
def test_a_tool_that_requires_approval_is_denied_without_input(kernel, short_wait_for_a_page, flags, cell):
    run = kernel.run(f"%%minimax --tools python {flags}\nUse python, please.", cell)
    assert outcomes(run.turn) == ["denied"]
    assert "no one to ask" in results(run.turn)[0]
    assert len(run.outputs) == 1, "the question was printed although nobody could answer it"


def test_a_rule_allows_the_tool_without_approval(kernel):
    kernel.run("%minimax tools allow python")
    kernel.run("x = 20")
    run = kernel.run("%%minimax --tools python\nGo. [[simulator: rounds=1]] Use python.")
    assert outcomes(run.turn)[0] in ("done", "failed")


def widget_ops(kind: str, content: dict) -> list:
    """Return the ops for the turn's widget in this message."""
    data = (content.get("data") or {}) if kind == "comm_msg" else {}
    return data["content"]["ops"] if data.get("method") == "custom" else []


def answer(kernel, allowed: bool, *, always: bool = False, reason: str = ""):
    """Return a callback that presses a button of the turn's widget, as the page does: in a subshell."""
    session = kernel.client.session

    def send(content: dict) -> None:
        data = {"method": "custom", "content": content}
        message = session.msg("comm_msg", {"comm_id": answer.comm, "data": data})
        message["header"]["subshell_id"] = answer.subshell
        kernel.client.shell_channel.send(message)

    send({"type": "here"})
    send({"type": "decide", **answer.question, "allowed": allowed, "always": always, "reason": reason})


@pytest.fixture
def subshell(kernel):
    message = kernel.client.session.msg("create_subshell_request")
    kernel.client.control_channel.send(message)
    return kernel.client.control_channel.get_msg(timeout=10)["content"]["subshell_id"]


def asks_for_approval(kind: str, content: dict) -> bool:
    for op in widget_ops(kind, content):
        if op[0] == "tool" and op[2]["state"] == "asking":
            asked, answer.comm = op[2]["question"], content["comm_id"]
            answer.question = {"question": asked["id"], "sha256": asked["sha256"]}
            return True
    return False


@pytest.mark.parametrize(("allowed", "outcome"), [(True, "done"), (False, "denied")])
def test_the_buttons_in_the_turn_approve_or_deny_a_call(kernel, subshell, allowed, outcome):
    answer.subshell = subshell
    kernel.run("from mm_magics import minimax_tool\n@minimax_tool(asks=True)\ndef wipe() -> str:\n    return 'wiped'")
    run = kernel.run(
        "%%minimax --tools wipe\nUse wipe, please.",
        "a",
        when=asks_for_approval,
        then=lambda: answer(kernel, allowed, reason="Not today."),
    )
    assert outcomes(run.turn) == [outcome]
    assert results(run.turn) == ["wiped" if allowed else "The user did not allow this call. Not today."]


def test_an_answer_to_an_earlier_question_with_the_same_tool_id_is_ignored(kernel, simulator, subshell):
    answer.subshell = subshell
    kernel.run(
        "ran = []\nfrom mm_magics import minimax_tool\n@minimax_tool(asks=True)\ndef wipe(n: int): ran.append(n)"
    )
    uses = [{"type": "tool_use", "id": "same", "name": "wipe", "input": {"n": n}} for n in (1, 2)]
    simulator.answers.extend([*(ScriptedAnswer([use]) for use in uses), "Done."])
    questions: list[dict] = []

    def decides(kind: str, content: dict) -> bool:
        if not asks_for_approval(kind, content):
            return False
        questions.append(answer.question)
        if len(questions) == 2:
            answer.question = questions[0]
            answer(kernel, True)  # a late or repeated click on the old button
            answer.question = {"question": questions[0]["question"], "sha256": questions[1]["sha256"]}
            answer(kernel, True)
            answer.question = questions[1]
        answer(kernel, len(questions) == 1)
        return len(questions) == 2

    run = kernel.run("%%minimax --tools wipe\nGo.", "a", when=decides, then=lambda: None)
    assert outcomes(run.turn) == ["done", "denied"]
    assert kernel.run("print(ran)").text.strip() == "[1]"


def test_a_console_asks_for_approval_with_a_text_prompt(kernel):
    kernel.run("from mm_magics import minimax_tool\n@minimax_tool(asks=True)\ndef wipe() -> str:\n    return 'wiped'")
    questions: list[str] = []

    def type_yes() -> None:
        questions.append(kernel.client.get_stdin_msg(timeout=20)["content"]["prompt"])
        kernel.client.input("y")

    def is_asked(kind: str, content: dict) -> bool:
        return kind == "stream" and "A call of wipe needs your approval" in content["text"]

    run = kernel.run("%%minimax --tools wipe\nUse wipe, please.", stdin=True, when=is_asked, then=type_yes)
    assert "Allow every call of wipe in this notebook" in questions[0]
    assert "wipe done" in run.text


def test_an_interrupt_during_a_tool_call_leaves_a_valid_turn(kernel, simulator):
    kernel.run("import time\ndef sleep() -> None:\n    time.sleep(60)")

    def running(kind: str, content: dict) -> bool:
        return any(op[0] == "tool" and op[2]["state"] == "running" for op in widget_ops(kind, content))

    began = time.monotonic()
    run = kernel.run("%%minimax --tools sleep\nUse sleep, please.", "a", when=running, then=kernel.interrupt)
    assert time.monotonic() - began < 30
    assert run.error is not None
    assert run.error["ename"] == "TurnInterruptedError"
    assert outcomes(run.turn) == ["interrupted"]
    kernel.run("%%minimax\nAnd now?", "b")
    assert problems(simulator.log[-1].body["messages"]) == []


def test_an_answer_with_a_schema_becomes_a_value(kernel):
    kernel.run("from dataclasses import dataclass\n@dataclass\nclass Person:\n    name: str\n    age: int")
    run = kernel.run("%%minimax --schema Person -o ada\nWho is Ada?", "a")
    assert run.error is None, run.error
    assert kernel.run("print(type(ada).__name__)").text.strip() == "Person"
    assert "Tool: final_answer" not in run.outputs[0]["data"]["text/html"]


def test_unknown_tools_are_rejected_with_one_line(kernel, simulator):
    before = len(simulator.log)
    run = kernel.run("%%minimax --tools nothing\nHi.", "a")
    assert run.error["traceback"][0] == "There is no tool named nothing."
    assert len(simulator.log) == before
