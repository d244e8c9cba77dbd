"""The dialect of models of this family, row by row: each answer is kept as it was received, understood, and marked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from mm_magics import Session, map_prompts, minimax_tool
from mm_magics.api.messages import blocks
from mm_magics.display.mime_bundle import make_bundle
from mm_magics.events import ApprovalRequested, Delta, ToolStarted
from mm_magics.history.turn import Turn
from mm_magics.simulator import Fault, ScriptedAnswer, Simulator, text, thinking, tool_use
from mm_magics.tools.approval import Decision
from mm_magics.tools.tool import ToolCall
from mm_magics.turn.dialect_notes import NO_CALL_NOTE, REASONING_NOTE, THINK_NOTE
from tests.turns import broken_rules

RAN: list[Any] = []


def lookup(query: str, tags: list[str] | None = None, depth: int = 1) -> str:
    """Look something up."""
    RAN.append((query, tags, depth))
    return f"found {query}"


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    RAN.clear()


def xml(name: str = "lookup", /, **values: str) -> str:
    written = "".join(f'<parameter name="{key}">{value}</parameter>\n' for key, value in values.items())
    return f'<minimax:tool_call>\n<invoke name="{name}">\n{written}</invoke>\n</minimax:tool_call>'


CALL = f"I look it up.\n{xml(query='MiniMax')}"


def allow(_: ToolCall) -> Decision:
    return Decision(True)


def check(turn: Turn, endpoint: Simulator, session: Session) -> None:
    """Check what is true of every answer in the dialect: it is valid, verbatim, and can be continued."""
    assert broken_rules(turn.record()) == []
    assert Turn.from_record(json.loads(json.dumps(turn.record()))) == turn
    session.ask("And now?")
    assert endpoint.log[-1].problems == ()
    assert {record.status for record in endpoint.log} == {200}


# Tool calls written as XML in text --------------------------------------------------------------------------------


def test_xml_call_of_an_offered_tool_that_ends_the_message_runs_after_approval(
    session: Session, endpoint: Simulator
) -> None:
    endpoint.answers.extend([ScriptedAnswer([thinking("hm"), text(CALL)]), "It is MiniMax."])
    asked: list[ToolCall] = []

    def approve(call: ToolCall) -> Decision:
        asked.append(call)
        return Decision(True)

    turn = session.ask("Look it up.", tools=[lookup], approve=approve)
    assert RAN == [("MiniMax", None, 1)]
    assert [(call.name, call.input, call.in_text) for call in asked] == [("lookup", {"query": "MiniMax"}, True)]
    assert blocks(turn.messages[1])[-1] == text(CALL), "the text is kept"
    assert turn.messages[2] == {"role": "user", "content": [text("lookup returned:\nfound MiniMax")]}
    assert turn.text.endswith("It is MiniMax.")
    assert len(turn.notes) == 1
    assert "wrote a tool call into its text (lookup)" in turn.notes[0]
    (recorded,) = turn.responses[0]["tools"]
    assert (recorded["name"], recorded["input"], recorded["outcome"]) == ("lookup", {"query": "MiniMax"}, "done")
    assert endpoint.log[1].replayed[0].unchanged
    check(turn, endpoint, session)


@pytest.mark.parametrize("rule", ["none", "allow", "always"])
def test_xml_call_always_requires_approval(session: Session, endpoint: Simulator, rule: str) -> None:
    if rule == "allow":
        session.rules.add("allow", "lookup", None)
    asked: list[str] = []

    def approve(call: ToolCall) -> Decision:
        asked.append(call.id)
        return Decision(True, always=rule == "always")

    endpoint.answers.extend([ScriptedAnswer([text(CALL)]), ScriptedAnswer([text(CALL)]), "Done."])
    session.ask("Look it up.", tools=[lookup], approve=approve)
    assert len(set(asked)) == 2
    assert len(RAN) == 2


def test_xml_call_is_not_run_without_approval_or_against_a_rule(session: Session, endpoint: Simulator) -> None:
    endpoint.answers.extend([ScriptedAnswer([text(CALL)]), "I could not."])
    turn = session.ask("Look it up.", tools=[lookup])
    assert RAN == []
    assert "lookup failed:\nThe user did not allow this call." in str(blocks(turn.messages[2])[0]["text"])
    session.rules.add("deny", "lookup", None)
    endpoint.answers.extend([ScriptedAnswer([text(CALL)]), "I could not."])
    session.ask("Look it up.", tools=[lookup], approve=allow)
    assert RAN == []


FENCED = f"```xml\n{xml(query='a')}\n```"
NEVER: dict[str, list[Any]] = {
    "in a fence": [text(f"Like this:\n\n{FENCED}")],
    "in a fence that is open": [text(f"Like this:\n\n```\n{xml(query='a')}")],
    "in a fence that an earlier text opened": [text("Like this:\n\n```\n"), text(xml(query="a"))],
    "in a quote": [text(f"> {xml(query='a')}")],
    "in thinking": [thinking(xml(query="a")), text("Hello.")],
    "only in thinking": [thinking(xml(query="a"))],
    "in thinking in the text": [text(f"<think>\n{xml(query='a')}\n</think>")],
    "before other text": [text(f"{xml(query='a')}\n\nDone.")],
    "in a text before another block": [text(xml(query="a")), text("Done.")],
    "of a tool that is not offered": [text(xml("delete_everything", query="a"))],
    "beside one of a tool that is not offered": [text(f"{xml(query='a')}\n{xml('delete_everything')}")],
}


@pytest.mark.parametrize("where", NEVER)
def test_xml_call_never_runs(session: Session, endpoint: Simulator, where: str) -> None:
    endpoint.answers.append(ScriptedAnswer(NEVER[where]))
    turn = session.ask("Look it up.", tools=[lookup], approve=allow)
    assert RAN == []
    assert len(endpoint.log) == 1
    assert turn.status == "complete"


def test_xml_call_in_what_a_tool_returned_or_the_user_wrote_never_runs(session: Session, endpoint: Simulator) -> None:
    def read() -> str:
        """Read a file."""
        return xml(query="from the file")

    endpoint.answers.extend([ScriptedAnswer([tool_use("read")]), "That is the file."])
    session.ask(xml(query="from the user"), tools=[lookup, read], approve=allow)
    assert RAN == []
    assert len(endpoint.log) == 2


@pytest.mark.parametrize("how", ["no tools", "tool_choice none", "cut", "beside a call"])
def test_xml_call_does_not_run_where_no_call_would(session: Session, endpoint: Simulator, how: str) -> None:
    flags: dict[str, Any] = {"tools": [lookup]}
    answer = ScriptedAnswer([text(CALL)])
    if how == "no tools":
        flags = {}
    elif how == "tool_choice none":
        flags["tool_choice"] = "none"
    elif how == "cut":
        answer = ScriptedAnswer([text(CALL)], stop_reason="max_tokens")
    else:
        answer = ScriptedAnswer([tool_use("lookup", {"query": "real"}), text(CALL)])
    endpoint.answers.extend([answer, "Done."])
    turn = session.ask("Look it up.", approve=allow, **flags)
    assert [query for query, *_ in RAN] == (["real"] if how == "beside a call" else [])
    if how in ("no tools", "tool_choice none"):
        assert len(turn.notes) == 1
        assert "It was not run" in turn.notes[0]


def test_xml_call_of_a_required_tool_honors_the_choice(session: Session, endpoint: Simulator) -> None:
    endpoint.answers.extend([ScriptedAnswer([text(CALL)]), "Done."])
    turn = session.ask("Look it up.", tools=[lookup], tool_choice="any", approve=allow)
    assert not any("did not honor" in note for note in turn.notes)


def test_xml_arguments_get_the_types_of_the_schema(session: Session, endpoint: Simulator) -> None:
    written = xml(query='["not", "a list"]', tags='["a", "b"]', depth="3")
    endpoint.answers.extend([ScriptedAnswer([text(written)]), "Done."])
    session.ask("Look it up.", tools=[lookup], approve=allow)
    assert RAN == [('["not", "a list"]', ["a", "b"], 3)]


def test_several_xml_calls_have_their_own_ids_and_results(session: Session, endpoint: Simulator) -> None:
    endpoint.answers.extend([ScriptedAnswer([text(xml(query="a") + xml(query="b"))]), "Done."])
    turn = session.ask("Look it up.", tools=[lookup], approve=allow)
    assert [block["text"] for block in blocks(turn.messages[2])] == [
        "lookup returned:\nfound a",
        "lookup returned:\nfound b",
    ]
    assert len({each["id"] for each in turn.responses[0]["tools"]}) == 2


def test_xml_calls_without_end_are_limited(session: Session, endpoint: Simulator) -> None:
    endpoint.answers.extend([ScriptedAnswer([text(CALL)])] * 9)
    turn = session.ask("Look it up.", tools=[lookup], approve=allow, max_rounds=2)
    assert len(endpoint.log) == 3
    assert any("2 rounds of tool calls are the limit" in note for note in turn.notes)


def test_xml_call_is_shown_with_its_arguments_and_result(session: Session, endpoint: Simulator) -> None:
    endpoint.answers.extend([ScriptedAnswer([text(CALL)]), "Done."])
    turn = session.ask("Look it up.", tools=[lookup], approve=allow)
    html = make_bundle(turn)["text/html"]
    assert "Tool: lookup · done in" in html
    assert "→ lookup returned:\nfound MiniMax" in html


# Thinking in the text ---------------------------------------------------------------------------------------------

THOUGHT = "<think>\nLet me see {.\n</think>\n\nA reef."


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1_000])
def test_think_tags_are_thinking_live_saved_and_exported(session: Session, endpoint: Simulator, size: int) -> None:
    from mm_magics.display.export_markdown import render_markdown

    endpoint.answers.append(ScriptedAnswer([text(THOUGHT)], size=size))
    turn = session.ask("What is it?")
    assert turn.text == "A reef."
    assert blocks(turn.messages[1]) == [text(THOUGHT)], "the record keeps it"
    assert turn.notes == [THINK_NOTE]
    bundle = make_bundle(turn)
    assert "<summary>Thinking</summary><pre>Let me see {.\n</pre>" in bundle["text/html"]
    assert "Let me see" not in bundle["text/markdown"] + bundle["text/plain"]
    assert "Let me see" not in render_markdown([turn])
    session.ask("And now?")
    assert endpoint.log[-1].replayed[0].unchanged


def test_think_tag_that_is_not_closed_is_thinking(session: Session, endpoint: Simulator) -> None:
    turn = session.ask("[[simulator: fault=think-unclosed say=Hello]]")
    assert turn.text.strip() == "Hello"
    assert THINK_NOTE in turn.notes
    check(turn, endpoint, session)


def test_answer_of_thinking_in_the_text_alone_is_empty(session: Session, endpoint: Simulator) -> None:
    endpoint.answers.append(ScriptedAnswer([text("<think>\nWhy?")]))
    turn = session.ask("What is it?")
    assert (turn.text, turn.notes[0]) == ("", THINK_NOTE)
    assert turn.notes[1:] == ["The answer is empty. Run the cell again, or rephrase the prompt."]


def test_think_tag_in_a_code_fence_is_code(session: Session, endpoint: Simulator) -> None:
    fenced = "```\n<think>a</think>\n```"
    endpoint.answers.append(ScriptedAnswer([text(fenced)]))
    turn = session.ask("Show me the tag.")
    assert (turn.text, turn.notes) == (fenced, [])


# Other rows -------------------------------------------------------------------------------------------------------


def test_reasoning_content_deltas_are_thinking_and_not_sent_back(session: Session, endpoint: Simulator) -> None:
    prompt = '[[simulator: fault=reasoning-content thinking="Let me see." say="A reef."]]'
    with session.stream(prompt) as answer:
        events = list(answer)
    turn = answer.close()
    assert "".join(e.text for e in events if isinstance(e, Delta) and e.kind == "reasoning") == "Let me see."
    assert blocks(turn.messages[1]) == [{**text("A reef."), "reasoning_content": "Let me see."}]
    assert turn.notes == [REASONING_NOTE]
    assert "<summary>Thinking</summary><pre>Let me see.</pre>" in make_bundle(turn)["text/html"]
    check(turn, endpoint, session)
    assert endpoint.log[-1].body["messages"][1]["content"] == [text("A reef.")]


def test_nested_arguments_as_json_strings_are_read_if_the_schema_wants_them(
    session: Session, endpoint: Simulator
) -> None:
    call = tool_use("lookup", {"query": '["a"]', "tags": '["a", "b"]'})
    endpoint.answers.extend([ScriptedAnswer([call]), "Done."])
    turn = session.ask("Look it up.", tools=[lookup])
    assert RAN == [('["a"]', ["a", "b"], 1)]
    assert blocks(turn.messages[1])[0]["input"] == call["input"], "the record keeps them"
    assert turn.notes == ["Arguments of lookup were JSON in a text, and were read as JSON."]
    check(turn, endpoint, session)


def test_approval_shows_nested_arguments_as_they_are_run(session: Session, endpoint: Simulator) -> None:
    endpoint.answers.extend([ScriptedAnswer([tool_use("lookup", {"query": "a", "tags": '["b"]'})]), "Done."])
    asking = minimax_tool(asks=True)(lookup)
    with session.stream("Look it up.", tools=[asking]) as answer:
        events = list(answer.events(lambda: None, allow))
    shown = [event.call.input for event in events if isinstance(event, ApprovalRequested | ToolStarted)]
    assert shown == [{"query": "a", "tags": ["b"]}] * 2


def test_call_when_no_tool_was_offered_is_marked_and_not_run(session: Session, endpoint: Simulator) -> None:
    turn = session.ask("Hello. [[simulator: fault=uninvited-call]]")
    assert turn.notes == ["The model called lookup, but no tools were offered. Nothing was run."]
    check(turn, endpoint, session)


def test_tool_use_stop_without_a_call_is_marked(session: Session, endpoint: Simulator) -> None:
    turn = session.ask('Hello. [[simulator: fault=stop-tool-use say="A reef."]]')
    assert (turn.status, turn.text, turn.notes) == ("complete", "A reef.", [NO_CALL_NOTE])
    check(turn, endpoint, session)


# Schemas ----------------------------------------------------------------------------------------------------------


class Reef(BaseModel):
    name: str
    tags: list[str]
    kind: Literal["barrier", "fringing"]
    depth: int | None = None


VALUE = {"name": "[Great]", "tags": ["old", "big"], "kind": "barrier", "depth": 3}
AS_JSON = json.dumps(VALUE)
XML_ANSWER = xml("final_answer", name="[Great]", tags='["old", "big"]', kind="barrier", depth="3")
ANSWERS: dict[str, ScriptedAnswer] = {
    "a call": ScriptedAnswer([tool_use("final_answer", VALUE)]),
    "a call with JSON in texts": ScriptedAnswer([tool_use("final_answer", {**VALUE, "tags": '["old", "big"]'})]),
    "XML in the text": ScriptedAnswer([text(XML_ANSWER)]),
    "thinking and XML in the text": ScriptedAnswer([text(f"<think>\n{{\n</think>\nHere:\n{XML_ANSWER}")]),
    "thinking and JSON in the text": ScriptedAnswer([text(f'<think>\nMaybe {{"name": 1}}?\n</think>\n\n{AS_JSON}')]),
    "thinking and a fence": ScriptedAnswer([text(f"<think>[</think>```json\n{AS_JSON}\n```")]),
    "JSON in texts in the text": ScriptedAnswer([text(json.dumps({**VALUE, "tags": '["old", "big"]'}))]),
    "reasoning_content and JSON": ScriptedAnswer([thinking("{"), text(AS_JSON)], fault=Fault("reasoning-content")),
    "a tool_use stop with JSON": ScriptedAnswer([text(AS_JSON)], stop_reason="tool_use"),
    "a call as XML by the endpoint": ScriptedAnswer([tool_use("final_answer", VALUE)], fault=Fault("xml-calls")),
    "JSON strings by the endpoint": ScriptedAnswer([tool_use("final_answer", VALUE)], fault=Fault("json-strings")),
}


@pytest.mark.parametrize("form", ANSWERS)
def test_schema_succeeds_in_one_call(session: Session, endpoint: Simulator, form: str) -> None:
    endpoint.answers.append(ANSWERS[form])
    turn = session.ask("Which reef?", schema=Reef)
    assert session.value(turn, Reef) == Reef(**VALUE)  # type: ignore[arg-type]
    assert len(endpoint.log) == 1
    assert session.value(Turn.from_record(json.loads(json.dumps(turn.record()))), Reef).tags == ["old", "big"]
    check(turn, endpoint, session)


@pytest.mark.parametrize("form", ANSWERS)
def test_map_with_a_schema_succeeds_in_one_call(
    session: Session, endpoint: Simulator, tmp_path: Path, form: str
) -> None:
    endpoint.answers.append(ANSWERS[form])
    options = {"session": session, "schema": Reef, "store": tmp_path / "answers.sqlite", "progress": False}
    result = map_prompts("Which reef? {{ row }}", ["a"], **options)
    assert result.values == [Reef(**VALUE)]  # type: ignore[arg-type]
    assert (result.asked, result.errors) == (1, [])
    assert map_prompts("Which reef? {{ row }}", ["a"], **options).asked == 0


@pytest.mark.parametrize("schema", [list[int], dict[str, list[int]], Literal["yes", "no"], int])
def test_schema_of_other_types_succeeds_in_one_call(session: Session, endpoint: Simulator, schema: Any) -> None:
    values: dict[Any, Any] = {list[int]: [1, 2], dict[str, list[int]]: {"a": [1]}, int: 3}
    value = values.get(schema, "yes")
    written = value if isinstance(value, str) else json.dumps(value)
    answer = xml("final_answer", **({"a": "[1]"} if isinstance(value, dict) else {"value": written}))
    endpoint.answers.append(ScriptedAnswer([text(answer)]))
    turn = session.ask("Answer.", schema=schema)
    assert session.value(turn, schema) == value
    assert len(endpoint.log) == 1
