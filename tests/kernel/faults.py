"""Sends a prompt that meets a fault, and checks what holds after every fault."""

from __future__ import annotations

import itertools
from typing import Any

from mm_magics.api.messages import blocks, problems
from mm_magics.history.turn import MIME_TYPE
from tests.turns import broken_rules

NUMBERS = itertools.count(1)


def met(kernel, simulator, directive: str, flags: str = "--timeout 0.5", **how: Any) -> Any:
    """Send a prompt with this directive in a new thread, check what holds after any fault, and return the run."""
    thread = f"t{next(NUMBERS)}"
    run = kernel.run(f"%%minimax --thread {thread} {flags}\nHello. [[simulator: {directive}]]", thread, **how)
    bundles = [each for each in run.outputs if MIME_TYPE in each.get("data", {})]
    assert len(bundles) == 1, directive
    assert [each for each in run.outputs if each not in bundles and "ename" not in each] == [], directive
    turn = run.turn
    assert broken_rules(turn) == [], directive
    if run.error is not None and run.error["ename"] != "TurnInterruptedError":
        lines = run.error["evalue"].splitlines()
        assert len(lines) == 2, (directive, lines)
        assert all(line.strip() and line.isprintable() and "went wrong" not in line for line in lines), directive
        assert (turn["status"], turn["error"]) == ("failed", "\n".join(lines)), directive
    content = [block for message in turn["messages"] if message["role"] == "assistant" for block in blocks(message)]
    opened = {op[1]: op[2].get("type") for op in run.ops if op[0] == "open"}
    streamed = "".join(op[2] for op in run.ops if op[0] == "add" and opened[op[1]] in ("text", "thinking"))
    written = [
        block for block in content if block["type"] in ("text", "thinking")
    ]  # a call may have a text sent into it
    stored = "".join(block.get(kind, "") for block in written for kind in ("text", "thinking"))
    assert sorted(streamed) == sorted(stored), f"{directive}: the streamed text is not the stored text"
    after = kernel.run(f"%%minimax --thread {thread}\nAnd now?", f"{thread}-after")
    assert after.error is None, (directive, after.error)
    assert after.turn["status"] == "complete", directive
    request = simulator.log[-1]
    assert request.problems == (), directive
    assert problems(request.body["messages"]) == [], directive
    return run


def lines_of(run: Any) -> str:
    return str(run.error["evalue"])
