"""Find the tools that a prompt names: the user's functions, built-in tools and those of MCP servers.

No name is ambiguous. MCP servers that are not named are not started.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mm_magics.errors import UsageError
from mm_magics.tools.builtin.catalogue import NO_NOTEBOOK, NO_PAGE, NOTEBOOK, NOTEBOOK_TOOLS
from mm_magics.tools.mcp.servers import MCPServers
from mm_magics.tools.schema.functions import tool_of
from mm_magics.tools.tool import Tool
from mm_magics.wording import similar_name

ToolLike = str | Tool | Callable[..., Any]
"""A tool, a function, or the name of a function, a built-in tool, an MCP server or one tool of a server."""


def resolve_tools(
    chosen: Iterable[ToolLike], namespace: Mapping[str, Any], builtin: Mapping[str, Tool], servers: MCPServers
) -> dict[str, Tool]:
    """Return the tools by the names the model calls them by, in order.

    Args:
        chosen: What the prompt names.
        namespace: The user's namespace, where names of functions are looked up.
        builtin: The built-in tools.
        servers: The MCP servers; those that are named are started to list their tools.

    Raises:
        UsageError: If a name is unknown or ambiguous, or if a function cannot be a tool (`tool_of`).
        MCPServerError: If a server cannot be started or does not answer.
    """
    found: dict[str, Tool] = {}
    for each in chosen:
        for tool in _lookup(each, namespace, builtin, servers):
            if found.setdefault(tool.name, tool) is not tool and found[tool.name] != tool:
                raise UsageError(f"Two tools are named {tool.name}.", "Rename one of them.")
    return found


def _lookup(
    each: ToolLike, namespace: Mapping[str, Any], builtin: Mapping[str, Tool], servers: MCPServers
) -> list[Tool]:
    if not isinstance(each, str):
        return [_as_tool(each)]
    server = each.partition("__")[0]
    is_own = callable(namespace.get(each)) or isinstance(namespace.get(each), Tool)
    if is_own + (each in builtin or each == NOTEBOOK) + (server in servers.names) > 1:
        raise UsageError(f"{each} is both your function and another tool.", "Rename your function.")
    if is_own:
        return [_as_tool(namespace[each])]
    if each in builtin:
        return [builtin[each]]
    if each == NOTEBOOK or each in NOTEBOOK_TOOLS:
        if NOTEBOOK_TOOLS[0] not in builtin:
            raise UsageError(NO_NOTEBOOK, "Run the prompt in a notebook, or leave out the tool.")
        if each != NOTEBOOK:
            raise UsageError(NO_PAGE, f"Leave out {each}.")
        return [builtin[name] for name in NOTEBOOK_TOOLS if name in builtin]
    if server in servers.names:
        return _server_tools(servers, server, each)
    if each in namespace:
        raise UsageError(
            f"{each} is not a function but a value of type {type(namespace[each]).__name__}.",
            "Name a function, a built-in tool or an MCP server.",
        )
    functions = [name for name, value in namespace.items() if callable(value)]
    similar = similar_name(each, [*functions, *builtin, *servers.names], 0.6)
    built_in = f"The built-in tools are {', '.join(builtin)}; you can also name a function of the notebook."
    raise UsageError(f"There is no tool named {each}.", f"Did you mean {similar}?" if similar else built_in)


def _server_tools(servers: MCPServers, server: str, name: str) -> list[Tool]:
    """All tools of a server, or the one that is named."""
    tools = servers.tools(server)
    if name == server:
        return tools
    if not (named := [tool for tool in tools if tool.name == name]):
        raise UsageError(f"The MCP server {server} has no tool {name}.", f"%minimax mcp tools {server} lists them.")
    return named


def _as_tool(thing: Tool | Callable[..., Any]) -> Tool:
    return thing if isinstance(thing, Tool) else tool_of(thing)
