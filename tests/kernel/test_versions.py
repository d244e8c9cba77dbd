"""Versions in a real kernel, with a page that describes itself and one that does not."""

from __future__ import annotations

from mm_magics.history.turn import MIME_TYPE, Turn
from mm_magics.history.versions import use_version
from tests.kernel.test_comms import FrontEnd, cell, output, sent


def say(text: str) -> str:
    return f'%%minimax\nOne [[simulator: say="{text}"]]'


def answers(run) -> list[str]:
    return [Turn.from_record(record).text for record in [run.turn, *run.turn.get("versions", [])]]


def received(run, kind: str) -> dict:
    """What the kernel sent on the document comm."""
    data = [content["data"] for name, content in run.messages if name == "comm_msg"]
    return next(each[kind] for each in data if kind in each)


def test_the_versions_of_a_cell_on_a_live_page(fresh_kernel, simulator):
    kernel, page = fresh_kernel, {"a": cell(""), "b": cell("Two"), "c": cell("")}
    front_end = FrontEnd(kernel)
    for text in ("first", "second"):
        page["a"] = {**page["a"], "source": say(text)}
        front_end.describe(page, ["a"])
        run = kernel.run(say(text), "a")
        page["a"] = {**page["a"], "outputs": [output(run)]}
    assert answers(run) == ["second", "first"]
    front_end.describe(page, ["b"])
    below = kernel.run("%%minimax\nTwo", "b")
    page["b"] = cell("Two", output(below))
    assert "first" not in str(simulator.log[-1].body)
    front_end.describe(page, ["c"])
    used = kernel.run("%minimax use 1 1", "c")
    assert "Version 1 of 2" in used.text
    assert "is active now" in used.text
    bundle = received(used, "outputs")["a"]["data"]
    assert Turn.from_record(bundle[MIME_TYPE]).text == bundle["text/plain"] == "first"
    assert received(used, "marks") == {"b": {below.turn["id"]: ["stale"]}}
    # The page shows version 1 now, then its reader chooses version 2 there.
    for number, shown in ((1, "first"), (2, "second")):
        record = use_version(Turn.from_record(bundle[MIME_TYPE]), number).record()
        page["a"] = {**page["a"], "outputs": [{"output_type": "display_data", "data": {MIME_TYPE: record}}]}
        front_end.describe(page, ["b"])
        kernel.run("%%minimax\nTwo", "b")
        assert shown in str(simulator.log[-1].body["messages"][1])
    assert "restored" not in kernel.run("%minimax versions 1", "c").text


def test_without_a_page_the_version_is_displayed_without_its_record(fresh_kernel, simulator):
    kernel = fresh_kernel
    for text in ("first", "second"):
        kernel.run(say(text), "a")
    used = kernel.run("%minimax use 1", "b")
    assert [sorted(each["data"]) for each in used.outputs] == [
        ["text/html", "text/markdown", "text/plain"],
        ["text/markdown", "text/plain"],
    ]
    assert used.outputs[0]["data"]["text/plain"] == "first"
    assert "active until this kernel ends" in used.text
    kernel.run("%%minimax\nTwo", "b")
    assert "first" in str(simulator.log[-1].body["messages"][1])
    assert sent(simulator)[-1] == "Two"


def test_the_same_request_asked_again_with_replay_shows_the_active_version(fresh_kernel):
    kernel = fresh_kernel
    first, second = (kernel.run(say("same"), "a").turn for _ in range(2))
    assert first["id"] != second["id"]
    replayed = kernel.run(say("same").replace("minimax", "minimax --replay auto"), "a")
    assert replayed.turn == second


def test_the_page_can_ask_once_with_another_model_and_past_the_recorded_answer(fresh_kernel, simulator):
    kernel, page = fresh_kernel, {"a": cell("One")}
    front_end = FrontEnd(kernel)
    kernel.run("%minimax set replay auto")

    def run(**once) -> dict:
        front_end.describe(page, ["a"], scheduled=["a"], once={"a": once})
        made = kernel.run("%%minimax\nOne", "a").turn
        page["a"] = cell("One", {"output_type": "display_data", "data": {MIME_TYPE: made}})
        return made

    first = run()
    other = run(model="MiniMax-M2.1", replay="off")
    assert simulator.log[-1].body["model"] == other["model"] == "MiniMax-M2.1"
    assert [each["model"] for each in other["versions"]] == ["MiniMax-M2.7"]
    again = run(replay="off")
    assert again["model"] == "MiniMax-M2.7"
    assert again["id"] not in (first["id"], other["id"])
    calls = len(simulator.log)
    assert run()["id"] == again["id"]
    kernel.run("%minimax set replay only")
    assert run(replay="off")["id"] == again["id"]
    assert len(simulator.log) == calls


def test_settings_for_a_run_that_never_happened_do_not_apply_to_the_next(fresh_kernel, simulator):
    kernel, page = fresh_kernel, {"a": cell("One")}
    front_end = FrontEnd(kernel)
    front_end.describe(page, ["a"], scheduled=["a"], once={"a": {"model": "MiniMax-M2.1"}})
    front_end.describe(page, ["a"], scheduled=["a"], once={"a": "nonsense", "b": {"model": "x"}})
    kernel.run("%%minimax\nOne", "a")
    assert simulator.log[-1].body["model"] == "MiniMax-M2.7"


def test_an_answer_with_another_model_says_so(fresh_kernel):
    kernel, page = fresh_kernel, {"a": cell("One")}
    front_end = FrontEnd(kernel)
    front_end.describe(page, ["a"], scheduled=["a"], once={"a": {"model": "MiniMax-M2.1"}})
    run = kernel.run("%%minimax -m MiniMax-M2\nOne", "a")
    note = "Asked with MiniMax-M2.1 this time only. Running the cell asks MiniMax-M2."
    assert note in run.outputs[0]["data"]["text/html"]
