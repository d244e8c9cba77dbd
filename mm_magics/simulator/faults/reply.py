"""Faults in the content of a message, the same in the streamed and the unstreamed form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from mm_magics.api.messages import Block, blocks
from mm_magics.api.sendable import REASONING
from mm_magics.simulator.answer import thinking, tool_id
from mm_magics.simulator.contract import Request
from mm_magics.simulator.steps import to_json
from mm_magics.simulator.wire import Reply

XML_CALL = (
    '\n<minimax:tool_call>\n<invoke name="lookup">\n<parameter name="query">MiniMax</parameter>\n</invoke>\n'
    "</minimax:tool_call>"
)
THINK_TAGS = "<think>\nThis thought leaked into the text.\n</think>\n\n"


def _in_text(reply: Reply, change: Callable[[str], str]) -> Reply:
    """Change the reply's first text, or add a text if it has none."""
    place = next((n for n, block in enumerate(reply.content) if block.get("type") == "text"), len(reply.content))
    old = reply.content[place] if place < len(reply.content) else {"type": "text", "text": ""}
    changed = {**old, "text": change(old["text"])}
    return replace(reply, content=[*reply.content[:place], changed, *reply.content[place + 1 :]])


def _stopped(reason: str) -> Callable[[Reply, Request], Reply]:
    return lambda reply, _: replace(reply, stop_reason=reason)


def _tool_xml(reply: Reply, _: Request) -> Reply:
    return _in_text(reply, lambda text: text + XML_CALL)


def _think_tags(reply: Reply, _: Request) -> Reply:
    return _in_text(reply, lambda text: THINK_TAGS + text)


def _think_unclosed(reply: Reply, _: Request) -> Reply:
    return _in_text(reply, lambda text: f"{text}\n<think>\nThis thought never ends.")


def _xml_calls(reply: Reply, _: Request) -> Reply:
    """Write each tool call as XML at the end of the text, as models of this family sometimes do."""
    calls = [block for block in reply.content if block.get("type") == "tool_use"]
    written = "".join(f"\n{_as_xml(call)}" for call in calls)
    rest = replace(reply, content=[block for block in reply.content if block not in calls], stop_reason="end_turn")
    return (
        _in_text(rest, lambda text: text + f"\n<minimax:tool_call>{written}\n</minimax:tool_call>") if calls else reply
    )


def _as_xml(call: Block) -> str:
    lines = [
        f'<parameter name="{name}">{value if isinstance(value, str) else to_json(value)}</parameter>'
        for name, value in call["input"].items()
    ]
    return "\n".join([f'<invoke name="{call["name"]}">', *lines, "</invoke>"])


def _json_strings(reply: Reply, _: Request) -> Reply:
    def changed(block: Block) -> Block:
        if block.get("type") != "tool_use":
            return block
        nested = {name: value for name, value in block["input"].items() if isinstance(value, dict | list)}
        return {**block, "input": block["input"] | {name: to_json(value) for name, value in nested.items()}}

    return replace(reply, content=[changed(block) for block in reply.content])


def _reasoning(reply: Reply, _: Request) -> Reply:
    """Send the thinking in a field of the first text."""
    thoughts = "".join(block["thinking"] for block in reply.content if block.get("type") == "thinking")
    rest = [block for block in reply.content if block.get("type") != "thinking"]
    place = next((n for n, block in enumerate(rest) if block.get("type") == "text"), None)
    if place is None:
        place, rest = 0, [{"type": "text", "text": ""}, *rest]
    changed = {**rest[place], REASONING: thoughts or "I think in a field of my own."}
    return replace(reply, content=[*rest[:place], changed, *rest[place + 1 :]])


def _uninvited(reply: Reply, request: Request) -> Reply:
    return _calling(reply, [tool_id(request.seed, 1)])


def _empty(reply: Reply, _: Request) -> Reply:
    return replace(reply, content=[])


def _only_thinking(reply: Reply, _: Request) -> Reply:
    only = [block for block in reply.content if block.get("type") == "thinking"]
    return replace(reply, content=only, stop_reason="end_turn", cut_json=None)


def _unsigned(reply: Reply, _: Request) -> Reply:
    def bare(block: Block) -> Block:
        unsigned = block.get("type") == "thinking"
        return {key: value for key, value in block.items() if not unsigned or key != "signature"}

    return replace(reply, content=[bare(block) for block in reply.content])


def _blank(reply: Reply, _: Request) -> Reply:
    return _in_text(reply, lambda _: "\n\n")


def _unknown_block(reply: Reply, _: Request) -> Reply:
    new = {"type": "hologram", "depth": 3, "data": {"note": "a type of block that nobody knows yet"}}
    return replace(reply, content=[*reply.content[:1], new, *reply.content[1:]])


def _unknown_fields(reply: Reply, _: Request) -> Reply:
    return replace(
        reply, content=[{**block, "x_minimax": {"shade": number}} for number, block in enumerate(reply.content)]
    )


def _base_resp_beside(reply: Reply, _: Request) -> Reply:
    return replace(reply, base_resp=(1000, "unknown error"))


def _call(id_: str, number: int) -> Block:
    return {"type": "tool_use", "id": id_, "name": "lookup", "input": {"query": f"MiniMax {number}"}}


def _calling(reply: Reply, ids: list[str]) -> Reply:
    thought = [block for block in reply.content if block.get("type") == "thinking"][:1] or [thinking("I call.")]
    calls = [_call(id_, number) for number, id_ in enumerate(ids, 1)]
    return replace(reply, content=[*thought, *calls], stop_reason="tool_use", cut_json=None)


def _same_tool_id(reply: Reply, request: Request) -> Reply:
    return _calling(reply, [tool_id(request.seed, 1)] * 2)


def _old_tool_id(reply: Reply, request: Request) -> Reply:
    old = [block["id"] for message in request.messages for block in blocks(message) if block.get("type") == "tool_use"]
    return _calling(reply, [old[-1] if old else "call_function_000000000000_1"])


FAULTS: Mapping[str, tuple[str, Callable[[Reply, Request], Reply]]] = {
    "stop-error": ('the message ends with stop_reason "error"', _stopped("error")),
    "stop-unknown": ("the message ends with an unknown stop reason", _stopped("moon_phase")),
    "tool-xml": ("a text ends in a <minimax:tool_call> instead of a tool call", _tool_xml),
    "think-tags": ("a text starts with a <think> part", _think_tags),
    "think-unclosed": ("a text ends in a <think> part without its end", _think_unclosed),
    "xml-calls": ("the tool calls are <minimax:tool_call> elements at the end of the text", _xml_calls),
    "json-strings": ("nested arguments of tool calls are texts with JSON", _json_strings),
    "reasoning-content": ("thinking is a field of a text, and its deltas have `reasoning_content`", _reasoning),
    "uninvited-call": ("a tool call, whether or not tools are offered", _uninvited),
    "stop-tool-use": ('the message ends with stop_reason "tool_use" without a tool call', _stopped("tool_use")),
    "empty-content": ("a message without content", _empty),
    "blank-text": ("a message whose text is blank", _blank),
    "only-thinking": ("a message with thinking and no text", _only_thinking),
    "unsigned-thinking": ("thinking without a signature", _unsigned),
    "unknown-block": ("a content block of an unknown type", _unknown_block),
    "unknown-fields": ("content blocks with an unknown field", _unknown_fields),
    "base-resp-beside": ("a message with a base_resp that reports an error", _base_resp_beside),
    "same-tool-id": ("two tool calls with the same id", _same_tool_id),
    "old-tool-id": ("a tool call with the id of an earlier call", _old_tool_id),
}
