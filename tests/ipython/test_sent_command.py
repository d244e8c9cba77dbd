"""`%minimax sent` and `mm-magics sent`: the requests of each turn, and all of one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import pandas as pd
import pytest

from mm_magics import NeverSendError, Session, map_prompts
from mm_magics.cli import main
from mm_magics.display.mime_bundle import make_bundle
from mm_magics.errors import ArgumentError
from mm_magics.history.notebook_context import CellRun, format_cells
from mm_magics.history.turn import Turn
from mm_magics.ipython import commands
from mm_magics.prompt.attachments import attach
from mm_magics.prompt.template import Template
from mm_magics.simulator import Simulator, text, tool_use
from tests.batch.simulated import ok_template
from tests.ipython.tables import as_text
from tests.tools.scripted import calls, script
from tests.turn.test_never_send import SECRET, lookup

SOURCE = "%%minimax --sees above\nDescribe {{ df }}, {{ 6 * 7 }}."
CELL = CellRun("c1", "df.tail()", [{"output_type": "stream", "text": "1 Eva\n"}])


def output(session: Session, line: str) -> str:
    shell: Any = SimpleNamespace(user_ns={})
    return " ".join(as_text(commands.run(commands.Context(session, shell), line)).split())


@pytest.fixture
def asked(session: Session, endpoint: Simulator, tmp_path: Path) -> tuple[Session, Turn]:
    """A turn with a cell, a file, two expressions and the result of a tool, in a notebook with its source."""
    (tmp_path / "notes.txt").write_text("some notes")
    names = {"df": pd.DataFrame({"name": ["Ana"], "age": [3]})}
    prompt = SOURCE.partition("\n")[2]
    blocks = [text(format_cells([CELL], 0)), *attach(tmp_path / "notes.txt").blocks]
    content = [*blocks, text(Template(prompt).fill(names))]
    script(endpoint, calls(tool_use("lookup", {"name": "Ana"})), "done")
    cells = [nbformat.v4.new_code_cell("df.tail()", id="c1"), nbformat.v4.new_code_cell(SOURCE, id="p1")]
    (tmp_path / "a.ipynb").write_text(nbformat.writes(nbformat.v4.new_notebook(cells=cells)))
    session.attach(tmp_path / "a.ipynb")
    turn = session.ask(session.prepare(content, cell_id="p1", source=prompt, tools=[lookup]))
    session.ask("And now?")
    cells[1].outputs = [nbformat.v4.new_output("display_data", data=make_bundle(turn))]
    (tmp_path / "a.ipynb").write_text(nbformat.writes(nbformat.v4.new_notebook(cells=cells)))
    return session, turn


def test_each_turn_is_listed_with_what_was_new_in_it(asked: tuple[Session, Turn]) -> None:
    shown = output(asked[0], "sent")
    for part in ("cell 1 with output", "df, 6 * 7", "name, age", "notes.txt", "lookup"):
        assert part in shown
    assert shown.count("notes.txt") == 1


def test_all_parts_of_a_turn_are_listed(asked: tuple[Session, Turn]) -> None:
    shown = output(asked[0], "sent 1")
    for part in (
        "output of a cell cell 1",
        "file notes.txt 10",
        "variable 6 * 7 at most 57",
        "tool result lookup",
        "2 requests",
    ):
        assert part in shown
    assert "earlier turns" not in shown
    assert SECRET not in shown
    assert output(asked[0], "sent 2").count("earlier turns") > 5


def test_the_command_line_lists_the_same_from_the_file(
    asked: tuple[Session, Turn], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sent", str(tmp_path / "a.ipynb")]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for part in (
        "output of a cell cell 1",
        "file notes.txt",
        "variable df at most 86",
        "tool result lookup",
        "2 requests",
    ):
        assert part in shown


def test_the_cells_that_a_tool_has_read_are_listed(asked: tuple[Session, Turn], endpoint: Simulator) -> None:
    def read_cells() -> str:
        """Read cells."""
        return "3 cells:\n[1 #c1, code] df.tail()\n[2 #p1, code] %%minimax … (2 lines)\n[3 #gone, code] x = 1"

    script(endpoint, calls(tool_use("read_cells", {})), "done")
    asked[0].ask(asked[0].prepare("Which cells are there?", tools=[read_cells], context="none"))
    assert "read by tools: 1–2, #gone" in output(asked[0], "sent")
    assert "cell in tool results #gone 6" in output(asked[0], "sent 3")


def test_an_edited_cell_does_not_tell_what_was_filled_in(asked: tuple[Session, Turn], tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    path.write_text(path.read_text().replace("Describe", "Explain"))
    asked[0].refresh()
    assert "variable" not in output(asked[0], "sent 1")


def test_a_result_that_was_refused_is_not_listed(session: Session, endpoint: Simulator) -> None:
    session.namespace["df"] = pd.DataFrame({"email": [SECRET]})
    session.settings.assign("never_send", ["df.email"])
    script(endpoint, calls(tool_use("lookup", {"name": "Ana"})), "done")
    with pytest.raises(NeverSendError):
        session.ask("Who?", tools=[lookup])
    shown = output(session, "sent 1")
    assert "1 request" in shown
    assert "tool result" not in shown
    assert "tool call" not in shown


def test_a_map_run_lists_what_its_template_reads(session: Session, tmp_path: Path) -> None:
    rows = [{"text": "one"}, {"text": "two"}]
    map_prompts(ok_template(), rows, session=session, progress=False, store=tmp_path / "answers.sqlite")
    shown = output(session, "sent 1")
    assert "variable row.text" in shown
    assert "A map run: 2 requests" in shown


def test_a_summary_is_named(session: Session, endpoint: Simulator) -> None:
    endpoint.answers.extend([*["Yes."] * 8, "The summary.", "Yes."])
    for number in range(8):
        session.ask(f"Question {number}?")
    turn = session.ask("And now?", compact="now")
    assert turn.compacted
    shown = output(session, "sent 9")
    assert "sent as a summary" in shown
    assert "were sent to be summarized" in shown


def test_without_turns_nothing_was_sent(session: Session) -> None:
    assert "nothing was sent" in output(session, "sent")
    with pytest.raises(ArgumentError):
        output(session, "sent 1")
