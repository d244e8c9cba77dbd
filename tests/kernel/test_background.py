"""`%%minimax --background`: cells return at once, and their answers stream into them while other cells run."""

from __future__ import annotations

import pytest

from tests.kernel.background_page import Page

SLOW = "[[simulator: deltas=2400 rate=30]]"
SHORT = "[[simulator: deltas=60 rate=20]]"
TOOLS = """
import asyncio, time
async def doze() -> str:
    print("printed in the tool")
    await asyncio.sleep(0.5)
    return "rested"
async def ask() -> str:
    await asyncio.sleep(0.7)
    return input("Well?")
def spin() -> str:
    return "spun"
"""


@pytest.fixture
def page(fresh_kernel) -> Page:
    return Page(fresh_kernel)


def prompts(simulator, last: int = 1) -> list[str]:
    body = simulator.log[-last].body
    return [each["content"][-1]["text"] for each in body["messages"] if each["role"] == "user"]


def background(text: str, flags: str = "") -> str:
    return f"%%minimax --background {flags}\n{text}"


def test_the_cell_returns_and_its_answer_streams_into_it_while_other_cells_run(page, tmp_path):
    page.run("a", background(f"One. {SHORT}"))
    assert page.is_streaming("a")
    assert page.run("b", "print('other'); 1 + 1") == "other\n2"
    gate = tmp_path / "open"
    page.start("c", f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.05)\nprint('slept')")
    page.wait_for_end("a")
    assert page.text("c") == ""
    gate.touch()
    turn = page.turn("a")
    assert (turn["status"], turn["cell_id"]) == ("complete", "a")
    page.wait(lambda: page.text("c") == "slept\n")
    assert len(page.outputs["a"]) == len(page.outputs["c"]) == 1


def test_several_run_at_once_and_each_stop_ends_its_own(page, simulator):
    names = ["a", "b", "c", "d", "e", "f"]
    for name in names:
        page.run(name, background(f"{name}. {SLOW}", f"--thread {name}"))
    page.wait_for_text(*names)
    page.stop("c")
    page.wait_for_end("c")
    assert [page.is_streaming(name) for name in names] == [True, True, False, True, True, True]
    assert page.turn("c")["status"] == "stopped"
    for name in set(names) - {"c"}:
        page.stop(name)
    page.wait_for_end(*names)


def test_a_prompt_below_waits_and_sees_the_whole_answer(page, simulator):
    page.run("a", background(f"One. {SHORT}"))
    page.run("b", background(f"Two. {SHORT}", "-o second"))
    page.wait(lambda: "Waiting for the prompt above." in str(page.ops("b")))
    assert "waiting for the prompt above" in page.run("c", "second")
    page.wait_for_end("a", "b")
    assert prompts(simulator) == [f"One. {SHORT}", f"Two. {SHORT}"]
    turn = page.turn("b")
    assert turn["status"] == "complete"
    assert "Waiting for the prompt above." not in page.text("b")
    assert {message["turn"] for _, message in page.turn_messages["b"]} == {turn["id"]}


def test_a_dry_run_below_a_running_prompt_names_what_it_does_not_show(page):
    message = "A prompt above is being answered: its turn will be in the request too."
    assert message not in page.run("0", "%%minimax --dry-run\nTwo.")
    page.run("a", background(f"One. {SLOW}"))
    page.wait_for_text("a")
    assert message in page.run("b", "%%minimax --dry-run\nTwo.")
    assert message not in page.run("b", "%%minimax --dry-run --context none\nTwo.")
    page.stop("a")
    page.wait_for_end("a")
    assert message not in page.run("b", "%%minimax --dry-run\nTwo.")


def test_a_prompt_in_the_foreground_waits_too_and_an_interrupt_ends_only_the_wait(page, simulator):
    page.run("a", background(f"One. {SLOW}"))
    page.wait_for_text("a")
    page.start("b", "%%minimax\nTwo.")
    page.wait(lambda: "Waiting for the prompt above." in str(page.ops("b")))
    page.kernel.interrupt()
    page.wait(lambda: not page.is_streaming("b") and len(page.outputs["b"]) == 2)
    assert "Interrupted." in page.text("b")
    assert page.turns("b")[0]["status"] == "stopped"
    assert page.is_streaming("a")
    page.stop("a")
    page.wait_for_end("a")
    page.run("c", "1")  # after an error, the kernel drops what arrives before it has told the page that it is idle
    page.run("b")
    assert prompts(simulator) == [f"One. {SLOW}", "Two."]


