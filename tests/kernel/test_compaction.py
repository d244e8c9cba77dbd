"""A summary in a real kernel: what the page receives, the saved output, and the commands."""

from __future__ import annotations

from mm_magics.history.turn import Turn


def ask(kernel, number: int, flags: str = ""):
    return kernel.run(f'%%minimax {flags}\nQuestion {number}? [[simulator: say="Answer {number}."]]', f"c{number}")


def test_a_prompt_with_a_summary_in_a_kernel(fresh_kernel, simulator):
    kernel = fresh_kernel
    for number in range(6):
        ask(kernel, number)
    run = ask(kernel, 6, "--compact now")
    turn = Turn.from_record(run.turn)
    assert turn.text == "Answer 6."
    assert len(turn.compacted.turns) == 2
    notes = [note for kind, change, *_ in run.ops if kind == "state" for note in change.get("notes", ())]
    assert any(note.startswith("Summarizing 2 earlier turns") for note in notes)
    changed = [change for kind, change, *_ in run.ops if kind == "record" and "compacted" in change]
    assert changed[-1]["compacted"]["turns"] == list(turn.compacted.turns)
    assert "2 turns summarized" in run.outputs[-1]["data"]["text/html"]
    before = len(simulator.log)
    again = ask(kernel, 6, "--replay only")
    assert again.turn["compacted"] == run.turn["compacted"]
    assert len(simulator.log) == before
    assert "would be summarized first" in kernel.run("%%minimax --compact now --dry-run\nNext?", "d").text
    assert "2 turns summarized" in kernel.run("%minimax compact").text
    assert "sends all turns" in kernel.run("%minimax compact undo").text
    undone = ask(kernel, 7)
    assert undone.turn["compacted"] == {"turns": []}
    assert "Question 0?" in str(simulator.log[-1].body["messages"])
