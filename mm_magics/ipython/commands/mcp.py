"""`%minimax mcp`: the MCP servers of this kernel, whose tools prompt cells may be offered.

Always true: a server is added by what was typed in a cell and by nothing else; nothing of a server is shown that is
not inert.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mm_magics.display.table import Table
from mm_magics.errors import ArgumentError
from mm_magics.ipython import arguments
from mm_magics.session import Session
from mm_magics.tools.mcp.servers import Servers
from mm_magics.tools.tool import Tool

USAGE = "%minimax mcp add NAME [--env VAR] -- COMMAND, or %minimax mcp add NAME [--bearer VAR] https://…"


def mcp(session: Session, _shell: Any, rest: str) -> Table:
    """Do what the words after `%minimax mcp` say; alone, they list the servers."""
    name, *words = arguments.split(rest) or ["list"]
    command = _COMMANDS.get(name)
    if command is None:
        raise ArgumentError(f"There is no command 'mcp {name}'.", f"There are: {', '.join(_COMMANDS)}.")
    return command(session.servers, words)


def _add(servers: Servers, words: list[str]) -> Table:
    options, dashes, command = _parted(words)
    variables: dict[str, list[str]] = {"--env": [], "--bearer": []}
    plain: list[str] = []
    left = iter(options)
    for word in left:
        if word in variables:
            variables[word].append(_variable(word, next(left, "")))
        elif word.startswith("-"):
            raise ArgumentError(f"There is no flag {word.partition('=')[0]}.", USAGE)
        else:
            plain.append(word)
    if not plain:
        raise ArgumentError("An MCP server needs a name.", USAGE)
    name, *urls = plain
    if len(variables["--bearer"]) > 1:
        raise ArgumentError("One token is sent, not several.", USAGE)
    if dashes and urls:
        raise ArgumentError("A server has a command or a URL, not both.", USAGE)
    if not dashes and len(urls) != 1:
        raise ArgumentError("A command stands after --." if urls else "A server needs a command or a URL.", USAGE)
    bearer = variables["--bearer"][0] if variables["--bearer"] else ""
    servers.add(name, command if dashes else urls[0], variables["--env"], bearer)
    return _running(servers, name)


def _parted(words: list[str]) -> tuple[list[str], bool, list[str]]:
    if "--" not in words:
        return words, False, []
    place = words.index("--")
    return words[:place], True, words[place + 1 :]


def _variable(flag: str, word: str) -> str:
    if "=" in word:
        raise ArgumentError(
            f"{flag} takes the name of an environment variable, not its value.", "A secret is not to stand in a cell."
        )
    if not word.isidentifier():
        raise ArgumentError(f"{flag} needs the name of an environment variable.", USAGE)
    return word


def _running(servers: Servers, name: str) -> Table:
    count = len(servers.tools(name))
    lines = [f"The MCP server {name} is running and offers {count} tools.", *servers.status(name).notes]
    return Table(lines=[*lines, f"%minimax mcp tools {name} lists them."])


def _list(servers: Servers, words: list[str]) -> Table:
    if words:
        raise ArgumentError("%minimax mcp list takes nothing else.", "%minimax mcp tools NAME lists a server's tools.")
    stands = [servers.status(name) for name in servers.names]
    if not stands:
        return Table(lines=["There are no MCP servers.", USAGE])
    rows = [
        (each.name, each.where, each.state, "not listed yet" if each.tools is None else str(each.tools))
        for each in stands
    ]
    notes = [line for each in stands for line in (*filter(None, [each.fault]), *each.notes)]
    return Table("MCP servers", ("name", "command or URL", "state", "tools"), rows, notes)


def _tools(servers: Servers, words: list[str]) -> Table:
    names = [_one(words)] if words else servers.names
    if not names:
        return _list(servers, [])
    rows = [(tool.name, _first_sentence(tool)) for name in names for tool in servers.tools(name)]
    notes = [line for name in names for line in servers.status(name).notes]
    return Table("", ("tool", "what the server says it does"), rows, notes if rows else [*notes, "There are no tools."])


def _first_sentence(tool: Tool) -> str:
    text = " ".join(tool.description.partition(": ")[2].split())
    return text if len(text) <= 100 else f"{text[:99]}…"


def _restart(servers: Servers, words: list[str]) -> Table:
    name = _one(words)
    servers.restart(name)
    return _running(servers, name)


def _remove(servers: Servers, words: list[str]) -> Table:
    name = _one(words)
    servers.remove(name)
    return Table(lines=[f"The MCP server {name} has ended and is forgotten."])


def _one(words: list[str]) -> str:
    if len(words) != 1:
        raise ArgumentError("The name of one MCP server is needed.", "%minimax mcp list lists them.")
    return words[0]


_COMMANDS: dict[str, Callable[[Servers, list[str]], Table]] = {
    "add": _add,
    "list": _list,
    "tools": _tools,
    "restart": _restart,
    "remove": _remove,
}
