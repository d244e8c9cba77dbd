"""Which tools a prompt offers: by the names of the user's functions, built-in tools and MCP servers, or themselves.

Always true: a name stands for one tool only; nothing is looked up that was not asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from mm_magics.errors import UsageError
from mm_magics.tools.mcp.servers import Servers
from mm_magics.tools.schema.functions import tool_of
from mm_magics.tools.tool import Tool

ToolLike = str | Tool | Callable[..., Any]


def resolve_tools(
    wanted: Iterable[ToolLike], namespace: Mapping[str, Any], builtin: Mapping[str, Tool], servers: Servers
) -> dict[str, Tool]:
    """The tools by the names that the model calls them by, in order.

    Raises `UsageError` for a name that stands for nothing or for two things, and what `tool_of` raises.
    """
    found: dict[str, Tool] = {}
    for each in wanted:
        for tool in _meant(each, namespace, builtin, servers):
            if found.setdefault(tool.name, tool) is not tool and found[tool.name] != tool:
                raise UsageError(f"Two tools are called {tool.name}.", "Give one of them another name.")
    return found


def _meant(
    each: ToolLike, namespace: Mapping[str, Any], builtin: Mapping[str, Tool], servers: Servers
) -> Iterator[Tool]:
    if not isinstance(each, str):
        yield _tool(each)
        return
    server = each.partition("__")[0]
    own = callable(namespace.get(each)) or isinstance(namespace.get(each), Tool)
    meanings = [own, each in builtin, server in servers.names]
    if sum(meanings) > 1:
        raise UsageError(f"{each} is both a function of yours and a tool of another kind.", "Rename yours.")
    if own:
        yield _tool(namespace[each])
    elif each in builtin:
        yield builtin[each]
    elif server in servers.names:
        offered = servers.tools(server)
        chosen = offered if each == server else [tool for tool in offered if tool.name == each]
        if not chosen:
            raise UsageError(f"The server {server} has no tool {each}.", "%minimax mcp tools lists them.")
        yield from chosen
    elif each in namespace:
        raise UsageError(f"{each} is a {type(namespace[each]).__name__}, not a function.")
    else:
        known = [*(name for name, value in namespace.items() if callable(value)), *builtin, *servers.names]
        like = get_close_matches(each, known, 1, 0.6)
        hint = (
            f"Did you mean {like[0]}?" if like else f"Built in are {', '.join(builtin)}; or name a function of yours."
        )
        raise UsageError(f"There is no tool {each}.", hint)


def _tool(thing: Tool | Callable[..., Any]) -> Tool:
    return thing if isinstance(thing, Tool) else tool_of(thing)
