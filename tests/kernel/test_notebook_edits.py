"""The tools of `--tools notebook` that change the page: what the person decides, what runs, and what is undone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mm_magics.simulator import ScriptedAnswer
from tests.kernel.background_page import Page
from tests.kernel.changing_page import ChangingPage, reject, wait
from tests.kernel.conftest import Kernel, loaded_kernel
from tests.kernel.test_notebook_tools import results

pytestmark = pytest.mark.slow


def use(name: str, id_: str = "", **input_: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": id_ or name, "name": name, "input": input_}


READ = use("read_cells", cells="#setu,#plot")
EDIT = use("edit_cell", cell="#setu", search="41", replacement="42")
INSERT = use("insert_cell", below="#setu", source="# Ages", kind="markdown")
RUN = use("run_cell", cell="#setu")


@pytest.fixture
def page(fresh_kernel, simulator) -> Iterator[ChangingPage]:
    page = ChangingPage(fresh_kernel)
    page.sources |= {"setup": "x = 41", "plot": "print(x)"}
    page.outputs |= {"setup": [], "plot": []}
    page.turn_messages |= {"setup": [], "plot": []}
    yield page
    simulator.answers.clear()  # of a turn that was stopped


@pytest.fixture
def new_kernel(simulator) -> Iterator[Kernel]:
    with loaded_kernel(simulator) as kernel:
        yield kernel


def ask(page: ChangingPage, simulator, *steps: Any, flags: str = "", end: bool = True) -> None:
    """Let the model call these tools, one message for each step."""
    answers = [ScriptedAnswer(step if isinstance(step, list) else [step]) for step in steps]
    simulator.answers.extend([*answers, "Done."])
    page.run("ask", f"%%minimax --tools notebook {flags}\nClean up.")
    if end:
        page.wait_for_end("ask")


def found(page: Page) -> dict[str, str]:
    return results(page.turn("ask"))


def run_after_error(page: Page, code: str, shown: str) -> None:
    """Run a cell until it shows something: after an error, the kernel drops what arrives at once."""
    page.wait(lambda: shown in page.run("t", code))


def is_asked(page: Page) -> bool:
    return any(op[0] == "tool" and op[2]["state"] == "asking" and "question" in op[2] for op in page.ops("ask"))


def decide(page: Page, allowed: bool, *, always: bool = False) -> dict[str, Any]:
    """Answer the last question of the turn, and return it."""
    question = [op[2]["question"] for op in page.ops("ask") if op[0] == "tool" and "question" in op[2]][-1]
    (turn,) = page.turns("ask")
    page.kernel.request({"type": "here"}, turn["id"])
    returned = {"question": question["id"], "sha256": question["sha256"], "allowed": allowed, "always": always}
    assert page.kernel.request({"type": "decide", "reason": "", **returned}, turn["id"]) == {"received": True}
    return question


def test_accepted_changes_are_made_and_reported_to_the_model(page, simulator):
    ask(page, simulator, READ, [EDIT, INSERT], use("move_cell", cell="#plot", below="top"), use("read_cells"))
    assert page.sources["setup"] == "x = 42"
    assert next(iter(page.sources)) == "plot"
    returned = found(page)
    assert returned["edit_cell"] == "The user accepted it. The cell is [2 #setu, code] now."
    assert returned["insert_cell"].startswith("The user accepted it. The cell is [3 #")
    assert "x = 42" in returned["read_cells"]
    assert "# Ages" in page.sources.values()
    offered = {tool["name"] for tool in simulator.log[-1].body["tools"]}
    assert {"insert_cell", "edit_cell", "move_cell", "delete_cell", "run_cell", "read_cells"} <= offered
    assert {each["turn"] for each in page.seen} == {page.turn("ask")["id"]}


def test_rejected_changes_change_nothing_and_the_model_learns_why(page, simulator):
    page.decide = reject
    ask(page, simulator, READ, [EDIT, INSERT, use("delete_cell", cell="#plot")])
    assert (page.sources["setup"], page.sources["plot"]) == ("x = 41", "print(x)")
    outcomes = [each["outcome"] for response in page.turn("ask")["responses"] for each in response.get("tools", ())]
    assert outcomes == ["done", "denied", "denied", "denied"]
    assert set(list(found(page).values())[1:]) == {
        "The user rejected it, and the notebook is as it was. Not like this."
    }


def test_the_model_learns_the_part_that_was_accepted(page, simulator):
    page.decide = lambda _: {"state": "accepted", "source": "x = 41.5"}
    ask(page, simulator, READ, EDIT, use("edit_cell", "again", cell="#setu", search="41.5", replacement="1"))
    assert found(page)["edit_cell"].endswith("But not as proposed: The cell is [2 #setu, code] now.\nx = 41.5")
    assert page.seen[-1]["before"] == "x = 41.5"


@pytest.mark.parametrize(
    ("calls", "why"),
    [
        ([EDIT], "Read the cell first"),
        ([READ, use("edit_cell", cell="#setu", search="43", replacement="1")], "does not occur"),
        ([READ, use("edit_cell", cell="#plot", search="", replacement="1")], "occurs 9 times"),
        ([READ, use("edit_cell", cell="#setu", search="x", replacement="x")], "the same text"),
        ([use("delete_cell", cell="#plot")], "Read the cell first"),
        ([use("move_cell", cell="#ask", below="top")], "the prompt that you are answering"),
        ([use("move_cell", cell="#plot", below="#plot")], "below itself"),
        ([use("run_cell", cell="#ask")], "the prompt that you are answering"),
        ([use("run_cell", cell="#load")], "The user did not allow"),
    ],
)
def test_calls_that_cannot_be_made_are_refused_without_asking(page, simulator, calls, why):
    page.run("load", "%load_ext mm_magics")
    ask(page, simulator, *calls, end=False)
    if why.startswith("The user"):
        page.wait(lambda: is_asked(page))
        decide(page, allowed=False)
    page.wait_for_end("ask")
    assert why in str(list(found(page).values())[-1])
    assert page.seen == []


def test_a_cell_that_the_person_edits_while_the_model_waits_is_left(page, simulator):
    page.decide = wait
    ask(page, simulator, READ, EDIT, end=False)
    page.wait(lambda: page.seen != [])
    page.sources["setup"] = "x = 99"
    page.tell(page.seen[0], "refused", "The text of the cell is another one.", source="x = 99")
    page.wait_for_end("ask")
    assert found(page)["edit_cell"].startswith("It was not done. The text of the cell is another one.")


def test_the_setting_accept_changes_at_once_and_propose_does_not_wait(page, simulator):
    page.decide = wait
    ask(page, simulator, READ, EDIT, flags="--edits accept")
    assert page.sources["setup"] == "x = 42"
    assert found(page)["edit_cell"].startswith("Done.")
    page.run("set", "%minimax set edits propose")
    ask(page, simulator, READ, use("edit_cell", cell="#setu", search="42", replacement="43"))
    assert "has not decided yet" in found(page)["edit_cell"]
    assert page.sources["setup"] == "x = 42"


def test_undecided_changes_are_sent_again_and_a_late_decision_counts_once(page, simulator):
    page.decide = wait
    ask(page, simulator, READ, EDIT, flags="--edits propose")
    page.connect_again()
    page.wait(lambda: len(page.seen) == 2)
    assert page.seen[0] == page.seen[1]
    assert page.finish(page.seen[0], {"state": "accepted"})
    assert not page.tell(page.seen[0], "rejected")
    page.wait(lambda: page.settled == [page.seen[0]["id"]])
    page.connect_again()
    page.run("other", "1 + 1")
    assert len(page.seen) == 2


def test_a_cell_runs_only_when_its_code_was_allowed(page, simulator):
    ask(page, simulator, READ, RUN, use("run_cell", "again", cell="#plot"), end=False)
    for allowed in (True, False):
        page.wait(lambda: is_asked(page))
        question = decide(page, allowed)
        page.turn_messages["ask"].clear()
    page.wait_for_end("ask")
    assert question["always"] == "Allow every call of run_cell in this turn"
    assert [(each["label"], each["language"], each["text"]) for each in question["parts"][1:]] == [
        ("code", "python", "print(x)")
    ]
    assert "[2 #setu, code] ran as [7].\nx = 41\n[output]\nIt displayed nothing." in found(page)["run_cell"]
    assert "did not allow" in found(page)["again"]
    assert page.run("t", "print(x)") == "41\n"


def test_runs_can_be_allowed_for_the_turn_and_errors_are_returned(page, simulator):
    page.sources["plot"] = "print(x)\n1 / 0"
    runs = [RUN, use("run_cell", "again", cell="#plot")]
    ask(page, simulator, READ, *runs, end=False)
    page.wait(lambda: is_asked(page))
    decide(page, allowed=True, always=True)
    page.wait_for_end("ask")
    running = [op[2] for op in page.ops("ask") if op[0] == "tool" and op[2]["state"] == "running"]
    shown = [each["question"]["parts"] for each in running if "question" in each]
    assert [parts[-1]["text"] for parts in shown] == ["x = 41", "print(x)\n1 / 0"]
    assert "ran as [7] and raised an error" in found(page)["again"]
    assert "ZeroDivisionError" in found(page)["again"]
    run_after_error(page, "%minimax tools", "There are no rules.")
    simulator.answers.extend([ScriptedAnswer([RUN]), "Done."])
    page.turn_messages["ask"].clear()
    page.run("ask", "%%minimax --tools notebook\nAgain.")
    page.wait(lambda: is_asked(page))
    decide(page, allowed=False)
    page.wait_for_end("ask")


def test_a_cell_that_is_edited_after_it_was_allowed_does_not_run(page, simulator):
    ask(page, simulator, RUN, end=False)
    page.wait(lambda: is_asked(page))
    page.sources["setup"] = "x = 'deleted everything'"
    decide(page, allowed=True)
    page.wait_for_end("ask")
    assert "The text of the cell is another one." in found(page)["run_cell"]
    assert "name 'x' is not defined" in page.run("t", "x")


def test_code_that_a_model_runs_cannot_allow_more(page, simulator):
    lines = ("tools allow *", "set edits accept", "undo-edits")
    page.sources["setup"] = "\n".join(
        f"try: get_ipython().run_line_magic('minimax', {line!r})\nexcept Exception as error: print(error)"
        for line in lines
    )
    ask(page, simulator, RUN, end=False)
    page.wait(lambda: is_asked(page))
    decide(page, allowed=True)
    page.wait_for_end("ask")
    assert page.text("setup").count("is refused while a tool runs.") == 3
    assert "There are no rules." in page.run("t", "%minimax tools")
    assert "ask" in page.run("t", "%minimax set edits")


def test_a_run_that_never_ends_is_interrupted_by_stop(page, simulator):
    page.sources["setup"] = "import time\nprint('begins', flush=True)\ntime.sleep(600)"
    page.run("t", "%minimax tools allow run_cell")
    simulator.answers.extend([ScriptedAnswer([RUN]), "Done."])
    page.start("ask", "%%minimax --tools notebook\nGo.")
    page.wait(lambda: "begins" in page.text("setup"))
    page.stop("ask")
    page.wait(lambda: "KeyboardInterrupt" in page.text("setup"))
    page.wait_for_end("ask")
    assert page.turn("ask")["status"] == "stopped"


@pytest.mark.parametrize("is_late", [False, True])
def test_a_run_that_waits_behind_another_cell_is_not_run_after_stop(page, simulator, tmp_path, is_late):
    stopped = tmp_path / "stopped"
    page.acts_late = is_late
    page.run("t", "%minimax tools allow run_cell")
    page.run("t", "x = 0; import time, pathlib")
    busy = f"while not pathlib.Path({str(stopped)!r}).exists(): time.sleep(0.05)"
    simulator.answers.extend([ScriptedAnswer([RUN]), "Done."])
    page.before_run = lambda: page.start("busy", busy)
    page.start("ask", "%%minimax --tools notebook\nGo.")
    page.wait(lambda: page.of("run") != [])
    page.stop("ask")
    page.wait_for_end("ask")
    if is_late:
        page.act(page.seen[0])
    stopped.touch()
    page.wait(lambda: not page._busy)
    assert "Not run: the turn that requested it was stopped." in page.text("setup")
    run_after_error(page, "print('x is', x)", "x is 0")
    page.run("setup")
    assert page.run("t", "print(x)") == "41\n"


def test_stop_ends_the_wait_for_a_decision(page, simulator):
    page.decide = wait
    ask(page, simulator, READ, EDIT, end=False)
    page.wait(lambda: page.seen != [])
    page.stop("ask")
    page.wait_for_end("ask")
    assert page.turn("ask")["status"] == "stopped"
    assert page.finish(page.seen[0], {"state": "accepted"})


def test_an_interrupt_ends_the_wait_for_a_decision_in_the_foreground(page, simulator):
    page.decide = wait
    page.run("t", "def spin() -> str:\n    return 'spun'")
    simulator.answers.extend([ScriptedAnswer([READ]), ScriptedAnswer([EDIT]), "Done."])
    page.start("ask", "%%minimax --tools notebook,spin\nClean up.")
    page.wait(lambda: page.seen != [])
    page.kernel.interrupt()
    page.wait(lambda: not page.is_streaming("ask") and len(page.outputs["ask"]) == 2)
    assert "Interrupted." in page.text("ask")
    assert page.turns("ask")[0]["status"] == "stopped"
    assert page.finish(page.seen[0], {"state": "accepted"})
    run_after_error(page, "%minimax undo-edits", "has its earlier text")
    assert page.sources["setup"] == "x = 41"


def test_a_turn_is_undone_but_cells_that_changed_since_are_left(page, simulator):
    before = {name: page.sources[name] for name in ("setup", "plot")}
    page.sources["extra"] = "y = 1"
    page.outputs["extra"], page.turn_messages["extra"] = [], []
    steps = [
        use("read_cells", cells="#setu,#plot,#extr"),
        [EDIT, INSERT, use("delete_cell", cell="#plot"), use("move_cell", cell="#extr", below="top")],
        use("edit_cell", "second", cell="#extr", search="1", replacement="2"),
    ]
    ask(page, simulator, *steps)
    page.sources["extra"] = "y = 3"
    text = page.run("undo", "%minimax undo-edits")
    assert {name: page.sources[name] for name in before} == before
    assert "# Ages" not in page.sources.values()
    assert page.sources["extra"] == "y = 3"
    assert "its text was changed since" in " ".join(text.split())
    assert all(not each["ask"] for each in page.seen[-3:])
    assert "its text was changed since" in " ".join(page.run("undo", "%minimax undo-edits").split())


def test_a_turn_that_needs_the_thread_of_the_cells_offers_no_run_and_says_why(page, simulator):
    page.run("t", "def spin() -> str:\n    return 'spun'")
    simulator.answers.extend([ScriptedAnswer([READ]), ScriptedAnswer([EDIT]), "Done."])
    page.run("ask", "%%minimax --tools notebook,spin\nClean up.")
    assert page.sources["setup"] == "x = 42"
    assert "run_cell" not in {tool["name"] for tool in simulator.log[-1].body["tools"]}
    assert "spin can only be called in it." in str(page.outputs["ask"])


def test_replay_shows_what_was_done_and_changes_nothing(page, simulator):
    ask(page, simulator, READ, [EDIT, INSERT])
    calls, seen, sources = len(simulator.log), len(page.seen), dict(page.sources)
    simulator.answers.clear()
    page.run("ask", "%%minimax --tools notebook --replay only \nClean up.")
    page.wait_for_end("ask")
    assert (len(simulator.log), len(page.seen)) == (calls, seen)
    assert {**page.sources, "ask": ""} == {**sources, "ask": ""}
    assert found(page)["edit_cell"].startswith("The user accepted it.")


def test_the_metadata_of_a_notebook_does_not_choose_accept(page, simulator):
    page.decide = reject
    page.describe([], settings={"edits": "accept"})
    ask(page, simulator, READ, EDIT)
    assert page.seen[0]["ask"] is True
    assert page.sources["setup"] == "x = 41"


def test_what_the_tools_read_is_in_the_ledger_and_checked_by_never_send(page, simulator):
    page.run("t", "pin = 4711")
    page.sources["plot"] = "print(pin)"
    page.run("t", "%minimax tools allow run_cell")
    run = use("run_cell", cell="#plot")
    ask(page, simulator, run)
    assert "run_cell" in page.run("t", "%minimax sent")
    page.run("t", "%config MiniMax.never_send = ['pin']")
    calls = len(simulator.log)
    ask(page, simulator, run, flags="--context none")
    assert len(simulator.log) == calls + 1
    assert "pin is in never_send" in str(page.turn("ask"))


def restarted(page: ChangingPage, kernel: Any) -> ChangingPage:
    """Return the page of a new kernel with the cells and the saved outputs of this page."""
    again = ChangingPage(kernel)
    outputs = {name: [each for each in page.outputs[name] if "data" in each] for name in page.sources}
    again.sources, again.outputs = dict(page.sources), outputs
    again.turn_messages = {name: [] for name in page.sources}
    again.connect_again()
    return again


def test_each_change_is_listed_in_the_record_and_in_the_saved_output(page, simulator):
    page.decide = lambda change: reject(change) if change["kind"] == "insert" else {"state": "accepted"}
    ask(page, simulator, READ, [EDIT, INSERT, use("delete_cell", cell="#plot")])
    lines = ["Edited cell #setu x = 42", "Rejected: inserting cell #", "Deleted cell #plot print(x)"]
    changes = page.turn("ask")["changes"]
    assert [each["text"][: len(line)] for each, line in zip(changes, lines, strict=True)] == lines
    assert [each["state"] for each in changes] == ["accepted", "rejected", "accepted"]
    for form in ("text/html", "text/markdown", "text/plain"):
        assert all(line in page.outputs["ask"][0]["data"][form] for line in lines), form


def test_a_turn_is_undone_after_a_restart_of_the_kernel(page, simulator, new_kernel):
    page.sources["extra"] = "y = 1"
    page.outputs["extra"], page.turn_messages["extra"] = [], []
    before = dict(page.sources)
    steps = [
        use("read_cells", cells="#setu,#plot,#extr"),
        [EDIT, INSERT, use("delete_cell", cell="#plot"), use("move_cell", cell="#extr", below="top")],
        use("edit_cell", "second", cell="#extr", search="1", replacement="2"),
    ]
    ask(page, simulator, *steps)
    again = restarted(page, new_kernel)
    again.sources["extra"] = "y = 3"
    text = " ".join(again.run("undo", "%minimax undo-edits").split())
    assert (again.sources["setup"], again.sources["plot"]) == (before["setup"], before["plot"])
    assert "# Ages" not in again.sources.values()
    assert again.sources["extra"] == "y = 3"
    assert "#extr y = 3 left as it is its text was changed since" in text.replace("| ", "")


def test_proposals_are_shown_again_after_a_restart_of_the_kernel(page, simulator, new_kernel):
    page.decide = wait
    ask(page, simulator, READ, EDIT, flags="--edits propose")
    assert page.turn("ask")["changes"][0]["text"] == "Not decided: editing cell #setu x = 42"
    again = restarted(page, new_kernel)
    again.decide = wait
    again.wait(lambda: again.seen != [])
    assert again.seen[0] == page.seen[0]
    assert again.finish(again.seen[0], {"state": "accepted"})
    assert again.sources["setup"] == "x = 42"
    again.run("undo", "%minimax undo-edits")
    assert again.sources["setup"] == "x = 41"


def test_a_late_decision_is_in_the_record(page, simulator):
    page.decide = wait
    ask(page, simulator, READ, EDIT, flags="--edits propose")
    page.finish(page.seen[0], {"state": "accepted"})
    page.wait(lambda: any("Edited cell #setu" in str(each) for each in page.replaced))
