"""The flags of `%%minimax`, declared once for parsing, help, completion and the reference page."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from dataclasses import dataclass
from keyword import iskeyword
from typing import Any

from mm_magics.api import thinking
from mm_magics.display.answer_format import ANSWER_FORMATS


@dataclass(frozen=True)
class Flag:
    """One flag of `%%minimax`.

    Args:
        names: Its short and long names.
        help: What it does, in a few words.
        metavar: The name of its value; a flag without one is a switch.
        type: Converts the text of the value. Raises `ArgumentTypeError`.
        choices: Values offered by completion.
        setting: The `MiniMax` setting that the flag overrides for its cell.
        repeat: Whether the flag may be given several times.
        closed: Whether only `choices` are valid values.
    """

    names: tuple[str, ...]
    help: str
    metavar: str = ""
    type: Any = str
    choices: tuple[str, ...] = ()
    setting: str = ""
    repeat: bool = False
    closed: bool = False

    @property
    def dest(self) -> str:
        """The key of the flag's value in the result of `arguments.parse`."""
        return self.setting or self.names[-1].lstrip("-").replace("-", "_")


# Types of values --------------------------------------------------------------------------------------------------


def _thinking(text: str) -> str | int:
    return text if text in thinking.NAMES else _integer(text, f"{', '.join(thinking.NAMES)} or a whole number")


def _context(text: str) -> str | int:
    return text if text in ("above", "all", "none") else _count(text, "above, all, none or a whole number")


def _sees(text: str) -> str | int:
    return text if text in ("above", "none") else _count(text, "none, above or a whole number")


def _integer(text: str, expected: str = "a whole number") -> int:
    try:
        return int(text.replace("_", ""))
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not {expected}") from None


def _count(text: str, expected: str = "a whole number") -> int:
    count = _integer(text, expected)
    if count < 0:
        raise ArgumentTypeError(f"{text!r} is negative")
    return count


def _positive(text: str) -> int:
    count = _integer(text)
    if count < 1:
        raise ArgumentTypeError(f"{text!r} is less than 1")
    return count


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a number") from None


def _seconds(text: str) -> float:
    seconds = _number(text)
    if not 0 < seconds < float("inf"):
        raise ArgumentTypeError(f"{text} is not a positive number of seconds")
    return seconds


def _dollars(text: str) -> float:
    dollars = _number(text.removeprefix("$"))
    if not 0 <= dollars < float("inf"):
        raise ArgumentTypeError(f"{text} is not an amount of US dollars")
    return dollars


def _share(text: str) -> float:
    share = _number(text)
    if not 0 < share < 1:
        raise ArgumentTypeError(f"{text} is not a share above 0 and below 1, such as 0.85")
    return share


def _variable(text: str) -> str:
    if not text.isidentifier() or iskeyword(text):
        raise ArgumentTypeError(f"{text!r} is not a valid Python name")
    return text


def _names(text: str) -> list[str]:
    names = [] if text == "none" else [name.strip() for name in text.split(",")]
    if not all(names):
        raise ArgumentTypeError(f"{text!r} is not a list of names separated by commas")
    return names


def _field(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise ArgumentTypeError(f"{text!r} is not NAME=JSON")
    if name in ("model", "messages", "system", "stream", "tools", "tool_choice"):
        flag = "" if name in ("messages", "stream") else f"; use --{name.replace('_', '-')}"
        raise ArgumentTypeError(f"{name} cannot be set with --param{flag}")
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError):
        return name, value


# The flags --------------------------------------------------------------------------------------------------------

