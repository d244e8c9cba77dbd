"""The types of the Messages API, the rules of a valid `messages` array, and the repair of turns that break them.

For any turns, `problems(join_turns([*map(repair_turn, turns), [user_message]])) == []`. Blocks are plain dicts and are
never copied field by field, so that unknown fields and block types are kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypedDict, cast

from mm_magics.api.dialect import without_thinking

Block = dict[str, Any]
"""A content block as it is sent and received: `{"type": …, …}`."""

TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""Tool names that the Messages API accepts."""

TOOL_ID = re.compile(r"[a-zA-Z0-9_-]+")
"""Ids of tool calls that the Messages API accepts."""

ANSWER = "final_answer"
"""The tool that a model calls to give a structured answer."""


class Message(TypedDict):
    role: Literal["user", "assistant"]
    content: str | list[Block]


System = str | Sequence[Block] | None
"""A system prompt: a text, or text blocks."""

Rule = Literal["empty", "role", "order", "shape", "tool_use", "tool_result", "last"]


class Problem(NamedTuple):
    """A broken rule. `where` is a path such as `messages.2.content.0`; `subject` is a role, a tool id or ""."""

    where: str
    rule: Rule
    text: str
    subject: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.text}"


MAX_JSON_DEPTH = 200
"""Deeper JSON is invalid here, because reading, displaying and writing it fail at different depths."""

INTERRUPTED = "The call was interrupted before it had a result."


def blocks(message: Mapping[str, Any]) -> list[Block]:
    """Return the message's content as a list of blocks; a string is one text block."""
    content = message.get("content")
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []


def text_of(messages: Iterable[Mapping[str, Any]], role: str = "assistant") -> str:
    """Return the text of the messages with that role: their text blocks that are not blank, as paragraphs.

    Thinking that a model wrote into its text (`<think>`) is left out.
    """
    texts = (
        without_thinking(block["text"]) if role == "assistant" else block["text"]
        for message in messages
        if message.get("role") == role
        for block in blocks(message)
        if block.get("type") == "text" and isinstance(block.get("text"), str)
    )
    return "\n\n".join(text for text in texts if text.strip())


def result_text(result: Mapping[str, Any]) -> str:
    """Return the text of a `tool_result` block. Content of another type is named, apart from images."""
    return "\n".join(
        str(block.get("text", "")) if block.get("type") == "text" else f"[{block.get('type')}]"
        for block in blocks(result)
        if block.get("type") != "image"
    )


def images_in(message: Mapping[str, Any]) -> list[Block]:
    """Return the images of a message, or of a `tool_result` block."""
    return [block for block in blocks(message) if block.get("type") == "image"]


def is_writable(value: object) -> bool:
    """Return whether a value that was read as JSON can be written as JSON: finite numbers, nesting within limits."""
    return bool(written(value))


def written(value: object) -> str:
    """Return the value as JSON; "" if it is not writable."""
    try:
        text = json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        return ""
    return text if text.count("[") + text.count("{") <= MAX_JSON_DEPTH or _is_flat(value) else ""


def _is_flat(value: object) -> bool:
    level = [value]
    for _ in range(MAX_JSON_DEPTH + 1):
        outer = [each for each in level if isinstance(each, dict | list)]
        level = [inner for each in outer for inner in (each.values() if isinstance(each, dict) else each)]
    return not level


