"""Any input from outside is read, or refused with one of our errors; what is displayed of it is sanitized."""

from __future__ import annotations

import json
import math
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mm_magics.api.messages import problems
from mm_magics.display import export_html, export_markdown, page_view, terminal
from mm_magics.display.answer_format import AnswerFormat
from mm_magics.display.mime_bundle import make_bundle
from mm_magics.display.page_output import WidgetOutput
from mm_magics.display.protocol import DOCUMENT_COMM, StandingRule
from mm_magics.display.turn_channel import PageHandlers, answer_page
from mm_magics.endpoint.assembler import Assembler
from mm_magics.endpoint.sse import SSEDecoder, parse
from mm_magics.endpoint.stream_events import StreamEvent
from mm_magics.errors import (
    MiniMaxError,
    NotebookError,
    PromptError,
    ProtocolError,
    RecordError,
    RequestError,
    StatusError,
)
from mm_magics.events import TurnEnd
from mm_magics.history import export, notebook, notebook_context, replay
from mm_magics.history.notebook import Cell, Document, LiveNotebook
from mm_magics.history.thread import History
from mm_magics.history.turn import Turn
from mm_magics.ipython import comms
from mm_magics.ipython.live_page import LivePage
from mm_magics.ipython.scheduled_cells import ScheduledCells
from mm_magics.prompt.template import render
from mm_magics.session import Session
from mm_magics.simulator import contract
from mm_magics.tools.notebook_changes import Change, NotebookChanges
from tests.display.html import dangers
from tests.endpoint.test_sse import split
from tests.outside import DESCRIPTIONS, JSON, NOTEBOOKS, STREAMS, TEXT, mutated, records

pytestmark = [pytest.mark.fuzz, pytest.mark.slow, pytest.mark.traced]

