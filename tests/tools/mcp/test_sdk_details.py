"""What we assume about the MCP SDK beyond its documentation: these tests fail when an update changes it."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from mcp import MCPError, StdioServerParameters, stdio_client
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from mm_magics.tools.mcp.sdk_details import invalid_line, is_http_error, tool_list, unwrap

LISTING = {"jsonrpc": "2.0", "id": 1, "result": {"tools": [{"name": "a", "inputSchema": {"type": "object"}}]}}


class Refusing(BaseHTTPRequestHandler):
    """Accepts the handshake and answers anything else with the status in the path."""

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, body = int(self.path.strip("/")), b""
        if request["method"] == "initialize":
            version = request["params"]["protocolVersion"]
            result = {
                "protocolVersion": version,
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "x", "version": "1"},
            }
            status, body = 200, json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}).encode()
        elif "id" not in request:
            status = 202
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Mcp-Session-Id", "session-1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.send_error(405)

    do_DELETE = do_GET

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("status", [400, 404, 500])
def test_an_http_error_in_place_of_an_answer_is_recognized(url: str, status: int) -> None:
    async def call() -> None:
        async with Client(streamable_http_client(f"{url}/{status}")) as client:
            await client.call_tool("a", {})

    with pytest.raises((MCPError, ExceptionGroup)) as caught:
        asyncio.run(call())
    assert is_http_error(unwrap(caught.value))


def test_an_error_that_the_server_sends_is_not_an_http_error() -> None:
    assert not is_http_error(MCPError(-32050, "I refuse."))
    assert not is_http_error(ValueError("Session terminated"))


def test_lines_of_stdout_and_lists_of_tools_are_read_from_the_stream() -> None:
    code = f"print('Starting server'); print({json.dumps(json.dumps(LISTING))})"

    async def read() -> list[Any]:
        parameters = StdioServerParameters(command=sys.executable, args=["-S", "-c", code])
        async with stdio_client(parameters) as (stream, _):
            return [await anext(stream), await anext(stream)]

    garbage, message = asyncio.run(read())
    assert isinstance(garbage, Exception)
    assert invalid_line(garbage) == "'Starting server'"
    assert tool_list(message) == LISTING["result"]


def test_the_first_error_of_a_group_is_the_reason() -> None:
    inner = ValueError("a")
    assert unwrap(ExceptionGroup("all", [ExceptionGroup("some", [inner]), KeyError("b")])) is inner
    assert unwrap(inner) is inner
