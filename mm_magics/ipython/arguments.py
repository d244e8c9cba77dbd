"""Every flag of `%%minimax` and every command of `%minimax`, declared once: for parsing, help, completion and the docs.

Always true: parsing raises `ArgumentError`, one line that says what to do, and never ends the process.
"""

from __future__ import annotations

import argparse
import json
import shlex
from dataclasses import dataclass
from difflib import get_close_matches
from keyword import iskeyword
from typing import Any, NoReturn

from mm_magics.display.answer_format import ANSWER_FORMATS
from mm_magics.errors import ArgumentError
from mm_magics.tools.approval import VERDICTS
from mm_magics.tools.builtin.catalogue import TOOL_NAMES


@dataclass(frozen=True)
class Flag:
    """One flag. `setting` names the `MiniMax` setting that it overrides; without a `metavar` it is a switch."""

    names: tuple[str, ...]
    help: str
    metavar: str = ""
    type: Any = str
    choices: tuple[str, ...] = ()
    setting: str = ""
    repeat: bool = False

    @property
    def dest(self) -> str:
        return self.setting or self.names[-1].lstrip("-").replace("-", "_")


def _thinking(text: str) -> str | int:
    return text if text in ("on", "off") else _whole(text)


def _context(text: str) -> str | int:
    return text if text in ("above", "all", "none") else _count(text)


def _sees(text: str) -> str | int:
    return text if text in ("above", "none") else _count(text)


def _count(text: str) -> int:
    count = _whole(text)
    if count < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 upwards")
    return count


def _whole(text: str) -> int:
    try:
        return int(text.replace("_", ""))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None


def _positive(text: str) -> int:
    count = _whole(text)
    if count < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 upwards")
    return count


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def _seconds(text: str) -> float:
    seconds = _number(text)
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds above 0")
    return seconds