def test_prompts_above_and_in_other_threads_do_not_wait(page, simulator):
    page.run("a", "%%minimax\nAbove.")
    page.run("b", background(f"Below. {SLOW}"))
    page.wait_for_text("b")
    for flags in ("--thread other", "--context none"):
        page.run("c", f"%%minimax {flags}\nOther.")
        assert page.turn("c")["status"] == "complete"
    page.run("a", "%%minimax\nAbove again.")
    assert page.turn("a")["status"] == "complete"
    assert page.is_streaming("b")
    page.stop("b")
    page.wait_for_end("b")


def test_interrupting_another_cell_does_not_end_it(page):
    page.run("a", background(f"One. {SHORT}"))
    page.wait_for_text("a")
    page.start("b", "import time; print('sleeps', flush=True); time.sleep(60)")
    page.wait(lambda: page.text("b") == "sleeps\n")
    page.kernel.interrupt()
    page.wait(lambda: len(page.outputs["b"]) == 2)
    page.wait_for_end("a")
    assert page.turn("a")["status"] == "complete"


def test_the_handle_waits_for_the_answer_and_says_its_state(page):
    page.run("a", background(f"One. {SHORT}", "-o answer"))
    assert page.run("b", "print(answer.done, answer)") == "False <BackgroundAnswer: running>\n"
    assert "TimeoutError" in page.run("b", "try: answer.result(0.01)\nexcept TimeoutError: print('TimeoutError')")
    assert page.run("b", "print((await answer) == answer.result() != '', answer.done, answer)") == (
        "True True <BackgroundAnswer: complete>\n"
    )
    assert page.run("c", "import inspect; print(inspect.getdoc(answer)[:22])") == "The answer of a prompt\n"


def test_interrupting_a_wait_for_the_handle_ends_only_the_wait(page):
    page.run("a", background(f"One. {SLOW}", "-o answer"))
    for code in ("answer.result()", "await answer"):
        page.start("b", f"print('waits', flush=True); {code}")
        page.wait(lambda: page.text("b") == "waits\n")
        page.kernel.interrupt()
        page.wait(lambda: len(page.outputs["b"]) == 2)
    assert page.run("b", "print(answer)") == "<BackgroundAnswer: running>\n"
    page.stop("a")
    page.wait_for_end("a")
    assert page.run("b", "print(answer, len(answer.result()) > 0)") == "<BackgroundAnswer: stopped> True\n"


def test_a_schema_and_a_format_apply_to_the_handle(page):
    page.run("t", "from dataclasses import dataclass\n@dataclass\nclass Depth:\n    depth: int")
    page.run("a", background("How deep?", "--schema Depth -o depth"))
    assert page.run("b", "print(type(depth.result(10)).__name__)") == "Depth\n"
    page.run("a", background('[[simulator: say="{}"]] JSON.', "--as json -o found"))
    assert page.run("b", "print(found.result(10))") == "{}\n"


def test_an_error_is_in_the_turn_and_raised_by_the_handle(page):
    page.run("a", background("[[simulator: fault=invalid-request]] One.", "-o answer"))
    page.run("b", background("Two.", "-o below"))
    page.wait_for_end("a", "b")
    assert page.turn("a")["status"] == "failed"
    assert page.run("c", "try: answer.result()\nexcept Exception as error: print(type(error).__name__)") == (
        "StatusError\n"
    )
    assert page.turn("b")["error"] == "The prompt above failed, so this one was not sent.\nRun both cells again."
    assert "failed" in page.run("c", "print(answer)")


def test_running_the_cell_again_stops_its_answer_which_becomes_a_version(page, simulator):
    page.run("a", background(f"One. {SLOW}"))
    page.wait_for_text("a")
    page.run("a", background(f"Again. {SHORT}"))
    page.wait_for_end("a")
    turn = page.turn("a")
    assert turn["status"] == "complete"
    assert [version["status"] for version in turn["versions"]] == ["stopped"]
    assert prompts(simulator) == [f"Again. {SHORT}"]
    page.run("a", background(f"Once more. {SLOW}"))
    page.wait_for_text("a")
    assert page.run("a", "1 + 1") == "2"
    assert page.run("b", "%minimax history").count("stopped") <= 1