FEWER = settings(max_examples=max(20, settings.default.max_examples // 10))
"""For tests that take ten times as long as the others."""

USER: Any = {"role": "user", "content": "And now?"}
SO_FAR = Turn("main", "stopped", "M", [USER])


def good(**more: Any) -> dict[str, Any]:
    return Turn("main", "complete", "MiniMax-M2", [], id="a", cell_id="a", created="").record() | more


def turns_of(found: list[Any]) -> list[Turn]:
    """Return the turns of the valid records, read as from a file."""
    turns = []
    for record in found:
        with suppress(RecordError):
            turns.append(Turn.from_record(json.loads(json.dumps(record))))
    return turns


@given(records())
def test_any_record_is_read_or_refused(record: Any) -> None:
    with suppress(RecordError):
        turn = Turn.from_record(record)
        assert repr(Turn.from_record(turn.record()).record()) == repr(turn.record())


@FEWER
@given(records(), st.sampled_from(get_args(AnswerFormat)), st.booleans())
@example(good(responses=[{"tools": 5, "usage": {"input_tokens": 10**400}, "seconds": 10**400}]), "markdown", False)
@example(good(responses=[{"usage": {"output_tokens": math.inf}, "seconds": math.nan}]), "markdown", False)
def test_any_turn_is_displayed_sanitized_and_can_be_saved(record: Any, form: AnswerFormat, quiet: bool) -> None:
    for turn in turns_of([record]):
        check_shown(turn, form, quiet)


def check_shown(turn: Turn, form: AnswerFormat, quiet: bool) -> None:
    made = make_bundle(turn, answer_format=form, quiet=quiet)
    json.dumps(made, ensure_ascii=False, allow_nan=False).encode()
    assert dangers(made["text/html"].replace("<style>", "").replace("</style>", "")) == []
    export_html.render_page([turn], turn.thread)
    terminal.TerminalView(terminal.console()).show(TurnEnd(turn))
    json.dumps(page_view.final_state(turn), allow_nan=False)


PICTURE = [{"role": "user", "content": [{"type": "image"}]}, {"role": "assistant", "content": "0"}]


@FEWER
@given(st.lists(records(), max_size=4))
@example([good(messages=PICTURE)])
def test_any_turns_give_a_valid_request_and_valid_exports(given_: list[Any]) -> None:
    turns = turns_of(given_)
    session = Session()
    for turn in turns:
        session.history.put(turn)
    session.history.stale()
    for thread in ("main", "other"):
        seen = session.history.context_turns(thread, "b")
        try:
            prepared = session.prepare("And now?", cell_id="b", thread=thread)
        except RequestError as error:
            if re.fullmatch("MiniMax-M2.7 does not take (image|document)s. Nothing was sent.", error.message):
                continue
            raise
        assert problems(json.loads(prepared.request.encoded_body)["messages"]) == []
        assert len(prepared.context_turns) == len(seen)
    export_markdown.render_markdown(turns).encode("utf-8", "replace")
    assert json.loads(export.to_json(turns))["turns"] == json.loads(json.dumps([turn.record() for turn in turns]))
    if turns:
        compile(export.to_script(turns, "https://e.org"), "script", "exec")


@FEWER
@given(NOTEBOOKS)
def test_any_notebook_is_read_with_its_turns_or_refused(content: Any) -> None:
    try:
        document = notebook.parse_notebook(json.dumps(content), "n.ipynb", 0.0)
    except NotebookError:
        return
    history = History()
    history.follow(document)
    history.stale()
    list(replay.check_cells(document))
    assert all("\n" not in fault for fault in document.faults)
    notebook_context.format_cells(notebook_context.cells_above(document, {}, "b"), 100)


@given(st.text(st.sampled_from('{}[]",:\\ 0123e+-.untrfalsepcIN\n'), max_size=40))
@example("[" * 100_000)
@example('{"cells": [' + "[" * 100_000)
@example('{"cells": ' + "9" * 5_000 + "}")
@example('{"cells": [{"cell_type": "code", "source": "%%minimax", "outputs": [{"data": {"' + notebook.MIME_TYPE + '": "'
         + "[" * 100_000 + '"}}]}]}')  # fmt: skip
def test_any_text_as_a_notebook_file_is_read_or_refused(text: str) -> None:
    with suppress(NotebookError):
        notebook.parse_notebook(text, "n.ipynb", 0.0)


@FEWER
@given(st.lists(st.one_of(DESCRIPTIONS, st.dictionaries(TEXT, JSON, max_size=3)), max_size=4))
@example([{"order": [[]], "pending": [], "changed": {}}])
@example([{"order": ["a"], "pending": [], "changed": {"a": {"outputs": 5}}, "since": 1}])
def test_any_description_from_a_page_is_used_or_ignored(descriptions: list[dict[str, Any]]) -> None:
    session = Session()
    live = LivePage(session, ScheduledCells())
    live.record_output("a", Turn("main", "complete", "M", []), lambda: {"text/plain": "x"}, replayed=True)
    sent: list[Any] = []
    for description in descriptions:
        live.receive(description, sent.append)
        with suppress(MiniMaxError):
            session.prepare("And now?", cell_id="b")
    json.dumps(sent)


class FrontEnd:
    """A comm manager and a comm, as far as the kernel uses them."""

    def __init__(self) -> None:
        self.kernel = self.comm_manager = self
        self.control_handlers: dict[str, Any] = {"comm_info_request": None}
        self.targets: dict[str, Callable[[Any, Any], None]] = {}
        self.register_target = self.targets.__setitem__
        self.send: Callable[[Any], None] = json.dumps

    def on_msg(self, take: Callable[[Any], None]) -> None:
        self.take = take


@FEWER
@given(st.lists(st.one_of(DESCRIPTIONS, JSON), max_size=3))
def test_any_data_on_the_document_comm_is_used_or_ignored(data: list[Any]) -> None:
    front, page = FrontEnd(), LivePage(Session(), ScheduledCells())
    handlers = PageHandlers(
        stop=lambda: None,
        reorder=page.reorder,
        standing_rules=lambda _rule: [],
        show_request=lambda _turn: None,
        pin=lambda _turn, _on: False,
        summary=lambda _turn, _text: None,
        change=page.changes.receive,
        cells=page.current_cells.receive,
    )
    comms.register_comms(front, page.receive, handlers)
    front.targets[DOCUMENT_COMM](front, {"content": {}})
    for each in data:
        front.take({"content": {"data": each}})
        if isinstance(each, dict):
            page.reorder(each)


MESSAGES = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            ["here", "stop", "decide", "state", "order", "rules", "forget", "request", "pin", "summary", "change"]
        )
    },
    optional=dict.fromkeys(
        (
            "id",
            "input",
            "allowed",
            "always",
            "reason",
            "page",
            "sent_at",
            "order",
            "rule",
            "on",
            "text",
            "change",
            "state",
        ),
        JSON,
    ),
)


