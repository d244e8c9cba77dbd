"""The MCP servers of one session: added by name, started when first needed, ended with the session or the process.

Only a person adds a server, never a file or a model. The values of the environment variables that a server gets are
never stored or shown. The SDK is imported when the first server is added.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import re
import shlex
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any

from mm_magics.api.urls import parse_http_url, require_encryption
from mm_magics.errors import UsageError
from mm_magics.packages import require
from mm_magics.text import without_surrogates
from mm_magics.tools.mcp import redact
from mm_magics.tools.tool import Tool, ToolOutput

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

    from mm_magics.tools.mcp.server import MCPServer, ToolListing

SERVER_NAME = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9-]|_(?!_|$)){0,31}")
"""A server's name: the part of a tool's name before the first `__`, so it contains none itself."""

MAX_DESCRIPTION = 2_000
"""Characters of a tool's description that are sent to the model."""

RISK = "It runs on the MCP server {name}, which may read, change or send whatever it was given access to."


@dataclass(frozen=True)
class ServerStatus:
    """The status of a server.

    Attributes:
        name: Its name.
        address: Its command or URL, with secrets redacted.
        state: `not started`, `running`, `ended` or `failed`.
        tools: How many tools it offers, None until they are listed.
        error: Why it failed, "" if it did not.
        notes: A line for each tool that is left out.
    """

    name: str
    address: str
    state: str
    tools: int | None
    error: str
    notes: tuple[str, ...]