def test_prompts_in_a_loop_are_answered_in_order(page, simulator):
    loop = (
        "for word in ('One', 'Two', 'Three'):\n"
        f"    get_ipython().run_cell_magic('minimax', '--background', f'{{word}}. {SHORT}')"
    )
    page.run("a", loop)
    page.wait(lambda: len(page.turns("a")) == 3 and not page.is_streaming("a"))
    assert [each.split(".")[0] for each in prompts(simulator)] == ["One", "Two", "Three"]
    assert [each["status"] for each in page.turns("a")] == ["complete"] * 3
    page.run("b", "%%minimax\nAnd?")
    assert [each.split(".")[0] for each in prompts(simulator)] == ["One", "Two", "Three", "And?"]


@pytest.mark.parametrize(("flags", "tool"), [("--tools spin", "spin"), ("--tools python", "python")])
def test_tools_that_need_the_thread_of_the_cells_are_refused(page, simulator, flags, tool):
    page.run("t", TOOLS)
    calls = len(simulator.log)
    shown = page.run("a", background(f"Use {tool}, please.", flags))
    assert shown.startswith(f"{tool} is not an asynchronous tool, so the prompt cannot run in the background.")
    assert len(simulator.log) == calls


def test_asynchronous_tools_run_beside_a_cell_and_their_output_is_theirs(page):
    page.run("t", TOOLS)
    page.run("a", background("Use doze, please.", "--tools doze"))
    page.start("b", "import time\nfor _ in range(30):\n    time.sleep(0.05)\nprint(input.__name__)")
    page.wait_for_end("a")
    page.wait(lambda: page.text("b") != "")
    assert "printed in the tool" in str(page.turn("a")["messages"])
    assert "printed in the tool" not in page.text("b")
    page.run("a", background("Use ask, please.", "--tools ask"))
    page.start("b", "import time; time.sleep(2)")
    page.wait_for_end("a")
    assert "input() is not available while a tool runs." in str(page.turn("a")["messages"])


def test_approval_is_asked_for_on_the_page(page):
    page.run("t", f"{TOOLS}\nfrom mm_magics import minimax_tool\ndoze = minimax_tool(asks=True)(doze)")
    page.run("a", background("Use doze, please.", "--tools doze"))
    page.wait(lambda: "asking" in str(page.ops("a")))
    (question,) = [op[2]["question"] for op in page.ops("a") if op[0] == "tool" and "question" in op[2]]
    page.run("b", "1 + 1")
    turn = page.turns("a")[0]["id"]
    page.kernel.request({"type": "here"}, turn)
    decision = {"allowed": True, "always": False, "reason": ""}
    message = {"type": "decide", "question": question["id"], "sha256": question["sha256"], **decision}
    assert page.kernel.request(message, turn) == {"received": True}
    page.wait_for_end("a")
    assert "rested" in str(page.turn("a")["messages"])


@pytest.mark.parametrize(
    ("flags", "name"), [("--map rows", "--map"), ("--n 2", "several answers"), ("--check len", "--check")]
)
def test_flags_that_need_the_running_cell_are_refused(page, simulator, flags, name):
    page.run("t", "rows = [{'x': 1}]")
    calls = len(simulator.log)
    assert page.run("a", f"%%minimax {flags} --background\nOne.").startswith(
        f"{name} cannot be combined with --background. Nothing was sent."
    )
    assert len(simulator.log) == calls


def test_compared_answers_below_a_running_one_see_the_whole_answer(page, simulator):
    page.run("a", background(f"One. {SHORT}"))
    assert page.run("b", "%%minimax --n 2\nTwo.").startswith("Waiting for the prompt above.")
    assert prompts(simulator) == [f"One. {SHORT}", "Two."]
    assert len(simulator.log[-1].body["messages"]) == 3


def test_parallel_prompts_of_a_cell_have_the_order_of_the_page(page, simulator):
    run = "get_ipython().run_cell_magic('minimax', '--background --context none', '{}')"
    page.run("a", f"{run.format(f'One. {SHORT}')}\n{run.format('Two.')}")
    page.wait(lambda: len(page.turns("a")) == 2 and not page.is_streaming("a"))
    page.run("b", "%%minimax\nThree.")
    assert prompts(simulator) == [f"One. {SHORT}", "Two.", "Three."]