STATES = ["proposed", "accepted", "rejected", "refused", "running", "ended", "failed", "withdrawn", "undone", "sent"]
REPORTS = st.fixed_dictionaries(
    {"state": st.sampled_from(STATES)},
    optional=dict.fromkeys(("reason", "source", "content", "outputs", "execution_count", "place"), JSON),
)


@FEWER
@given(st.sampled_from(["insert", "edit", "move", "delete", "run"]), st.lists(st.one_of(REPORTS, JSON), max_size=4))
def test_whatever_a_page_says_about_a_change_decides_it_at_most_once(kind: Any, reports: list[Any]) -> None:
    live = LiveNotebook()
    live.document = Document("a.ipynb", 0.0, [Cell("a", "code", "x"), Cell("b", "code", "y")])
    changes = NotebookChanges(lambda _: None, lambda _: None, lambda: live)
    change = Change("turn", kind, "a", before="x", after="z")
    changes.request(change)
    finals = []
    for each in reports:
        if isinstance(each, dict):
            changes.receive({**each, "change": change.id})
            if not change.is_open:
                finals.append(change.state)
    assert len(set(finals)) <= 1
    assert change.state not in ("withdrawn", "undone")
    assert (change.state in ("ended", "failed")) <= (kind == "run")
    assert all(isinstance(cell.source, str) for cell in live.document.cells)


@FEWER
@given(st.one_of(JSON, st.fixed_dictionaries({"message": st.one_of(MESSAGES, JSON)}, optional={"turn": JSON})))
def test_any_request_from_a_page_is_answered(request_: Any) -> None:
    stop, orders, forgotten = threading.Event(), list[Any](), list[str | None]()

    def standing_rules(rule: str | None) -> list[StandingRule]:
        forgotten.append(rule)
        return []

    message = request_.get("message") if isinstance(request_, dict) else None
    kind = message.get("type") if isinstance(message, dict) and not isinstance(request_.get("turn"), str) else None
    asks = kind == "rules" or (kind == "forget" and isinstance(message.get("rule"), str))
    received = kind in ("stop", "order") or asks
    expected = {"received": received, **({"rules": []} if asks else {})}
    no_changes = NotebookChanges(lambda _: None, lambda _: None, lambda: None)
    handlers = PageHandlers(
        stop=stop.set,
        reorder=orders.append,
        standing_rules=standing_rules,
        show_request=lambda _turn: None,
        pin=lambda _turn, _on: False,
        summary=lambda _turn, _text: None,
        change=no_changes.receive,
        cells=lambda _message: False,
    )
    assert answer_page(request_, handlers) == expected
    assert forgotten == [message.get("rule") if kind == "forget" else None] * asks
    assert stop.is_set() == (kind == "stop")
    assert orders == [message] * (kind == "order")


@FEWER
@given(
    st.lists(
        st.one_of(
            JSON,
            MESSAGES,
        )
    )
)
def test_any_message_from_a_widget_is_a_button_press_or_ignored(contents: list[Any]) -> None:
    stop = threading.Event()
    view = page_view.PageView(stop, lambda: SO_FAR, WidgetOutput())
    for content in contents:
        view._receive(content)
    assert stop.is_set() == any(isinstance(each, dict) and each.get("type") == "stop" for each in contents)
    view.finish({}, {})