FLAGS = (
    Flag(("-m", "--model"), "model to use; several, separated by commas, answer side by side", "NAME", setting="model"),
    Flag(("--n",), "ask the model so many times at once (2 to 8), and show the answers side by side", "N", _integer),
    Flag(("--check",), "your function that is called with each answer, and whose verdict is shown", "NAME", _variable),
    Flag(("-s", "--system"), "system prompt; may contain {{ expr }}", "TEXT", setting="system"),
    Flag(("-t", "--temperature"), "sampling temperature, above 0 and at most 1", "X", _number, setting="temperature"),
    Flag(("--top-p",), "nucleus sampling, above 0 and at most 1", "X", _number, setting="top_p"),
    Flag(("--max-tokens",), "maximum output tokens, including thinking", "N", _integer, setting="max_tokens"),
    Flag(
        ("--thinking",),
        "how much the model thinks; EFFORT is low, medium, high, xhigh or max, N a number of tokens",
        "on|off|adaptive|EFFORT|N",
        _thinking,
        choices=thinking.NAMES,
        setting="thinking",
    ),
    Flag(
        ("--tools",),
        "tools the model may call: your functions, built-in tools, MCP servers (none to disable)",
        "NAME,NAME",
        _names,
        setting="tools",
    ),
    Flag(
        ("--tool-choice",),
        "auto, any, none, or the tool the model must call",
        "auto|any|none|NAME",
        choices=("auto", "any", "none"),
        setting="tool_choice",
    ),
    Flag(
        ("--max-rounds",),
        "maximum number of messages with tool calls; then the model must answer without tools",
        "N",
        _positive,
        setting="max_rounds",
    ),
    Flag(
        ("--max-cost",),
        "stop calling tools when the turn has cost this many US dollars",
        "X",
        _dollars,
        setting="max_cost",
    ),
    Flag(
        ("--edits",),
        "changes of the notebook by tools: ask (wait for you), propose (do not wait) or accept (at once)",
        "ask|propose|accept",
        choices=("ask", "propose", "accept"),
        setting="edits",
        closed=True,
    ),
    Flag(
        ("--schema",),
        "schema the answer must match: a Pydantic model, a dataclass, a JSON schema, …",
        "NAME",
        _variable,
    ),
    Flag(("-o", "--out"), "store the answer in this variable", "NAME", _variable),
    Flag(
        ("--as",),
        "format of the answer: markdown, code (also as a new cell below), text or json",
        "FORMAT",
        choices=ANSWER_FORMATS,
        closed=True,
    ),
    Flag(
        ("--attach",),
        "file to send with the prompt: an image, a PDF, or text; may be repeated",
        "FILE",
        repeat=True,
    ),
    Flag(("--thread",), "thread the cell belongs to", "NAME", setting="thread"),
    Flag(
        ("--context",),
        "earlier turns to send: those above, all, none, or the last N above",
        "above|all|none|N",
        _context,
        choices=("above", "all", "none"),
        setting="context",
    ),
    Flag(
        ("--compact",),
        "summarize earlier turns: auto (when the window is nearly full), never, or now",
        "auto|never|now",
        choices=("auto", "never", "now"),
        setting="compact",
        closed=True,
    ),
    Flag(
        ("--sees",),
        "code cells to send: none, above (since the thread's last prompt), or the last N above",
        "none|above|N",
        _sees,
        choices=("none", "above"),
        setting="sees",
    ),
    Flag(
        ("--replay",),
        "off: send; auto: answer an unchanged request from its record; only: never send",
        "MODE",
        choices=("off", "auto", "only"),
        setting="replay",
        closed=True,
    ),
    Flag(("--map",), "run the prompt for each row of this data frame or list; use {{ row.NAME }}", "NAME", _variable),
    Flag(("--into",), "with --map: column for the answers (for a list: the variable)", "NAME", _variable),
    Flag(("--budget",), "with --map: spend this many US dollars at most, within a few calls", "X", _dollars),
    Flag(("--figures",), "with --map: add columns with the tokens and cost of each row"),
    Flag(("--pack",), "with --map: send up to N rows in one call; they can influence each other", "N", _positive),
    Flag(("--trial",), "with --map: ask only a random sample of N rows, and show answers and cost", "N", _positive),
    Flag(("--label",), "with --trial: column with the right answers (=FIELD names a field of the schema)", "COLUMN"),
    Flag(("--require",), "with --label: the agreement that the trial must surely reach, such as 0.85", "X", _share),
    Flag(("--engine",), "with --map: Dask client whose workers send the requests", "NAME", _variable),
    Flag(
        ("--param",),
        "additional request field, passed through unchanged; may be repeated",
        "NAME=JSON",
        _field,
        repeat=True,
    ),
    Flag(("--user-id",), "opaque ID of the user, sent as request metadata", "ID", setting="user_id"),
    Flag(
        ("--timeout",),
        "give up after this many seconds without data from the endpoint",
        "S",
        _seconds,
        setting="timeout",
    ),
    Flag(("--raw",), "send the cell unchanged: do not replace {{ expr }}"),
    Flag(("--dry-run",), "show the request and its size without sending it; --out stores all of it"),
    Flag(
        ("--background",),
        "return at once and answer while other cells run; --out stores a handle of the answer",
        setting="background",
    ),
    Flag(("--quiet",), "show one folded line instead of the answer", setting="quiet"),
    Flag(("-h", "--help"), "show this help"),
)