def problems(messages: object, *, resumes: bool = False) -> list[Problem]:
    """Return every rule of the API that this `messages` array breaks, in order; an empty list if it is valid.

    Args:
        messages: The array.
        resumes: Whether it ends with an answer that was paused (`pause_turn`) and that the endpoint must continue.
    """
    if not isinstance(messages, list) or not messages:
        return [Problem("messages", "empty", "there are no messages")]
    found: list[Problem] = []
    seen: set[str] = set()
    open_ids: list[str] = []
    expected = "user"
    for number, message in enumerate(messages):
        where = f"messages.{number}"
        role: Any = message.get("role") if isinstance(message, dict) else None
        if role not in ("user", "assistant"):
            found.append(Problem(where, "role", f"the role is {role!r}, not user or assistant", str(role)))
            continue
        if role != expected:
            found.append(
                Problem(where, "order", f"a message from the {role} where one from the {expected} must follow", role)
            )
        expected = "assistant" if role == "user" else "user"
        content: Any = message.get("content")
        if isinstance(content, str):
            content = [{"type": "text", "text": content}]
        if not isinstance(content, list) or not content:
            found.append(Problem(where, "empty", "the content is empty"))
            content = []
        found += _block_problems(where, role, content)
        if open_ids or any(isinstance(block, dict) and block.get("type") in _TOOL_BLOCKS for block in content):
            found += _tool_problems(where, role, content, open_ids, seen)
            open_ids = _tool_ids(content, "tool_use", "id") if role == "assistant" else []
    if (expected == "user" and not resumes) or open_ids:
        found.append(Problem(f"messages.{len(messages) - 1}", "last", "the last message is not from the user"))
    return found


_TOOL_BLOCKS = ("tool_use", "tool_result")


def _tool_ids(content: list[Any], type_: str, key: str) -> list[str]:
    return [str(block.get(key)) for block in content if isinstance(block, dict) and block.get("type") == type_]


def _block_problems(where: str, role: str, content: list[Any]) -> list[Problem]:
    found = []
    results_are_over = False
    for number, block in enumerate(content):
        kind = block.get("type") if isinstance(block, dict) else None
        if kind == "text" and isinstance(block.get("text"), str) and not block["text"].isspace() and block["text"]:
            results_are_over = True
            continue
        at = f"{where}.content.{number}"
        if not isinstance(kind, str) or not kind:
            found.append(Problem(at, "shape", "a content block must be an object with a type"))
        elif kind == "text" and not isinstance(block.get("text"), str):
            found.append(Problem(at, "shape", "a text block needs a text"))
        elif kind == "text" and not block["text"].strip():
            found.append(Problem(at, "empty", "the text is blank"))
        elif kind == "thinking" and (role != "assistant" or not isinstance(block.get("thinking"), str)):
            found.append(Problem(at, "shape", "thinking must be a string in an assistant message"))
        elif kind == "tool_result" and not isinstance(block.get("tool_use_id"), str):
            found.append(Problem(at, "shape", "a tool_result needs a tool_use_id"))
        elif kind == "tool_result" and role == "user" and results_are_over:
            found.append(Problem(at, "tool_result", "tool results must come first", str(block.get("tool_use_id"))))
        results_are_over = results_are_over or kind != "tool_result"
    return found


def _tool_problems(where: str, role: str, content: list[Any], open_ids: list[str], seen: set[str]) -> list[Problem]:
    uses = _tool_ids(content, "tool_use", "id")
    results = _tool_ids(content, "tool_result", "tool_use_id")
    if role == "user":
        found = [Problem(where, "tool_use", "tool_use in a user message", id_) for id_ in uses]
        answered: set[str] = set()
        open_set = set(open_ids)
        for id_ in results:
            if id_ not in open_set:
                found.append(Problem(where, "tool_result", f"no tool_use {id_} in the message before", id_))
            elif id_ in answered:
                found.append(Problem(where, "tool_result", f"tool_use {id_} is answered twice", id_))
            answered.add(id_)
        missing = [id_ for id_ in open_ids if id_ not in answered]
        found += [Problem(where, "tool_use", f"tool_use {id_} has no tool_result", id_) for id_ in missing]
        return found
    found = [Problem(where, "tool_result", "tool_result in an assistant message", id_) for id_ in results]
    for block in content:
        if isinstance(block, dict) and block.get("type") == "tool_use":
            use = block.get("id")
            if not isinstance(use, str) or not use or not isinstance(block.get("name"), str):
                found.append(Problem(where, "shape", "a tool_use needs an id and a name", str(use)))
            elif not isinstance(block.get("input"), dict):
                found.append(Problem(where, "shape", f"the input of tool_use {use} is not an object", use))
            elif use in seen:
                found.append(Problem(where, "tool_use", f"tool_use id {use} is used twice", use))
            seen.add(str(use))
    return found


