"""An MCP server, written with the SDK, whose tools have bad manners: slow, deadly, noisy, broken, without end."""

from __future__ import annotations

import base64
import json
import os
import signal
import sys
from pathlib import Path

import anyio
import mcp_types as types
from mcp import MCPError
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

OBJECT = {"type": "object", "properties": {}}
NAMES = (
    "pid",
    "slow",
    "die",
    "flood",
    "whisper",
    "image",
    "images",
    "texts",
    "structure",
    "nothing",
    "wrong",
    "refuse",
    "env",
)
ODD = ("with space/ümlaut", "x" * 80 + "1", "x" * 80 + "2")
PAGE = 6


async def listed(_context, params):
    tools = [types.Tool(name=name, description=f"{name}, badly", input_schema=OBJECT) for name in (*NAMES, *ODD)]
    integer = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    tools.append(types.Tool(name="misfit", input_schema=OBJECT, output_schema=integer))
    tools.append(types.Tool(name="huge", input_schema={**OBJECT, "description": "x" * 60_000}))
    tools.append(types.Tool(name="long", description="long " * 2_000, input_schema=OBJECT))
    start = int(params.cursor) if params and params.cursor else 0
    end = start + PAGE
    return types.ListToolsResult(tools=tools[start:end], next_cursor=str(end) if end < len(tools) else None)


async def called(_context, params):
    arguments = params.arguments or {}
    match params.name:
        case "pid":
            return text(str(os.getpid()))
        case "slow":
            try:
                await anyio.sleep(arguments.get("seconds", 60))
            finally:
                Path(arguments.get("note", os.devnull)).write_text("left")
            return text("at last")
        case "die":
            print("\x1b[31mlast words\x1b[0m\u202e, the key is " + os.environ.get("SERVICE_KEY", "-"), file=sys.stderr)
            sys.stderr.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        case "flood":
            for number in range(arguments["lines"]):
                print(f"{number} " + "flood " * 200, file=sys.stderr)
            return text("dry again")
        case "whisper":
            return text(os.environ.get("SERVICE_KEY", "-"))
        case "image":
            return types.CallToolResult(
                content=[
                    types.TextContent(text="two things"),
                    types.ImageContent(data="AAAA" * 1000, mime_type="image/png"),
                    types.AudioContent(data="AAA=", mime_type="audio/wav"),
                    types.EmbeddedResource(
                        resource=types.BlobResourceContents(uri="file:///a.bin", blob="AAAAAA==", mime_type="x/y")
                    ),
                ]
            )
        case "texts":
            resources = [
                types.TextResourceContents(
                    uri="file:///a.md", text="# Title\n\nThe key is 4711.", mime_type="text/markdown"
                ),
                types.TextResourceContents(uri="file:///empty", text=""),
                types.TextResourceContents(uri="file:///b", text=os.environ.get("SERVICE_KEY", "-")),
            ]
            return types.CallToolResult(content=[types.EmbeddedResource(resource=each) for each in resources])
        case "images":
            png = Path(arguments["file"]).read_bytes()
            encoded = base64.b64encode(png).decode()
            svg = base64.b64encode(b"<svg onload='x()'/>").decode()
            blob = types.BlobResourceContents(
                uri="file:///plot.png", blob=encoded, mime_type="application/octet-stream"
            )
            return types.CallToolResult(
                content=[
                    types.TextContent(text="Look:"),
                    types.ImageContent(
                        data="\n".join(encoded[n : n + 76] for n in range(0, len(encoded), 76)), mime_type="image/png"
                    ),
                    types.ImageContent(data=encoded, mime_type="text/html"),
                    types.EmbeddedResource(resource=blob),
                    types.ImageContent(data=svg, mime_type="image/svg+xml"),
                    types.ImageContent(data=svg, mime_type="image/png"),
                    types.ImageContent(data=encoded[: len(encoded) // 8 * 4], mime_type="image/png"),
                    types.ImageContent(data="javascript:alert(1)", mime_type="image/png"),
                    types.ImageContent(data="", mime_type="image/png"),
                ],
                is_error=bool(arguments.get("fail")),
            )
        case "structure":
            return types.CallToolResult(content=[], structured_content={"ü": [1, 2]})
        case "misfit":
            return types.CallToolResult(content=[], structured_content={"n": "one"})
        case "nothing":
            return types.CallToolResult(content=[])
        case "wrong":
            return types.CallToolResult(content=[types.TextContent(text="it went wrong")], is_error=True)
        case "refuse":
            raise MCPError(-32050, "I refuse\x1b[31m\nutterly")
        case "env":
            return text(json.dumps(sorted(os.environ)))
    return text(params.name)


def text(what):
    return types.CallToolResult(content=[types.TextContent(text=what)])


async def main():
    server = Server("manners", on_list_tools=listed, on_call_tool=called)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


if __name__ == "__main__":
    anyio.run(main)
