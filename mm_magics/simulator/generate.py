"""Generated answers: short Markdown that fits the prompt, and calls of the tools offered, from the request alone.

Always true: the same request makes the same answer; the first answer of a conversation says that no model wrote it;
what it says of the conversation stands in the messages it was sent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mm_magics.api.messages import ANSWER, Block, blocks
from mm_magics.simulator.answer import Answer, text, thinking, tool_use
from mm_magics.simulator.contract import DEFAULT_SYSTEM, Request
from mm_magics.simulator.directives import stripped
from mm_magics.simulator.samples import named, sample
from mm_magics.simulator.tokens import block_text
from mm_magics.text import fence

HONESTY = (
    "*I am the simulator that comes with mm_magics, not a model: my answers are made by rule, "
    "so that everything around them can be tried offline.*"
)


@dataclass(frozen=True, slots=True)
class Talk:
    """What a request's messages say. `prompt`: the last user text, directives aside; `before`: the earlier ones."""

    raw: str
    prompt: str
    before: tuple[str, ...]
    round: int
    """Which response of the turn is due, from 1."""
    results: tuple[Block, ...]
    calls: Mapping[str, str]
    """Names of the tools called in this turn, by call id."""


def talk(messages: Sequence[Block]) -> Talk:
    """The conversation as the generator sees it. A turn starts with a user message that has text."""
    prompts: list[str] = []
    started = 0
    for number, message in enumerate(messages):
        if message["role"] == "user":
            texts = [block["text"] for block in blocks(message) if block.get("type") == "text"]
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
    before = tuple(_safely_stripped(each) for each in prompts[:-1])
    return Talk(prompts[-1], _safely_stripped(prompts[-1]), before, answered + 1, tuple(results), calls)


def _safely_stripped(prompt: str) -> str:
    try:
        return stripped(prompt)
    except ValueError:
        return prompt


def generate(request: Request, said: Talk, rounds: int | None = None) -> Answer:
    """The answer to a request. `rounds`: how many responses of a turn call tools; None: one for each of its steps."""
    steps = _steps(request, said)
    calling = said.round <= (len(steps) if rounds is None else rounds)
    calls = _calls(request, said, steps) if calling else _final(request, said)
    if calls:
        names = _listed([f"`{call['name']}`" for call in calls])
        thought = f"The tools can help here. I call {names} and wait for what comes back."
        spoken = [text(f"{HONESTY}\n\nI call {names}.")] if not said.before and said.round == 1 else []
        return Answer([*_thought(request, thought), *spoken, *calls])
    if said.results:
        thought = f"{_counted(len(said.results), 'result')} came back from the tools. I report what they say."
        return Answer([*_thought(request, thought), text(_of_results(said))])
    topic, body = _body(request, said)
    thought = (
        f"The user's message has {_counted(len(said.prompt.split()), 'word')}, and "
        f"{_counted(len(said.before), 'earlier prompt')} came before it. I answer with {topic}."
    )
    opening = [] if said.before else [HONESTY]
    return Answer([*_thought(request, thought), text("\n\n".join([*opening, body]))])


def _thought(request: Request, thought: str) -> list[Block]:
    return [thinking(thought)] if request.thinks else []


# Tools ----------------------------------------------------------------------------------------------------------


def _steps(request: Request, said: Talk) -> list[str]:
    """The parts of the prompt, parted by "then", that name a tool; all of it where none does."""
    parts = re.split(r"\bthen\b", said.prompt, flags=re.IGNORECASE)
    return [part for part in parts if any(named(part, tool["name"]) for tool in request.tools)] or [said.prompt]


def _calls(request: Request, said: Talk, steps: Sequence[str]) -> list[Block]:
    """The calls to make: the tool forced, else those that this step names, else the first where one is demanded."""
    choice = request.tool_choice
    kind = choice.get("type")
    if kind == "none" or not request.tools:
        return []
    step = steps[min(said.round, len(steps)) - 1]
    chosen = [tool for tool in request.tools if named(step, tool["name"])]
    if kind == "tool":
        chosen, step = [tool for tool in request.tools if tool["name"] == choice.get("name")][:1], said.prompt
    elif kind == "any" and not chosen:
        chosen = request.tools[:1]
    if choice.get("disable_parallel_tool_use"):
        chosen = chosen[:1]
    return [tool_use(tool["name"], sample(tool.get("input_schema") or {}, step)) for tool in chosen]


def _final(request: Request, said: Talk) -> list[Block]:
    """The call that gives the final answer, where one is wanted: made of what the tools answered."""
    wanted = [tool for tool in request.tools if tool["name"] == ANSWER and request.tool_choice.get("type") != "none"]
    told = "\n".join(block_text(result) for result in said.results)
    return [tool_use(ANSWER, sample(tool.get("input_schema") or {}, told)) for tool in wanted if said.results]


def _of_results(said: Talk) -> str:
    lines = []
    for result in said.results:
        name = said.calls.get(str(result.get("tool_use_id")), "tool")
        verb = "failed" if result.get("is_error") else "answered"
        lines.append(f"The tool `{name}` {verb}:\n\n{fence(block_text(result) or '(nothing)')}")
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


def _body(request: Request, said: Talk) -> tuple[str, str]:
    """What the answer is, in two words, and its Markdown."""
    prompt = said.prompt
    if said.before and _MEMORY.search(prompt):
        return "what I find in the conversation", _memory(said)
    if _TABLE.search(prompt):
        return "a table", _table(prompt)
    if _CODE.search(prompt):
        return "a piece of code", _code(prompt)
    if _MATH.search(prompt):
        return "a formula", _math(prompt)
    return "a short note", _note(request, said)


def _memory(said: Talk) -> str:
    found = [match.group(1) for each in said.before for match in _NAME.finditer(each)]
    lines = [f"Your name is **{found[-1]}**: you told me so."] if found else []
    lines.append(f"Before this you asked me {_counted(len(said.before), 'thing')}:")
    lines.append("\n".join(f"{n}. {_quoted(each)}" for n, each in enumerate(said.before, 1)))
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


def _note(request: Request, said: Talk) -> str:
    words = _words(said.prompt)
    subject = f"You wrote about {_listed([f'*{word}*' for word in words])}." if words else "You wrote few words."
    lines = [
        f"- the prompt: {_counted(len(said.prompt.split()), 'word')}",
        f"- earlier prompts in this conversation: {len(said.before)}",
    ]
    if said.before:
        lines.append(f"- the last of them: {_quoted(said.before[-1])}")
    system = "\n".join(block["text"] for block in request.system)
    if system != DEFAULT_SYSTEM.format(model=request.model):
        lines.append(f"- the system prompt: {_quoted(system)}")
    if request.tools:
        names = [f"`{tool['name']}`" for tool in request.tools]
        lines.append(f"- tools offered: {_listed(names)}")
    hint = "Ask me for code, a formula or a comparison, or what you asked before."
    return "\n\n".join([f"{subject} This is what reached me:", "\n".join(lines), hint])


def _words(prompt: str, most: int = 4) -> list[str]:
    """The longest words of the prompt, in its order."""
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
