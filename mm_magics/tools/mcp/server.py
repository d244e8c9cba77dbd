"""One MCP server: start it when it is needed, list its tools, call them, and describe its failures.

All coroutines here run in the portal's event loop. A call is sent again only if the server refused to read it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio
import httpx2
from mcp import Client, MCPError

from mm_magics.errors import MCPServerError
from mm_magics.tools.mcp import redact
from mm_magics.tools.mcp.connection import CONNECT_S, MAX_LINE, Connection, ServerSpec
from mm_magics.tools.mcp.result import output_of_result
from mm_magics.tools.mcp.sdk_details import is_http_error, unwrap
from mm_magics.tools.tool import ToolOutput

if TYPE_CHECKING:
    import mcp_types

LIST_S = 30.0
"""Seconds for listing its tools, all pages."""

MAX_PAGES = 100
"""Pages of tools that are read."""

UNKNOWN_SESSION = (400, 404)
"""Statuses with which a restarted server refuses a session it does not know, before it does anything."""


class ToolListing(NamedTuple):
    """The tools that a server offers, and a line for each tool that cannot be used."""

    tools: tuple[mcp_types.Tool, ...]
    left_out: tuple[str, ...]


class MCPServer:
    """A server that is started when it is first needed, and again when it is needed after it ended."""

    def __init__(self, spec: ServerSpec) -> None:
        self.spec = spec
        self.error: MCPServerError | None = None
        self._connection: Connection | None = None
        self._listing: ToolListing | None = None
        self._opening = asyncio.Lock()

    @property
    def is_listed(self) -> bool:
        return self._listing is not None

    @property
    def state(self) -> str:
        """`not started`, `running`, `ended`, or `failed`."""
        if self.error is not None:
            return "failed"
        if self._connection is None:
            return "not started"
        return "ended" if self._connection.lost else "running"

    async def list_tools(self) -> ToolListing:
        """Return the tools that it offers; the list is requested once.

        Raises:
            MCPServerError: If it cannot be started or does not answer.
        """
        if self._listing is None:
            connection = await self._connected()
            connection.left_out.clear()
            try:
                with anyio.fail_after(LIST_S):
                    tools = await _all_tools(connection.client)
            except Exception as error:
                raise await self._failed(connection, error, f"did not list its tools within {LIST_S:g} s") from None
            self._listing = ToolListing(tuple(tools), tuple(connection.left_out))
        return self._listing

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> ToolOutput:
        """Call a tool and return its output. A failure of the server becomes an error that the model reads."""
        try:
            result = await self._send_call(tool, dict(arguments))
        except MCPServerError as error:
            return ToolOutput(str(error), is_error=True)
        output = output_of_result(result)
        return output._replace(text=redact.redact(output.text, self.spec.secret))

    async def _send_call(self, tool: str, arguments: dict[str, Any]) -> mcp_types.CallToolResult:
        for last in (False, True):
            connection = await self._connected()
            try:
                return await connection.client.call_tool(tool, arguments)
            except Exception as error:
                if is_http_error(error):
                    connection.lost = True
                    if connection.status in UNKNOWN_SESSION and not last:
                        continue
                if isinstance(error, MCPError) and not connection.lost:
                    http = f" (HTTP {connection.status})" if connection.status else ""
                    raise MCPServerError(
                        self._sentence(f"answered {tool} with an error{http}: {error.message}")
                    ) from None
                raise await self._failed(connection, error, "did not answer") from None
        raise AssertionError  # the second round returns or raises

    async def close(self) -> None:
        """End the server and forget its tools."""
        connection, self._connection, self._listing, self.error = self._connection, None, None, None
        if connection is not None:
            await connection.close()

    async def _connected(self) -> Connection:
        async with self._opening:
            if self._connection is not None and not self._connection.lost:
                self.error = None
                return self._connection
            if self._connection is not None:
                await self._connection.close()
            self._connection = connection = Connection(self.spec, self._forget)
            try:
                await connection.wait_opened()
            except Exception as error:
                raise await self._failed(connection, error, f"did not answer within {CONNECT_S:g} s") from None
            self.error = None
            return connection

    def _forget(self) -> None:
        self._listing = None

    async def _failed(self, connection: Connection, error: Exception, too_late: str) -> MCPServerError:
        """Return the error for a server that did not answer; `too_late` describes one that is only slow."""
        tail: list[str] = []
        if connection.stderr is not None:
            if connection.lost:
                with anyio.move_on_after(0.5):  # the last lines of a dead process may still be in the pipe
                    while not connection.stderr.ended.is_set():
                        await anyio.sleep(0.01)
            tail = [
                redact.printable_line(redact.redact(each, self.spec.secret), MAX_LINE)
                for each in connection.stderr.lines
            ]
        reason = _reason(connection, error) or too_late
        if connection.invalid_line:
            reason += f"; it wrote a line to stdout that is not an MCP message: {connection.invalid_line}"
        self.error = MCPServerError(self._sentence(reason), tail=tail)
        return self.error

    def _sentence(self, what: str) -> str:
        text = redact.redact(f"The MCP server {self.spec.name} {what}", self.spec.secret)
        sentence = redact.printable_line(text, 2 * MAX_LINE)
        return sentence if sentence.endswith((".", "…")) else f"{sentence}."


async def _all_tools(client: Client) -> list[mcp_types.Tool]:
    found: list[mcp_types.Tool] = []
    cursor = None
    for _ in range(MAX_PAGES):
        page = await client.list_tools(cursor=cursor, cache_mode="refresh" if cursor is None else "use")
        found += page.tools
        cursor = page.next_cursor
        if cursor is None:
            break
    return found


def _reason(connection: Connection, error: Exception) -> str:
    """What went wrong, as the end of a sentence; "" if it only took too long."""
    error = unwrap(error)
    if isinstance(error, MCPError) and connection.error is not None:
        error = connection.error
    if isinstance(error, TimeoutError):
        return ""
    if connection.status and isinstance(error, MCPError | httpx2.HTTPError):
        return f"answered with HTTP {connection.status}"
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return "has a certificate that cannot be verified (CERTIFICATE_VERIFY_FAILED)"
    if isinstance(error, httpx2.ConnectError):
        return "cannot be reached: no connection"
    if isinstance(error, MCPError) and connection.lost:
        return "ended" if connection.spec.command else "closed the connection"
    return f"failed: {str(error) or type(error).__name__}"