def repair_turn(messages: Iterable[Message], unfinished: Iterable[int | None] = ()) -> list[Message]:
    """Return the messages of one turn, made valid as context.

    Removed are blank texts, and misplaced or duplicate tool blocks. A tool id that a later message uses again is
    replaced, and a `tool_use` without a result gets an `is_error` result. The input is not changed; intact blocks are
    the same objects in the output.

    Args:
        messages: The messages of the turn.
        unfinished: For each assistant message, the index of the block that was cut off, or None. Such a block is kept
            if it is text, and removed otherwise.

    Returns:
        The messages; `[]` if no assistant content is left, because such a turn is not part of the context.
    """
    cut = iter(unfinished)
    rounds: list[list[Message]] = [[]]
    seen: set[str] = set()
    for message in messages:
        role = str(message.get("role"))
        if role not in ("user", "assistant"):
            continue
        content = blocks(message)
        if role == "assistant":
            at = next(cut, None)
            content = [block for n, block in enumerate(content) if n != at or block.get("type") == "text"]
            seen = set()
            rounds.append([])
        content = [block for block in content if _fits(block, role, seen)]
        rounds[-1].append(cast(Message, {"role": role, "content": content}))
    repaired = _answered(join_turns(rounds))
    return repaired if any(message["role"] == "assistant" for message in repaired) else []


def _fits(block: Block, role: str, seen: set[str]) -> bool:
    """Return whether the block is valid in a message of that role, and add the id of a valid `tool_use` to `seen`."""
    kind = block.get("type")
    if not isinstance(kind, str) or not kind:
        return False
    if kind == "text":
        return isinstance(block.get("text"), str) and bool(block["text"].strip())
    if kind == "thinking":
        return role == "assistant" and isinstance(block.get("thinking"), str)
    if kind == "tool_result":
        return role == "user" and isinstance(block.get("tool_use_id"), str)
    if kind == "tool_use":
        id_ = block.get("id")
        if role != "assistant" or not isinstance(id_, str) or not id_ or id_ in seen:
            return False
        seen.add(id_)
        return isinstance(block.get("name"), str) and isinstance(block.get("input"), dict)
    return True


def _answered(messages: list[Message]) -> list[Message]:
    """Give every `tool_use` exactly one result, first in the next user message; drop what precedes the first user."""
    out: list[Message] = []
    for number, message in enumerate(messages):
        if message["role"] == "assistant" and not out:
            continue
        content = cast("list[Block]", message["content"])
        if message["role"] == "assistant":
            out.append(message)
            if number == len(messages) - 1 and (ids := _tool_ids(content, "tool_use", "id")):
                out.append({"role": "user", "content": [_interrupted(id_) for id_ in ids]})
            continue
        due = _tool_ids(cast("list[Block]", out[-1]["content"]), "tool_use", "id") if out else []
        results: dict[str, Block] = {}
        for block in content:
            if block["type"] == "tool_result":
                results.setdefault(str(block.get("tool_use_id")), block)
        rest = [block for block in content if block["type"] != "tool_result"]
        answers = [results.get(id_) or _interrupted(id_) for id_ in due]
        if answers + rest:
            out.append({"role": "user", "content": answers + rest})
    return join_turns([out])


def _interrupted(id_: str) -> Block:
    return {"type": "tool_result", "tool_use_id": id_, "content": INTERRUPTED, "is_error": True}


def join_turns(turns: Iterable[Sequence[Message]]) -> list[Message]:
    """Join turns into one valid array: drop empty messages, merge neighbors of one role, rename reused tool ids."""
    return join_with_sources(turns)[0]


