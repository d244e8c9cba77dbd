"""An MCP server whose tools are what the file in its first argument says: a JSON list of names and descriptions."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import anyio
import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server


async def listed(_context, _params):
    tools = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    return types.ListToolsResult(tools=[types.Tool(**{"input_schema": {"type": "object"}, **each}) for each in tools])


async def called(_context, params):
    return types.CallToolResult(content=[types.TextContent(text=f"ran {params.name}")])


async def main() -> None:
    server = Server("changing", on_list_tools=listed, on_call_tool=called)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


if __name__ == "__main__":
    anyio.run(main)