class MCPServers:
    """The MCP servers of a session, by name. A server is started when its tools are first needed."""

    def __init__(self) -> None:
        self._servers: dict[str, MCPServer] = {}
        self._tools: dict[str, tuple[ToolListing, list[Tool]]] = {}
        self._portal: BlockingPortal | None = None
        self._running: AbstractContextManager[BlockingPortal] | None = None
        self._starting = threading.Lock()

    @property
    def names(self) -> list[str]:
        return list(self._servers)

    def add(self, name: str, command: Sequence[str] | str, env: Sequence[str] = (), bearer: str = "") -> None:
        """Add a server without starting it. It replaces a server of the same name, unless nothing changed.

        Args:
            name: Its name, the prefix of its tools' names.
            command: The command and its arguments, or a URL.
            env: Names of environment variables that the command gets besides the usual ones.
            bearer: Name of the environment variable that contains the token for a URL.

        Raises:
            UsageError: If this cannot work, or the `mcp` package is missing or in a wrong version.
        """
        require("mcp", "MCP servers")
        if not SERVER_NAME.fullmatch(name):
            raise UsageError(
                f"{name!r} is not a valid name for an MCP server.",
                "Use letters, digits, - and single _ inside the name, at most 32 characters.",
            )
        for variable in (*env, *filter(None, [bearer])):
            if not os.environ.get(variable, "").strip():
                raise UsageError(f"The environment variable {variable} is not set.", "Set it and add the server again.")
        from mm_magics.tools.mcp.connection import ServerSpec
        from mm_magics.tools.mcp.server import MCPServer

        if isinstance(command, str):
            if env:
                raise UsageError(
                    "Environment variables cannot be passed to a URL.",
                    "--bearer VAR sends the value of one as a token.",
                )
            spec = ServerSpec(name, url=_checked_url(command, bearer), bearer=bearer)
        else:
            if bearer:
                raise UsageError(
                    "A token cannot be passed to a command.", "--env VAR passes an environment variable to it."
                )
            spec = ServerSpec(name, _checked_command(command), env=tuple(dict.fromkeys(env)))
        if name in self._servers:
            if self._servers[name].spec == spec:
                return
            self.remove(name)
        self._servers[name] = MCPServer(spec)

    def remove(self, name: str) -> None:
        """End a server and remove it.

        Raises:
            UsageError: If there is no server with this name.
        """
        self.restart(name)
        del self._servers[name]
        self._tools.pop(name, None)

    def restart(self, name: str) -> None:
        """End a server. It is started again, and its tools are listed again, when it is next needed."""
        server = self._find(name)
        if self._portal is not None:
            self._run(server.close)

    def tools(self, name: str) -> list[Tool]:
        """Return the server's tools. The first time the server is started, which may take up to a minute.

        Raises:
            UsageError: If there is no server with this name.
            MCPServerError: If it cannot be started or does not answer.
        """
        server = self._find(name)
        listing = self._run(server.list_tools)
        if name not in self._tools or self._tools[name][0] is not listing:
            self._tools[name] = (listing, self._make_tools(server, listing))
        return list(self._tools[name][1])

    @property
    def known(self) -> dict[str, str]:
        """The hashes of all servers and of the tools that were listed, by name, for `Rules.add`."""
        listed = (tool for _, tools in self._tools.values() for tool in tools)
        found = (_origin(server) for server in self._servers.values())
        return {name: sha256 for each in (*found, *(tool.origin for tool in listed)) for name, sha256 in each.items()}

    def status(self, name: str) -> ServerStatus:
        """Return the server's status without starting it."""
        server = self._find(name)
        spec = server.spec
        known = self._tools.get(name) if server.is_listed else None
        return ServerStatus(
            name,
            redact.redact_command(
                shlex.join(spec.command) if spec.command else spec.url.partition("?")[0], spec.secret
            ),
            server.state,
            len(known[1]) if known else None,
            server.error.message if server.error else "",
            known[0].left_out if known else (),
        )

    def close(self) -> None:
        """End and remove all servers."""
        servers, self._servers = list(self._servers.values()), {}
        self._tools.clear()
        running, self._running = self._running, None
        if running is None:
            return
        with suppress(Exception):  # a server may have ended already
            self._run(_close, servers)
        self._portal = None
        running.__exit__(None, None, None)
        atexit.unregister(self.close)

    def _find(self, name: str) -> MCPServer:
        if name not in self._servers:
            known = (
                f"The servers are: {', '.join(self._servers)}." if self._servers else "%minimax mcp add NAME adds one."
            )
            raise UsageError(f"There is no MCP server named {name!r}.", known)
        return self._servers[name]

    def _loop(self) -> BlockingPortal:
        """The event loop of all servers, in its own thread."""
        with self._starting:
            if self._portal is None:
                from anyio.from_thread import start_blocking_portal

                self._running = start_blocking_portal(name="mcp")
                self._portal = self._running.__enter__()
                atexit.register(self.close)
            return self._portal

    def _run(self, function: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
        """Run a coroutine function in the servers' loop and return its result. An interrupt cancels it."""
        future = self._loop().start_task_soon(function, *arguments)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _make_tools(self, server: MCPServer, listing: ToolListing) -> list[Tool]:
        """Make tools that require approval of what the server offers."""
        found: dict[str, Tool] = {}
        for each in listing.tools:
            name = _tool_name(server.spec.name, each.name, found)
            text = redact.redact(redact.printable(each.description or each.title or each.name), server.spec.secret)
            if len(text) > MAX_DESCRIPTION:
                text = f"{text[:MAX_DESCRIPTION]}… (cut)"
            found[name] = Tool(
                name,
                f"From the MCP server {server.spec.name}: {text}",
                each.input_schema,
                self._function(server, each.name),
                without_surrogates,  # the SDK cannot send them and would lose the connection
                asks=True,
                risk=RISK.format(name=server.spec.name),
                origin={**_origin(server), name: _hash(each.model_dump(mode="json", by_alias=True))},
            )
        return list(found.values())

    def _function(self, server: MCPServer, tool: str) -> Callable[..., Awaitable[ToolOutput]]:
        async def function(**arguments: Any) -> ToolOutput:
            import asyncio

            if self._servers.get(server.spec.name) is not server:
                return ToolOutput(f"The MCP server {server.spec.name} was removed.", is_error=True)
            return await asyncio.wrap_future(self._loop().start_task_soon(server.call, tool, arguments))

        return function


def _origin(server: MCPServer) -> dict[str, str]:
    """Return the hash of how the server was added. No tool has this name."""
    return {f"server {server.spec.name}": _hash(astuple(server.spec))}


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


async def _close(servers: Sequence[MCPServer]) -> None:
    import asyncio

    await asyncio.gather(*(each.close() for each in servers), return_exceptions=True)


def _tool_name(server: str, tool: str, taken: dict[str, Tool]) -> str:
    """`SERVER__tool` in the characters that the API accepts, different from the names that are taken."""
    base = re.sub(r"[^a-zA-Z0-9_-]", "_", f"{server}__{tool}")
    name, number = base[:64], 1
    while name in taken:
        number += 1
        name = f"{base[: 63 - len(str(number))]}_{number}"
    return name


def _checked_command(command: Sequence[str]) -> tuple[str, ...]:
    from mm_magics.tools.mcp.connection import find_program

    if not command or not command[0].strip():
        raise UsageError("A server needs a command or a URL.", "%minimax mcp add NAME -- command, or NAME https://…")
    if any(not word.isprintable() for word in command):
        raise UsageError("The command contains control characters.", "Type it again on one line.")
    if find_program(command[0]) is None:
        raise UsageError(f"The command {command[0]!r} was not found.", "Install it, or give its full path.")
    return tuple(command)


def _checked_url(url: str, bearer: str) -> str:
    hint = "Example: https://example.org/mcp. To send a token, use --bearer VAR."
    parsed = parse_http_url(url, "The server's URL", UsageError, hint)
    if bearer:
        require_encryption(parsed, "a token", UsageError)
    if bearer and not re.fullmatch(r"[!-~]+", os.environ[bearer].strip()):
        raise UsageError(
            f"{bearer} has characters that a token cannot contain.", "Copy the token again, without line breaks."
        )
    return str(parsed)
