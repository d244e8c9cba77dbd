"""One MCP server: started when it is needed, asked for its tools, called; and what is said when it gives no answer.

Always true: all coroutines here run in one event loop, the portal's. A call is never sent twice, unless the server
refused to read it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio
import httpx2
from mcp import Client, MCPError

from mm_magics.errors import MCPServerError
from mm_magics.tools.mcp import redact
from mm_magics.tools.mcp.connection import CONNECT, LINE, Connection, Spec, first
from mm_magics.tools.tool import ToolOutput

if TYPE_CHECKING:
    import mcp_types

LIST = 30.0
"""Seconds for listing its tools, all pages."""

PAGES = 100
"""Pages of tools that are read at most."""

NO_ANSWER = ("Session terminated", "Server returned an error response")
"""What the SDK says where an HTTP status came in place of an answer."""

FORGOTTEN = (400, 404)
"""The statuses by which a server that was restarted refuses a session it does not know, before it does anything."""


class Listing(NamedTuple):
    """The tools that a server offers, and a line for each that cannot be used."""

    tools: tuple[mcp_types.Tool, ...]
    left_out: tuple[str, ...]


class Server:
    """A server that is started when it is first needed, and again when it is needed after it ended."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.fault: MCPServerError | None = None
        self._connection: Connection | None = None
        self._listed: Listing | None = None
        self._opening = asyncio.Lock()

    @property
    def is_listed(self) -> bool:
        return self._listed is not None

    @property
    def state(self) -> str:
        """`not started`, `running`, `ended`, or `failed`."""
        if self.fault is not None:
            return "failed"
        if self._connection is None:
            return "not started"
        return "ended" if self._connection.lost else "running"

    async def listed(self) -> Listing:
        """The tools that it offers, asked for once. Raises `MCPServerError`."""
        if self._listed is None:
            connection = await self._connected()
            connection.left_out.clear()
            try:
                with anyio.fail_after(LIST):
                    tools = await _all_tools(connection.client)
            except Exception as error:
                raise await self._failed(connection, error, f"did not list its tools within {LIST:g} s") from None
            self._listed = Listing(tuple(tools), tuple(connection.left_out))
        return self._listed

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> ToolOutput:
        """What the tool gives; whatever goes wrong with the server is an error that the model reads."""
        try:
            result = await self._called(tool, dict(arguments))
        except MCPServerError as error:
            return ToolOutput(str(error), is_error=True)
        return ToolOutput(redact.masked(text_of(result), self.spec.secret), result.is_error)

    async def _called(self, tool: str, arguments: dict[str, Any]) -> mcp_types.CallToolResult:
        for last in (False, True):
            connection = await self._connected()
            try:
                return await connection.client.call_tool(tool, arguments)
            except Exception as error:
                if isinstance(error, MCPError) and error.message in NO_ANSWER:
                    connection.lost = True
                    if connection.status in FORGOTTEN and not last:
                        continue
                if isinstance(error, MCPError) and not connection.lost:
                    http = f" (HTTP {connection.status})" if connection.status else ""
                    raise MCPServerError(self._line(f"answered {tool} with an error{http}: {error.message}")) from None
                raise await self._failed(connection, error, "did not answer") from None
        raise AssertionError  # the second round returns or raises

    async def close(self) -> None:
        """End it, and forget its tools."""
        connection, self._connection, self._listed, self.fault = self._connection, None, None, None
        if connection is not None:
            await connection.close()

    async def _connected(self) -> Connection:
        async with self._opening:
            if self._connection is not None and not self._connection.lost:
                self.fault = None
                return self._connection
            if self._connection is not None:
                await self._connection.close()
            self._connection = connection = Connection(self.spec, self._forget)
            try:
                await connection.opened()
            except Exception as error:
                raise await self._failed(connection, error, f"did not answer within {CONNECT:g} s") from None
            self.fault = None
            return connection

    def _forget(self) -> None:
        self._listed = None

    async def _failed(self, connection: Connection, error: Exception, too_late: str) -> MCPServerError:
        """What is said of a server that gave no answer; `too_late` if it is only slow."""
        tail: list[str] = []
        if connection.stderr is not None:
            if connection.lost:
                with anyio.move_on_after(0.5):  # what a dead process wrote last may still be in the pipe
                    while not connection.stderr.ended.is_set():
                        await anyio.sleep(0.01)
            tail = [redact.line(redact.masked(each, self.spec.secret), LINE) for each in connection.stderr.lines]
        reason = _reason(connection, error) or too_late
        if connection.garbage:
            reason += f"; it wrote what is no MCP message to stdout: {connection.garbage}"
        self.fault = MCPServerError(self._line(reason), tail=tail)
        return self.fault

    def _line(self, what: str) -> str:
        said = redact.line(redact.masked(f"The MCP server {self.spec.name} {what}", self.spec.secret), 2 * LINE)
        return said if said.endswith((".", "…")) else f"{said}."


async def _all_tools(client: Client) -> list[mcp_types.Tool]:
    found: list[mcp_types.Tool] = []
    cursor = None
    for _ in range(PAGES):
        page = await client.list_tools(cursor=cursor, cache_mode="refresh" if cursor is None else "use")
        found += page.tools
        cursor = page.next_cursor
        if cursor is None:
            break
    return found


def text_of(result: mcp_types.CallToolResult) -> str:
    """The text of a result; what is no text is named, with its kind and size. Structure alone is given as JSON."""
    if not result.content and result.structured_content is not None:
        return json.dumps(result.structured_content, ensure_ascii=False)
    return "\n".join(filter(None, map(_said, result.content))) or "(nothing)"


def _said(block: mcp_types.ContentBlock) -> str:
    if block.type == "text":
        return block.text
    if block.type == "resource_link":
        return f"[link to {block.uri}: {block.title or block.name}]"
    if block.type == "resource":
        inside = block.resource
        text = getattr(inside, "text", None)
        size = f"{len(text):,} characters" if text is not None else _bytes(getattr(inside, "blob", ""))
        return f"[resource {inside.uri}, {inside.mime_type or 'of no type'}, {size}]"
    return f"[{block.type}, {block.mime_type}, {_bytes(block.data)}]"


def _bytes(base64: str) -> str:
    return f"{len(base64.rstrip('=')) * 3 // 4:,} bytes"


def _reason(connection: Connection, error: Exception) -> str:
    """What went wrong, as the end of a sentence; "" if it only took too long."""
    error = first(error)
    if isinstance(error, MCPError) and connection.fault is not None:
        error = connection.fault
    if isinstance(error, TimeoutError):
        return ""
    if connection.status and isinstance(error, MCPError | httpx2.HTTPError):
        return f"answered with HTTP {connection.status}"
    if isinstance(error, httpx2.ConnectError):
        return "cannot be reached: no connection"
    if isinstance(error, MCPError) and connection.lost:
        return "ended" if connection.spec.command else "closed the connection"
    return f"failed: {str(error) or type(error).__name__}"