def test_undo_and_clear_leave_running_answers_and_say_so(page, simulator):
    page.run("a", "%%minimax\nOne.")
    page.run("b", background(f"Two. {SLOW}"))
    page.wait_for_text("b")
    for command in ("undo", "clear"):
        assert "1 answer is still running and joins the thread. Press Stop to end it." in page.run(
            "c", f"%minimax {command}"
        )
    page.stop("b")
    page.wait_for_end("b")
    page.run("d", "%%minimax\nThree.")
    assert prompts(simulator) == [f"Two. {SLOW}", "Three."]


def test_the_turn_of_a_cell_that_was_deleted_is_not_in_later_contexts(page, simulator):
    page.run("a", background(f"One. {SHORT}"))
    del page.sources["a"]
    page.describe([])
    page.wait_for_end("a")
    page.run("b", "%%minimax\nTwo.")
    assert prompts(simulator) == ["Two."]


def test_a_cell_that_moves_while_it_streams_has_its_place_of_then(page, simulator):
    page.run("a", background(f"One. {SHORT}"))
    page.run("b", "%%minimax --context none\nTwo.")
    page.sources = {"load": page.sources["load"], "b": page.sources["b"], "a": page.sources["a"]}
    page.describe([])
    page.wait_for_end("a")
    page.run("c", "%%minimax\nThree.")
    assert prompts(simulator) == ["Two.", f"One. {SHORT}", "Three."]


def test_an_error_in_the_thread_is_shown_in_the_cell_and_raised_by_the_handle(page):
    page.run(
        "t",
        "from mm_magics.display.page_view import PageView\nshow = PageView.show\n"
        "def fail(view, event):\n    if type(event).__name__ == 'Delta': raise OSError('no space')\n"
        "    show(view, event)\nPageView.show = fail",
    )
    page.run("a", background(f"One. {SHORT}", "-o answer"))
    page.wait(lambda: "no space" in page.text("a"))
    page.run("t", "PageView.show = show")
    assert page.turn("a")["status"] == "stopped"
    assert page.run("b", "try: answer.result()\nexcept OSError as error: print(error)") == "no space\n"


def test_quiet_folds_the_answer_in_the_end(page):
    page.run("a", background(f"One. {SHORT}", "--quiet"))
    page.wait_for_end("a")
    assert page.turn("a")["status"] == "complete"


def test_the_setting_applies_to_every_prompt_that_can(page):
    page.run("t", "%minimax set background true")
    page.run("a", f"%%minimax\nOne. {SHORT}")
    assert page.is_streaming("a")
    page.wait_for_end("a")


def test_without_a_page_it_runs_in_the_foreground_and_says_so(fresh_kernel):
    run = fresh_kernel.run("%%minimax --background -o answer\nOne.")
    assert run.turn["status"] == "complete"
    assert "No page with the mm_magics extension shows this cell" in run.outputs[0]["data"]["text/html"]
    assert fresh_kernel.run("print(answer, answer.result() == (await answer))").text == (
        "<BackgroundAnswer: complete> True\n"
    )


def test_a_replayed_answer_has_a_handle_too(page, simulator):
    page.run("a", "%%minimax\nOne.")
    calls = len(simulator.log)
    page.run("a", "%%minimax --background --replay auto -o answer\nOne.")
    page.wait_for_end("a")
    assert len(simulator.log) == calls
    assert page.run("b", "print(answer.done and len(answer.result()) > 0)") == "True\n"


def test_settings_that_change_while_it_waits_do_not_change_it(page, simulator):
    page.run("a", background(f"One. {SHORT}"))
    page.run("b", background("Two."))
    page.run("c", "%minimax set temperature 0.3\n%config MiniMax.base_url = 'http://127.0.0.1:9'")
    page.wait_for_end("a", "b")
    assert page.turn("b")["status"] == "complete"
    assert simulator.log[-1].body["temperature"] == 1.0


def test_a_context_that_is_described_while_it_streams_has_the_whole_answer(page, simulator):
    page.run("a", background(f"One. {SHORT}"))
    page.describe([])
    page.run("c", "1 + 1")
    page.wait_for_end("a")
    streaming = page.outputs["a"]
    page.run("b", "%%minimax\nTwo.")
    answer = simulator.log[-1].body["messages"][1]["content"]
    assert answer == page.turn("a")["messages"][1]["content"]
    assert page.turn("a").get("versions", []) == [], streaming
