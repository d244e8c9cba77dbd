"""The commands of `%minimax`.

To add one, write its function in a module of this folder and add a line to `COMMANDS_BY_TASK`: help, completion and the
reference page follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mm_magics.display.table import Table, Tables
from mm_magics.errors import ArgumentError, UsageError
from mm_magics.ipython import arguments, frontend
from mm_magics.ipython.commands import (
    compact,
    doctor,
    edit,
    explain,
    mcp,
    sent,
    settings,
    status,
    threads,
    tools,
    undo_edits,
    usage,
    versions,
)
from mm_magics.ipython.commands.command import Command, Context
from mm_magics.wording import similar_name

__all__ = ["COMMANDS", "Command", "Context", "run"]

PERSONAL = frozenset({"tools", "mcp", "login", "undo-edits"})
"""Commands that decide what a model may do and where a key goes: no code that a model wrote runs them."""

_SEE_HELP = "%minimax help lists the commands."


def run(context: Context, line: str) -> Any:
    """Run the command on this line; without one, show the status.

    Raises:
        ArgumentError: The command is unknown, or its arguments are invalid.
    """
    name, _, rest = line.strip().partition(" ")
    if not name:
        return status.show_status(context)
    if name in ("-h", "--help"):
        name = "help"
    for command in COMMANDS:
        if command.name == name:
            if name in PERSONAL and context.session.is_running_tool:
                raise UsageError(f"%minimax {name} is refused while a tool runs.", "Run it in a cell of your own.")
            return command.run(context, rest.strip())
    similar = similar_name(name, [command.name for command in COMMANDS])
    raise ArgumentError(f"Unknown command {name!r}.", f"Did you mean %minimax {similar}?" if similar else _SEE_HELP)


def _help(_context: Context, name: str) -> Table | Tables:
    if name.lstrip("%") in ("minimax", "%minimax") or name.startswith("-"):
        return arguments.help_table()
    if name:
        selected = [command for command in COMMANDS if command.name == name]
        if not selected:
            raise ArgumentError(f"Unknown command {name!r}.", _SEE_HELP)
        return _described("", selected)
    flags = Table(lines=["%%minimax --help lists the flags of a prompt cell."])
    return Tables([*(_described(task, group) for task, group in COMMANDS_BY_TASK.items()), flags])


def _described(title: str, group: Sequence[Command]) -> Table:
    rows = [(f"%minimax {command.name} {command.usage}".rstrip(), command.help) for command in group]
    return Table(title, ("command", "what it does"), rows)


def _picker(context: Context, _rest: str) -> Any:
    if frontend.detect(context.shell) in ("terminal", "console"):
        raise UsageError("The picker needs a notebook.", "%minimax set lists the settings here.")
    from mm_magics.display.picker import make_picker

    return make_picker(context.session)


COMMANDS_BY_TASK = {
    "Model and settings": (
        Command("model", "[NAME]", "show or change the model", settings.model),
        Command(
            "models", "", "list the models with context window, speed and price; queries the endpoint", settings.models
        ),
        Command(
            "price",
            "[NAME [IN OUT]]",
            "show the price of a model, or set it in US dollars per million tokens for this kernel",
            settings.price,
        ),
        Command("system", "[TEXT]", "show or change the system prompt (`none`: endpoint default)", settings.system),
        Command("set", "[NAME VALUE]", "list the settings, or change one for this kernel", settings.change),
        Command("picker", "", "show controls for model, system prompt, temperature and other settings", _picker),
        Command("login", "[--keep]", "enter an API key; --keep stores it in the OS keyring", settings.login),
    ),
    "Conversation": (
        Command("history", "[THREAD]", "list the turns of the thread", threads.history),
        Command(
            "versions",
            "[TURN]",
            "list the answers of the prompt cell above, or of a turn in history",
            versions.versions,
        ),
        Command("use", "N [TURN]", "make version N the active answer of the prompt cell above", versions.use),
        Command("undo", "", "remove the thread's last turn from this kernel's history", threads.undo),
        Command(
            "compact",
            "[undo|edit [NAME]]",
            "show the summary of earlier turns, send them all again, or change it",
            compact.compact,
        ),
        Command("pin", "[TURN]", "never summarize the turn above, or a turn in history", compact.pin),
        Command("unpin", "[TURN]", "allow a pinned turn to be summarized", compact.unpin),
        Command("thread", "[NAME]", "list the threads, or switch to one", threads.thread),
        Command("fork", "NAME", "continue in a new thread that shares the turns so far", threads.fork),
        Command("clear", "[THREAD]", "remove the thread's turns from this kernel's history", threads.clear),
    ),
    "Files": (
        Command("save", "FILE.json", "save the thread's turns to a file", threads.save),
        Command("load", "FILE.json", "load turns from a file written by save", threads.load),
        Command(
            "export",
            "FILE",
            "export the thread, without older versions: .md, .html, .json (Messages API) or .py",
            threads.export,
        ),
    ),
    "Tools": (
        Command(
            "tools",
            "[allow|ask|deny NAME [ARGUMENT=PATTERN …]|forget NUMBER|NAME]",
            "list the built-in tools and their risks, or change which calls are allowed, need approval or are denied",
            tools.tools,
        ),
        Command(
            "undo-edits",
            "[TURN]",
            "undo the changes that the last turn with changes, or a turn in history, made in the notebook",
            undo_edits.undo_edits,
        ),
        Command(
            "mcp",
            "[add NAME [--env VAR] -- COMMAND | add NAME [--bearer VAR] URL | …]",
            f"manage MCP servers and their tools: {', '.join(mcp.SUBCOMMANDS)}",
            mcp.mcp,
        ),
    ),
    "Help": (
        Command("help", "[NAME]", "list the commands, or describe one command or the flags", _help),
        Command(
            "explain", "[FLAGS]", "ask the model to explain the last error and the cell that raised it", explain.explain
        ),
        Command(
            "sent",
            "[TURN]",
            "show which cells, variables, columns, files and tool results the requests of each turn contained",
            sent.sent,
        ),
        Command(
            "fix",
            "[CELL] [FLAGS]",
            "ask the model to fix the cell that raised the last error, or another one: you accept each change, and "
            "allow each run (at most 3 rounds)",
            explain.fix,
        ),
        Command(
            "edit",
            '[CELL[:LINES]] "INSTRUCTION" [FLAGS]',
            "ask the model to change the cell above, or another one; you accept the change",
            edit.edit,
        ),
        Command(
            "usage",
            "",
            "show the calls that this kernel made, and those that the turns of the notebook stand for",
            usage.usage,
        ),
        Command("doctor", "", "check the setup and say how to fix problems", doctor.doctor),
    ),
}

COMMANDS = tuple(command for group in COMMANDS_BY_TASK.values() for command in group)
