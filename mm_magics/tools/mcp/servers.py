"""The MCP servers of one session: added by name, started when first needed, ended with the session or the process.

Always true: a server is added by a person only, never by a file or a model; the values of the environment variables
that it may see are never held here, shown or stored. The SDK is imported by the first server that is added.
"""

from __future__ import annotations

import atexit
import os
import re
import shlex
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from mm_magics.api.urls import parse_http_url, require_encryption
from mm_magics.errors import UsageError
from mm_magics.tools.mcp import redact
from mm_magics.tools.tool import Tool, ToolOutput

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

    from mm_magics.tools.mcp.server import Listing, Server

SERVER_NAME = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9-]|_(?!_|$)){0,31}")
"""A server's name: what is before the first `__` of a tool's name, so it holds none itself."""

DESCRIPTION = 2_000
"""Characters of a server's description of a tool that go to the model."""

RISK = "It runs on the MCP server {name}, which may read, change or send whatever it was given access to."


@dataclass(frozen=True)
class Status:
    """How a server stands. `where` is its command or URL, secrets masked; `tools` is None until they are listed."""

    name: str
    where: str
    state: str
    tools: int | None
    fault: str
    notes: tuple[str, ...]


class Servers:
    """The MCP servers of a session, by name. Nothing is started before tools are asked for."""

    def __init__(self) -> None:
        self._servers: dict[str, Server] = {}
        self._tools: dict[str, tuple[Listing, list[Tool]]] = {}
        self._portal: BlockingPortal | None = None
        self._running: AbstractContextManager[BlockingPortal] | None = None
        self._starting = threading.Lock()

    @property
    def names(self) -> list[str]:
        return list(self._servers)

    def add(self, name: str, command: Sequence[str] | str, env: Sequence[str] = (), bearer: str = "") -> None:
        """Add a server: a command and its arguments, or a URL. One of this name is ended and replaced, unless it is
        the same, which goes on.

        `env` names the environment variables that a command may see beside the usual ones; `bearer` one that holds a
        token for a URL. Raises `UsageError` for what cannot work; nothing is started.
        """
        if find_spec("mcp") is None:
            raise UsageError("MCP servers need the mcp package.", 'pip install "mm-magics[mcp]"')
        if not SERVER_NAME.fullmatch(name):
            raise UsageError(
                f"{name!r} cannot be an MCP server's name.",
                "Letters, digits, - and single _ inside it can, at most 32 of them.",
            )
        for variable in (*env, *filter(None, [bearer])):
            if not os.environ.get(variable, "").strip():
                raise UsageError(f"There is no environment variable {variable}.", "Set it, and add the server again.")
        from mm_magics.tools.mcp.connection import Spec
        from mm_magics.tools.mcp.server import Server

        if isinstance(command, str):
            if env:
                raise UsageError("A URL sees no environment variables.", "--bearer VAR sends one as a token.")
            spec = Spec(name, url=_checked_url(command, bearer), bearer=bearer)
        else:
            if bearer:
                raise UsageError("A command takes no token.", "--env VAR lets it see an environment variable.")
            spec = Spec(name, _checked_command(command), env=tuple(dict.fromkeys(env)))
        if name in self._servers:
            if self._servers[name].spec == spec:
                return
            self.remove(name)
        self._servers[name] = Server(spec)

    def remove(self, name: str) -> None:
        """End a server and forget it. Raises `UsageError` if there is none of this name."""
        self.restart(name)
        del self._servers[name]
        self._tools.pop(name, None)

    def restart(self, name: str) -> None:
        """End a server: it is started, and its tools listed, anew when it is next needed."""
        server = self._named(name)
        if self._portal is not None:
            self._wait(server.close)

    def tools(self, name: str) -> list[Tool]:
        """The server's tools. The first time, it is started and asked, which may take up to a minute.

        Raises `UsageError` if there is no such server, `MCPServerError` if it cannot be started or does not answer.
        """
        server = self._named(name)
        listed = self._wait(server.listed)
        if name not in self._tools or self._tools[name][0] is not listed:
            self._tools[name] = (listed, self._made(server, listed))
        return list(self._tools[name][1])

    def status(self, name: str) -> Status:
        """How the server stands; nothing is started for it."""
        server = self._named(name)
        spec = server.spec
        known = self._tools.get(name) if server.is_listed else None
        return Status(
            name,
            redact.masked_command(
                shlex.join(spec.command) if spec.command else spec.url.partition("?")[0], spec.secret
            ),
            server.state,
            len(known[1]) if known else None,
            server.fault.message if server.fault else "",
            known[0].left_out if known else (),
        )

    def close(self) -> None:
        """End every server and forget them all."""
        servers, self._servers = list(self._servers.values()), {}
        self._tools.clear()
        running, self._running = self._running, None
        if running is None:
            return
        with suppress(Exception):  # ending what has ended
            self._wait(_close, servers)
        self._portal = None
        running.__exit__(None, None, None)
        atexit.unregister(self.close)

    def _named(self, name: str) -> Server:
        if name not in self._servers:
            raise UsageError(f"There is no MCP server {name!r}.", f"There are: {', '.join(self._servers) or 'none'}.")
        return self._servers[name]

    def _loop(self) -> BlockingPortal:
        """The event loop of all servers, in a thread of its own."""
        with self._starting:
            if self._portal is None:
                from anyio.from_thread import start_blocking_portal

                self._running = start_blocking_portal(name="mcp")
                self._portal = self._running.__enter__()
                atexit.register(self.close)
            return self._portal

    def _wait(self, function: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
        """What the coroutine function gives, run in the servers' loop; an interrupt cancels it."""
        future = self._loop().start_task_soon(function, *arguments)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _made(self, server: Server, listed: Listing) -> list[Tool]:
        """What the server offers as tools that ask."""
        found: dict[str, Tool] = {}
        for each in listed.tools:
            name = _tool_name(server.spec.name, each.name, found)
            text = redact.masked(redact.plain(each.description or each.title or each.name), server.spec.secret)
            if len(text) > DESCRIPTION:
                text = f"{text[:DESCRIPTION]}… (cut)"
            found[name] = Tool(
                name,
                f"From the MCP server {server.spec.name}: {text}",
                each.input_schema,
                self._function(server, each.name),
                asks=True,
                risk=RISK.format(name=server.spec.name),
            )
        return list(found.values())

    def _function(self, server: Server, tool: str) -> Callable[..., Awaitable[ToolOutput]]:
        async def function(**arguments: Any) -> ToolOutput:
            import asyncio

            if self._servers.get(server.spec.name) is not server:
                return ToolOutput(f"The MCP server {server.spec.name} was removed.", is_error=True)
            return await asyncio.wrap_future(self._loop().start_task_soon(server.call, tool, arguments))

        return function


async def _close(servers: Sequence[Server]) -> None:
    import asyncio

    await asyncio.gather(*(each.close() for each in servers), return_exceptions=True)


def _tool_name(server: str, tool: str, taken: dict[str, Tool]) -> str:
    """`SERVER__tool`, as the API takes it, and different from those taken."""
    base = re.sub(r"[^a-zA-Z0-9_-]", "_", f"{server}__{tool}")
    name, number = base[:64], 1
    while name in taken:
        number += 1
        name = f"{base[: 63 - len(str(number))]}_{number}"
    return name


def _checked_command(command: Sequence[str]) -> tuple[str, ...]:
    from mm_magics.tools.mcp.connection import program

    if not command or not command[0].strip():
        raise UsageError("A server needs a command or a URL.", "%minimax mcp add NAME -- command, or NAME https://…")
    if any(not word.isprintable() for word in command):
        raise UsageError("The command holds control characters.", "Type it again, on one line.")
    if program(command[0]) is None:
        raise UsageError(f"There is no command {command[0]!r}.", "Install it, or give its whole path.")
    return tuple(command)


def _checked_url(url: str, bearer: str) -> str:
    parts = parse_http_url(url, "The server's URL", UsageError, "It looks like https://example.org/mcp.")
    if "@" in parts.netloc:
        raise UsageError("The server's URL contains a name or password.", "To send a token, use --bearer VAR.")
    if bearer:
        require_encryption(parts, "a token", UsageError)
    if bearer and not re.fullmatch(r"[!-~]+", os.environ[bearer].strip()):
        raise UsageError(f"{bearer} holds characters that a token cannot have.", "Copy it again, without line breaks.")
    return url