def join_with_sources(turns: Iterable[Sequence[Message]]) -> tuple[list[Message], list[int | None]]:
    """Join turns as `join_turns` does, and return where each message comes from.

    Returns:
        The messages, and for each of them its index among the messages of all turns, or None if joining changed it.
    """
    out: list[Message] = []
    sources: list[int | None] = []
    used = ToolIds()
    merged: list[Block] = []
    index = -1
    for turn in turns:
        renamed = used.add(turn)
        for message in renamed:
            index += 1
            if not message["content"]:
                continue
            source = index if renamed is turn else None
            if not isinstance(message["content"], list) or len(message) != 2:
                message, source = {"role": message["role"], "content": blocks(message)}, None
            if out and out[-1]["role"] == message["role"]:
                if out[-1]["content"] is not merged:  # a list of our own, which grows in place
                    merged = [*blocks(out[-1])]
                    out[-1], sources[-1] = {"role": message["role"], "content": merged}, None
                merged += blocks(message)
                continue
            out.append(message)
            sources.append(source)
    return out, sources


def tool_ids(messages: Iterable[Message]) -> set[str]:
    """Return the ids of all tool calls in these messages."""
    found = (block for message in messages for block in blocks(message) if block.get("type") == "tool_use")
    return {str(block.get("id")) for block in found}


def called_tools(messages: Iterable[Message]) -> list[str]:
    """Return the names of the tools that these messages call, in the order of the first calls."""
    names = (
        str(block.get("name")) for message in messages for block in blocks(message) if block.get("type") == "tool_use"
    )
    return list(dict.fromkeys(names))


class ToolIds:
    """The tool ids of the turns that were joined so far. An id that is used again is renamed."""

    def __init__(self) -> None:
        self._used: set[str] = set()
        self._next: dict[str, int] = {}
        """The smallest number that an id may be free with, as long as no turn is removed."""
        self._added: list[tuple[set[str], dict[str, int]]] = [(set(), {})]  # ids by turn, and what `_next` was before

    def add(self, turn: Sequence[Message]) -> Sequence[Message]:
        """Return the turn without tool ids that earlier turns used, the turn itself if it has none of them."""
        ids = tool_ids(turn)
        new = self._new_ids(ids)
        added = (ids - new.keys()) | {f"{id_}_{number}" for id_, number in new.items()}
        self._used |= added
        self._added.append((added, {}))
        return _with_ids(turn, new)

    def remove(self) -> None:
        """Forget the turn that was added last."""
        added, before = self._added.pop()
        self._used -= added
        self._next |= before

    def renamed(self, turn: Sequence[Message]) -> Sequence[Message]:
        """Return what `add` would return."""
        return _with_ids(turn, self._new_ids(tool_ids(turn)))

    def _new_ids(self, ids: set[str]) -> dict[str, int]:
        """Return the number that follows each of the ids that were used."""
        new: dict[str, int] = {}
        for id_ in sorted(ids & self._used) if ids else ():
            number = self._next.get(id_, 2)
            self._added[-1][1].setdefault(id_, number)
            while (name := f"{id_}_{number}") in self._used or name in ids:
                number += 1
            self._next[id_] = new[id_] = number
        return new


def _with_ids(turn: Sequence[Message], numbers: Mapping[str, int]) -> Sequence[Message]:
    """Return the turn with each of these tool ids followed by its number."""
    if not numbers:
        return turn

    def rename(block: Block) -> Block:
        key = {"tool_use": "id", "tool_result": "tool_use_id"}.get(str(block.get("type")))
        id_ = block.get(key) if key else None
        return {**block, str(key): f"{id_}_{numbers[id_]}"} if isinstance(id_, str) and id_ in numbers else block

    return [{"role": m["role"], "content": [rename(block) for block in blocks(m)]} for m in turn]