# The stream -----------------------------------------------------------------------------------------------------


def read(chunks: list[bytes]) -> tuple[Assembler, list[StreamEvent], str]:
    """Assemble these bytes, and return the assembler, its events and the error at the end ("" without one)."""
    decoder, assembler, out, ended = SSEDecoder(), Assembler(), [], ""
    try:
        for data in [each for chunk in chunks for each in decoder.decode(chunk)] + decoder.flush():
            out += assembler.feed(parse(data))
    except (ProtocolError, StatusError) as error:
        ended = str(error)
    out += assembler.close()
    return assembler, out, ended


def block(**more: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": 0, "content_block": {"type": "text", **more}}


CITED = {"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": 1}}


def check_stream(wire: bytes, cuts: list[int]) -> None:
    whole, events, ended = read([wire])
    again, out, ended_again = read(list(split(wire, cuts)))
    assert repr((whole.message, events, ended)) == repr((again.message, out, ended_again))
    view = terminal.TerminalView(terminal.console())
    pictures = page_view.PageView(threading.Event(), lambda: SO_FAR, WidgetOutput())
    for event in events:
        view.show(event)
        pictures.show(event)
    reply = {**whole.message, "role": "assistant"}
    response = {"unfinished": whole.unfinished, "stop_reason": reply.get("stop_reason"), "usage": reply.get("usage")}
    turn = Turn("main", "complete", "M", [USER, {"role": "assistant", "content": whole.content}], responses=[response])
    made = make_bundle(turn)
    json.dumps(made, ensure_ascii=False, allow_nan=False).encode()
    pictures.finish(made, {})
    Turn.from_record(json.loads(json.dumps(turn.record())))
    session = Session()
    session.history.put(turn)
    assert problems(json.loads(session.prepare("And now?").request.encoded_body)["messages"]) == []


@FEWER
@given(STREAMS, st.lists(st.integers(0, 2_000), max_size=4))
@example([block(citations=5), CITED], [])
@example([block(extra=[1e999])], [])
def test_any_events_make_a_message_that_can_be_displayed_saved_and_sent(events: list[Any], cuts: list[int]) -> None:
    check_stream(b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events), cuts)


@FEWER
@given(mutated(), st.lists(st.integers(0, 2_000), max_size=4))
def test_a_corrupted_stream_makes_a_message_that_can_be_displayed_saved_and_sent(wire: bytes, cuts: list[int]) -> None:
    check_stream(wire, cuts)


@FEWER
@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=4))
def test_any_bytes_as_a_stream_make_a_message_that_can_be_displayed_saved_and_sent(
    wire: bytes, cuts: list[int]
) -> None:
    check_stream(wire, cuts)


# What users type ------------------------------------------------------------------------------------------------


@given(st.text(st.one_of(st.sampled_from("{}{}()[]'\"abx.,: \n"), st.characters()), max_size=30), JSON)
@example("{{" + "(" * 1_000 + "}}", None)
@example("{{ " + "-" * 100_000 + "x }}", None)
@example("{{" * 5_000 + "}}" * 5_000, None)
def test_any_template_is_rendered_or_its_expression_is_quoted(text: str, value: Any) -> None:
    with suppress(PromptError):
        render(text, {"__builtins__": {}, "x": value, "a": "{{ b }}", "b": value})


@given(JSON)
@example({"model": "MiniMax-M2", "max_tokens": 10, "messages": [{"role": "user", "content": [{"type": "text"}]}]})
def test_the_simulator_accepts_or_refuses_any_body(body: Any) -> None:
    parsed = contract.parse(json.dumps(body).encode())
    if not isinstance(parsed, contract.Refusal):
        contract.validate(parsed)
