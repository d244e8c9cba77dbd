"""An MCP server that sends a message too large to be parsed gets an error instead, and the kernel's memory stays."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from mm_magics.json_size import MAX_BYTES
from tests.pace import PATIENCE
from tests.tools.mcp.conftest import RUDE, call

pytestmark = [pytest.mark.slow, pytest.mark.traced]


def measure(tool: str, *server: str, calls: int = 1, small: str = "") -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.tools.mcp.measured_call", tool, str(calls), small, *server]
    return dict(json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=90).stdout))


class Packed(BaseHTTPRequestHandler):
    """An MCP server that answers with JSON instead of an event stream, and compresses its answers."""

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "id" not in request:
            self.answer(202, b"")
            return
        match request["method"]:
            case "initialize":
                result: Any = {
                    "protocolVersion": request["params"]["protocolVersion"],
                    "capabilities": {"tools": {}},
                    "serverInfo": {"name": "packed", "version": "1"},
                }
            case "tools/list":
                result = {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in ("small", *BODIES)]}
            case "tools/call":
                name = request["params"]["name"]
                if name in BODIES:
                    self.answer(200, BODIES[name].replace(b"ID", json.dumps(request["id"]).encode()))
                    return
                result = {"content": [{"type": "text", "text": "called"}]}
            case _:
                self.answer(405, b"")
                return
        self.answer(200, json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}).encode())

    def do_GET(self) -> None:
        self.answer(405, b"")

    do_DELETE = do_GET

    def answer(self, status: int, body: bytes) -> None:
        packed = gzip.compress(body, 1)
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(packed)))
        self.end_headers()
        self.wfile.write(packed)

    def log_message(self, *_: object) -> None:
        pass


HEAD = b'{"jsonrpc": "2.0", "id": ID, "result": {"content": [], "structuredContent": {"a": ['
BODIES = {
    "lists": HEAD + b"[]," * 5_000_000 + b"[]]}}}",
    "members": HEAD + b'{"a":1},' * 1_500_000 + b"1]}}}",
    "spaces": HEAD + b" " * 200_000_000 + b"1]}}}",
    "deep": HEAD + b"[" * 5_000_000,
}


@pytest.fixture
def packed() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Packed)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/mcp"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("name", BODIES)
def test_a_large_answer_over_http_is_an_error_and_the_connection_is_kept(packed: str, name: str) -> None:
    found = measure(name, packed, small="small")
    limit = f"more than {MAX_BYTES // 1_000_000} MB" if name == "spaces" else "more than 500,000 values"
    assert found["errors"] == [f"The MCP server measured answered {name} with an error: its answer has {limit}."]
    assert found["seconds"] < 20 * PATIENCE
    assert found["mb"] < 150  # parsed it would be gigabytes
    assert found["small"] == ["called", "called"]


@pytest.mark.parametrize(("how", "limit"), [("big", "more than 16 MB"), ("many", "more than 500,000 values")])
def test_a_large_message_of_a_process_ends_it_and_the_next_call_starts_it_again(how: str, limit: str) -> None:
    found = measure("t0", *RUDE, how, calls=2)
    assert len(found["errors"]) == 2
    for each in found["errors"]:
        assert each.splitlines()[0] == "The MCP server measured ended."
        assert f"[sent a message with {limit}]" in each
    assert found["mb"] < 150  # parsed it would be gigabytes


def test_a_text_of_3_mb_that_looks_like_many_values_is_passed_on(servers):
    servers.add("rude", [*RUDE, "long"])
    assert call(servers, "rude__t0").text.startswith("[],[],")
