"""Generate answers from the request alone: short Markdown that fits the prompt, and calls of the offered tools.

The same request gets the same answer. The first answer of a conversation says that no model wrote it, and an answer
mentions only what is in the messages of its request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mm_magics.api.messages import ANSWER, Block, blocks
from mm_magics.api.outside import content_of
from mm_magics.simulator.answer import ScriptedAnswer, text, thinking, tool_use
from mm_magics.simulator.contract import DEFAULT_SYSTEM, Request
from mm_magics.simulator.directives import strip_directives
from mm_magics.simulator.samples import find_name, sample
from mm_magics.simulator.tokens import CHARACTERS_PER_TOKEN, block_text
from mm_magics.text import fence

HONESTY = (
    "*I am the simulator that comes with mm_magics, not a model: my answers are made by rule, "
    "so that everything around them can be tried offline.*"
)


THOUGHTS = " I go over it once more, because I was not told to think less."  # language: ok (simulated)


@dataclass(frozen=True, slots=True)
class Conversation:
    """The content of a request's messages.

    `prompt` is the last user text without directives, `before` the earlier ones.
    """

    raw: str
    prompt: str
    before: tuple[str, ...]
    round: int
    """The number of the response in its turn, from 1."""
    results: tuple[Block, ...]
    calls: Mapping[str, str]
    """Names of the called tools, by call id."""


def read_conversation(messages: Sequence[Block]) -> Conversation:
    """Read what the generator needs from the messages. A turn starts with a user message that has text."""
    prompts: list[str] = []
    started = 0
    for number, message in enumerate(messages):
        if message["role"] == "user":
            texts = [content_of(block["text"]) for block in blocks(message) if block.get("type") == "text"]
            if texts or not prompts:
                prompts.append("\n".join(texts))
                started = number
    turn = messages[started:]
    calls = {
        block["id"]: str(block["name"])
        for message in messages
        if message["role"] == "assistant"
        for block in blocks(message)
        if block.get("type") == "tool_use"
    }
    results = [block for block in blocks(messages[-1]) if block.get("type") == "tool_result"]
    answered = sum(message["role"] == "assistant" for message in turn)
    before = tuple(_strip_if_valid(each) for each in prompts[:-1])
    return Conversation(prompts[-1], _strip_if_valid(prompts[-1]), before, answered + 1, tuple(results), calls)


def _strip_if_valid(prompt: str) -> str:
    try:
        return strip_directives(prompt)
    except ValueError:
        return prompt


def generate(request: Request, conversation: Conversation, rounds: int | None = None) -> ScriptedAnswer:
    """Generate the answer to a request.

    Args:
        rounds: How many responses of a turn call tools. None: one for each step of the prompt.
    """
    steps = _steps(request, conversation)
    calling = conversation.round <= (len(steps) if rounds is None else rounds)
    calls = _calls(request, conversation, steps) if calling else _final(request, conversation)
    if calls:
        names = _listed([f"`{call['name']}`" for call in calls])
        thought = f"The tools can help here. I call {names} and wait for what comes back."  # language: ok (simulated)
        spoken = [text(f"{HONESTY}\n\nI call {names}.")] if not conversation.before and conversation.round == 1 else []
        return ScriptedAnswer([*_thought(request, thought), *spoken, *calls])
    if conversation.results:
        thought = f"{_counted(len(conversation.results), 'result')} came back from the tools. I report what they say."
        return ScriptedAnswer([*_thought(request, thought), text(_of_results(conversation))])
    topic, body = _body(request, conversation)
    thought = (
        f"The user's message has {_counted(len(conversation.prompt.split()), 'word')}, and "
        f"{_counted(len(conversation.before), 'earlier prompt')} came before it. I answer with {topic}."
    )
    opening = [] if conversation.before else [HONESTY]
    return ScriptedAnswer([*_thought(request, thought), text("\n\n".join([*opening, body]))])


def _thought(request: Request, thought: str) -> list[Block]:
    """Return the thinking: one sentence and, for a model with `effort`, as much more as that takes."""
    if not request.thinks:
        return []
    more = max(request.thinking_tokens * CHARACTERS_PER_TOKEN - len(thought), 0)
    return [thinking(thought + (THOUGHTS * (more // len(THOUGHTS) + 1))[:more])]


# Tools ----------------------------------------------------------------------------------------------------------


def _steps(request: Request, conversation: Conversation) -> list[str]:
    """Return the parts of the prompt, separated by "then", that name a tool, or the whole prompt if none does."""
    parts = re.split(r"\bthen\b", conversation.prompt, flags=re.IGNORECASE)
    return [part for part in parts if any(find_name(part, tool["name"]) for tool in request.tools)] or [
        conversation.prompt
    ]


def _calls(request: Request, conversation: Conversation, steps: Sequence[str]) -> list[Block]:
    """Return the calls to make: the forced tool, else those that this step names, else the first if one is required."""
    choice = request.tool_choice
    kind = choice.get("type")
    if kind == "none" or not request.tools:
        return []
    step = steps[min(conversation.round, len(steps)) - 1]
    chosen = [tool for tool in request.tools if find_name(step, tool["name"])]
    if kind == "tool":
        chosen, step = [tool for tool in request.tools if tool["name"] == choice.get("name")][:1], conversation.prompt
    elif kind == "any" and not chosen:
        chosen = request.tools[:1]
    if choice.get("disable_parallel_tool_use"):
        chosen = chosen[:1]
    return [tool_use(tool["name"], sample(tool.get("input_schema") or {}, step)) for tool in chosen]


def _final(request: Request, conversation: Conversation) -> list[Block]:
    """Return the call of the final-answer tool, if it is offered, made from the tool results."""
    final = [tool for tool in request.tools if tool["name"] == ANSWER and request.tool_choice.get("type") != "none"]
    results = "\n".join(content_of(block_text(result)) for result in conversation.results)
    return [tool_use(ANSWER, sample(tool.get("input_schema") or {}, results)) for tool in final if conversation.results]


def _of_results(conversation: Conversation) -> str:
    lines = []
    for result in conversation.results:
        name = conversation.calls.get(str(result.get("tool_use_id")), "tool")
        verb = "failed" if result.get("is_error") else "answered"
        lines.append(f"The tool `{name}` {verb}:\n\n{fence(content_of(block_text(result)) or '(nothing)')}")
    return "\n\n".join(lines)


# Text -----------------------------------------------------------------------------------------------------------

_MEMORY = re.compile(
    r"\b(my name|remember|recall|did i (ask|say|tell)|(asked|said|told) (you )?(before|earlier|first|last)|"
    r"what .*\b(before|earlier|previously)\b)",
    re.IGNORECASE | re.DOTALL,
)
_NAME = re.compile(r"\b(?:my name is|i am called|call me|i'm called)\s+([^\s.,;:!?\"'`<>]+)", re.IGNORECASE)
_TABLE = re.compile(r"\b(compare|comparison|table|versus|vs|difference between)\b", re.IGNORECASE)
_CODE = re.compile(r"\b(code|python|function|program|script|snippet|implement)\b", re.IGNORECASE)
_MATH = re.compile(r"\b(formula|equation|latex|integral|derivative|math|maths|quadratic|theorem)\b", re.IGNORECASE)
_PAIR = re.compile(r"([\w.+#-]+)\s+(?:and|with|to|vs\.?|versus)\s+([\w.+#-]+)", re.IGNORECASE)


def _body(request: Request, conversation: Conversation) -> tuple[str, str]:
    """Return what the answer is, in a few words, and its Markdown."""
    prompt = conversation.prompt
    if conversation.before and _MEMORY.search(prompt):
        return "what I find in the conversation", _memory(conversation)
    if _TABLE.search(prompt):
        return "a table", _table(prompt)
    if _CODE.search(prompt):
        return "a piece of code", _code(prompt)
    if _MATH.search(prompt):
        return "a formula", _math(prompt)
    return "a short note", _note(request, conversation)


def _memory(conversation: Conversation) -> str:
    found = [match.group(1) for each in conversation.before for match in _NAME.finditer(each)]
    lines = [f"Your name is **{found[-1]}**: you told me so."] if found else []
    lines.append(f"Before this you asked me {_counted(len(conversation.before), 'thing')}:")
    lines.append("\n".join(f"{n}. {_quoted(each)}" for n, each in enumerate(conversation.before, 1)))
    return "\n\n".join(lines)


def _table(prompt: str) -> str:
    pair = _PAIR.search(_TABLE.sub("", prompt))
    left, right = pair.groups() if pair else ("one", "other")
    rows = [("letters", len(left), len(right)), ("vowels", _vowels(left), _vowels(right))]
    lines = [f"| | {left} | {right} |", "| --- | ---: | ---: |", *(f"| {a} | {b} | {c} |" for a, b, c in rows)]
    return f"Here is {left} beside {right}, as far as a rule can compare them:\n\n" + "\n".join(lines)


def _vowels(word: str) -> int:
    return sum(letter in "aeiouAEIOU" for letter in word)


_SNIPPETS = {
    "fibonacci": (
        "def fibonacci(n: int) -> int:\n    a, b = 0, 1\n    for _ in range(n):\n        a, b = b, a + b\n"
        "    return a\n\n\n"
        "print([fibonacci(n) for n in range(10)])"
    ),
    "prime": (
        "def is_prime(n: int) -> bool:\n    return n > 1 and all(n % d for d in range(2, int(n**0.5) + 1))\n\n\n"
        "print([n for n in range(30) if is_prime(n)])"
    ),
    "sort": (
        "def insertion_sort(values: list[int]) -> list[int]:\n    out: list[int] = []\n    for value in values:\n"
        "        place = sum(each <= value for each in out)\n        out.insert(place, value)\n    return out\n\n\n"
        "print(insertion_sort([3, 1, 2]))"
    ),
}


def _code(prompt: str) -> str:
    longest = (
        "def longest_words(text: str, n: int = 3) -> list[str]:\n"
        "    return sorted(set(text.split()), key=len, reverse=True)[:n]\n\n\n"
        f"print(longest_words({' '.join(_words(prompt))!r}))"
    )
    snippet = next((snippet for word, snippet in _SNIPPETS.items() if word in prompt.lower()), longest)
    return f"This is one way to do it:\n\n{fence(snippet, 'python')}"


def _math(prompt: str) -> str:
    lower = prompt.lower()
    if "integral" in lower or "gauss" in lower:
        inline, display = "e^{-x^2}", r"\int_{-\infty}^{\infty} e^{-x^2}\,dx = \sqrt{\pi}"
    elif "derivative" in lower:
        inline, display = "f", r"f'(x) = \lim_{h \to 0} \frac{f(x + h) - f(x)}{h}"
    elif "euler" in lower:
        inline, display = r"\pi", r"e^{i\pi} + 1 = 0"
    else:
        inline, display = "ax^2 + bx + c = 0", r"x = \frac{-b \pm \sqrt{b^2 - 4ac}}{2a}"
    return f"With ${inline}$ in mind, this is the one to know:\n\n$$\n{display}\n$$"


def _note(request: Request, conversation: Conversation) -> str:
    words = _words(conversation.prompt)
    subject = f"You wrote about {_listed([f'*{word}*' for word in words])}." if words else "You wrote few words."
    lines = [
        f"- the prompt: {_counted(len(conversation.prompt.split()), 'word')}",
        f"- earlier prompts in this conversation: {len(conversation.before)}",
    ]
    if conversation.before:
        lines.append(f"- the last of them: {_quoted(conversation.before[-1])}")
    system = "\n".join(block["text"] for block in request.system)
    if system != DEFAULT_SYSTEM.format(model=request.model):
        lines.append(f"- the system prompt: {_quoted(system)}")
    if request.tools:
        names = [f"`{tool['name']}`" for tool in request.tools]
        lines.append(f"- tools offered: {_listed(names)}")
    hint = "Ask me for code, a formula or a comparison, or what you asked before."
    return "\n\n".join([f"{subject} This is what reached me:", "\n".join(lines), hint])


def _words(prompt: str, most: int = 4) -> list[str]:
    """Return the longest words of the prompt, in the prompt's order."""
    found = list(dict.fromkeys(re.findall(r"[^\W\d_]{4,}", prompt)))
    longest = sorted(found, key=len, reverse=True)[:most]
    return [word[:40] for word in found if word in longest]


def _quoted(prompt: str, most: int = 80) -> str:
    line = " ".join(prompt.split()).replace("`", "'")
    return f"`{line[:most]}{'…' if len(line) > most else ''}`" if line else "(no text)"


def _listed(items: Sequence[Any]) -> str:
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def _counted(number: int, thing: str) -> str:
    return f"{number or 'no'} {thing}{'' if number == 1 else 's'}"