def _name(text: str) -> str:
    if not text.isidentifier() or iskeyword(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a Python name")
    return text


def _names(text: str) -> list[str]:
    names = [] if text == "none" else [name.strip() for name in text.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME,NAME")
    return names


def _dollars(text: str) -> float:
    dollars = _number(text.removeprefix("$"))
    if not 0 <= dollars < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not an amount of US dollars")
    return dollars


def _field(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=JSON")
    if name in ("model", "messages", "system", "stream"):
        raise argparse.ArgumentTypeError(f"{name} is not set in this way")
    try:
        return name, json.loads(value)
    except (ValueError, RecursionError):
        return name, value


FLAGS = (
    Flag(("-m", "--model"), "the model", "NAME", setting="model"),
    Flag(("-s", "--system"), "the system prompt; {{ expr }} works in it", "TEXT", setting="system"),
    Flag(("-t", "--temperature"), "above 0, at most 1", "X", _number, setting="temperature"),
    Flag(("--top-p",), "above 0, at most 1", "X", _number, setting="top_p"),
    Flag(("--max-tokens",), "tokens at most in the answer, thinking included", "N", _whole, setting="max_tokens"),
    Flag(("--thinking",), "on, off, or a budget in tokens", "on|off|N", _thinking, ("on", "off"), "thinking"),
    Flag(
        ("--tools",),
        "what it may call: functions of yours, built-in tools, MCP servers; none for none",
        "NAME,NAME",
        _names,
        setting="tools",
    ),
    Flag(
        ("--tool-choice",),
        "auto, any, none, or the tool that it has to call",
        "auto|any|none|NAME",
        str,
        ("auto", "any", "none"),
        "tool_choice",
    ),
    Flag(
        ("--max-rounds",), "messages with calls at most; then an answer without", "N", _positive, setting="max_rounds"
    ),
    Flag(("--max-cost",), "US dollars after which no more tools are called", "X", _dollars, setting="max_cost"),
    Flag(("--schema",), "what the answer has to fit: a pydantic model, a dataclass, a JSON schema …", "NAME", _name),
    Flag(("-o", "--out"), "put the answer into this variable", "NAME", _name),
    Flag(("--as",), "what the answer is: markdown, code, text or json", "FORM", str, ANSWER_FORMATS),
    Flag(("--thread",), "the thread that the cell belongs to", "NAME", setting="thread"),
    Flag(
        ("--context",),
        "the turns it sees: those above, all, none, or the last N above",
        "above|all|none|N",
        _context,
        ("above", "all", "none"),
        "context",
    ),
    Flag(
        ("--sees",),
        "what it sees of the code cells above: none, above (since the thread's last prompt), or the last N",
        "none|above|N",
        _sees,
        ("none", "above"),
        "sees",
    ),
    Flag(
        ("--replay",),
        "off: ask; auto: answer an unchanged request from its record; only: never ask",
        "MODE",
        str,
        ("off", "auto", "only"),
        "replay",
    ),
    Flag(("--map",), "run the prompt over the rows of this frame or list; {{ row.NAME }} is a value", "NAME", _name),
    Flag(("--into",), "the column for the answers (of a list: the variable)", "NAME", _name),
    Flag(("--budget",), "US dollars after which a run over rows sends nothing more", "X", _dollars),
    Flag(("--figures",), "columns with each row's tokens and cost"),
    Flag(("--engine",), "a Dask client whose workers send a run over rows", "NAME", _name),
    Flag(("--param",), "any other field of the request; may be repeated", "NAME=JSON", _field, repeat=True),
    Flag(("--user-id",), "an opaque id of the user, sent as metadata", "ID", setting="user_id"),
    Flag(
        ("--timeout",),
        "seconds without news from the endpoint, after which it is given up",
        "S",
        _seconds,
        (),
        "timeout",
    ),
    Flag(("--raw",), "send the cell as it is: {{ expr }} is not replaced"),
    Flag(("--dry-run",), "show what would be sent, and send nothing"),
    Flag(("--quiet",), "show one folded line instead of the answer", setting="quiet"),
    Flag(("-h", "--help"), "show this"),
)

CLOSED_CHOICES = frozenset({"--as", "--replay"})


@dataclass(frozen=True)
class Command:
    """One command of `%minimax`; `usage` is what may follow its name."""

    name: str
    help: str
    usage: str = ""


SERVER_COMMANDS = ("add", "list", "tools", "restart", "remove")

COMMANDS = (
    Command("help", "this list, or all about one command or flag", "[NAME]"),
    Command("model", "the model, or another one from now on", "[NAME]"),
    Command("models", "the models there are: window, speed, price; asks the endpoint what is new"),
    Command("system", "the system prompt, or another one from now on (`none`: the endpoint's own)", "[TEXT]"),
    Command("set", "the settings, or one of them from now on", "[NAME VALUE]"),
    Command("picker", "model, system prompt, temperature and so on as controls"),
    Command("history", "the turns of the thread", "[THREAD]"),
    Command("undo", "forget the thread's last turn in this kernel"),
    Command("thread", "the threads, or another one from now on", "[NAME]"),
    Command("fork", "go on in a new thread that shares the past of this one", "NAME"),
    Command("save", "write the thread's turns into a file", "FILE.json"),
    Command("load", "read turns from a file that save wrote", "FILE.json"),
    Command("export", "write the conversation: .md, .html, .json (Messages API) or .py", "FILE"),
    Command(
        "tools",
        "the built-in tools and their risks, and which calls are allowed, ask or are denied from now on",
        "[allow|ask|deny|forget NAME [ARGUMENT=PATTERN …]]",
    ),
    Command("explain", "ask about the last error, with the cell that raised it"),
    Command("clear", "forget the thread's turns in this kernel", "[THREAD]"),
    Command("usage", "calls, tokens, seconds and cost so far"),
    Command(
        "mcp",
        f"tools from MCP servers: {', '.join(SERVER_COMMANDS)}",
        "[add NAME [--env VAR] -- COMMAND | add NAME [--bearer VAR] URL | …]",
    ),
    Command("login", "enter a key; --keep puts it into the OS keyring", "[--keep]"),
    Command("doctor", "whether all is well, and what to do if not"),
)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        message = message.replace("argument ", "", 1)
        raise ArgumentError(f"{message[:1].upper()}{message[1:]}.", "%%minimax --help lists the flags.")


def _parser() -> _Parser:
    parser = _Parser(prog="%%minimax", add_help=False, allow_abbrev=False, argument_default=argparse.SUPPRESS)
    for flag in FLAGS:
        if not flag.metavar:
            parser.add_argument(*flag.names, dest=flag.dest, action="store_true", help=flag.help)
            continue
        parser.add_argument(
            *flag.names,
            dest=flag.dest,
            action="append" if flag.repeat else "store",
            type=flag.type,
            choices=flag.choices if flag.names[-1] in CLOSED_CHOICES else None,
            metavar=flag.metavar,
            help=flag.help,
        )
    return parser


def split(line: str) -> list[str]:
    """The words of a line, quotes respected. Raises `ArgumentError` for a quote that is not closed."""
    try:
        return shlex.split(line)
    except ValueError:
        raise ArgumentError("A quote is not closed.", "Close it, or write the words without it.") from None


def parse(line: str) -> dict[str, Any]:
    """The flags that a `%%minimax` line gives, by setting or name; those not given are not in it.

    Raises `ArgumentError` for an unknown flag (naming the nearest), a wrong value, or text beside the flags.

    >>> parse("-m MiniMax-M2 --context 3 --quiet")
    {'model': 'MiniMax-M2', 'context': 3, 'quiet': True}
    """
    found, rest = _parser().parse_known_args(split(line))
    if rest:
        raise _unknown(rest[0])
    given = dict(sorted(vars(found).items(), key=lambda item: list(_DESTS).index(item[0])))
    if "param" in given:
        given["params"] = dict(given.pop("param"))
    return given


_DESTS = {flag.dest: flag for flag in FLAGS}


def _unknown(word: str) -> ArgumentError:
    if not word.startswith("-"):
        return ArgumentError(f"{word!r} is no flag.", "The prompt goes below the %%minimax line.")
    name = "".join(each if each.isprintable() else "\ufffd" for each in word.partition("=")[0])
    like = get_close_matches(name, [name for flag in FLAGS for name in flag.names if name.startswith("--")], 1, 0.5)
    hint = f"Did you mean {like[0]}?" if like else "%%minimax --help lists the flags."
    return ArgumentError(f"There is no flag {name}.", hint)


def help_text() -> str:
    """What `%%minimax --help` shows."""
    rows = [(", ".join(flag.names) + (f" {flag.metavar}" if flag.metavar else ""), flag.help) for flag in FLAGS]
    return "%%minimax [flags]\n<the prompt>\n\n" + _columns(rows)


def commands_text() -> str:
    """What `%minimax help` shows."""
    rows = [(f"%minimax {command.name} {command.usage}".rstrip(), command.help) for command in COMMANDS]
    return _columns([("%minimax", "where things stand"), *rows])


def _columns(rows: list[tuple[str, str]]) -> str:
    width = max(len(left) for left, _ in rows)
    return "\n".join(f"{left:<{width}}  {right}" for left, right in rows)


def completions(text_before: str, models: list[str], settings: list[str]) -> list[str]:
    """What may stand at the end of this first line of a cell, or line of `%minimax`; [] where nothing is known.

    >>> completions("%%minimax --max-t", [], [])
    ['--max-tokens']
    """
    word = text_before.split()[-1] if text_before and not text_before[-1].isspace() else ""
    words = text_before[: len(text_before) - len(word)].split()
    if not words:
        return []
    if words[0] == "%%minimax":
        flag = next((each for each in FLAGS if words[-1] in each.names and each.metavar), None)
        if flag is None:
            known = [name for each in FLAGS for name in each.names]
        else:
            known = models if flag.setting == "model" else list(flag.choices)
    elif words == ["%minimax"]:
        known = [command.name for command in COMMANDS]
    else:
        known = _of_command(words[1:], models, settings) if words[0] == "%minimax" else []
    return [name for name in known if name.startswith(word)]


def _of_command(words: list[str], models: list[str], settings: list[str]) -> list[str]:
    """What may follow these words of a `%minimax` line."""
    match words:
        case ["tools"]:
            return [*VERDICTS, "forget"]
        case ["tools", verb]:
            return [*TOOL_NAMES, *(["all"] if verb == "forget" else [])]
        case ["mcp"]:
            return list(SERVER_COMMANDS)
        case [name]:
            return {"model": models, "set": settings}.get(name, [])
    return []
