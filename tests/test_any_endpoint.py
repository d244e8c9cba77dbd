"""Requests that any endpoint of this format accepts, whatever is in the conversation. The simulator here is strict."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from mm_magics import Session
from mm_magics.api.messages import TOOL_NAME, blocks
from mm_magics.api.outside import content_of
from mm_magics.errors import RequestError, StatusError, UsageError
from mm_magics.history.turn import Turn
from mm_magics.simulator import Fault, ScriptedAnswer, Simulator, text, thinking, tool_use
from mm_magics.turn.answer import SURROGATES_NOTE
from tests.recorder import EVENTS, Recorder, sse
from tests.turns import broken_rules

pytestmark = [pytest.mark.slow, pytest.mark.traced]

HALF = "half \ud83d"


def lookup(query: str = "") -> str:
    """Look something up."""
    return f"found {query}"


def statuses(endpoint: Simulator) -> list[int | None]:
    return [record.status for record in endpoint.log]


def kinds(message: Any) -> list[str]:
    return [str(block["type"]) for block in blocks(message)]


# Tools --------------------------------------------------------------------------------------------------------------


def called(session: Session, endpoint: Simulator) -> Turn:
    endpoint.answers.extend([ScriptedAnswer([tool_use("lookup", {"query": "a"})]), "It is a."])
    return session.ask("Look up a.", tools=[lookup])


def test_a_history_with_calls_is_sent_with_the_recorded_definitions_and_no_choice(
    session: Session, endpoint: Simulator
) -> None:
    turn = called(session, endpoint)
    plain = session.ask("And now?")
    body = endpoint.log[-1].body
    assert statuses(endpoint) == [200, 200, 200]
    assert (body["tools"], body["tool_choice"]) == (turn.params["tools"], {"type": "none"})
    assert plain.params.keys() & {"tools", "tool_choice"} == set(), "the definitions are not part of what was asked"


def test_a_recording_without_definitions_of_tools_is_still_replayed(session: Session, endpoint: Simulator) -> None:
    called(session, endpoint)
    plain = session.ask("And now?", cell_id="c")
    assert session.ask("And now?", cell_id="c", replay="only").id == plain.id
    assert len(endpoint.log) == 3


FORBIDDEN = ["", " ", "look up", "files.read", "météo", "n" * 65, "n" * 5_000, "a/b\n", "\x1b[31m"]
"""Names of tools that a model invents, and that no request can contain."""


@pytest.mark.parametrize("name", FORBIDDEN)
@pytest.mark.parametrize("offers_tools", [True, False])
def test_a_forbidden_name_of_a_tool_is_kept_and_sent_back_as_an_allowed_one(
    session: Session, endpoint: Simulator, name: str, offers_tools: bool
) -> None:
    endpoint.answers.extend([ScriptedAnswer([tool_use(name, {"query": "a"})]), "It is a."])
    turn = session.ask("Look up a.", tools=[lookup] if offers_tools else None)
    session.ask("And now?")
    session.ask("Look it up.", tools=[lookup])
    assert set(statuses(endpoint)) == {200}
    (call,) = [block for block in blocks(turn.messages[1]) if block["type"] == "tool_use"]
    assert call["name"] == name, "the record has what was received"
    (sent,) = [block for block in blocks(endpoint.log[-1].body["messages"][1]) if block["type"] == "tool_use"]
    assert sent == {**call, "name": sent["name"]}
    assert TOOL_NAME.fullmatch(sent["name"])
    assert any(note.endswith(f"It is sent back as {sent['name']}.") for note in turn.notes)


@pytest.mark.parametrize("ids", [["functions.look:0", "functions.look:1"], ["a b", "a.b"], ["é" * 100], ["x" * 500]])
def test_a_forbidden_id_of_a_call_is_kept_and_sent_back_as_an_allowed_one(
    session: Session, endpoint: Simulator, ids: list[str]
) -> None:
    calls = ScriptedAnswer([{**tool_use("lookup", {"query": id_}), "id": id_} for id_ in ids])
    endpoint.answers.extend([calls, calls, "Found."])
    turn = session.ask("Look up a.", tools=[lookup])
    session.ask("And now?")
    assert set(statuses(endpoint)) == {200}
    assert [block["id"] for block in blocks(turn.messages[1]) if block["type"] == "tool_use"] == ids
    results = [block for message in endpoint.log[-1].body["messages"] for block in blocks(message)]
    assert [content_of(result["content"]) for result in results if result["type"] == "tool_result"] == [
        f"found {id_}" for id_ in ids * 2
    ]


def test_a_recording_with_a_forbidden_name_is_replayed(session: Session, endpoint: Simulator) -> None:
    endpoint.answers.extend([ScriptedAnswer([tool_use("look up")]), "It is a."])
    session.ask("Look up a.", tools=[lookup], cell_id="a")
    later = session.ask("And now?", cell_id="b")
    assert session.ask("And now?", cell_id="b", replay="only").id == later.id


def count_up() -> int:
    """Another tool."""
    return 1


SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("options", "offered", "choice"),
    [
        ({"tools": [count_up]}, ["count_up"], None),
        ({"tools": [count_up], "tool_choice": "any"}, ["count_up"], {"type": "any"}),
        ({"tools": [count_up], "tool_choice": "none"}, ["count_up"], {"type": "none"}),
        ({"tools": [count_up, lookup]}, ["count_up", "lookup"], None),
        ({"schema": SCHEMA}, ["final_answer"], {"type": "tool", "name": "final_answer"}),
        ({"tools": [count_up], "schema": SCHEMA}, ["count_up", "final_answer"], None),
    ],
)
def test_a_prompt_offers_its_own_tools_and_none_of_an_earlier_turn(
    session: Session, endpoint: Simulator, options: dict[str, Any], offered: list[str], choice: dict[str, str] | None
) -> None:
    called(session, endpoint)
    session.ask("Count.", schema=SCHEMA)
    session.ask("And now?", **options)
    first = next(record.body for record in endpoint.log if "And now?" in str(record.body["messages"][-1]))
    assert [each["name"] for each in first["tools"]] == offered
    assert first.get("tool_choice") == choice
    assert set(statuses(endpoint)) == {200}


def test_a_tool_of_an_earlier_turn_does_not_run_when_it_is_called_again(session: Session, endpoint: Simulator) -> None:
    called(session, endpoint)
    again = ScriptedAnswer([tool_use("lookup", {"query": "b"}), tool_use("count_up", {})])
    endpoint.answers.extend([again, "Done.", again, "Done."])
    turn = session.ask("And now?", tools=[count_up])
    (no_such_tool, one) = blocks(turn.messages[2])
    assert no_such_tool["is_error"]
    assert no_such_tool["content"].startswith("There is no tool named 'lookup'.")
    assert one["content"] == "1"
    plain = session.ask("And without tools?")
    assert len(plain.messages) == 2, "nothing runs in a prompt without tools"
    session.ask("Go on.")
    assert set(statuses(endpoint)) == {200}


def test_the_answer_tool_of_an_earlier_schema_is_only_defined_where_nothing_is_offered(
    session: Session, endpoint: Simulator
) -> None:
    answer = session.ask("Count.", schema=SCHEMA)
    with_tools, plain = session.prepare("Look.", tools=[lookup]), session.prepare("And now?")
    assert [tool["name"] for tool in with_tools.body["tools"]] == ["lookup"]
    assert plain.body["tools"] == answer.params["tools"]
    assert plain.body["tool_choice"] == {"type": "none"}


@pytest.mark.parametrize("params", [{}, {"tools": "damaged"}, {"tools": [None, {"name": "lookup"}]}])
def test_a_call_without_a_recorded_definition_gets_a_minimal_one(
    session: Session, endpoint: Simulator, params: dict[str, Any]
) -> None:
    record = called(session, endpoint).record()
    session.history.clear("main")
    session.history.load([Turn.from_record({**record, "params": {**params, "max_tokens": 9}})])
    session.ask("And now?")
    assert statuses(endpoint) == [200, 200, 200]
    assert [each["name"] for each in endpoint.log[-1].body["tools"]] == ["lookup"]


@pytest.mark.parametrize(
    ("name", "defined"),
    [
        ("", "unknown_tool"),
        ("functions.lookup", "functions_lookup"),
        ("look up", "look_up"),
        ("x" * 65, "x" * 64),
        ("größe", "gr__e"),
        ("lookup", "lookup"),
    ],
)
def test_a_called_name_that_no_definition_can_have_does_not_make_later_requests_invalid(
    session: Session, endpoint: Simulator, name: str, defined: str
) -> None:
    endpoint.answers.extend([ScriptedAnswer([tool_use(name)]), "Done."])
    session.ask("Hello.", tools=[count_up])
    session.ask("And now?")
    names = [each["name"] for each in endpoint.log[-1].body["tools"]]
    assert names == ["count_up", defined]
    assert statuses(endpoint) == [200, 200, 200]


def test_a_call_although_no_tool_was_offered_leaves_a_history_that_can_be_continued(
    session: Session, endpoint: Simulator
) -> None:
    endpoint.answers.append(ScriptedAnswer([thinking("hm"), tool_use("lookup")]))
    session.ask("Hello.")
    session.ask("And now?")
    assert statuses(endpoint) == [200, 200]


@pytest.mark.parametrize("choice", ["any", "lookup"])
def test_a_tool_choice_that_requires_a_tool_is_refused_without_tools(session: Session, choice: str) -> None:
    with pytest.raises(UsageError, match=f"tool_choice is {choice}, but no tools are offered"):
        session.prepare("Hello.", tool_choice=choice)
    session.prepare("Hello.", tool_choice="none")
    session.prepare("Hello.", tool_choice=choice, tools=[lookup])


def test_a_tool_choice_of_the_kernel_does_not_affect_prompts_without_tools(session: Session) -> None:
    session.settings.assign("tool_choice", "any")
    assert "tool_choice" not in session.prepare("Hello.").body


# Lone surrogates ----------------------------------------------------------------------------------------------------


def halved() -> str:
    """Return half a character."""
    return HALF


@pytest.mark.parametrize("entry", ["prompt", "blocks", "system", "system blocks", "params", "tool description"])
def test_half_a_character_in_a_request_is_replaced_and_the_turn_notes_it_once(
    session: Session, endpoint: Simulator, entry: str
) -> None:
    described: Any = lambda: 1  # noqa: E731
    described.__name__, described.__doc__ = "described", HALF
    given: dict[str, dict[str, Any]] = {
        "prompt": {},
        "blocks": {},
        "system": {"system": HALF},
        "system blocks": {"system": [text(HALF)]},
        "params": {"params": {"stop_sequences": [HALF]}},
        "tool description": {"tools": [described]},
    }
    content: Any = {"prompt": HALF, "blocks": [text(HALF), text("x")]}.get(entry, "Hello.")
    turn = session.ask(content, **given[entry])
    assert statuses(endpoint) == [200]
    assert "half \ufffd" in endpoint.log[0].raw.decode()
    assert turn.notes.count(SURROGATES_NOTE) == 1
    record = turn.record()
    json.dumps(record, ensure_ascii=False).encode()
    assert turn.request_sha256 == session.prepare(content, context="none", **given[entry]).request.sha256


def test_half_a_character_from_a_tool_is_replaced_before_it_is_sent_shown_or_stored(
    session: Session, endpoint: Simulator
) -> None:
    endpoint.answers.append(ScriptedAnswer([tool_use("halved")]))
    turn = session.ask("Call halved.", tools=[halved])
    assert statuses(endpoint) == [200, 200]
    assert blocks(turn.messages[2])[0]["content"] == "half \ufffd"
    assert turn.notes == [SURROGATES_NOTE]


def test_half_a_character_from_the_endpoint_is_replaced_and_noted_once(session: Session, endpoint: Simulator) -> None:
    deltas = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": part}}
        for part in ("a\ud83d", "\ude00b\ud83d", "c\ud83d")
    ]
    with Recorder(sse(*EVENTS[:2], *deltas, *EVENTS[3:])) as other:
        session.settings.assign("base_url", other.base_url)
        session.keys.enter(other.base_url, "k", "test")
        turn = session.ask("Hello.")
        session.ask("Again.")
        assert turn.text == "a😀b\ufffdc\ufffd"
        assert turn.notes == [SURROGATES_NOTE]
        assert json.loads(other.requests[1].body)["messages"][1]["content"] == [text(turn.text)]


def test_a_record_with_half_a_character_is_sent_without_it_and_still_replayed(
    session: Session, endpoint: Simulator
) -> None:
    session.ask("Hello.", cell_id="a")
    record = session.ask("And now?", cell_id="b").record()
    first = session.history.turns("main")[0].record()
    first["messages"][1]["content"] = [text(HALF)]
    session.history.load([Turn.from_record(first)])
    assert "half \ufffd" in json.dumps(session.prepare("x").body, ensure_ascii=False)
    session.ask("x")
    assert statuses(endpoint)[-1] == 200
    assert broken_rules(record) == []


# Thinking and fields of other endpoints -----------------------------------------------------------------------------


@pytest.fixture
def other() -> Iterator[Simulator]:
    with Simulator(strict=True) as simulator:
        yield simulator


def move(session: Session, endpoint: Simulator) -> None:
    session.settings.assign("base_url", endpoint.base_url)
    session.keys.enter(endpoint.base_url, endpoint.key, "test")


def test_changing_the_endpoint_within_a_thread_leaves_out_only_foreign_thinking(
    session: Session, endpoint: Simulator, other: Simulator
) -> None:
    session.ask("One.")
    move(session, other)
    second = session.ask("Two.")
    third = session.ask("Three.")
    assert statuses(endpoint) == [200]
    assert statuses(other) == [400, 200, 400, 200]
    assert [kinds(message) for message in other.log[1].body["messages"]] == [["text"]] * 3
    assert [kinds(message) for message in other.log[3].body["messages"]] == [
        *[["text"]] * 3,
        ["thinking", "text"],
        ["text"],
    ]
    note = "1 block of thinking was left out of the context: the endpoint refused thinking that it did not sign."
    assert (second.notes, third.notes) == ([note], [note])
    assert (second.status, third.status) == ("complete", "complete")
    assert second.endpoint != session.history.turns("main")[0].endpoint
    first = session.history.turns("main")[0]
    assert kinds(first.messages[1]) == ["thinking", "text"], "the record keeps it"


def test_moving_back_to_the_first_endpoint_works_too(session: Session, endpoint: Simulator, other: Simulator) -> None:
    session.ask("One.")
    move(session, other)
    session.ask("Two.")
    move(session, endpoint)
    session.ask("Three.")
    assert statuses(endpoint) == [200, 400, 200]
    assert [kinds(message) for message in endpoint.log[-1].body["messages"][1::2]] == [["thinking", "text"], ["text"]]


def test_every_round_of_a_turn_leaves_out_what_was_refused_and_keeps_its_own_thinking(
    session: Session, other: Simulator
) -> None:
    session.ask("One.")
    move(session, other)
    answers = [ScriptedAnswer([thinking("I call."), tool_use("lookup")]) for _ in range(2)]
    other.answers.extend([*answers, "Done."])
    turn = session.ask("Look it up.", tools=[lookup])
    assert statuses(other) == [400, 200, 200, 200]
    assert turn.text == "Done."
    last = other.log[-1].body["messages"]
    assert [kinds(message) for message in last[1::2]] == [["text"], *[["thinking", "tool_use"]] * 2]


def test_an_endpoint_that_refuses_its_own_unsigned_thinking_is_answered_without_it(
    session: Session, endpoint: Simulator
) -> None:
    endpoint.answers.append(ScriptedAnswer([{**thinking("hm"), "signature": None}, tool_use("lookup")]))
    turn = session.ask("Look it up.", tools=[lookup])
    assert statuses(endpoint) == [200, 400, 200]
    assert kinds(turn.messages[1]) == ["thinking", "tool_use"]
    assert turn.notes == [
        "1 block of thinking was left out of the context: the endpoint refused thinking that it did not sign."
    ]


def test_fields_that_the_endpoint_does_not_know_are_left_out_after_it_refused_them(
    session: Session, endpoint: Simulator
) -> None:
    session.ask("Hello. [[simulator: fault=unknown-fields]]")
    turn = session.ask("And now?")
    assert statuses(endpoint) == [200, 400, 200]
    assert turn.notes == ["The endpoint refused fields that it does not know, so they were left out of the context."]


def test_a_refusal_that_leaving_out_cannot_help_is_raised_at_once(session: Session, endpoint: Simulator) -> None:
    with pytest.raises(StatusError, match="signature"):
        session.ask("[[simulator: fault=invalid-signature]]")
    assert statuses(endpoint) == [400]


def test_a_refusal_is_answered_once_however_often_it_comes(session: Session, endpoint: Simulator) -> None:
    session.ask("Hello.")
    with pytest.raises(StatusError, match="signature"):
        session.ask("[[simulator: fault=invalid-signature]]")
    assert statuses(endpoint) == [200, 400, 400]


@pytest.mark.parametrize("delta", ["reasoning_content", "reasoning"])
def test_fields_that_only_deltas_added_are_recorded_and_never_sent_back(
    session: Session, endpoint: Simulator, delta: str
) -> None:
    added = {"type": "content_block_delta", "index": 0, "delta": {"type": f"{delta}_delta", delta: "I think."}}
    with Recorder(sse(*EVENTS[:2], added, *EVENTS[2:])) as lenient:
        session.settings.assign("base_url", lenient.base_url)
        session.keys.enter(lenient.base_url, "k", "test")
        turn = session.ask("Hello.", cell_id="a")
        second = session.ask("And now?", cell_id="b")
        assert blocks(turn.messages[1]) == [{"type": "text", "text": "Hello", delta: "I think."}]
        assert json.loads(lenient.requests[1].body)["messages"][1]["content"] == [text("Hello")]
        restored = Turn.from_record(json.loads(json.dumps(turn.record())))
        assert blocks(restored.sent[1]) == [text("Hello")]
        assert session.ask("And now?", cell_id="b", replay="only").id == second.id
    assert broken_rules(turn.record()) == []


# The window ---------------------------------------------------------------------------------------------------------


def test_max_tokens_is_lowered_to_fit_the_window_and_the_turn_says_so(session: Session, endpoint: Simulator) -> None:
    endpoint.answers.extend(["Short.", "Short again.", "And again."])
    long = "word " * (145_000 * 4 // 5)
    first = session.ask(long, cell_id="a")
    second = session.ask("And now?", cell_id="b")
    assert statuses(endpoint) == [200, 200]
    for turn, record in zip((first, second), endpoint.log, strict=True):
        sent = record.body["max_tokens"]
        assert (turn.params["max_tokens"], turn.responses[0]["max_tokens"]) == (65_536, sent)
        assert sent < 65_536
        assert turn.notes == [
            f"max_tokens was lowered from 65,536 to {sent:,}, because the conversation and the answer together must "
            "fit the window of 204,800 tokens."
        ]
        assert broken_rules(turn.record()) == []
    used = sum(second.responses[0]["usage"][name] for name in ("input_tokens", "cache_read_input_tokens"))
    assert 204_800 - used - endpoint.log[1].body["max_tokens"] < 100, "the second estimate is from the first usage"
    assert session.ask("And now?", cell_id="b", replay="only").id == second.id


def test_max_tokens_is_lowered_again_as_tool_results_fill_the_window(session: Session, endpoint: Simulator) -> None:
    def read() -> str:
        """Read a long file."""
        return "line\n" * 60_000

    endpoint.answers.extend([*[ScriptedAnswer([tool_use("read")])] * 2, "Done."])
    turn = session.ask("Read.", tools=[read], tool_limit=0)
    assert statuses(endpoint) == [200] * 3
    sent = [record.body["max_tokens"] for record in endpoint.log]
    assert sent[0] == sent[1] == 65_536
    assert 4_096 < sent[2] < sent[1]
    assert len(turn.notes) == 1


def test_a_request_that_fits_and_a_model_with_an_unknown_window_keep_their_max_tokens(session: Session) -> None:
    assert session.prepare("word " * 50_000).body["max_tokens"] == 65_536
    assert session.prepare("word " * 400_000, model="unknown").body["max_tokens"] == 65_536


def test_only_the_turns_that_are_sent_count(session: Session, endpoint: Simulator) -> None:
    endpoint.answers.append("Short.")
    session.ask("word " * (130_000 * 4 // 5))
    assert session.prepare("And now?", context="none").body["max_tokens"] == 65_536


# Ends of answers ----------------------------------------------------------------------------------------------------


def test_an_answer_that_was_paused_is_continued(session: Session, endpoint: Simulator) -> None:
    endpoint.answers.extend([ScriptedAnswer([thinking("hm"), text("One")], stop_reason="pause_turn"), "Two", "Three"])
    turn = session.ask("Count.")
    assert (turn.status, turn.text) == ("complete", "One\n\nTwo")
    assert statuses(endpoint) == [200, 200]
    assert endpoint.log[1].body["messages"] == turn.messages[:2]
    session.ask("And now?")
    (returned,) = endpoint.log[2].replayed
    assert statuses(endpoint)[-1] == 200
    assert [kinds(each) for each in endpoint.log[2].body["messages"]] == [["text"], ["thinking", "text"] * 2, ["text"]]
    assert returned.issued


def test_an_answer_that_is_paused_forever_ends(session: Session, endpoint: Simulator) -> None:
    endpoint.answers.extend([ScriptedAnswer([text("One")], stop_reason="pause_turn")] * 30)
    assert session.ask("Count.").status == "complete"
    assert len(endpoint.log) == 21


@pytest.mark.parametrize("end", ["no-message-stop", "close", "reset", "silence"])
def test_an_answer_whose_blocks_and_stop_reason_arrived_is_complete(
    session: Session, endpoint: Simulator, end: str
) -> None:
    spot = "" if end == "no-message-stop" else " at=message_delta part=after"
    turn = session.ask(f'[[simulator: fault={end}{spot} say="All of it."]]')
    assert (turn.status, turn.text, turn.error) == ("complete", "All of it.", None)


def test_a_full_window_gets_advice_about_the_window(session: Session, endpoint: Simulator) -> None:
    turn = session.ask("[[simulator: say=cut stop_reason=model_context_window_exceeded]]")
    assert turn.status == "truncated"
    assert turn.notes == ["The window of the model is full. Send less with --context N, or start a new --thread."]


# System prompts and caching -----------------------------------------------------------------------------------------

MARK = {"cache_control": {"type": "ephemeral"}}


def test_a_system_prompt_can_be_content_blocks(session: Session, endpoint: Simulator) -> None:
    system = [text("You are brief."), {**text("You know reefs."), **MARK}]
    turn = session.ask("Hello.", system=system, cell_id="a")
    assert endpoint.log[0].body["system"] == system
    restored = Turn.from_record(json.loads(json.dumps(turn.record(), sort_keys=True)))
    assert restored.system == system
    assert session.ask("Hello.", system=system, cell_id="a", replay="only").id == turn.id
    assert broken_rules(turn.record()) == []


@pytest.mark.parametrize("system", [5, [5], [{"type": "image"}], [text("")], {"type": "text", "text": "x"}])
def test_a_system_prompt_of_anything_else_is_refused(session: Session, system: Any) -> None:
    with pytest.raises(UsageError, match="a text or a list of text blocks"):
        session.prepare("Hello.", system=system)


def test_marks_of_earlier_turns_are_not_sent_again(session: Session, endpoint: Simulator) -> None:
    for number in range(6):
        session.ask([{**text(f"Prompt {number}."), **MARK}], cell_id=str(number))
    assert statuses(endpoint) == [200] * 6
    marked = ["cache_control" in blocks(message)[0] for message in endpoint.log[-1].body["messages"]]
    assert marked == [*[False] * 10, True]
    again = session.ask([{**text("Prompt 5."), **MARK}], cell_id="5", replay="only")
    assert "cache_control" in blocks(again.messages[0])[0], "the record keeps it"


def test_more_than_four_marks_are_refused_before_sending(session: Session, endpoint: Simulator) -> None:
    session.prepare([{**text(str(n)), **MARK} for n in range(4)])
    with pytest.raises(RequestError, match="5 tools and blocks have cache_control, but at most 4 may"):
        session.prepare([{**text(str(n)), **MARK} for n in range(4)], system=[{**text("x"), **MARK}])
    assert endpoint.log == []


def test_no_header_of_the_sdk_s_own_is_sent(session: Session, endpoint: Simulator) -> None:
    session.ask("Hello.")
    session.client().models()
    assert [name for record in endpoint.log for name in record.headers if name.startswith("x-stainless")] == []


def test_the_fault_of_a_wrong_signature_is_described_as_endpoints_do(session: Session, endpoint: Simulator) -> None:
    session.ask("Hello.")
    endpoint.answers.append(ScriptedAnswer([text("Hi")], fault=Fault("invalid-signature", times=1)))
    turn = session.ask("Again.")
    assert (turn.status, len(turn.notes)) == ("complete", 1)


@pytest.mark.parametrize(
    ("system", "sent"),
    [
        (" \n", None),
        ([text(" ")], None),
        ([text("Brief."), text("\t")], [text("Brief.")]),
    ],
)
def test_a_blank_system_prompt_is_not_sent(session: Session, endpoint: Simulator, system: Any, sent: Any) -> None:
    session.ask("Hello.", system=system)
    assert endpoint.log[-1].body.get("system") == sent
    assert statuses(endpoint) == [200]
