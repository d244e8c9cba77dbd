"""No request contains what `never_send` names, wherever it would be: the bytes that the endpoint received tell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import pandas as pd
import pytest
from traitlets import TraitError

from mm_magics import AsyncSession, NeverSendError, Session, map_prompts
from mm_magics.batch.job import MapOptions, build_job
from mm_magics.history.notebook import Cell, Document
from mm_magics.history.notebook_context import CellRun, format_cells
from mm_magics.history.shown_cells import shown_cells
from mm_magics.prompt.attachments import attach
from mm_magics.prompt.template import Template
from mm_magics.simulator import Simulator, text, tool_use
from mm_magics.tools.builtin.notebook import notebook_tools
from tests.batch.simulated import ok_template, sent_texts
from tests.tools.scripted import calls, script
from tests.turn.test_comparison import begin

SECRET = "ana.souza@example.org"
CANARY = b"souza"


@pytest.fixture
def session_settings() -> dict[str, Any]:
    return {"never_send": ["df.email", "secrets.*"]}


@pytest.fixture
def protected(session: Session) -> Session:
    """A session with a data frame and an object that must not be sent."""
    df = pd.DataFrame({"name": ["Ana", "Eva"], "email": [SECRET, "eva.lima@example.org"], "pin": [1, 2]})
    session.namespace |= {"df": df, "secrets": SimpleNamespace(pin="4711", token="a-long-token-of-ana-souza")}
    return session


def posted(endpoint: Simulator) -> list[bytes]:
    return [record.raw for record in endpoint.log if record.method == "POST"]


def refused(endpoint: Simulator, ask: Callable[[], Any], *parts: str) -> NeverSendError:
    """Assert that nothing with a secret is sent, and that the error says where it would have been."""
    with pytest.raises(NeverSendError) as caught:
        ask()
    assert not any(CANARY in each.lower() for each in posted(endpoint))
    assert "never_send" in caught.value.message
    assert SECRET not in str(caught.value)
    assert "souza" not in str(caught.value)
    for part in parts:
        assert part in caught.value.message
    return caught.value


def test_without_the_setting_everything_is_sent(endpoint: Simulator, protected: Session) -> None:
    protected.settings.assign("never_send", [])
    assert protected.ask(f"Write to {SECRET}.").status == "complete"
    assert CANARY in posted(endpoint)[0]


def test_a_request_without_the_values_is_sent(endpoint: Simulator, protected: Session) -> None:
    assert protected.ask("Write to somebody@example.org. PIN 4711.").status == "complete"


PARTS: dict[str, tuple[dict[str, Any], str]] = {
    "prompt": ({"content": f"Write to {SECRET}."}, "the text of a prompt"),
    "prompt in capitals": ({"content": SECRET.upper()}, "1 value"),
    "two values": ({"content": f"{SECRET} eva.lima@example.org"}, "2 values"),
    "system prompt": ({"system": f"The user is {SECRET}."}, "the system prompt"),
    "user id": ({"user_id": SECRET}, "the field metadata"),
    "request field": ({"params": {"stop_sequences": [SECRET]}}, "the field stop_sequences"),
    "other object": ({"content": "a-long-token-\nof-ana-souza"}, "secrets.* is in never_send"),
    "block": ({"content": [text("hi"), text(f"to: {SECRET}")]}, "1 value"),
    "file": ({"content": [text(f'<file name="mails.csv">\n{SECRET}\n</file>'), text("hi")]}, "the file mails.csv"),
}


@pytest.mark.parametrize(("flags", "part"), PARTS.values(), ids=PARTS)
def test_a_value_is_refused_in_every_part_of_the_first_request(
    endpoint: Simulator, protected: Session, flags: dict[str, Any], part: str
) -> None:
    given = {"content": "hi", **flags}
    refused(endpoint, lambda: protected.ask(protected.prepare(given.pop("content"), **given)), part)
    assert posted(endpoint) == []
    assert protected.history.turns("main") == []


def lookup(name: str) -> str:
    """Look a customer up."""
    return f"{name}: {SECRET}"


def tool_without_value() -> str:
    """Say nothing."""
    return "nothing"


@pytest.mark.parametrize("is_strict", [False])
def test_the_result_of_a_tool_is_not_sent(endpoint: Simulator, protected: Session) -> None:
    script(endpoint, calls(tool_use("lookup", {"name": "Ana"})), "done")
    error = refused(endpoint, lambda: protected.ask("Who?", tools=[lookup]), "a result of the tool lookup")
    assert len(posted(endpoint)) == 1
    assert "--context none" in error.hint
    (turn,) = protected.history.turns("main")
    assert turn.status == "failed"
    assert "never_send" in (turn.error or "")


def test_the_next_prompt_does_not_send_the_result_either(endpoint: Simulator, protected: Session) -> None:
    script(endpoint, calls(tool_use("lookup", {"name": "Ana"})), "done")
    refused(endpoint, lambda: protected.ask("Who?", tools=[lookup]))
    try:
        assert protected.ask("And now?").status == "complete"
    except NeverSendError:
        assert protected.ask("And now?", context="none").status == "complete"
    assert not any(CANARY in each for each in posted(endpoint))


def test_the_result_of_a_function_that_reads_a_protected_variable_is_not_sent(
    endpoint: Simulator, protected: Session
) -> None:
    secrets = protected.namespace["secrets"]

    def pin() -> str:
        """Return the PIN."""
        return str(secrets.pin)

    script(endpoint, calls(tool_use("pin", {})), "done")
    refused(endpoint, lambda: protected.ask("Which?", tools=[pin]), "secrets.*", "a result of the tool pin reads it")


def test_the_result_of_a_call_whose_arguments_read_a_protected_variable_is_not_sent(
    endpoint: Simulator, protected: Session
) -> None:
    def run(code: str) -> str:
        """Run Python code."""
        return "4711"

    script(endpoint, calls(tool_use("run", {"code": "print(secrets.pin)"})), "done")
    refused(endpoint, lambda: protected.ask("Which?", tools=[run]), "a result of the tool run reads it")


@pytest.mark.parametrize("name", ["df", "customers"])
def test_the_tool_that_reads_variables_returns_no_protected_column(
    endpoint: Simulator, protected: Session, name: str
) -> None:
    protected.namespace["customers"] = protected.namespace["df"]
    protected.settings.assign("never_send", ["df.pin"])
    tool = next(each for each in notebook_tools(protected.namespace, lambda: []) if each.name == "read_variable")
    script(endpoint, calls(tool_use("read_variable", {"name": name})), "done")
    with pytest.raises(NeverSendError, match="a result of the tool read_variable reads it"):
        protected.ask("Look.", tools=[tool], approve=lambda _call: True)
    assert len(posted(endpoint)) == 1


@pytest.mark.parametrize(("source", "is_refused"), [("print(secrets.pin)", True), ("print(1)", False)])
def test_the_output_of_a_cell_is_not_read_if_the_cell_reads_a_protected_variable(
    endpoint: Simulator, protected: Session, source: str, is_refused: bool
) -> None:
    printed = {"output_type": "stream", "text": "9"}
    cells = [Cell("printing", "code", source, [printed]), Cell("silent", "code", "secrets.pin")]
    shown = shown_cells(Document("a.ipynb", 0.0, cells), {})
    tool = next(each for each in notebook_tools({}, lambda: shown) if each.name == "read_cells")
    script(endpoint, calls(tool_use("read_cells", {"cells": "1-2"})), "done")
    if is_refused:
        refused(endpoint, lambda: protected.ask("Look.", tools=[tool]), "a result of the tool read_cells reads it")
    else:
        assert protected.ask("Look.", tools=[tool]).status == "complete"


def test_another_result_is_sent(endpoint: Simulator, protected: Session) -> None:
    script(endpoint, calls(tool_use("tool_without_value", {})), "done")
    assert protected.ask("Go.", tools=[tool_without_value]).status == "complete"
    assert len(posted(endpoint)) == 2


def test_an_earlier_turn_is_not_sent_once_the_rule_is_set(endpoint: Simulator, protected: Session) -> None:
    protected.settings.assign("never_send", [])
    protected.ask(f'[[simulator: say="I know {SECRET}."]] Say it.')
    sent = len(posted(endpoint))
    protected.settings.assign("never_send", ["df.email"])
    with pytest.raises(NeverSendError, match="the text of a prompt"):
        protected.ask("And now?")
    assert len(posted(endpoint)) == sent
    assert protected.ask("And now?", context="none").status == "complete"


def test_values_are_those_at_the_time_of_the_request(endpoint: Simulator, protected: Session) -> None:
    protected.ask("Write to new@example.org.")
    protected.namespace["df"] = pd.DataFrame({"email": ["new@example.org"]})
    with pytest.raises(NeverSendError):
        protected.ask("hi")


CELL = CellRun("c1", "df.head()", [{"output_type": "stream", "text": f"0 Ana {SECRET}\n"}])
READS = CellRun("c2", "print(secrets.pin)", [{"output_type": "stream", "text": "4711\n"}])
TABLE = CellRun(
    "c3",
    "df.drop(columns=[])",
    [
        {
            "output_type": "display_data",
            "data": {"text/html": "<table><tr><th>email</th></tr><tr><td>a@b.c</td></tr></table>"},
        }
    ],
)
QUIET = CellRun("c4", "x = secrets.pin")


@pytest.mark.parametrize(
    ("cell", "part"),
    [(CELL, "in the output of cell c1"), (READS, "the output of cell c2 reads it"), (TABLE, "the output of cell c3")],
)
def test_the_output_of_a_cell_is_not_sent(endpoint: Simulator, protected: Session, cell: CellRun, part: str) -> None:
    content = [text(format_cells([CellRun("c0", "1 + 1"), cell], 0)), text("hi")]
    refused(endpoint, lambda: protected.ask(protected.prepare(content)), part)


def test_a_cell_without_output_is_sent(endpoint: Simulator, protected: Session) -> None:
    content = [text(format_cells([QUIET], 0)), text("hi")]
    assert protected.ask(protected.prepare(content)).status == "complete"


@pytest.mark.parametrize("name", ["secrets.json", "secrets.env"])
def test_a_file_that_matches_a_rule_is_not_sent(
    endpoint: Simulator, protected: Session, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text("pin = 4711")
    content = [*attach(tmp_path / name).blocks, text("hi")]
    refused(endpoint, lambda: protected.ask(protected.prepare(content)), f"the file {name}")


EXPRESSIONS = ["{{ df.email.nunique() }}", "{{ df['email'] }}", "{{ secrets.pin }}", "{{ df }}", "{{ df.tail(1) }}"]


@pytest.mark.parametrize("template", EXPRESSIONS)
def test_an_expression_that_reads_a_protected_variable_is_refused(
    endpoint: Simulator, protected: Session, template: str
) -> None:
    content, filled = Template(template).fill_each(protected.namespace)
    prompt = protected.prepare(content, expressions=filled)
    refused(endpoint, lambda: protected.ask(prompt), template, "reads it")
    assert protected.ask(protected.prepare("Hi", expressions=[])).status == "complete"


ALIASES = ["{{ customers.pin[0] }}", "{{ _.pin[0] }}", "{{ customers.head() }}", "{{ vault.pin }}"]


@pytest.mark.parametrize("template", ALIASES)
def test_another_name_of_a_protected_variable_is_protected_too(
    endpoint: Simulator, protected: Session, template: str
) -> None:
    names = protected.namespace
    names |= {"customers": names["df"], "_": names["df"], "vault": names["secrets"]}
    protected.settings.assign("never_send", ["df.pin", "secrets.*"])
    content, filled = Template(template).fill_each(names)
    refused(endpoint, lambda: protected.ask(protected.prepare(content, expressions=filled)), template)


def test_other_expressions_are_sent(endpoint: Simulator, protected: Session) -> None:
    content, filled = Template("{{ len(df) }} {{ df.name.tolist() }} {{ df[['name', 'pin']] }}").fill_each(
        protected.namespace
    )
    assert protected.ask(protected.prepare(content, expressions=filled)).status == "complete"


def test_a_comparison_sends_none_of_its_requests(endpoint: Simulator, protected: Session) -> None:
    refused(endpoint, lambda: begin(protected, f"Write to {SECRET}."))
    content, filled = Template("{{ secrets.pin }}").fill_each(protected.namespace)
    refused(endpoint, lambda: begin(protected, content, expressions=filled))
    assert posted(endpoint) == []


def test_an_async_session_refuses_it_too(endpoint: Simulator) -> None:
    async def main() -> None:
        settings: Any = {"base_url": endpoint.base_url, "api_key": endpoint.key, "never_send": ["token"]}
        async with AsyncSession(**settings) as session:
            session.session.namespace["token"] = SECRET
            with pytest.raises(NeverSendError):
                await session.ask(f"Use {SECRET}.")

    anyio.run(main)
    assert posted(endpoint) == []


def test_a_summary_of_earlier_turns_is_not_requested(endpoint: Simulator, protected: Session) -> None:
    protected.settings.assign("never_send", [])
    for number in range(3):
        protected.ask(f"Question {number} about {SECRET}.")
    sent = len(posted(endpoint))
    protected.settings.assign("never_send", ["df.email"])
    with pytest.raises(NeverSendError):
        protected.ask("And now?", compact="now")
    assert len(posted(endpoint)) == sent


def test_a_recorded_answer_needs_no_request_and_is_shown(endpoint: Simulator, protected: Session) -> None:
    protected.settings.assign("never_send", [])
    protected.ask(f"Write to {SECRET}.", context="none")
    protected.settings.assign("never_send", ["df.email"])
    assert protected.ask(f"Write to {SECRET}.", context="none", replay="auto").status == "complete"
    assert len(posted(endpoint)) == 1


def test_a_name_with_a_value_is_refused_and_not_shown(endpoint: Simulator, protected: Session, tmp_path: Path) -> None:
    (tmp_path / f"{SECRET}.txt").write_text("hi")
    content = [*attach(tmp_path / f"{SECRET}.txt").blocks, text("hi")]
    refused(endpoint, lambda: protected.ask(protected.prepare(content)), "in the file.")
    content = [text(format_cells([CellRun("a-long-token-of-ana-souza", "1 + 1")], 0)), text("hi")]
    refused(endpoint, lambda: protected.ask(protected.prepare(content)), "in cell.")


@pytest.mark.parametrize(
    "value",
    [10**5000, float("inf"), "\ud800" * 9, [[[[[[[[[[SECRET]]]]]]]]]], {"email": {"email": 1}}],
    ids=["a huge number", "infinity", "surrogates", "deep", "nested"],
)
def test_odd_values_raise_no_other_error(endpoint: Simulator, protected: Session, value: Any) -> None:
    protected.namespace["df"] = {"email": value}
    assert protected.ask("hi").status == "complete"


def test_a_call_with_a_large_number_is_checked(endpoint: Simulator, protected: Session) -> None:
    script(endpoint, calls(tool_use("lookup", {"name": "Eva", "number": int("9" * 4000)})), "done")

    def lookup(name: str, number: int) -> str:
        """Look up."""
        return f"{name}: {SECRET}"

    refused(endpoint, lambda: protected.ask("Who?", tools=[lookup]), "a result of the tool lookup")


# Map runs -------------------------------------------------------------------------------------------------------


@pytest.fixture
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_own_folder")
def test_a_row_with_a_value_fails_alone(endpoint: Simulator, protected: Session) -> None:
    rows = [{"text": "one"}, {"text": f"write to {SECRET}"}, {"text": "three"}]
    result: Any = map_prompts(ok_template(), rows, session=protected, progress=False)
    assert [row["answer"] for row in result.frame] == ["ok", None, "ok"]
    error = result.frame[1]["answer_error"]
    assert error.startswith("Not sent: df.email is in never_send")
    assert sorted(sent_texts(endpoint)) == ["one", "three"]
    assert "souza" not in error


@pytest.mark.usefixtures("_own_folder")
@pytest.mark.parametrize("template", ["{{ row.email }}", "{{ row['email'].upper() }}", "{{ row }}", "{{ dict(row) }}"])
def test_a_run_whose_template_reads_a_protected_column_is_refused(
    endpoint: Simulator, protected: Session, template: str
) -> None:
    refused(
        endpoint,
        lambda: map_prompts(template, protected.namespace["df"], session=protected, progress=False),
        f"df.email is in never_send, and {template} reads it.",
    )
    assert endpoint.log == []


@pytest.mark.usefixtures("_own_folder")
@pytest.mark.parametrize("data", ["df", "rows", "customers"])
def test_a_run_with_short_values_is_refused_for_its_columns(endpoint: Simulator, protected: Session, data: str) -> None:
    names = protected.namespace
    names |= {"rows": names["df"].to_dict("records"), "customers": names["df"]}
    protected.settings.assign("never_send", ["df.pin", "rows.pin"])
    for template in ("{{ row.pin }}", "{{ row }}", lambda row: f"PIN {row['pin']}", str):
        refused(endpoint, lambda template=template: map_prompts(template, names[data], session=protected), ".pin")
    result: Any = map_prompts(
        lambda row: f"Hi {row['name']}", names[data], session=protected, progress=False, into="greeting"
    )
    assert len(result.errors) == 0


@pytest.mark.usefixtures("_own_folder")
def test_a_run_that_reads_other_columns_is_not_refused(endpoint: Simulator, protected: Session) -> None:
    result: Any = map_prompts(
        ok_template("{{ row.name }}"), protected.namespace["df"], session=protected, progress=False
    )
    assert list(result.frame["answer"]) == ["ok", "ok"]


@pytest.mark.usefixtures("_own_folder")
def test_a_run_with_a_value_in_its_system_prompt_is_refused(endpoint: Simulator, protected: Session) -> None:
    refused(
        endpoint,
        lambda: map_prompts(ok_template(), [{"text": "a"}], session=protected, progress=False, system=SECRET),
        "the system prompt",
    )


# The setting ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rules", [["df."], ["df[0]"], [""]])
def test_an_invalid_rule_is_refused_when_it_is_set(session: Session, rules: list[str]) -> None:
    with pytest.raises(TraitError, match="never_send"):
        session.settings.assign("never_send", rules)


def test_a_notebook_cannot_set_it(session: Session) -> None:
    session.settings.follow_notebook({"never_send": []})
    assert session.settings.value("never_send") == ["df.email", "secrets.*"]


def test_the_user_knows_which_values_are_not_searched_for(endpoint: Simulator, protected: Session) -> None:
    protected.namespace["df"] = pd.DataFrame({"email": [f"customer{n}@example.org" for n in range(10_001)]})
    with protected.stream("hi") as answer:
        list(answer)
    note = "never_send: of the values of df.email, the first 10,000 are searched for."
    assert note in answer.notes
    job = build_job(protected, "{{ row.text }}", [{"text": "hi"}], MapOptions())
    assert note in job.prompt.notes
