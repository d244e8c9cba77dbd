"""`%minimax mcp`: the MCP servers of this kernel, whose tools prompt cells may use.

Only this command adds servers. Everything a server sends is escaped before it is shown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from mm_magics.display.table import Table
from mm_magics.errors import ArgumentError
from mm_magics.ipython import arguments
from mm_magics.ipython.commands.command import Context
from mm_magics.text import excerpt
from mm_magics.tools.mcp.servers import MCPServers
from mm_magics.wording import counted

USAGE = "%minimax mcp add NAME [--env VAR] -- COMMAND, or %minimax mcp add NAME [--bearer VAR] https://…"


def mcp(context: Context, rest: str) -> Table:
    """Run a subcommand; without one, list the servers."""
    name, *words = arguments.split(rest) or ["list"]
    if name not in SUBCOMMANDS:
        raise ArgumentError(f"Unknown command 'mcp {name}'.", f"Use one of: {', '.join(SUBCOMMANDS)}.")
    return SUBCOMMANDS[name](context.session.servers, words)


class _NewServer(NamedTuple):
    name: str
    source: str | list[str]
    env: list[str]
    bearer: str


def _add(servers: MCPServers, words: list[str]) -> Table:
    server = _parse_add(words)
    servers.add(server.name, server.source, server.env, server.bearer)
    return _running(servers, server.name)


def _parse_add(words: list[str]) -> _NewServer:
    options, has_command, command = _split_command(words)
    variables: dict[str, list[str]] = {"--env": [], "--bearer": []}
    positional: list[str] = []
    remaining = iter(options)
    for word in remaining:
        if word in variables:
            variables[word].append(_variable(word, next(remaining, "")))
        elif word.startswith("-"):
            raise ArgumentError(f"Unknown flag {word.partition('=')[0]}.", USAGE)
        else:
            positional.append(word)
    if not positional:
        raise ArgumentError("An MCP server needs a name.", USAGE)
    name, *urls = positional
    if len(variables["--bearer"]) > 1:
        raise ArgumentError("--bearer is given more than once.", USAGE)
    if has_command and urls:
        raise ArgumentError("A server has either a command or a URL.", USAGE)
    if not has_command and len(urls) != 1:
        raise ArgumentError("A command must follow --." if urls else "A server needs a command or a URL.", USAGE)
    return _NewServer(name, command if has_command else urls[0], variables["--env"], "".join(variables["--bearer"]))


def _split_command(words: list[str]) -> tuple[list[str], bool, list[str]]:
    """Split the words at `--`: the options, whether there is a command, and the command."""
    if "--" not in words:
        return words, False, []
    place = words.index("--")
    return words[:place], True, words[place + 1 :]


def _variable(flag: str, word: str) -> str:
    if "=" in word:
        raise ArgumentError(
            f"{flag} takes the name of an environment variable, not its value.", "Do not write secrets into a cell."
        )
    if not word.isidentifier():
        raise ArgumentError(f"{flag} needs the name of an environment variable.", USAGE)
    return word


def _running(servers: MCPServers, name: str) -> Table:
    tools = counted(len(servers.tools(name)), "tool")
    lines = [f"The MCP server {name} is running and offers {tools}.", *servers.status(name).notes]
    return Table(lines=[*lines, f"%minimax mcp tools {name} lists them."])


def _list(servers: MCPServers, words: list[str]) -> Table:
    if words:
        raise ArgumentError("%minimax mcp list takes no arguments.", "%minimax mcp tools NAME lists a server's tools.")
    statuses = [servers.status(name) for name in servers.names]
    if not statuses:
        return Table(lines=["There are no MCP servers.", USAGE])
    rows = [
        (each.name, each.address, each.state, "not listed yet" if each.tools is None else str(each.tools))
        for each in statuses
    ]
    notes = [line for each in statuses for line in (*filter(None, [each.error]), *each.notes)]
    return Table("MCP servers", ("name", "command or URL", "state", "tools"), rows, notes)


def _tools(servers: MCPServers, words: list[str]) -> Table:
    names = [_server_name(words)] if words else servers.names
    if not names:
        return _list(servers, [])
    rows = [
        (tool.name, excerpt(tool.description.partition(": ")[2], 100)) for name in names for tool in servers.tools(name)
    ]
    notes = [line for name in names for line in servers.status(name).notes]
    return Table("", ("tool", "the server's description"), rows, notes if rows else [*notes, "There are no tools."])


def _restart(servers: MCPServers, words: list[str]) -> Table:
    name = _server_name(words)
    servers.restart(name)
    return _running(servers, name)


def _remove(servers: MCPServers, words: list[str]) -> Table:
    name = _server_name(words)
    servers.remove(name)
    return Table(lines=[f"Stopped and removed the MCP server {name}."])


def _server_name(words: list[str]) -> str:
    if len(words) != 1:
        raise ArgumentError("The name of one MCP server is required.", "%minimax mcp list lists the servers.")
    return words[0]


SUBCOMMANDS: dict[str, Callable[[MCPServers, list[str]], Table]] = {
    "add": _add,
    "list": _list,
    "tools": _tools,
    "restart": _restart,
    "remove": _remove,
}
